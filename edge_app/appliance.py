"""One appliance from start to stop: its rings and books in the run directory, its workers under a supervisor."""
import os
import socket

from edge_app.books import STATES, Books
from edge_app.config import uris
from edge_app.errors import ConfigError
from edge_app.frames import frame_bytes
from edge_app.packets import PacketRing
from edge_app.processes import processes, ring_slots
from edge_app.ring import Ring
from edge_app.supervisor import Supervisor

PACKET_BYTES = 4 * 1000 * 1000
"""Bytes of one packet ring: four seconds at 8 Mbit/s, the upper end of what a 1080p main stream is set to."""


class Appliance:
    """Reserves all its shared memory when it is made and starts nothing before `supervisor.run`."""

    def __init__(self, config, run_dir):
        """RingError when shared memory is short: it says how much is needed and how much is free."""
        self.config = config
        self.run_dir = str(run_dir)
        self.rings = {}
        self.books = Books.create(self._path('books'), [camera.name for camera in config.cameras])
        for camera in config.cameras:
            self._prepare(camera)
        self.supervisor = Supervisor(processes(config), self.run_dir)

    def close(self):
        """Let go of the memory; the run directory's owner removes the files."""
        self.books.close()
        for ring in self.rings.values():
            ring.close()

    def _path(self, name):
        return os.path.join(self.run_dir, name)

    def _prepare(self, camera):
        if not camera.enabled:
            self.books.cameras[camera.name].set('state', STATES.index('disabled'))
            return
        size = frame_bytes(*camera.size)
        budget = self.config.memory_mb * 2 ** 20 // sum(other.enabled for other in self.config.cameras)
        self.rings[camera.name] = Ring.create(self._path(camera.name + '.frames'), ring_slots(size, budget), size)
        PacketRing.create(self._path(camera.name + '.packets'), PACKET_BYTES).close()


def check_ports(config):
    """ConfigError naming every port of `config` that another program holds; nothing is left open."""
    held = [trouble for trouble in (_trouble(*port) for port in _ports(config)) if trouble]
    if held:
        raise ConfigError(*held)


def _ports(config):
    """(place in the configuration, host, port), one per address and port."""
    found = {}
    for number, output in enumerate(config.outputs):
        if uris.scheme_of(output.uri) == 'rtsp':
            found.setdefault(uris.host_port(output.uri, 8554), 'outputs[%d].uri' % number)
    if config.web.enabled and config.web.port:
        found.setdefault((config.web.host, config.web.port), 'web.port')
    return [(place, host, port) for (host, port), place in found.items()]


def _trouble(place, host, port):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return '%s: cannot listen on %s port %d: %s; stop the other program or choose another port' % (
                place, host, port, error.strerror)
    return None
