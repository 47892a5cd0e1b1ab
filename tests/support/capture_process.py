"""A real capture process on a run directory of its own, for system tests."""
import json
import os
import signal
import subprocess
import sys

import attrs

from edge_app.config.schema import Camera
from edge_app.frames import frame_bytes
from edge_app.stats import STATES, Counters
from edge_app.transport.mailbox import Inbox
from edge_app.transport.ring import Ring, frames_path

from tests.support.waiting import until


class CaptureProcess:
    """What the supervisor does for one camera named `gate`: rings and books first, then the worker with its job."""

    def __init__(self, folder, uri, target='edge_app.workers.capture', engine_enabled=True, env=None, **settings):
        self.camera = Camera(name='gate', uri=uri, **settings)
        self.folder = str(folder)
        self.ring = Ring.create(frames_path(self.folder, 'gate'), 8, frame_bytes(*self.camera.size))
        self.counters = Counters.create(self.folder, ['gate'])
        self.page = self.counters.cameras['gate']
        self.doorbell = Inbox(os.path.join(self.folder, 'analyze.sock'))
        self._job = {'target': target, 'run_dir': self.folder,
                     'arguments': {'camera': attrs.asdict(self.camera), 'engine_enabled': engine_enabled}}
        self._env = dict(os.environ, **(env or {}))
        self._log = open(os.path.join(self.folder, 'log'), 'a+')
        self.process = None
        self.start()

    def start(self):
        """Start the worker, again after it ended."""
        if self.process is not None:
            self.process.stdin.close()
        self.process = subprocess.Popen([sys.executable, '-m', 'edge_app.supervision.worker', 'capture:gate'],
                                        env=self._env, stdin=subprocess.PIPE, stderr=self._log, universal_newlines=True)
        self.process.stdin.write(json.dumps(self._job) + '\n')
        self.process.stdin.flush()

    @property
    def state(self):
        return STATES[self.page.get('state')]

    @property
    def log(self):
        with open(self._log.name) as log:
            return log.read()

    def until_state(self, state, seconds=15):
        return until(lambda: self.state == state, seconds, 'state %s' % state)

    def until_frames(self, count, seconds=15):
        """Until the ring holds `count` frames more than now."""
        goal = self.ring.head + count
        return until(lambda: self.ring.head >= goal, seconds, 'frame %d' % goal)

    def ends(self, seconds=10):
        """The exit code, once it ended by itself."""
        return self.process.wait(seconds)

    def terminate(self):
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.ends()

    def balance(self):
        return self.counters.balance('gate', self.ring)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        """SIGTERM first: a killed process may leave a frame in the ring uncounted; its successor corrects that."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self._log.close()
        self.doorbell.close()
