"""`edge-app run` in a process of its own, observed from outside."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from edge_app.clock import now_ns
from edge_app.stats import Counters
from edge_app.stats.camera_state import reported_state
from edge_app.stats.report import read_status
from edge_app.supervision.process_usage import cpu_s
from edge_app.supervision.run_dir import BASE
from edge_app.testing.harness.children import LOG_CHARACTERS, ProcessFailed, environment, stop
from edge_app.testing.harness.site import PASSWORD, site

START_S = 90.0


class RunningAppliance:
    """An appliance with this configuration (see `site`); a context manager. `started_ns` is when it was started."""

    def __init__(self, values, password):
        self.values = values
        self.folder = tempfile.mkdtemp(prefix='edge-app-bench-')
        self.counters = None
        path = os.path.join(self.folder, 'site.json')
        with open(path, 'w') as stream:
            json.dump(values, stream)
        self._log = os.path.join(self.folder, 'run.log')
        with open(self._log, 'w') as log:
            self.started_ns = now_ns()
            self.process = subprocess.Popen([sys.executable, '-m', 'edge_app', 'run', path], stdout=log,
                                            stderr=subprocess.STDOUT, env=environment({PASSWORD: password}))
        self.run_dir = os.path.join(BASE, 'edge-app-%d' % self.process.pid)

    def __enter__(self):
        try:
            self.wait(lambda: read_status(self.run_dir)['workers'], 'workers')
            self.counters = Counters.open(self.run_dir)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.counters is not None:
            self.counters.close()
        stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        """End it; its exit code."""
        return stop(self.process)

    @property
    def pages(self):
        """{camera name: CounterPage}."""
        return self.counters.cameras

    def wait(self, predicate, what, seconds=START_S):
        """Wait for `predicate()`; ProcessFailed with the end of the log when it ends or takes longer."""
        deadline_s = time.monotonic() + seconds
        while not predicate():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise ProcessFailed('no %s within %g s; the appliance said: %s' % (
                    what, seconds, self.log()[-1500:].strip()))
            time.sleep(0.02)

    def wait_live(self, seconds=START_S):
        """Wait until every camera is live, analysed (unless the engine is off) and in a complete mosaic."""
        engine = self.values['engine'] != 'off'
        self.wait(lambda: self.counters.compositor.first_mosaic_ns and all(
            reported_state(page) == 'live' and (page.inferred or not engine) for page in self.pages.values()),
            'complete mosaic', seconds)

    def log(self):
        """The end of its output."""
        with open(self._log, errors='replace') as log:
            return log.read()[-LOG_CHARACTERS:]

    def workers(self):
        """{name: row of status.json} of the processes that run, the supervisor among them."""
        status = read_status(self.run_dir)
        rows = status['workers'] + [dict(status['supervisor'], name='supervisor')]
        return {row['name']: row for row in rows if row.get('pid')}

    def cpu_s(self):
        """{process: CPU seconds so far}."""
        return {name: cpu_s(row['pid']) for name, row in self.workers().items()}

    def pss_mb(self):
        """{process: MB}, as each reported last."""
        return {name: round(row['pss_mb'], 1) for name, row in self.workers().items() if row.get('pss_mb')}

    def tiles(self):
        """{camera: [x, y, width, height]} of the mosaic."""
        return self.counters.compositor.info.get('tiles') or {}


def run_on(cameras, engine=None, settings=None, mosaic_port=None):
    """RunningAppliance on SimulatedCameras or a Simulator."""
    return RunningAppliance(site(cameras, mosaic_port, settings, engine), cameras.password)
