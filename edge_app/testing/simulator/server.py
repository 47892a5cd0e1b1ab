"""The RTSP server of simulated cameras: addresses, authentication, sessions."""
import threading

import cv2

from edge_app import clock, gst
from edge_app.errors import OutputError
from edge_app.testing.simulator.camera import build
from edge_app.testing.simulator.control import Control
from edge_app.testing.simulator.fault_controller import FaultController
from edge_app.testing.simulator.fault_proxy import PORT_TAKEN, FaultProxy
from edge_app.testing.simulator.plan import read_plan
from edge_app.testing.simulator.sources import TruthFile
from edge_app.testing.simulator.stream import ELEMENTS

ROLE = 'viewer'
CLEANUP_S = 5


class Server:
    """All cameras of one `Settings`, served until `close`. A context manager; `ports` are the bound ones."""

    def __init__(self, settings):
        self.settings = settings
        self.ports = []
        self.cameras = []
        self.faults = None
        """A FaultController where the settings allow faults."""
        self._servers = []
        self._truth = None
        self._control = None
        self._loop = gst.GLib.MainLoop()
        self._looping = threading.Thread(name='rtsp', target=self._loop.run, daemon=True)

    def open(self):
        """Start serving; OutputError or ConfigError when something needed is missing or taken."""
        cv2.setNumThreads(1)
        settings = self.settings
        if not settings.files:
            for element in ELEMENTS[settings.codec]:
                gst.make(element)
        self._truth = TruthFile(settings.truth) if settings.truth else None
        start_ns = clock.now_ns()
        self.cameras = [build(number, settings, start_ns, self._truth) for number in settings.numbers]
        plan = read_plan(settings.faults, settings) if settings.faults else []
        if settings.faultable or settings.faults or settings.control:
            self.faults = FaultController(settings, self.cameras)
        for group, port in self._groups():
            self.ports.append(self._serve_behind_proxy(group, port) if self.faults
                              else self._serve(group, settings.host, port))
        for camera in self.cameras:
            camera.start()
        self._looping.start()
        if self.faults:
            self._control = Control(settings.control, self.faults.answer) if settings.control else None
            self.faults.open(plan)
            if self._control:
                self.faults.run(self._control.open())
        return self

    def _serve_behind_proxy(self, cameras, port):
        inner = self._serve(cameras, '127.0.0.1', 0)
        targets = [self.faults.targets[camera.number] for camera in cameras]
        proxy = FaultProxy(self.settings.host, port, inner, targets, self.settings.udp)
        self.faults.proxies.append(proxy)
        return proxy.port

    def _groups(self):
        """[(cameras, port)]: who shares an address."""
        port = self.settings.port
        if not self.settings.port_per_camera:
            return [(self.cameras, port)]
        return [([camera], port + index if port else 0) for index, camera in enumerate(self.cameras)]

    def _serve(self, cameras, host, port):
        """Serve these cameras; -> the bound port."""
        server = gst.GstRtspServer.RTSPServer()
        server.set_address(host)
        server.set_service(str(port))
        server.set_auth(self._authentication())
        streams = {stream.path: stream for camera in cameras for stream in camera.streams.values()}
        mounts = server.get_mount_points()
        for stream in streams.values():
            self._mount(mounts, stream)
        server.connect('client-connected', lambda _server, client: client.connect('play-request', _refresh, streams))
        if not server.attach(None):
            raise OutputError(PORT_TAKEN % (port, host, 'it cannot be bound'))
        gst.GLib.timeout_add_seconds(CLEANUP_S, lambda: server.get_session_pool().cleanup() or True)
        self._servers.append(server)
        return server.get_bound_port()

    def _mount(self, mounts, stream):
        stream.replaced = lambda: self._mount(mounts, stream)
        transports = gst.GstRtsp.RTSPLowerTrans
        protocols = transports.TCP | transports.UDP if self.settings.udp else transports.TCP
        mounts.add_factory(stream.path, stream.factory(protocols, ROLE))

    def _authentication(self):
        auth = gst.GstRtspServer.RTSPAuth()
        auth.set_supported_methods(gst.GstRtsp.RTSPAuthMethod.DIGEST)
        token = gst.GstRtspServer.RTSPToken()
        token.set_string('media.factory.role', ROLE)
        auth.add_digest(self.settings.user, self.settings.password, token)
        return auth

    def counts(self):
        """{camera number: Camera.counts()}."""
        return {camera.number: camera.counts() for camera in self.cameras}

    def close(self):
        """Stop drawing, end every session, close the truth."""
        if self._control:
            self._control.close()
        if self.faults:
            self.faults.close()
        for camera in self.cameras:
            camera.stop()
        for server in self._servers:
            server.client_filter(lambda _server, _client: gst.GstRtspServer.RTSPFilterResult.REMOVE)
        self._loop.quit()
        if self._looping.is_alive():
            self._looping.join(1.0)
        if self._truth:
            self._truth.close()

    def __enter__(self):
        return self.open()

    def __exit__(self, *_):
        self.close()


def _refresh(_client, context, streams):
    """A viewer joins: a key frame at once, or it would wait for the rest of the group of pictures."""
    stream = streams.get(context.uri.abspath.rsplit('/stream=', 1)[0].rstrip('/'))
    if stream:
        stream.viewer_joined()
