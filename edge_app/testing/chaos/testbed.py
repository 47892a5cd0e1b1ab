"""The test stand: simulated cameras, an appliance on them, and everybody who looks at what becomes of it."""
import contextlib
import json
import os
import random
import shutil
import signal
import tempfile
import time

from edge_app.clock import now_ns
from edge_app.commands.demo import free_port
from edge_app.files import write_atomic
from edge_app.stats import STATES
from edge_app.testing.bench.running import RunningAppliance, site
from edge_app.testing.chaos import leftovers
from edge_app.testing.chaos.balance_auditor import BalanceAuditor
from edge_app.testing.chaos.frame_observer import FrameObserver
from edge_app.testing.chaos.impact import Comparison, WindowReading
from edge_app.testing.simulator.process import Simulator
from edge_app.transport.ring import Ring

CAMERAS, FPS = 4, 10
SEED = 5033
PORTS = (20000, 30000)
"""Where two free ones are looked for, from somewhere on: others may be looking too. Linux gives clients higher ones."""
LOOK_S = 0.01
FATES = ('undecodable', 'corrupt', 'stale_capture', 'resync')
"""What keeps a picture that arrived out of the ring."""
COUNTS_LEAD_S = 0.2
"""A camera's own count of pictures left out is asked this long before a window, so that none within it is missing there."""


class Testbed:
    """Cameras and an appliance; a context manager. `cameras` numbered from 1 are called cam1, cam2...

    `engine`: that section of the configuration. `begin_with`: a fault that all cameras have at the start. `results`: file of
    the results, one in a folder of its own unless given.
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
        self.running = self.lookout = self.auditor = None
        first = free_port(random.randrange(*PORTS))
        self.ports = [first, free_port(first + 1)]

    def __enter__(self):
        leftovers.adopt()
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
        """Start an appliance, with eyes on it."""
        values = site(self.simulator, self.ports[0], engine=self._engine, web={'port': self.ports[1]},
                      sinks=[{'uri': 'file://' + self.results}])
        self._stack = contextlib.ExitStack()
        self.running = self._stack.enter_context(RunningAppliance(values, self.simulator.password))
        rings = {name: self._stack.enter_context(Ring.open(os.path.join(self.running.run_dir, name + '.frames')))
                 for name in self.names}
        self.lookout = self._stack.enter_context(FrameObserver(self.running.run_dir, self.names))
        self.auditor = self._stack.enter_context(BalanceAuditor(self.running.counters, rings))

    def end(self, killed=False):
        """Stop the appliance; what it left behind, in words. One that was `killed` leaves its memory to the next."""
        self.note_processes()
        zombies = leftovers.zombies(self.running.process.pid)
        self._stack.close()
        left = ['zombie %d' % pid for pid in zombies]
        left += ['process %d' % pid for pid in leftovers.still_there(self._pids)]
        left += [path for path in sorted(leftovers.run_dirs() - self._before) if leftovers.of_nobody(path) and not killed]
        left += ['port %d' % port for port in leftovers.held(self.ports)]
        left += ['file %s' % path for path in leftovers.half_written(self.folder, self.results)]
        self.running, self._pids = None, set()
        return left

    def __exit__(self, *exc):
        if self.running is not None:
            self._stack.close()
        self.simulator.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def note_processes(self):
        """Remember the processes there are, to ask after them at the end."""
        found = self.running.workers()
        self._pids.update(row['pid'] for row in found.values())
        return found

    # -- what can be asked ------------------------------------------------------------------------------------------

    def state(self, name):
        return STATES[self.running.pages[name].state]

    def comparison(self):
        """A Comparison of what comes."""
        return Comparison(self.look, lambda *span: self.lookout.between(*span), self.interval_ns)

    def look(self, names):
        """A Reading of each camera now."""
        counts = self.simulator.counts()
        time.sleep(COUNTS_LEAD_S)
        pages = self.running.pages
        return {name: WindowReading(now_ns(), pages[name].inferred, pages[name].histogram('result'),
                              {fate: pages[name].get(fate) for fate in FATES},
                              unsent(counts[self.names.index(name) + 1])) for name in names}

    def others(self, *names):
        """The cameras but these."""
        return [name for name in self.names if name not in names]

    def until(self, predicate, seconds):
        """Seconds until the first true `predicate()`, None when it is not within `seconds`."""
        began_s = time.monotonic()
        while not predicate():
            if time.monotonic() - began_s > seconds:
                return None
            time.sleep(LOOK_S)
        return time.monotonic() - began_s

    def all_live(self):
        """Whether every camera is live, with a fresh picture."""
        return all(self.state(name) == 'live' and now_ns() - self.running.pages[name].last_captured_ns < 1e9
                   for name in self.names)

    # -- what can be done -------------------------------------------------------------------------------------------

    def edit(self, name, **settings):
        """Change settings of one camera in the configuration, which the appliance then reads again."""
        for camera in self.running.values['cameras']:
            if camera['name'] == name:
                camera.update(settings)
        path = os.path.join(self.running.folder, 'site.json')
        write_atomic(path, json.dumps(self.running.values))
        self.running.process.send_signal(signal.SIGHUP)


def unsent(counts):
    """Pictures a simulated camera left out of its main stream, of its counts."""
    return counts['skipped'] + counts['streams']['01']['refused']
