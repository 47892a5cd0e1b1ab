"""An RTSP server: mounts, the media of those who watch, and bounded feeds to them.

Every viewer has a media of his own, which only packs what was encoded once for all: he begins at a key frame, and when
he pauses or does not read he fills his own feed up to a limit and goes on at a key frame. (One media shared by all of
a mount saves a little packing, but a viewer who comes while the last one leaves is turned away with 503.)
"""
import logging
import os
import threading

from edge_app.gst import Gio, GLib, Gst, GstRtsp, GstRtspServer
from edge_app.output.base import OutputUnavailable

log = logging.getLogger(__name__)

FEED_LIMIT_BYTES = 1 << 20
"""Encoded bytes that may wait for one viewer: 2 to 3 s of a 3 Mbit/s stream."""

CLIENT_THREADS = 32
MOST_CLIENTS = 128
"""Connections at once; the next is closed at once, so that nobody can use up this process's descriptors."""

ROLE = 'viewer'

PAYLOAD = {
    'h264': ' ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )',
    'h265': ' ! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96 )',
}
"""Codec: what follows the appsrc. Nothing from a configuration enters a launch line.

Parameter sets come before each key frame from the parser: the payloader puts them before each slice of it, and a camera that
sends several slices a picture would come apart.
"""

_APPSRC = '( appsrc name=feed is-live=true do-timestamp=true format=time block=false'


class ViewerQueue(object):
    """One prepared media: an appsrc into it, open from the next key frame on."""

    def __init__(self, media, limit_bytes):
        self.feed = media.get_element().get_by_name('feed')
        self._limit_bytes = limit_bytes
        self._waits_for_key = True
        self._started = False

    @property
    def started(self):
        """Whether the media runs. What it gets before can leave it blocked for good (seen with 1.22, one in twenty)."""
        if not self._started:
            self._started = self.feed.get_state(0)[1] == Gst.State.PLAYING
        return self._started

    @property
    def full(self):
        """Whether so much waits that nothing more is taken: its viewers pause or do not read."""
        return self.feed.get_property('current-level-bytes') >= self._limit_bytes

    @property
    def wants_key(self):
        """Whether only a key frame helps, and would be taken."""
        return self._waits_for_key and self.started and not self.full

    def push(self, buffer, key):
        """Hand on an access unit; False when it was left out: not begun at a key frame, or the viewers are behind."""
        if not self.started or self.full:
            self._waits_for_key = True
            return False
        if self._waits_for_key and not key:
            return False
        # The copy shares the memory and has no times of its own: do-timestamp gives it those of this media's clock.
        untimed = buffer.copy_region(Gst.BufferCopyFlags.MEMORY | Gst.BufferCopyFlags.FLAGS, 0, buffer.get_size())
        self._waits_for_key = self.feed.emit('push-buffer', untimed) != Gst.FlowReturn.OK
        return not self._waits_for_key


