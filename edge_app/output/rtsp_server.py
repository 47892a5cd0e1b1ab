"""The RTSP server of one address: its mounts, who may watch them, and the clients it has."""
import logging
import os
import threading

from edge_app.gst import Gio, GLib, GstRtsp, GstRtspServer
from edge_app.output.base import OutputUnavailable
from edge_app.output.rtsp_mount import QUEUE_LIMIT_BYTES, Mount

log = logging.getLogger(__name__)

CLIENT_THREADS = 32
MOST_CLIENTS = 128
"""Connections at once; further ones are closed, so that clients cannot use up this process's descriptors."""

ROLE = 'viewer'


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
    """A server on one address. Mount first, then `open`; `fileno()` is readable when a viewer came."""

    def __init__(self, host, port, certificate=None, key=None):
        """`certificate`, `key`: paths of PEM files, for rtsps://; the key may be in the certificate's file."""
        self.host = host
        self.port = port
        self.first_output = None
        """The config Output it was made for, whose mosaic and cameras it serves."""
        self._mounts = {}
        self._clients = {}
        self._crowded = False
        self._thread = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._server = GstRtspServer.RTSPServer()
        # A client of a stream that has nothing to send yet blocks its thread for 20 s: by default that of all clients.
        self._server.get_thread_pool().set_max_threads(CLIENT_THREADS)
        self._auth = None
        self._needs_password = None
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
        """Offers Digest alone: the password itself is never sent."""
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        self._server.set_auth(auth)
        return auth

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
        if user:
            self._protect(mount.factory, user, password)
        elif self._secure:      # TLS needs an RTSPAuth, and with one even clients without a password must have a role
            self._auth.set_default_token(_token(ROLE))
            mount.factory.set_permissions(_permissions(ROLE))
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

    def _protect(self, factory, user, password):
        if self._auth is None:
            self._auth = self._new_auth()
        role = '%s-%s' % (ROLE, user)
        self._auth.add_digest(user, password, _token(role))
        factory.set_permissions(_permissions(role))

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
        self._server.set_address(self.host)
        self._server.set_service(str(self.port))
        self._server.set_backlog(64)
        self._server.connect('client-connected', self._connected)
        if self._server.attach(self._context) == 0:
            raise OutputUnavailable('cannot serve RTSP on %s: the port is in use or not this machine\'s address; see '
                                    'who has it with `ss -ltnp "sport = :%d"`, or choose another in outputs[].uri'
                                    % (self.address, self.port))
        self.port = self._server.get_bound_port()
        # Sessions of clients that vanished (UDP, a pulled cable) end after their time-out.
        self.every(2000, lambda: self._server.get_session_pool().cleanup())
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

    def _connected(self, server, client):
        if len(self._clients) >= MOST_CLIENTS:
            log.log(logging.DEBUG if self._crowded else logging.WARNING,
                    'RTSP %s: more than %d connections; a new one is closed', self.address, MOST_CLIENTS)
            self._crowded = True
            self.every(1, lambda: client.close() or False)      # the server is not done with it yet
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
            mount.client_plays(hash(client))

    def _stop(self, client, context):
        mount = self._mount_of(context)
        if mount:
            mount.client_stopped(hash(client))

    def _closed(self, client):
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
        self._server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        self._loop.quit()
        self._thread.join(1.0)
        self._thread = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *exc):
        self.close()
