"""Simulated cameras, an appliance on them, and observers of both."""
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time

from edge_app.clock import now_ns
from edge_app.files import write_atomic
from edge_app.stats.accounting import BEFORE_RING
from edge_app.stats.camera_state import reported_state
from edge_app.testing.chaos import leftovers
from edge_app.testing.chaos.frame_observer import FrameObserver
from edge_app.testing.chaos.impact import CameraReading, Comparison
from edge_app.testing.harness.appliance import RunningAppliance
from edge_app.testing.harness.sampler import Sampler
from edge_app.testing.harness.site import free_port, random_port, site
from edge_app.testing.simulator.process import Simulator
from edge_app.transport.ring import Ring, frames_path

EVERY_S = 1.0
AGAIN_S = 0.1
CAMERAS, FPS = 4, 10
SEED = 5033
POLL_S = 0.01
COUNTS_LEAD_S = 0.2
"""A camera's own count of skipped pictures is read this long before a window, so that none within it is missing."""


class Testbed:
    """Cameras and an appliance; a context manager. `cameras`, numbered from 1, are called cam1, cam2...

    `engine`: that section of the configuration. `begin_with`: a fault of all cameras at the start. `results`: file of
    the results, by default one in a folder of its own.
    """

    def __init__(self, cameras=CAMERAS, size=(640, 360), fps=FPS, engine=None, begin_with=None, results=None):
        self.interval_ns = 1e9 / fps
        self.names = ['cam%d' % number for number in range(1, cameras + 1)]
        self.simulator = Simulator(cameras=cameras, size=size, fps=fps, seed=SEED, port_per_camera=True, faultable=True,
                                   die_with_parent=True, bitrate_kbit=600)
        self.folder = tempfile.mkdtemp(prefix='edge-app-chaos-')
        self.results = results or os.path.join(self.folder, 'results.jsonl')
        self._engine, self._begin_with = engine, begin_with
        self._before, self._pids, self._stack = leftovers.run_dirs(), set(), None
        self.running = self.observer = self.auditor = None
        first = random_port()
        self.ports = [first, free_port(first + 1)]

    def __enter__(self):
        leftovers.adopt_orphans()
        self.simulator.start()
        try:
            if self._begin_with:
                self.simulator.fault('all', self._begin_with)
            self.start()
            if not self._begin_with:
                self.running.wait_live()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        """Start an appliance and its observers."""
        values = site(self.simulator, self.ports[0], engine=self._engine, web={'port': self.ports[1]},
                      sinks=[{'uri': 'file://' + self.results}])
        self._stack = contextlib.ExitStack()
        self.running = self._stack.enter_context(RunningAppliance(values, self.simulator.password))
        rings = {name: self._stack.enter_context(Ring.open(frames_path(self.running.run_dir, name)))
                 for name in self.names}
        self.observer = self._stack.enter_context(FrameObserver(self.running.run_dir, self.names))
        self.auditor = self._stack.enter_context(BalanceAuditor(self.running.counters, rings))

    def end(self, killed=False):
        """Stop the appliance; what it left behind, as text. If `killed`, its shared memory is left to the next."""
        self.note_processes()
        zombies = leftovers.zombies(self.running.process.pid)
        self._stack.close()
        left = ['zombie %d' % pid for pid in zombies]
        left += ['process %d' % pid for pid in leftovers.still_running(self._pids)]
        left += [path for path in sorted(leftovers.run_dirs() - self._before) if leftovers.abandoned(path)
                 and not killed]
        left += ['port %d' % port for port in leftovers.taken(self.ports)]
        left += ['file %s' % path for path in leftovers.unfinished_files(self.folder, self.results)]
        self.running, self._pids = None, set()
        return left

    def __exit__(self, *exc):
        if self.running is not None:
            self._stack.close()
        self.simulator.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def note_processes(self):
        """Rows of the processes there are, whose end is checked by `end`."""
        found = self.running.workers()
        self._pids.update(row['pid'] for row in found.values())
        return found

    # -- observing --------------------------------------------------------------------------------------------------

    def state(self, name):
        return reported_state(self.running.pages[name])

    def comparison(self):
        """A Comparison of windows from now on."""
        return Comparison(self.read, lambda *span: self.observer.between(*span), self.interval_ns)

    def read(self, names):
        """A CameraReading of each camera."""
        counts = self.simulator.counts()
        time.sleep(COUNTS_LEAD_S)
        pages = self.running.pages
        return {name: CameraReading(now_ns(), pages[name].inferred, pages[name].histogram('result'),
                                    {reason: pages[name].get(reason) for reason in BEFORE_RING.values()},
                                    skipped(counts[self.names.index(name) + 1])) for name in names}

    def others(self, *names):
        """All cameras but these."""
        return [name for name in self.names if name not in names]

    def recovered(self, names, moment_ns):
        """Whether a picture of each of these cameras that was sent after a moment has arrived."""
        return all(self.observer.sent_after(name, moment_ns) for name in names)

    def all_after(self, cell, moment_ns):
        """Whether this moment in the counters of every camera lies after another."""
        return all(page.get(cell) > moment_ns for page in self.running.pages.values())

    def until(self, predicate, seconds):
        """Seconds until the first true `predicate()`, None if that takes longer than `seconds`."""
        began_s = time.monotonic()
        while not predicate():
            if time.monotonic() - began_s > seconds:
                return None
            time.sleep(POLL_S)
        return time.monotonic() - began_s

    # -- acting -----------------------------------------------------------------------------------------------------

    def edit(self, name, **settings):
        """Change settings of one camera in the configuration and have the appliance reload it."""
        for camera in self.running.values['cameras']:
            if camera['name'] == name:
                camera.update(settings)
        path = os.path.join(self.running.folder, 'site.json')
        write_atomic(path, json.dumps(self.running.values))
        self.running.process.send_signal(signal.SIGHUP)


def skipped(counts):
    """Pictures that a simulated camera left out of its main stream, from its counts."""
    return counts['skipped'] + counts['streams']['01']['refused']


class BalanceAuditor(Sampler):
    """Checks the Counters of an appliance for every camera; a context manager.

    A process that is killed between two counts leaves frames unaccounted for until its successor has reconciled
    them, so what matters is for how long.
    """

    def __init__(self, counters, rings):
        super(BalanceAuditor, self).__init__()
        self._counters, self._rings = counters, rings
        self._since_ns = {}
        self.spans = []
        """[(camera, begin_ns, end_ns)] with frames unaccounted for."""

    @property
    def rest_s(self):
        return AGAIN_S if self._since_ns else EVERY_S

    def sample(self):
        for name, ring in self._rings.items():
            moment_ns = now_ns()
            if self._counters.balance(name, ring).error:
                self._since_ns.setdefault(name, moment_ns)
            elif name in self._since_ns:
                self.spans.append((name, self._since_ns.pop(name), moment_ns))

    def off_s(self, begin_ns):
        """Longest time for which frames were unaccounted for without a break, of what was not over at `begin_ns`."""
        spans = self.spans + [(name, since_ns, now_ns()) for name, since_ns in list(self._since_ns.items())]
        return max([0.0] + [(end_ns - max(since_ns, begin_ns)) / 1e9
                            for _, since_ns, end_ns in spans if end_ns > begin_ns])
