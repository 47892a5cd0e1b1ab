"""What stands between the network and gst-rtsp-server: it accepts, does TLS, asks for the password, and passes on.

gst-rtsp-server alone takes bodies of 4 GB before it asks for a password, blocks a thread per TLS handshake, and lets a
stranger use another's session. So it gets only requests that were read whole, within limits, and whose sender may send
them. One thread serves all connections: viewers first, then, for a few milliseconds, everybody else.
"""
import collections
import contextlib
import logging
import os
import selectors
import socket
import ssl
import threading
import time

from edge_app.output.rtsp_login import PasswordChecks, challenge, matches, network_of, new_nonce
from edge_app.output.rtsp_request import BadRequest, Request, RequestReader, answer

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 128
"""At once; for another one `_evict` closes one that does not play."""
HANDSHAKE_S = 5.0
"""For TLS, from accept."""
LOGIN_S = 10.0
"""For the first request that is passed on, from accept; waiting for a password's check does not count."""
SILENT_S = 90.0
"""Without a byte in either direction, for who does not play, or does not read what it plays. (Who plays over UDP may be
silent here: gst-rtsp-server ends a session 60 s after its last request or receiver report.)"""
STRANGERS_S = 0.01
"""Time for accepting, handshakes and logins in one round, before viewers are served again."""
CHUNK = 64 * 1024
INNER_BYTES = 128 * 1024
"""The kernel's buffers between gst-rtsp-server and the proxy: what is not read stays in the viewer's bounded queue."""
METHODS = 'OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER'
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Connection(object):
    """One client: `outer` is its socket, `inner` our end of the one gst-rtsp-server has, once there is one."""

    def __init__(self, outer, address, now_s, secure):
        self.outer, self.inner, self.client = outer, None, None
        self.address, self.port = address
        self.network = network_of(self.address)
        self.since_s = self.heard_s = now_s
        self.handshaking = secure
        self.spoken = False
        """Whether it ever sent anything."""
        self.reader = RequestReader()
        self.nonce = new_nonce()
        self.logins = set()
        """(user, password) pairs it has logged in with."""
        self.pending = None
        """The Request whose password waits for its check."""
        self.wrong = 0
        self.to_outer, self.to_inner = bytearray(), bytearray()
        self.last_words = False
        """Close it once `to_outer` is sent."""
        self.closed = False

    @property
    def busy(self):
        """Whether nothing more is read from it now: what comes of it could not be passed on."""
        return bool(self.pending or self.to_inner or self.last_words or self.closed or len(self.to_outer) > CHUNK)


