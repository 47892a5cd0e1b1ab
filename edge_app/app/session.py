"""One run of the appliance, from the checks before it starts to its exit code."""
import json
import os
import signal
import sys
from typing import Any, Callable, Optional

from edge_app import clock, uris
from edge_app.app.appliance import Appliance
from edge_app.app.config_reload import ConfigReload
from edge_app.app.console import Console
from edge_app.app.model_probe import probe_model
from edge_app.app.ports import CONFIGURATION
from edge_app.app.run_result import failed, not_delivering, unaccounted
from edge_app.app.startup_checks import check_start
from edge_app.config import Config
from edge_app.errors import EXIT_FAILED, EXIT_GOOD, OutputError
from edge_app.files import write_atomic
from edge_app.stats import reconcile_analyze, reconcile_for_analyze
from edge_app.stats.report import born_ns, read_status, report
from edge_app.stdio import LossyStream
from edge_app.supervision import child
from edge_app.supervision.managed_process import FAILED, WAITING, WorkerSpec
from edge_app.supervision.run_dir import prepare_run_dir
from edge_app.supervision.worker import keep_memory_private
from edge_app.telemetry import latest_reading

SNAPSHOT_TIMEOUT_S = 20.0
"""Longest wait of the client of `--snapshot` for a picture."""
SNAPSHOT_LEAD_S = 6.0
"""The client of `--snapshot` is started this long before the end, so that it has connected and seen detections."""
SNAPSHOT_SETTLED_S = 3.0


def run(config: Config, duration_s: Optional[float] = None, snapshot: Optional[str] = None,
        json_path: Optional[str] = None, say: Optional[Callable[[str], Any]] = None,
        read: Optional[Callable[[], Config]] = None) -> int:
    """Run `config` until Ctrl-C, `q` in a window or `duration_s`; returns the exit code.

    `read()` returns the configuration as its files are now, for SIGHUP and when they change; None: it never changes.
    `say` prints a line: by default on stdout, or on stderr where stdout carries results.

    EXIT_GOOD only when every enabled camera delivered: live at the end, a frame analysed and one shown within the last
    two seconds, every frame accounted for, and the snapshot taken where one was asked for.
    """
    if say is None:
        results = any(uris.scheme_of(sink.uri) == 'stdout' for sink in config.sinks)
        stream = LossyStream(sys.stderr if results else sys.stdout)

        def say(text):
            stream.write(text + '\n')
    check_start(config, snapshot, json_path)
    probe_model(config.engine)
    keep_memory_private()
    with prepare_run_dir() as run_dir:
        write_atomic(os.path.join(run_dir, CONFIGURATION), config.path or '')
        appliance = Appliance(config, run_dir)
        try:
            session = Session(appliance, duration_s, snapshot, say, read)
            appliance.supervisor.run(until=session.over, on_tick=session.tick,
                                     on_hangup=session.hung_up if read else None,
                                     on_news=session.console.cameras)
            return session.finish(json_path)
        finally:
            appliance.close()