class Mount(object):
    """One stream under one or several paths."""

    def __init__(self, codec, caps, on_join, limit_bytes=FEED_LIMIT_BYTES):
        self.codec = codec
        self._caps = caps
        self._limit_bytes = limit_bytes
        self._on_join = on_join
        self._lock = threading.Lock()
        self._viewings = {}
        self._players = set()
        self.on_change = lambda: None
        """Called, on any thread, when watching begins or a viewer joins."""
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_shared(False)
        self.factory.set_latency(0)
        self.factory.connect('media-configure', self._configured)
        if codec:
            self.set_codec(codec, caps)

    def set_codec(self, codec, caps):
        """What the mount carries from now on: a codec of PAYLOAD and the caps of its access units."""
        self.codec = codec
        self._caps = caps
        self.factory.set_launch(_APPSRC + PAYLOAD[codec])

    @property
    def watched(self):
        """Whether a media is there that takes pictures: from a client's DESCRIBE on, not while all pause."""
        return any(not viewing.full for viewing in self.viewings())

    @property
    def wants_key(self):
        """Whether somebody can only begin, or go on, at a key frame."""
        return any(viewing.wants_key for viewing in self.viewings())

    @property
    def viewers(self):
        """Clients that play."""
        return len(self._players)

    def viewings(self):
        """The Viewings of all whose media is prepared."""
        with self._lock:
            return list(self._viewings.values())

    def push(self, buffer, key):
        """Hand an access unit to all who watch."""
        for viewing in self.viewings():
            viewing.push(buffer, key)

    def end(self):
        """Send away all who watch."""
        for viewing in self.viewings():
            viewing.feed.emit('end-of-stream')

    def played(self, client):
        """A client starts to play (or plays on)."""
        self._players.add(client)
        self._joined()

    def left(self, client):
        self._players.discard(client)

    def _joined(self):
        self._on_join()
        self.on_change()

    def _configured(self, factory, media):
        viewing = ViewerQueue(media, self._limit_bytes)
        viewing.feed.set_property('caps', Gst.Caps.from_string(self._caps))
        with self._lock:
            self._viewings[hash(media)] = viewing
        media.connect('unprepared', self._unprepared)
        self._joined()

    def _unprepared(self, media):
        with self._lock:
            self._viewings.pop(hash(media), None)


def _token(role):
    token = GstRtspServer.RTSPToken()
    token.set_string('media.factory.role', role)
    return token


def _permissions(role):
    permissions = GstRtspServer.RTSPPermissions()
    for right in ('media.factory.access', 'media.factory.construct'):
        permissions.add_permission_for_role(role, right, True)
    return permissions


