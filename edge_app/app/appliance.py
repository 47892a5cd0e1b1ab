"""One appliance from start to stop: its rings and books in the run directory, its workers under a supervisor."""
import contextlib
import os
import socket

from edge_app import uris
from edge_app.app.processes import processes, ring_slots
from edge_app.errors import ConfigError, RingError
from edge_app.frames import frame_bytes
from edge_app.schemes import OUTPUTS
from edge_app.stats import STATES, Counters
from edge_app.supervision.supervisor import Supervisor
from edge_app.transport.packet_ring import PacketRing
from edge_app.transport.ring import Ring

PACKET_BYTES = 4 * 1000 * 1000
"""Bytes of one packet ring: four seconds at 8 Mbit/s, the upper end of what a 1080p main stream is set to."""

ENDINGS = ('.frames', '.packets')
NEW = '.new'
ALL_HOSTS = {'0.0.0.0', '::'}


class Appliance:
    """Reserves all its shared memory when it is made and starts nothing before `supervisor.run`."""

    def __init__(self, config, run_dir):
        """RingError when shared memory is short: it says how much is needed and how much is free."""
        self.config = config
        self.run_dir = str(run_dir)
        self.rings, self.sizes = {}, {}
        self.counters = Counters.create(self.run_dir, [camera.name for camera in config.cameras])
        for camera in config.cameras:
            self._prepare(camera)
        self.supervisor = Supervisor(processes(config), self.run_dir)

    def close(self):
        """Let go of the memory; the run directory's owner removes the files."""
        self.counters.close()
        for ring in self.rings.values():
            ring.close()

    def change(self, config):
        """Take over another configuration while everything runs; RingError, and nothing changed, when memory is short.

        A camera that stays keeps its ring and its page, also while it is disabled; one whose `size` changes comes anew.
        """
        kept = {camera.name for camera in config.cameras if self._stays(camera)}
        gone = [name for name in self.sizes if name not in kept]
        new = [camera for camera in config.cameras if camera.name not in kept]
        wanted = [camera for camera in config.cameras
                  if camera.enabled and not (camera.name in kept and camera.name in self.rings)]
        if self.counters.room() < len(new):
            raise RingError('no room for %d more cameras; try again in a minute, or start again' % len(new))
        made = self._made(wanted, config, kept)
        for name in gone:
            self._forget(name)
        for camera in new:
            self.counters.add(camera.name)
            self.sizes[camera.name] = camera.size
        for name, ring in made.items():
            self.rings[name] = ring
            for ending in ENDINGS:
                os.rename(self._path(name + ending + NEW), self._path(name + ending))
        self.config = config
        self.supervisor.reconcile(processes(config))

    def _stays(self, camera):
        return self.sizes.get(camera.name) == camera.size

    def _made(self, cameras, config, kept):
        """{name: Ring} of cameras that have none, under names of their own until all of it is there."""
        taken = sum(Ring.bytes_needed(ring.slots, ring.slot_bytes) for name, ring in self.rings.items() if name in kept)
        budget = (config.memory_mb * 2 ** 20 - taken) // max(1, len(cameras))
        made = {}
        try:
            for camera in cameras:
                made[camera.name] = self._make(camera, budget, NEW)
        except RingError:
            for ring in made.values():
                ring.close()        # as long as it is open its memory is not free
            for camera in cameras:
                for ending in ENDINGS:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._path(camera.name + ending + NEW))
            raise
        return made

    def _forget(self, name):
        self.counters.remove(name)
        del self.sizes[name]
        if name in self.rings:
            self.rings.pop(name).close()
            for ending in ENDINGS:
                os.unlink(self._path(name + ending))

    def show_disabled(self, running):
        """Write the state of disabled cameras, but of those whose worker is still among the `running`."""
        for camera in self.config.cameras:
            if not camera.enabled and 'capture:' + camera.name not in running:
                self.counters.cameras[camera.name].set('state', STATES.index('disabled'))

    def _path(self, name):
        return os.path.join(self.run_dir, name)

    def _prepare(self, camera):
        self.sizes[camera.name] = camera.size
        if not camera.enabled:
            self.counters.cameras[camera.name].set('state', STATES.index('disabled'))
            return
        budget = self.config.memory_mb * 2 ** 20 // sum(other.enabled for other in self.config.cameras)
        self.rings[camera.name] = self._make(camera, budget)

    def _make(self, camera, budget, ending=''):
        """The camera's ring of frames, and beside it that of its packets."""
        size = frame_bytes(*camera.size)
        ring = Ring.create(self._path(camera.name + ENDINGS[0] + ending), ring_slots(size, budget), size)
        try:
            PacketRing.create(self._path(camera.name + ENDINGS[1] + ending), PACKET_BYTES).close()
        except RingError:
            ring.close()
            raise
        return ring


def check_ports(config, before=None):
    """ConfigError naming every port of `config`, but those of the Config `before`, that another program holds."""
    ours = [port[1:] for port in _ports(before)] if before else []
    held = [words for host, port, words in held_ports(config) if not among((host, port), ours)]
    if held:
        raise ConfigError(*held)


def held_ports(config):
    """(host, port, what is wrong) for every port of `config` that some program listens on."""
    tried = [(host, port, _trouble(place, host, port)) for place, host, port in _ports(config)]
    return [one for one in tried if one[2]]


def among(address, ours):
    """Whether we listen there ourselves: an address that stands for all of them is in the way of each, and each of it."""
    host, port = address
    return any(port == other and (host == name or {host, name} & ALL_HOSTS) for name, other in ours)


def _ports(config):
    """(place in the configuration, host, port), one per address and port."""
    found = {}
    for number, output in enumerate(config.outputs):
        if OUTPUTS[uris.scheme_of(output.uri)].listens:
            found.setdefault(uris.host_port(output.uri, OUTPUTS), 'outputs[%d].uri' % number)
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
