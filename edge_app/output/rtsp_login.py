"""Login to the RTSP server: Digest (RFC 2069, which every client speaks), and how often passwords may be tried."""
import hashlib
import hmac
import ipaddress
import logging
import os
import re

log = logging.getLogger(__name__)

REALM = 'edge-app'
PAUSE_S = 0.25
"""After a wrong password no other from the same address is checked for so long."""
MOST_WAITING = 16
"""Connections of one address that may wait for their check; others are closed, those that were wrong before first."""
LOG_EVERY_S = 60.0


def new_nonce():
    """A nonce; each connection has its own, so that what was heard on one is of no use on another."""
    return os.urandom(16).hex()


def challenge(nonce):
    """The WWW-Authenticate header. Only Digest is offered: the password itself is never sent."""
    return 'Digest realm="%s", nonce="%s"' % (REALM, nonce)


def matches(request, nonce, user, password):
    """Whether a Request's Authorization header was made with this user and password."""
    scheme, _, rest = request.headers.get('authorization', '').partition(' ')
    given = dict((name.lower(), quoted or bare)
                 for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))', rest))
    if scheme.lower() != 'digest' or given.get('nonce') != nonce or given.get('realm') != REALM:
        return False
    first = _md5('%s:%s:%s' % (user, REALM, password), 'utf-8')
    second = _md5('%s:%s' % (request.method, given.get('uri', '')), 'latin-1')
    right = _md5('%s:%s:%s' % (first, nonce, second), 'ascii')
    return (given.get('username', '').encode('latin-1') == user.encode('utf-8')
            and hmac.compare_digest(given.get('response', '').encode('latin-1'), right.encode('ascii')))


def _md5(text, encoding):
    return hashlib.md5(text.encode(encoding)).hexdigest()


def network_of(address):
    """What counts as one address: an IPv4 address, or the /64 that a single IPv6 host has to itself."""
    parsed = ipaddress.ip_address(address.partition('%')[0])
    return address if parsed.version == 4 else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


class PasswordChecks(object):
    """Whose password is checked when. Connections have `network` and `wrong`, their wrong passwords so far."""

    def __init__(self, server):
        """`server`: its address, for the log."""
        self._server = server
        self._waiting = {}
        self._free_at = {}
        self._wrong, self._logged_at = 0, None

    def add(self, connection):
        """Let a connection wait for its turn; returns one that must give way, or None."""
        queue = self._waiting.setdefault(connection.network, [])
        queue.append(connection)
        if len(queue) <= MOST_WAITING:
            return None
        return queue.pop(queue.index(max(queue, key=lambda one: one.wrong)))

    def remove(self, connection):
        """A connection was closed."""
        queue = self._waiting.get(connection.network, [])
        if connection in queue:
            queue.remove(connection)

    def due(self, now_s):
        """The next connection to check, None while all must wait. Those that were not wrong before go first."""
        for network, queue in list(self._waiting.items()):
            if now_s < self._free_at.get(network, 0.0):
                continue
            if queue:
                return queue.pop(queue.index(min(queue, key=lambda one: one.wrong)))
            del self._waiting[network]
            self._free_at.pop(network, None)
        return None

    @property
    def next_at_s(self):
        """When something is due next, None when nobody waits."""
        return min((self._free_at.get(network, 0.0) for network in self._waiting), default=None)

    def was_wrong(self, connection, now_s):
        """Count a wrong password; a line of the log a minute says how many there were."""
        connection.wrong += 1
        self._waiting.setdefault(connection.network, [])
        self._free_at[connection.network] = now_s + PAUSE_S
        self._wrong += 1
        if self._logged_at is None or now_s - self._logged_at >= LOG_EVERY_S:
            log.warning('RTSP %s: wrong passwords since the last such line: %d; the last came from %s', self._server,
                        self._wrong, connection.address)
            self._wrong, self._logged_at = 0, now_s