class RtspProxy(object):
    """Listens on an address for a `backend`, see RtspServer:

    `logins_for(path)`: the (user, password) pairs of which one is needed, empty when none is;
    `connect(socket, address, port)`: hand a connected socket to the server; returns the client's key;
    `plays(client)`, `owns(client, session)`: bool; `make_room()`: called before a SETUP.
    """

    def __init__(self, backend, tls=None):
        """`tls`: an ssl.SSLContext for rtsps://."""
        self._backend, self._tls = backend, tls
        self._selector = selectors.DefaultSelector()
        self._connections = set()
        self._listener = self._thread = self._checks = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, READ, None)

    def listen(self, host, port):
        """Listen; returns the port. OSError when that is not possible."""
        family, kind, _, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)[0]
        self._listener = socket.socket(family, kind)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._listener.bind(address)
        self._listener.listen(64)
        self._listener.setblocking(False)
        port = self._listener.getsockname()[1]
        self._checks = PasswordChecks('%s:%d' % (host, port))
        self._selector.register(self._listener, READ, None)
        self._thread = threading.Thread(target=self._run, name='rtsp-proxy', daemon=True)
        self._thread.start()
        return port

    def close(self):
        """Close all connections and stop listening."""
        os.write(self._wake_write, b'.')
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _run(self):
        swept_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s - swept_s > 0.5:
                swept_s = now_s
                for connection in [one for one in self._connections if self._is_overdue(one, now_s)]:
                    self._close(connection)
            found = self._selector.select(self._wait_s(now_s))
            now_s = time.monotonic()
            if any(key.fd == self._wake_read for key, _ in found):
                break
            served = [(key, mask) for key, mask in found if key.data is not None and key.data.inner is not None]
            for key, mask in served:
                self._guarded(self._serve, key.data, key.fileobj, mask, now_s)
            strangers_until_s = time.monotonic() + STRANGERS_S
            for key, mask in found:
                if time.monotonic() > strangers_until_s:
                    break       # the rest is found again in the next round
                if key.data is None:
                    self._accept(now_s)
                elif key.data.inner is None:
                    self._guarded(self._serve, key.data, key.fileobj, mask, now_s)
            due = self._checks.due(now_s)
            if due is not None:
                self._guarded(self._check, due, now_s)
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        self._listener.close()

    def _wait_s(self, now_s):
        at_s = self._checks.next_at_s
        longest = 1.0 if self._connections else None
        return longest if at_s is None else max(0.0, min(longest or 1.0, at_s - now_s))

    def _guarded(self, call, connection, *arguments):
        """A connection's trouble ends that connection."""
        if connection.closed:
            return
        try:
            call(connection, *arguments)
        except BadRequest as bad:
            connection.last_words = True
            self._say(connection, answer(bad.status))
        except (OSError, ValueError):
            self._close(connection)
        if not connection.closed:
            self._watch(connection)

    def _watch(self, connection):
        """Ask the selector for what can be gone on with: nothing is read that could not be passed on."""
        writes = bool(connection.to_outer)
        self._want(connection, connection.outer, READ * (not connection.busy) | WRITE * writes)
        if connection.inner is not None:
            self._want(connection, connection.inner, READ * (not writes) | WRITE * bool(connection.to_inner))

    def _want(self, connection, end, mask):
        known = self._selector.get_map().get(end)
        if known is None and mask:
            self._selector.register(end, mask, connection)
        elif known is not None and not mask:
            self._selector.unregister(end)
        elif known is not None and known.events != mask:
            self._selector.modify(end, mask, connection)

    # -- coming and going -------------------------------------------------------------------------------------------

    def _accept(self, now_s):
        try:
            outer, address = self._listener.accept()
        except OSError:     # it has gone again, or there is no descriptor left
            self._evict()
            time.sleep(STRANGERS_S)
            return
        if len(self._connections) >= MOST_CONNECTIONS and not self._evict():
            outer.close()
            return
        outer.setblocking(False)
        connection = Connection(outer, (address[0].replace('::ffff:', ''), address[1]), now_s, self._tls is not None)
        self._connections.add(connection)
        self._guarded(self._begin, connection)

    def _begin(self, connection):
        connection.outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connection.outer = self._tls.wrap_socket(connection.outer, server_side=True, do_handshake_on_connect=False)

    def _evict(self):
        """Close one that does not play: strangers before those who have logged in, then of the network with the most
        connections, then the silent ones, then the oldest; whether there was one."""
        idle = [one for one in self._connections if one.client is None or not self._backend.plays(one.client)]
        if not idle:
            return False
        crowd = collections.Counter(one.network for one in idle)
        self._close(min(idle, key=lambda one: (bool(one.logins), -crowd[one.network], one.spoken, one.since_s)))
        return True

    def _close(self, connection):
        if connection.closed:
            return
        connection.closed = True
        self._connections.discard(connection)
        self._checks.remove(connection)
        for end in (connection.outer, connection.inner):
            if end is not None:
                self._want(connection, end, 0)
                end.close()

    def _is_overdue(self, connection, now_s):
        if connection.inner is None:
            limit_s = HANDSHAKE_S if connection.handshaking else LOGIN_S
            return connection.pending is None and now_s - connection.since_s > limit_s
        stays = self._backend.plays(connection.client) and not connection.to_outer
        return not stays and now_s - connection.heard_s > SILENT_S

    # -- bytes ------------------------------------------------------------------------------------------------------

    def _serve(self, connection, end, mask, now_s):
        if connection.handshaking:
            self._shake_hands(connection)
        elif end is connection.outer:
            if mask & WRITE:
                self._flush(connection)
            self._go_on(connection, now_s)
        elif mask & WRITE:
            self._forward(connection, b'')
            self._go_on(connection, now_s)
        else:
            self._relay(connection, now_s)

    def _shake_hands(self, connection):
        with contextlib.suppress(ssl.SSLWantReadError):
            connection.outer.do_handshake()
            connection.handshaking = False
            self._go_on(connection, time.monotonic())

    def _relay(self, connection, now_s):
        """From gst-rtsp-server to the client."""
        data = connection.inner.recv(CHUNK)
        if not data:
            self._close(connection)
            return
        connection.heard_s = now_s
        self._say(connection, data)

    def _say(self, connection, data):
        connection.to_outer += data
        self._flush(connection)

    def _flush(self, connection):
        try:
            while connection.to_outer:
                del connection.to_outer[:connection.outer.send(connection.to_outer)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            connection.last_words = True
        if connection.last_words:
            self._close(connection)

    def _go_on(self, connection, now_s):
        """Deal with what was read, then read more. TLS may hold more than the selector knows of."""
        self._take_requests(connection)
        more = True
        while more and not connection.busy:
            try:
                data = connection.outer.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            if not data:
                self._close(connection)
                return
            connection.spoken, connection.heard_s = True, now_s
            connection.reader.feed(data)
            self._take_requests(connection)
            more = self._tls is not None and not connection.closed and connection.outer.pending()

    def _forward(self, connection, data):
        connection.to_inner += data
        with contextlib.suppress(BlockingIOError):
            while connection.to_inner:
                del connection.to_inner[:connection.inner.send(connection.to_inner)]

    # -- requests ---------------------------------------------------------------------------------------------------

    def _take_requests(self, connection):
        while not connection.busy:
            item = connection.reader.next()
            if item is None:
                return
            if isinstance(item, Request):
                self._request(connection, item)
            elif connection.inner is None:
                raise BadRequest(400)
            else:
                self._forward(connection, item)

    def _request(self, connection, request):
        needed = self._backend.logins_for(request.path)
        if not needed or needed & connection.logins:
            self._pass_on(connection, request)
        elif request.method == 'OPTIONS':
            self._say(connection, answer(200, request, Public=METHODS))
        elif 'authorization' in request.headers:
            connection.pending = request
            crowded_out = self._checks.add(connection)
            if crowded_out is not None:
                self._close(crowded_out)
        else:
            self._challenge(connection, request)

    def _challenge(self, connection, request):
        """The same for every path, so that nobody finds out which there are."""
        self._say(connection, answer(401, request, WWW_Authenticate=challenge(connection.nonce)))

    def _check(self, connection, now_s):
        request, connection.pending = connection.pending, None
        right = {login for login in self._backend.logins_for(request.path)
                 if matches(request, connection.nonce, *login)}
        if right:
            connection.logins |= right
            self._pass_on(connection, request)
        else:
            self._checks.was_wrong(connection, now_s)
            self._challenge(connection, request)
        self._go_on(connection, now_s)

    def _pass_on(self, connection, request):
        if connection.inner is None:
            self._connect(connection)
        if request.session and not self._backend.owns(connection.client, request.session):
            self._say(connection, answer(454, request))
            return
        if request.method == 'SETUP' and not request.session:
            self._backend.make_room()
        self._forward(connection, request.encoded())

    def _connect(self, connection):
        theirs, connection.inner = _connected_pair(':' in connection.address)
        connection.client = self._backend.connect(theirs, connection.address, connection.port)

    def close_client(self, client):
        """Close the connection of a client; called on the proxy's thread."""
        for connection in [one for one in self._connections if one.client == client]:
            self._close(connection)


def _connected_pair(ipv6):
    """Two connected TCP sockets on loopback, of the client's family: gst-rtsp-server chooses UDP sockets by that."""
    family, host = (socket.AF_INET6, '::1') if ipv6 else (socket.AF_INET, '127.0.0.1')
    with socket.socket(family) as listener, contextlib.ExitStack() as failing:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, INNER_BYTES)
        listener.bind((host, 0))
        listener.listen(1)
        listener.settimeout(1.0)
        ours = failing.enter_context(socket.socket(family))
        ours.settimeout(1.0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, INNER_BYTES)
        ours.connect(listener.getsockname())
        theirs, peer = listener.accept()
        while peer != ours.getsockname():       # somebody else on this machine was faster
            theirs.close()
            theirs, peer = listener.accept()
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failing.pop_all()
        return theirs, ours
