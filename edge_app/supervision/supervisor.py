"""The supervisor keeps the wanted workers running, whatever they do.

It notices the end of a worker at once, because the kernel closes its heartbeat pipe, and a hang by missing heartbeats.
Between events it sleeps.
"""
import contextlib
import json
import logging
import os
import select
import signal
import threading

from edge_app import clock
from edge_app.files import write_atomic
from edge_app.supervision import child
from edge_app.supervision.cpu_affinity import CpuAffinity
from edge_app.supervision.managed_process import FAILED, STOPPED, ManagedProcess, WorkerSpec
from edge_app.supervision.process_usage import cpu_s, pss_mb
from edge_app.supervision.systemd import ServiceManager

__all__ = ['Supervisor', 'WorkerSpec']

TICK_S = 1.0
NEWS_NS = 250 * 1000 * 1000
STOP_S = 5.0
"""A stop takes no longer, whatever hangs."""
ABSENT_S = 2.0
"""Later than this after its own wake-up time the supervisor itself was stopped (SIGSTOP, `docker pause`) or starved."""

log = logging.getLogger(__name__)


def wait(fds, timeout_s):
    """Sleep until one of `fds` is readable or closed, at most `timeout_s`."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    poll.poll(max(0, timeout_s) * 1000)


class Supervisor:
    """Runs `specs` (WorkerSpec) in `run_dir`; from the main thread only."""

    def __init__(self, specs, run_dir, clock=clock.now_ns, spawn=child.spawn, wait=wait, service=None):
        self.run_dir = str(run_dir)
        self._service = service or ServiceManager.of_this_process()
        self._clock, self._spawn, self._wait = clock, spawn, wait
        self._processes, self._affinity = {}, CpuAffinity()
        self._stop_requested = self._hangup = False
        self._tick_ns = self._seen_ns = clock()
        self._write_error = None
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self.reconcile(specs)

    def run(self, until=None, on_tick=None, on_hangup=None, on_news=None):
        """Keep everything running until SIGTERM, SIGINT or `until` (an Event, or a callable asked every second).

        `on_tick()` is called every second and once more before the end, which is `stop`, also after an exception.
        `on_hangup()`: after SIGHUP, which otherwise ends the process. `on_news()`: four times a second, for what must
        not wait for a tick.
        """
        over = getattr(until, 'is_set', until) or (lambda: False)
        with self._signals(on_hangup):
            try:
                while not (self._stop_requested or over()):
                    if self._hangup:
                        self._hangup = False
                        on_hangup()
                    self._forgive_absence()
                    self.step()
                    self._tick(on_tick)
                    if on_news is not None:
                        on_news()
                    self._sleep(min(self._tick_ns, self._clock() + NEWS_NS) if on_news else self._tick_ns)
                self._tick_ns = self._clock()
                self._tick(on_tick)
            finally:
                self.stop()

    def step(self):
        """Do everything that is due now, without waiting."""
        for managed in list(self._processes.values()):
            managed.step()

    def reconcile(self, specs):
        """Change to these WorkerSpecs: start new ones, stop those missing, update or restart those that changed."""
        wanted = {spec.name: spec for spec in specs}
        for name, managed in self._processes.items():
            if name not in wanted:
                managed.stop()
        for name, spec in wanted.items():
            managed = self._processes.get(name)
            if managed is None:
                self._processes[name] = ManagedProcess(spec, lambda spec: self._spawn(spec, self.run_dir), self._clock)
            elif managed.state == FAILED:
                managed.replace(spec)
            elif managed.wanted != spec:
                managed.update(spec)

    def status(self):
        """One dict per worker: name, pid, restarts, state, exit_code, reason, quit, required, cpu_s, pss_mb, since_s.

        state: starting, running, stopping, waiting (for its restart), failed (left down), stopped. cpu_s is the sum
        over all processes the worker has had; pss_mb is what it reported last.
        """
        return [managed.status() for managed in self._processes.values()]

    def wake(self):
        """Make `run` check its `until` now; from any thread or signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b'!')

    def stop(self):
        """End all workers: SIGTERM to all at once, SIGKILL after 3 s; returns when all have ended, or after 5 s."""
        give_up_ns = self._clock() + int(STOP_S * 1e9)
        self._service.stopping()
        for managed in self._processes.values():
            managed.stop()
        while self._unfinished() and self._clock() < give_up_ns:
            self.step()
            if self._unfinished():
                self._sleep(give_up_ns)
        for managed in self._unfinished():
            log.error('%s: pid %d cannot be killed', managed.spec.name, managed.process.pid)
        self._write_status()

    def _forgive_absence(self):
        """Silence of workers while the supervisor did not run is not held against them: they may not have run either.

        Their time to live is extended by its own absence, so that one which hangs is still noticed.
        """
        now, before = self._clock(), self._seen_ns
        self._seen_ns = now
        if now - before > (TICK_S + ABSENT_S) * 1e9:
            log.warning('the supervisor itself was stopped for %.0f s', (now - before) / 1e9)
            for managed in self._processes.values():
                managed.extend(now - before)

    def _unfinished(self):
        return [managed for managed in self._processes.values() if not managed.finished]

    def _sleep(self, until_ns):
        processes = self._processes.values()
        due = [managed.due_ns for managed in processes if managed.due_ns is not None] + [until_ns]
        fds = [managed.fd for managed in processes if managed.fd is not None] + [self._wake_read]
        self._wait(fds, (min(due) - self._clock()) / 1e9)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _tick(self, on_tick):
        now = self._clock()
        if now < self._tick_ns:
            return
        self._tick_ns = now + int(TICK_S * 1e9)
        self._processes = {name: managed for name, managed in self._processes.items() if managed.state != STOPPED}
        workers = self._write_status()
        self._affinity.update(now / 1e9, [(self._processes[row['name']].spec.cores, row['pid'], row['cpu_s'])
                                          for row in workers if row['pid']])
        if not self._stop_requested:
            self._service.tick(workers)
        if on_tick is not None:
            on_tick()

    def _write_status(self):
        """Replace status.json atomically; returns its rows of workers."""
        path = os.path.join(self.run_dir, 'status.json')
        status = {'written_ns': self._clock(), 'workers': self.status(),
                  'supervisor': {'pid': os.getpid(), 'cpu_s': round(cpu_s(os.getpid()), 2), 'pss_mb': pss_mb()}}
        try:
            write_atomic(path, json.dumps(status))
            self._write_error = None
        except OSError as error:
            if self._write_error != error.strerror:  # once, not every second
                log.warning('%s: %s', path, error.strerror)
            self._write_error = error.strerror
        return status['workers']

    @contextlib.contextmanager
    def _signals(self, on_hangup):
        """SIGTERM and SIGINT end `run`; the byte they write to the pipe ends its sleep."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT) + ((signal.SIGHUP,) if on_hangup else ())
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        wakeup = signal.set_wakeup_fd(self._wake_write)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number, frame):
        if number == signal.SIGHUP:
            self._hangup = True
        else:
            self._stop_requested = True