def has_terminal():
    """Whether this process has a controlling terminal; after a hang-up it has none."""
    try:
        os.close(os.open('/dev/tty', os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Session:
    """Looks at a running appliance once a second until the run is over."""

    def __init__(self, appliance, duration_s, snapshot, say, read=None):
        self.appliance, self.duration_s = appliance, duration_s
        self.console = Console(appliance, say)
        self.reload = ConfigReload(appliance, read, say) if read else None
        self.snapshot = Snapshot(appliance, snapshot, duration_s) if snapshot else None
        self._terminal = has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN   # nohup ignores it
        self._start_ns, self._command_ns = clock.now_ns(), born_ns(os.getpid())
        self._status, self._tick_ns = read_status(appliance.run_dir), clock.now_ns()
        self._failures = ['the run ended before its first second']
        self._hung_up = False
        self.console.start()

    def over(self):
        """Whether the time is up (and the snapshot taken), or somebody closed the window."""
        if self._hung_up or any(row['name'] == 'compositor' and row['quit'] for row in self._status['workers']):
            return True
        return (self.duration_s is not None and self._elapsed_s() >= self.duration_s
                and not (self.snapshot and self.snapshot.pending))

    def tick(self):
        """Once a second: take in the state, print what changed, reload the configuration, start the snapshot.

        RingError when the run directory is no longer this appliance's.
        """
        self.appliance.check_files()
        if self.reload:
            self.reload.poll()
        self._status = read_status(self.appliance.run_dir)
        self._tick_ns = clock.now_ns()
        self.appliance.show_disabled({row['name'] for row in self._status['workers'] if row['pid']})
        self._account_without_engine()
        self._failures = list(not_delivering(self.appliance, self._status['workers']))
        self.console.update(self._command_ns)
        if self.snapshot:
            self.snapshot.poll(self._elapsed_s())

    def hung_up(self):
        """SIGHUP: reload the configuration; end if it came because the terminal we were started from is gone."""
        if self._terminal and not has_terminal():
            self._hung_up = True
        else:
            self.reload.reload()

    def finish(self, json_path):
        """Print the result, write the report, whole or not at all (else OutputError); the exit code."""
        if self.reload:
            self.reload.close()
        board = latest_reading.read(self.appliance.run_dir)
        # states and rates as they were before the workers were stopped
        found = report(self.appliance.counters, self._status, self._command_ns, board, self._tick_ns)
        failures, written = self._failures + list(unaccounted(self.appliance)), []
        if self.snapshot:
            written = [('snapshot', self.snapshot.path)] * (self.snapshot.failure is None)
            failures += [self.snapshot.failure] * (self.snapshot.failure is not None)
        if json_path:
            try:
                write_atomic(json_path, json.dumps(found, indent=1))
            except OSError as error:
                raise OutputError('%s: cannot write the report: %s; choose another path' % (json_path, error.strerror))
            written.append(('report', os.path.abspath(json_path)))
        self.console.end(found, failures, written)
        codes = [row['exit_code'] for row in failed(self._status['workers'])]
        return max(codes + [EXIT_FAILED if failures else EXIT_GOOD])

    def _account_without_engine(self):
        """While there is no engine process, frames that pass are counted here; they would seem in flight otherwise."""
        engine = [row for row in self._status['workers'] if row['name'] == 'analyze']
        off = self._status['workers'] and not engine and not self.appliance.config.engine.enabled
        for camera in self.appliance.config.enabled_cameras:
            page = self.appliance.counters.cameras[camera.name]
            if engine and not engine[0]['pid'] and engine[0]['state'] in (WAITING, FAILED):
                reconcile_for_analyze(page)
            elif off and page.inferring:        # switched off, and killed with a batch in hand
                reconcile_analyze(page)

    def _elapsed_s(self):
        return (clock.now_ns() - self._start_ns) / 1e9


class Snapshot:
    """A client of the first RTSP output, in its own process, that saves one picture as it decoded it."""

    def __init__(self, appliance, path, duration_s=None):
        self.path = os.path.abspath(path)
        self._due_s = max(SNAPSHOT_SETTLED_S, duration_s - SNAPSHOT_LEAD_S) if duration_s else SNAPSHOT_SETTLED_S
        output = appliance.config.served_outputs[0]
        self._spec = WorkerSpec('snapshot', 'edge_app.workers.snapshot', {
            'uri': output.uri, 'path': self.path, 'user': output.user, 'password': output.password,
            'wait_s': 2.0, 'timeout_s': SNAPSHOT_TIMEOUT_S, 'certificate': appliance.config.tls.certificate})
        self._run_dir = appliance.run_dir
        self._child = self._code = None

    def poll(self, elapsed_s):
        """Start the client once the run has lasted long enough."""
        if self._child is None and elapsed_s >= self._due_s:
            self._child = child.spawn(self._spec, self._run_dir)

    @property
    def pending(self):
        if self._child is not None and self._code is None:
            self._code = self._child.poll()
        return self._code is None

    @property
    def failure(self):
        """Why there is no picture, None when there is one."""
        if self.pending:
            return 'snapshot: the run ended first'
        return 'snapshot: the client failed with exit code %d' % self._code if self._code else None