class RtspServer(object):
    """A server on one address. Mounts first, then `open`; `fileno()` is readable when watching begins somewhere."""

    def __init__(self, host, port, certificate=None, key=None):
        """`certificate`, `key`: paths of PEM files, for rtsps://; the key may be in the certificate's file."""
        self.host = host
        self.port = port
        self._mounts = {}
        self._clients = {}
        self._crowded = False
        self._thread = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._server = GstRtspServer.RTSPServer()
        # Who asks for a stream that has nothing to send yet blocks his thread for 20 s: by default everybody's.
        self._server.get_thread_pool().set_max_threads(CLIENT_THREADS)
        self._auth = None
        self._asks = None
        self._secure = certificate is not None
        if self._secure:
            self._encrypt(certificate, key)

    def _encrypt(self, certificate, key):
        if not Gio.TlsBackend.get_default().supports_tls():
            raise OutputUnavailable('rtsps://: GLib has no TLS here: install it with `apt install glib-networking`')
        try:
            pair = Gio.TlsCertificate.new_from_files(certificate, key or certificate)
        except GLib.Error as error:
            raise OutputUnavailable('tls.certificate: %s' % error.message)
        self._auth = self._new_auth()
        self._auth.set_tls_certificate(pair)

    def _new_auth(self):
        """One that offers Digest alone: the password never travels."""
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        self._server.set_auth(auth)
        return auth

    def mount(self, paths, codec=None, caps='', user='', password='', on_join=lambda: None,
              limit_bytes=FEED_LIMIT_BYTES):
        """A new Mount under `paths`; with a user, only for those who know the password. Paths in use are left out.

        Without `codec` it says 404 until `set_codec` and `show`.
        """
        if self._asks not in (None, bool(user)):
            raise OutputUnavailable('outputs on %s: all of them must ask for a user or none; give each user and password, '
                                    'or another port' % self.address)
        self._asks = bool(user)
        mount = Mount(codec, caps, on_join, limit_bytes)
        mount.on_change = self._wake
        if self._secure:        # over UDP the pictures themselves would travel as they are
            mount.factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        if user:
            self._protect(mount.factory, user, password)
        elif self._secure:
            self._admit_all(mount.factory)
        mount.paths = [path for path in paths if path not in self._mounts]
        for path in mount.paths:
            self._mounts[path] = mount
        if codec:
            self.show(mount)
        return mount

    def show(self, mount):
        """Answer for the mount's paths from now on."""
        points = self._server.get_mount_points()
        for path in mount.paths:
            points.add_factory(path, mount.factory)

    def unmount(self, mount):
        """Answer for the mount's paths no more, and end the streams of those who watch."""
        points = self._server.get_mount_points()
        for path in mount.paths:
            points.remove_factory(path)
            self._mounts.pop(path, None)
        mount.end()

    def _protect(self, factory, user, password):
        if self._auth is None:
            self._auth = self._new_auth()
        role = '%s-%s' % (ROLE, user)
        self._auth.add_digest(user, password, _token(role))
        factory.set_permissions(_permissions(role))

    def _admit_all(self, factory):
        """Where there is an RTSPAuth, for the sake of TLS, even those who need no password have to be somebody."""
        self._auth.set_default_token(_token(ROLE))
        factory.set_permissions(_permissions(ROLE))

    @property
    def address(self):
        """host:port, the port being the real one once open."""
        return '%s:%d' % (self.host, self.port)

    @property
    def viewers(self):
        """Clients that play anything."""
        return sum(mount.viewers for mount in set(self._mounts.values()))

    def open(self):
        """Listen; OutputUnavailable (exit code 3) naming the port and the fix when somebody else does."""
        self._server.set_address(self.host)
        self._server.set_service(str(self.port))
        self._server.set_backlog(64)
        self._server.connect('client-connected', self._connected)
        if self._server.attach(self._context) == 0:
            raise OutputUnavailable('cannot serve RTSP on %s: the port is in use or not this machine\'s address; see '
                                    'who has it with `ss -ltnp "sport = :%d"`, or choose another in outputs[].uri'
                                    % (self.address, self.port))
        self.port = self._server.get_bound_port()
        self.every(2000, self._forget_the_lost)
        self._thread = threading.Thread(target=self._run, name='rtsp', daemon=True)
        self._thread.start()

    def every(self, period_ms, call):
        """Have `call()` called on the server's thread until it answers False; the source, which `destroy()` ends too."""
        source = GLib.timeout_source_new(period_ms)
        source.set_callback(lambda *_: call() is not False)
        source.attach(self._context)
        return source

    def _run(self):
        self._context.push_thread_default()
        self._loop.run()

    def _forget_the_lost(self):
        """Sessions of clients that vanished without a word (UDP, a pulled cable) end after their time-out."""
        self._server.get_session_pool().cleanup()

    def _connected(self, server, client):
        if len(self._clients) >= MOST_CLIENTS:
            log.log(logging.DEBUG if self._crowded else logging.WARNING,
                    'RTSP %s: more than %d connections; one is turned away', self.address, MOST_CLIENTS)
            self._crowded = True
            self.every(1, lambda: client.close() or False)      # the server is not done with him yet
            return
        self._crowded = False
        self._clients[hash(client)] = set()
        client.connect('play-request', self._play)
        client.connect('pause-request', self._stop)
        client.connect('teardown-request', self._stop)
        client.connect('closed', self._closed)

    def _mount_of(self, context):
        path = context.uri.abspath if context.uri else ''
        while path and path not in self._mounts:
            path = path.rpartition('/')[0]
        return self._mounts.get(path)

    def _play(self, client, context):
        mount = self._mount_of(context)
        if mount:
            self._clients.setdefault(hash(client), set()).add(mount)
            mount.played(hash(client))

    def _stop(self, client, context):
        mount = self._mount_of(context)
        if mount:
            mount.left(hash(client))

    def _closed(self, client):
        for mount in self._clients.pop(hash(client), ()):
            mount.left(hash(client))

    def fileno(self):
        """Readable when a viewer came since the last `woken`."""
        return self._wake_read

    def woken(self):
        """Take the wake-ups; True when there was one."""
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
        """Disconnect everybody and stop listening."""
        if self._thread is None:
            return
        self._server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        self._loop.quit()
        self._thread.join(1.0)
        self._thread = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *exc):
        self.close()
