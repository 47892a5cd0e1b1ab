"""One appliance: its rings and counters in the run directory, its workers under a supervisor."""
import contextlib
import os

from edge_app.app.processes import processes
from edge_app.app.rings import PACKET_BYTES, budget_bytes, ring_slots
from edge_app.errors import RingError
from edge_app.frames import frame_bytes
from edge_app.stats import STATES, Counters
from edge_app.supervision.supervisor import Supervisor
from edge_app.transport.packet_ring import PacketRing, packets_path
from edge_app.transport.ring import Ring, frames_path

NEW = '.new'


class Appliance:
    """Reserves all its shared memory when it is made and starts nothing before `supervisor.run`."""

    def __init__(self, config, run_dir):
        """RingError when shared memory is short: it says how much is needed and how much is free."""
        self.config = config
        self.run_dir = str(run_dir)
        self.rings, self.sizes = {}, {}
        self.counters = Counters.create(self.run_dir, [camera.name for camera in config.cameras])
        for camera in config.cameras:
            self.sizes[camera.name] = camera.size
            if camera.enabled:
                self.rings[camera.name] = self._make(camera, budget_bytes(config))
            else:
                self.counters.cameras[camera.name].set('state', STATES.index('disabled'))
        self.supervisor = Supervisor(processes(config), self.run_dir)

    def close(self):
        """Release the memory; the run directory's owner removes the files."""
        self.counters.close()
        for ring in self.rings.values():
            ring.close()

    def check_files(self):
        """RingError once counters or rings are gone, or others': no process that restarts could work any more."""
        lost = [name for name, ring in self.rings.items() if not ring.is_file(frames_path(self.run_dir, name))]
        if lost or not self.counters.in_place():
            raise RingError('%s: %s removed while edge-app was running; is it removed at a logout (RemoveIPC= in '
                            'logind.conf), or by a job that cleans up?' % (
                                self.run_dir, 'the frames of %s' % ', '.join(lost) if lost else 'counters'))

    def change(self, config):
        """Apply another configuration while everything runs; RingError, and nothing changed, when memory is short.

        A camera that stays keeps its ring and counters, also while disabled; with another `size` it gets new ones.
        """
        kept = {camera.name for camera in config.cameras if self.sizes.get(camera.name) == camera.size}
        gone = [name for name in self.sizes if name not in kept]
        new = [camera for camera in config.cameras if camera.name not in kept]
        wanted = [camera for camera in config.cameras
                  if camera.enabled and not (camera.name in kept and camera.name in self.rings)]
        if self.counters.room() < len(new):
            raise RingError('no room for %d more cameras; try again in a minute, or restart edge-app' % len(new))
        made = self._made(wanted, config, kept)
        for name in gone:
            self._forget(name)
        for camera in new:
            self.counters.add(camera.name)
            self.sizes[camera.name] = camera.size
        for name, ring in made.items():
            self.rings[name] = ring
            for path in self._paths(name):
                os.rename(path + NEW, path)
        self.config = config
        self.supervisor.reconcile(processes(config))

    def _made(self, cameras, config, kept):
        """{name: Ring} of cameras that have none, under temporary names until all of them exist."""
        taken = sum(Ring.bytes_needed(ring.slots, ring.slot_bytes) for name, ring in self.rings.items() if name in kept)
        budget = (config.memory_mb * 2 ** 20 - taken) // max(1, len(cameras))
        made = {}
        try:
            for camera in cameras:
                made[camera.name] = self._make(camera, budget, NEW)
        except RingError:
            for ring in made.values():
                ring.close()        # its memory is in use while it is open
            for camera in cameras:
                for path in self._paths(camera.name):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path + NEW)
            raise
        return made

    def _forget(self, name):
        self.counters.remove(name)
        del self.sizes[name]
        if name in self.rings:
            self.rings.pop(name).close()
            for path in self._paths(name):
                os.unlink(path)

    def show_disabled(self, running):
        """Write the state of disabled cameras, except those whose worker is still among the `running`."""
        for camera in self.config.cameras:
            if not camera.enabled and 'capture:' + camera.name not in running:
                self.counters.cameras[camera.name].set('state', STATES.index('disabled'))

    def _paths(self, name):
        """The files of a camera's rings: frames, packets."""
        return frames_path(self.run_dir, name), packets_path(self.run_dir, name)

    def _make(self, camera, budget, ending=''):
        """The camera's ring of frames, and beside it that of its packets."""
        size, (frames, packets) = frame_bytes(*camera.size), self._paths(camera.name)
        ring = Ring.create(frames + ending, ring_slots(size, budget), size)
        try:
            PacketRing.create(packets + ending, PACKET_BYTES).close()
        except RingError:
            ring.close()
            raise
        return ring
