"""The listening socket: it counts connections from the moment they are accepted and cuts those that cost too much.

asyncio and aiohttp know of a connection only after its TLS handshake, so that silent ones would use up memory and
descriptors unseen.
"""
import collections
import contextlib
import gc
import ipaddress
import socket

from edge_app.clock import now_ns

MAX_CONNECTIONS = 64
"""Connections that have sent a request; of more, the oldest is closed."""
MAX_SILENT = 32
"""Connections that have sent none yet."""
SILENT_S = 5.0
"""Time from its acceptance in which a connection must have sent a whole request, handshake included."""


class Listener(socket.socket):
    """A listening socket; `cut` is to be called about once a second."""

    def __init__(self, family, kind, protocol):
        super(Listener, self).__init__(family, kind, protocol)
        self._accepted, self._garbage = [], 0

    def accept(self):
        """As socket.accept; before the newest is one too many another is cut."""
        connection, address = super(Listener, self).accept()
        self._accepted.append(_Accepted(connection, source(address[0])))
        self.cut()
        return connection, address

    def heard(self, transport):
        """Count the connection of this asyncio transport among those that have sent a request."""
        own = transport.get_extra_info('socket') if transport is not None else None
        for accepted in self._accepted:
            if own is not None and accepted.socket.fileno() == own.fileno() >= 0:
                accepted.heard = True

    def cut(self):
        """Close connections that are silent for too long, and the oldest ones beyond the limits."""
        self._accepted = [accepted for accepted in self._accepted if accepted.socket.fileno() >= 0]
        silent = [accepted for accepted in self._accepted if not accepted.heard]
        too_old_ns = now_ns() - int(SILENT_S * 1e9)
        closed = [accepted for accepted in silent if accepted.since_ns < too_old_ns]
        silent = silent[len(closed):]
        for group, most in ((silent, MAX_SILENT), ([one for one in self._accepted if one.heard], MAX_CONNECTIONS)):
            closed += _too_many(group, most)
        for accepted in closed:
            accepted.close()
            self._accepted.remove(accepted)
        self._garbage += len(closed)
        if self._garbage >= MAX_SILENT // 2:     # asyncio leaves 250 kB in cycles for each failed handshake
            self._garbage = 0
            gc.collect()


class _Accepted:
    """One connection."""

    def __init__(self, connection, address):
        self.socket, self.address = connection, address
        self.since_ns, self.heard = now_ns(), False

    def close(self):
        """End the connection; whoever serves it reads its end and closes the socket."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


def _too_many(group, most):
    """Those to close of `group`, oldest first: of the address that has the most, so that one cannot shut out others."""
    kept, closed = list(group), []
    while len(kept) > most:
        crowd = collections.Counter(accepted.address for accepted in kept).most_common(1)[0][0]
        victim = next(accepted for accepted in kept if accepted.address == crowd)
        kept.remove(victim)
        closed.append(victim)
    return closed


def source(address):
    """Whom an address belongs to: with IPv6 one client has a whole /64."""
    try:
        parsed = ipaddress.ip_address((address or '').partition('%')[0])
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(getattr(parsed, 'ipv4_mapped', None) or parsed)
