"""The supervisor: keeps the wanted workers running, and knows nothing of what they do.

Each turn it compares what is wanted with what is there. A death is noticed at once, because the kernel closes the
worker's heartbeat pipe; a hang by the pipe's silence. Between two events it sleeps.
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
STOP_S = 5.0
"""A stop takes no longer, whatever hangs."""

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
        self._seats, self._cores = {}, CpuAffinity()
        self._asked_to_stop = self._hung_up = False
        self._tick_ns = clock()
        self._trouble = None
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self.reconcile(specs)

    def run(self, until=None, on_tick=None, on_hangup=None):
        """Keep everything running until SIGTERM, SIGINT or `until` (an Event, or a callable asked every second).

        `on_tick()` is called every second and once more before the end, which is `stop`, also after an exception.
        `on_hangup()`: after SIGHUP, which otherwise ends the process.
        """
        over = getattr(until, 'is_set', until) or (lambda: False)
        with self._signals(on_hangup):
            try:
                while not (self._asked_to_stop or over()):
                    if self._hung_up:
                        self._hung_up = False
                        on_hangup()
                    self.step()
                    self._tick(on_tick)
                    self._sleep(self._tick_ns)
                self._tick_ns = self._clock()
                self._tick(on_tick)
            finally:
                self.stop()

    def step(self):
        """Do all that is due now, without waiting."""
        for managed in list(self._seats.values()):
            managed.step()

    def reconcile(self, specs):
        """Change what is wanted: start what is new, stop what is gone, tell or start again what changed."""
        wanted = {worker.name: worker for worker in specs}
        for name in list(self._seats):
            if name not in wanted:
                self._seats[name].stop()
        for name, worker in wanted.items():
            self._want(name, worker)

    def _want(self, name, worker):
        managed = self._seats.get(name)
        if managed is None:
            self._seats[name] = ManagedProcess(worker, lambda spec: self._spawn(spec, self.run_dir), self._clock)
        elif managed.state == FAILED:
            managed.replace(worker)
        elif managed.wanted != worker:
            managed.adapt(worker)

    def status(self):
        """One dict per worker: name, pid, restarts, state, exit_code, reason, quit, required, cpu_s, pss_mb, since_s.

        state: starting, running, stopping, waiting (to be started again), failed (left down), stopped. cpu_s counts
        all processes the worker ever had; pss_mb is what it said last.
        """
        return [managed.status() for managed in self._seats.values()]

    def wake(self):
        """Let `run` look at its `until` now; from any thread or signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b'!')

    def stop(self):
        """End all workers: SIGTERM to all at once, SIGKILL after 3 s; returns when they are gone, 5 s at most."""
        give_up_ns = self._clock() + int(STOP_S * 1e9)
        self._service.stopping()
        for managed in self._seats.values():
            managed.stop()
        while not all(managed.gone for managed in self._seats.values()) and self._clock() < give_up_ns:
            self.step()
            if not all(managed.gone for managed in self._seats.values()):
                self._sleep(give_up_ns)
        for managed in self._seats.values():
            if not managed.gone:
                log.error('%s: pid %d cannot be killed', managed.worker.name, managed.process.pid)
        self._write_status()

    def _sleep(self, until_ns):
        managed_processes = self._seats.values()
        due = [managed.due_ns for managed in managed_processes if managed.due_ns is not None] + [until_ns]
        fds = [managed.fd for managed in managed_processes if managed.fd is not None] + [self._wake_read]
        self._wait(fds, (min(due) - self._clock()) / 1e9)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _tick(self, on_tick):
        now = self._clock()
        if now < self._tick_ns:
            return
        self._tick_ns = now + int(TICK_S * 1e9)
        self._seats = {name: managed for name, managed in self._seats.items() if managed.state != STOPPED}
        workers = self._write_status()
        self._cores.look(now / 1e9, [(self._seats[row['name']].worker.cores, row['pid'], row['cpu_s'])
                                     for row in workers if row['pid']])
        if not self._asked_to_stop:
            self._service.tick(workers)
        if on_tick is not None:
            on_tick()

    def _write_status(self):
        """status.json, whole or not at all: a reader never sees half of it. Returns what it says of the workers."""
        path = os.path.join(self.run_dir, 'status.json')
        status = {'written_ns': self._clock(), 'workers': self.status(),
                  'supervisor': {'pid': os.getpid(), 'cpu_s': round(cpu_s(os.getpid()), 2), 'pss_mb': pss_mb()}}
        try:
            write_atomic(path, json.dumps(status))
            self._trouble = None
        except OSError as error:
            if self._trouble != error.strerror:  # once, not every second
                log.warning('%s: %s', path, error.strerror)
            self._trouble = error.strerror
        return status['workers']

    @contextlib.contextmanager
    def _signals(self, on_hangup):
        """SIGTERM and SIGINT end `run`; the byte they leave in the pipe ends its sleep."""
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
            self._hung_up = True
        else:
            self._asked_to_stop = True
