"""The RTSP server of one address: its mounts, who may watch them, and the clients it has."""
import os
import threading

from edge_app.config.tls import UnusableCertificate, server_context
from edge_app.gst import Gio, GLib, GstRtsp, GstRtspServer
from edge_app.output.base import OutputUnavailable
from edge_app.output.rtsp_mount import QUEUE_LIMIT_BYTES, Mount
from edge_app.output.rtsp_proxy import RtspProxy

CLIENT_THREADS = 32
MOST_SESSIONS = 64
"""At once. Each costs 7 descriptors, 3 threads and 0.7 MB, whether it is played or not."""
MOST_SESSIONS_OF_ONE = 4
"""Sessions of one connection."""


class RtspServer(object):
    """A server on one address. Mount first, then `open`; `fileno()` is readable when a viewer came.

    gst-rtsp-server serves the clients; everything between it and the network is RtspProxy's.
    """

    def __init__(self, host, port, certificate=None, key=None):
        """`certificate`, `key`: paths of PEM files, for rtsps://; the key may be in the certificate's file."""
        self.host = host
        self.port = port
        self.first_output = None
        """The config Output it was made for, whose mosaic and cameras it serves."""
        self._mounts = {}
        self._clients = {}
        self._sessions = {}
        """Session id: the client whose it is."""
        self._newest = None
        self._thread = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._server = GstRtspServer.RTSPServer()
        # A client of a stream that has nothing to send yet blocks its thread for 20 s: by default that of all clients.
        self._server.get_thread_pool().set_max_threads(CLIENT_THREADS)
        self._server.connect('client-connected', self._connected)
        self._pool = self._server.get_session_pool()
        # A few more: those of a client that had to make room end on another thread.
        self._pool.set_max_sessions(MOST_SESSIONS + 4 * MOST_SESSIONS_OF_ONE)
        self._pool.connect('session-removed', self._session_removed)
        self._needs_password = None
        self._secure = certificate is not None
        self._proxy = RtspProxy(self, self._tls(certificate, key) if self._secure else None)

    @staticmethod
    def _tls(certificate, key):
        try:
            return server_context(certificate, key)
        except UnusableCertificate as unusable:
            raise OutputUnavailable(str(unusable))

    def mount(self, paths, codec=None, user='', password='', on_join=lambda: None, limit_bytes=QUEUE_LIMIT_BYTES):
        """A new Mount under `paths`, protected if there is a `user`. Paths in use are left out.

        Without `codec` it answers 404 until `set_codec` and `publish`.
        """
        if self._needs_password not in (None, bool(user)):
            raise OutputUnavailable('outputs on %s: either all of them have a user and a password or none has; '
                                    'use another port otherwise' % self.address)
        self._needs_password = bool(user)
        mount = Mount(codec, on_join, limit_bytes)
        mount.on_change = self._wake
        if self._secure:        # over UDP the pictures would not be encrypted
            mount.factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        mount.logins = {(user, password)} if user else set()
        mount.paths = [path for path in paths if path not in self._mounts]
        for path in mount.paths:
            self._mounts[path] = mount
        if codec:
            self.publish(mount)
        return mount

    def publish(self, mount):
        """Answer for the mount's paths from now on."""
        points = self._server.get_mount_points()
        for path in mount.paths:
            points.add_factory(path, mount.factory)

    def unmount(self, mount):
        """Remove the mount's paths and end the streams of its viewers."""
        points = self._server.get_mount_points()
        for path in mount.paths:
            points.remove_factory(path)
            self._mounts.pop(path, None)
        mount.disconnect()

    @property
    def address(self):
        """host:port, the port being the real one once open."""
        return '%s:%d' % (self.host, self.port)

    @property
    def viewers(self):
        """Clients that play anything."""
        return sum(mount.viewers for mount in set(self._mounts.values()))

    def open(self):
        """Listen; OutputUnavailable names the port and the fix when another program does."""
        try:
            self.port = self._proxy.listen(self.host, self.port)
        except OSError as error:
            raise OutputUnavailable('cannot serve RTSP on %s: the port is in use or not this machine\'s address (%s); '
                                    'see who has it with `ss -ltnp "sport = :%d"`, or choose another in outputs[].uri'
                                    % (self.address, error.strerror, self.port))
        # Sessions of clients that vanished (UDP, a pulled cable) end after their time-out.
        self.every(2000, lambda: self._pool.cleanup())
        self._thread = threading.Thread(target=self._run, name='rtsp', daemon=True)
        self._thread.start()

    def every(self, period_ms, call):
        """Call `call()` on the server's thread until it returns False; returns the GLib.Source."""
        source = GLib.timeout_source_new(period_ms)
        source.set_callback(lambda *_: call() is not False)
        source.attach(self._context)
        return source

    def _run(self):
        self._context.push_thread_default()
        self._loop.run()

    # -- for the proxy, on its thread -------------------------------------------------------------------------------

    def logins_for(self, path):
        """The (user, password) pairs of which a client needs one; those of all mounts where there is none."""
        mount = self._mount_at(path)
        return mount.logins if mount else set().union(*[other.logins for other in list(self._mounts.values())])

    def connect(self, end, address, port):
        """Let gst-rtsp-server serve a connected socket, for a client at this address; returns the client's key."""
        end = Gio.Socket.new_from_fd(end.detach())
        if not self._server.transfer_connection(end, address, port, None):      # it calls `_connected`
            raise OSError('gst-rtsp-server does not take the connection')
        return self._newest

    def plays(self, client):
        """Whether a client plays anything."""
        return bool(self._clients.get(client))

    def owns(self, client, session):
        """Whether a session is this client's."""
        return self._sessions.get(session) == client

    def make_room(self):
        """Before another session: where there are too many, close a client that has some and plays none."""
        if len(self._sessions) >= MOST_SESSIONS:
            idle = [client for client in list(self._sessions.values()) if not self.plays(client)]
            if idle:
                self._proxy.close_client(idle[0])

    # -- gst-rtsp-server's signals, on threads of its own -----------------------------------------------------------

    def _connected(self, server, client):
        self._newest = hash(client)
        self._clients[hash(client)] = set()
        client.connect('new-session', self._new_session)
        client.connect('pre-setup-request', self._may_set_up)
        client.connect('play-request', self._play)
        client.connect('pause-request', self._stop)
        client.connect('teardown-request', self._stop)
        client.connect('closed', self._closed)

    def _may_set_up(self, client, context):
        own = list(self._sessions.values()).count(hash(client))
        refused = context.session is None and own >= MOST_SESSIONS_OF_ONE
        return GstRtsp.RTSPStatusCode.SERVICE_UNAVAILABLE if refused else GstRtsp.RTSPStatusCode.OK

    def _new_session(self, client, session):
        self._sessions[session.get_sessionid()] = hash(client)

    def _session_removed(self, _, session):
        self._sessions.pop(session.get_sessionid(), None)

    def _mount_at(self, path):
        while path and path not in self._mounts:
            path = path.rpartition('/')[0]
        return self._mounts.get(path)

    def _mount_of(self, context):
        return self._mount_at(context.uri.abspath if context.uri else '')

    def _play(self, client, context):
        mount = self._mount_of(context)
        if mount:
            self._clients.setdefault(hash(client), set()).add(mount)
            mount.client_plays(hash(client))

    def _stop(self, client, context):
        mount = self._mount_of(context)
        if mount:
            self._clients.get(hash(client), set()).discard(mount)
            mount.client_stopped(hash(client))

    def _closed(self, client):
        """Its media have ended; its sessions would stay until they time out. (Sooner they must not be removed:
        gst-rtsp-server aborts when a session goes that is being sent to.)"""
        for session_id in [key for key, owner in list(self._sessions.items()) if owner == hash(client)]:
            session = self._pool.find(session_id)
            if session is not None:
                self._pool.remove(session)
        for mount in self._clients.pop(hash(client), ()):
            mount.client_stopped(hash(client))

    def fileno(self):
        """Readable when a viewer came since the last `take_wakeups`."""
        return self._wake_read

    def take_wakeups(self):
        """Clear `fileno()`; True when a viewer came."""
        try:
            return bool(os.read(self._wake_read, 4096))
        except BlockingIOError:
            return False

    def _wake(self):
        try:
            os.write(self._wake_write, b'.')
        except BlockingIOError:
            pass    # full: one is pending already

    def close(self):
        """Disconnect all clients and stop listening."""
        if self._thread is None:
            return
        self._proxy.close()
        self._server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        self._loop.quit()
        self._thread.join(1.0)
        self._thread = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *exc):
        self.close()
