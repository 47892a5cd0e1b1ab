"""A real `edge-app run` in a process of its own, and what it costs, looked at from outside."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from edge_app.errors import EdgeAppError
from edge_app.stats import STATES, Counters
from edge_app.stats.report import read_status
from edge_app.supervision.process_usage import cpu_s
from edge_app.supervision.run_dir import BASE

START_S = 90.0
STOP_S = 10.0
PASSWORD = 'EDGE_APP_BENCH_PASSWORD'


class NotStarted(EdgeAppError):
    """What was to be measured ended, or did not get going."""


def site(field, mosaic_port, cameras=None, engine=None, **sections):
    """Plain values of a configuration for the cameras of a Field; `cameras` is what each of them gets."""
    return dict({
        'cameras': [dict({'name': 'cam%d' % number, 'uri': uri, 'user': field.user, 'password': '${%s}' % PASSWORD},
                         **(cameras or {})) for number, uri in enumerate(field.uris, 1)],
        'engine': engine or {},
        'outputs': [{'uri': 'rtsp://127.0.0.1:%d/mosaic' % mosaic_port}]}, **sections)


class RunningAppliance:
    """An appliance of this configuration (`site`); a context manager. `born_ns` is when it was started."""

    def __init__(self, values, password):
        self.values = values
        self.folder = tempfile.mkdtemp(prefix='edge-app-bench-')
        self.counters = None
        path = os.path.join(self.folder, 'site.json')
        with open(path, 'w') as stream:
            json.dump(values, stream)
        self._log = os.path.join(self.folder, 'run.log')
        with open(self._log, 'w') as log:
            self.born_ns = int(time.monotonic() * 1e9)
            self.process = subprocess.Popen([sys.executable, '-m', 'edge_app', 'run', path], stdout=log,
                                            stderr=subprocess.STDOUT, env=environment({PASSWORD: password}))
        self.run_dir = os.path.join(BASE, 'edge-app-%d' % self.process.pid)

    def __enter__(self):
        try:
            self.wait(lambda: read_status(self.run_dir)['workers'], 'the first workers')
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

    @property
    def pages(self):
        """{camera name: Page}."""
        return self.counters.cameras

    def wait(self, predicate, what, seconds=START_S):
        """Until `predicate()`; NotStarted with the end of its log when it ends or takes too long."""
        deadline_s = time.monotonic() + seconds
        while not predicate():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise NotStarted('no %s within %g s: the appliance said %s' % (what, seconds, self.said()))
            time.sleep(0.02)

    def wait_live(self, seconds=START_S):
        """Until every camera is live, inferred (unless the engine is off) and shown in a mosaic of all."""
        engine = self.values['engine'] != 'off'
        self.wait(lambda: self.counters.compositor.first_mosaic_ns and all(
            STATES[page.state] == 'live' and (page.inferred or not engine) for page in self.pages.values()),
            'complete mosaic', seconds)

    def said(self):
        with open(self._log, errors='replace') as log:
            return log.read()[-1500:].strip()

    def workers(self):
        """{name: row of status.json} of those with a process, the supervisor among them."""
        status = read_status(self.run_dir)
        rows = status['workers'] + [dict(status['supervisor'], name='supervisor')]
        return {row['name']: row for row in rows if row.get('pid')}

    def cpu_s(self):
        """{process: CPU seconds so far}."""
        return {name: cpu_s(row['pid']) for name, row in self.workers().items()}

    def pss_mb(self):
        """{process: MB}, as each said last."""
        return {name: round(row['pss_mb'], 1) for name, row in self.workers().items() if row.get('pss_mb')}

    def snapshots(self):
        """{camera: its counters}."""
        return {name: page.snapshot() for name, page in self.pages.items()}

    def tiles(self):
        """{camera: [x, y, width, height]} of the mosaic."""
        return self.counters.compositor.info.get('tiles') or {}


def environment(more=()):
    """Ours, with this very edge_app first on the path."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [root] + [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(paths), **dict(more))


def stop(process, seconds=STOP_S):
    """SIGTERM, and SIGKILL for one that does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Helper:
    """A child that is told what to do by a line of JSON, says when it is ready, and answers each further line."""

    def __init__(self, module, wish, python=sys.executable, **popen):
        """`popen`: further arguments of subprocess.Popen."""
        self.process = subprocess.Popen([python, '-m', module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment(), universal_newlines=True, bufsize=1, **popen)
        self._say(wish)

    @property
    def pid(self):
        return self.process.pid

    def _say(self, thing):
        try:
            self.process.stdin.write(json.dumps(thing) + '\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            raise NotStarted('%s ended with %s' % (self.process.args[-1], self.process.wait()))

    def answer(self):
        """Its next line, waited for."""
        line = self.process.stdout.readline()
        if not line:
            raise NotStarted('%s ended with %s' % (self.process.args[-1], self.process.wait()))
        return json.loads(line)

    def ask(self, question='look'):
        self._say(question)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        stop(self.process)
        self.process.stdin.close()
        self.process.stdout.close()
