"""Keeps one worker running: start, watch, restart."""
import collections
import json
import logging
import signal

import attrs

from edge_app.errors import EXIT_AGAIN, EXIT_CONFIG, EXIT_FINAL, EXIT_GOOD

QUICK_S = 10.0
"""A process that ended sooner failed quickly."""
DELAYS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Wait after the first, second... quick failure in a row."""
BUDGET = 10
WINDOW_S = 60.0
SLOW_S = 30.0
"""Wait once more than BUDGET processes ended within WINDOW_S. Never given up: a camera may be repaired."""
TERM_S = 3.0
"""From SIGTERM to SIGKILL."""
_REAP_S = 0.01
"""Interval of polling a process that has closed its pipe or was killed and has not ended yet."""
_AGAIN_S = 1.0
"""A worker that asks for a restart sooner than this is treated as failed, or it would restart without end."""

STARTING, RUNNING, STOPPING, WAITING, FAILED, STOPPED = (
    'starting', 'running', 'stopping', 'waiting', 'failed', 'stopped')
EXCLUSIVE, YIELDING = 'exclusive', 'yielding'

log = logging.getLogger(__name__)


@attrs.frozen
class WorkerSpec:
    """What to run, and how to watch it."""

    name = attrs.field()
    target = attrs.field()
    """Dotted module name; its `main(context, **arguments)` is called in the child."""
    arguments = attrs.field(factory=dict, repr=False)
    """JSON-able; may hold passwords."""
    restart_on = attrs.field(default=None, repr=False)
    """Changes of this part of the arguments need a new process; all others are sent to it. None: all need one."""
    heartbeat_timeout_s = attrs.field(default=10.0)
    """Without a heartbeat for so long the process is ended and restarted."""
    startup_timeout_s = attrs.field(default=60.0)
    """The same until it reports `ready`."""
    required = attrs.field(default=True)
    """Whether the appliance is unhealthy while it is down."""
    environment = attrs.field(factory=dict)
    """Variables besides the supervisor's, for what must be set before its first thread starts."""
    expendable = attrs.field(default=False)
    """The kernel is to end this one rather than others where memory runs out."""
    cores = attrs.field(default=None)
    """EXCLUSIVE: the cores it keeps busy are avoided by all YIELDING workers while the others have room elsewhere."""


class ManagedProcess:
    """One worker's process: started, watched, ended, restarted. Times are ns of the given clock."""

    def __init__(self, spec, spawn, clock):
        self.spec = spec
        self.process = None
        self.state = WAITING
        self.restarts = 0
        self.exit_code = None
        self.reason = None
        """Why the last process ended, in words, if known; goes with `exit_code`."""
        self.quit = False
        """Whether the last process ended by itself, with success."""
        self.pss_mb = None
        self._spawn, self._clock = spawn, clock
        self._restart_policy = RestartPolicy()
        self._next = spec
        self._cpu_before_s = 0.0
        self._since_ns = self._start_ns = self._started_ns = self._heartbeat_ns = clock()
        self._kill_ns = None
        self._pipe_closed = False
        self._reported = None
        self._got_sigterm = False

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def wanted(self):
        """The WorkerSpec that should run, None when the worker is no longer wanted."""
        return self._next

    @property
    def finished(self):
        """No process is running and none will be started."""
        return self.process is None and self._next is None

    @property
    def fd(self):
        """Heartbeat pipe to wait on, or None."""
        return self.process.fd if self.process is not None and not self._pipe_closed else None

    @property
    def due_ns(self):
        """When `step` has something to do although nothing arrives on the pipe; None: never."""
        if self.process is None:
            return self._start_ns if self.state == WAITING else None
        if self._pipe_closed or (self.state == STOPPING and self._kill_ns is None):
            return self._clock() + int(_REAP_S * 1e9)
        return self._kill_ns if self.state == STOPPING else self._heartbeat_ns + self._silence_limit_ns()

    def status(self):
        """The worker's row of status.json, see Supervisor.status."""
        running_s = self.process.cpu_s() if self.process is not None else 0.0
        return {'name': self.spec.name, 'pid': self.process.pid if self.process is not None else None,
                'restarts': self.restarts, 'state': self.state, 'exit_code': self.exit_code, 'reason': self.reason,
                'quit': self.quit, 'required': self.spec.required, 'cpu_s': round(self._cpu_before_s + running_s, 2),
                'pss_mb': self.pss_mb, 'since_s': round((self._clock() - self._since_ns) / 1e9, 1)}

    # -- commands --------------------------------------------------------------------------------------------------

    def step(self):
        """Do what is due now."""
        now = self._clock()
        if self.process is not None:
            self._check(now)
        if self.process is None and self.state == WAITING and now >= self._start_ns:
            self._start(now)

    def stop(self):
        """End the process and start no other."""
        self._next = None
        self._end(self._clock())

    def replace(self, spec):
        """Run `spec` in a new process; also brings back a worker that was left down."""
        self._next = spec
        self._restart_policy = RestartPolicy()
        self._end(self._clock())

    def update(self, spec):
        """Change to `spec`: the running process is sent its new arguments where that is enough, else replaced."""
        before = self._next
        if before is None or before.restart_on is None or attrs.evolve(before, arguments=spec.arguments) != spec:
            self.replace(spec)
        elif before is not self.spec:     # its process has yet to start
            self._next = spec
        else:
            self.spec = self._next = spec
            if self.process is not None and self.state != STOPPING and not self.process.send_arguments(spec.arguments):
                self._reported = 'does not take its new arguments'
                log.warning('%s: %s, restarted', spec.name, self._reported)
                self._end(self._clock())

    def extend(self, ns):
        """Move the times at which the process would be ended by `ns` nanoseconds."""
        self._heartbeat_ns += ns
        if self._kill_ns is not None:
            self._kill_ns += ns

    def kill(self):
        """End the process with SIGKILL."""
        if self.process is not None:
            self.process.send(signal.SIGKILL)

    def _end(self, now):
        if self.process is not None:
            self._terminate(now)
        else:
            self._enter_idle(now)

    def _enter_idle(self, now):
        """Without a process: start the next at once if one is wanted."""
        self.spec = self._next or self.spec
        self._enter(WAITING if self._next else STOPPED, now)
        self._start_ns = now

    # -- one process ------------------------------------------------------------------------------------------------

    def _start(self, now):
        self._started_ns = self._heartbeat_ns = now
        self._pipe_closed, self._kill_ns, self._reported, self._got_sigterm = False, None, None, False
        try:
            self.process = self._spawn(self.spec)
        except OSError as error:
            log.error('%s: cannot be started: %s', self.spec.name, error)
            self._wait_for_restart(now)
            return
        self._enter(STARTING, now)
        log.info('%s: started, pid %d', self.spec.name, self.process.pid)

    def _check(self, now):
        lines, self._pipe_closed = self.process.read_lines()
        for line in lines:
            self._heartbeat_ns = now
            self._handle(line, now)
        code = self.process.poll()
        if code is not None:
            self._ended(code, now)
        elif self.state == STOPPING:
            if self._kill_ns is not None and now >= self._kill_ns:
                self._kill_ns = None
                log.warning('%s: still running %.0f s after SIGTERM, killed', self.spec.name, TERM_S)
                self.kill()
        elif now - self._heartbeat_ns >= self._silence_limit_ns():
            self._reported = 'silent for %.1f s' % ((now - self._heartbeat_ns) / 1e9)
            log.warning('%s: %s, sent SIGTERM', self.spec.name, self._reported)
            self._terminate(now)
        elif self._pipe_closed:
            self._terminate(now)

    def _handle(self, line, now):
        what, _, value = line.partition(' ')
        if what == 'ready' and self.state == STARTING:
            self._enter(RUNNING, now)
        elif what == 'pss_mb':
            self.pss_mb = json.loads(value)
        elif what == 'reason':
            self._reported = json.loads(value)
        elif what == 'signal':
            self._got_sigterm = True

    def _silence_limit_ns(self):
        return int((self.spec.startup_timeout_s if self.state == STARTING else self.spec.heartbeat_timeout_s) * 1e9)

    def _terminate(self, now):
        if self.state == STOPPING:
            return
        self._enter(STOPPING, now)
        self._kill_ns = now + int(TERM_S * 1e9)
        self.process.send(signal.SIGTERM)

    def _ended(self, code, now):
        ordered = self.state == STOPPING and self._next is not self.spec
        self._cpu_before_s += self.process.cpu_s()
        self.process.close()
        self.process, self.pss_mb, self.exit_code, self.reason = None, None, code, self._reported
        self.quit = code == EXIT_GOOD and not (ordered or self._got_sigterm) and self._reported is None
        if ordered:
            self._enter_idle(now)
        elif code in (EXIT_CONFIG, EXIT_FINAL):
            self._enter(FAILED, now)
            log.error('%s: left down, a restart will not help: %s', self.spec.name, self.reason or 'see above')
        elif code == EXIT_AGAIN and now - self._started_ns >= _AGAIN_S * 1e9:
            self.restarts += 1
            self._start(now)
        else:
            self._wait_for_restart(now)

    def _wait_for_restart(self, now):
        delay_s = self._restart_policy.delay_s(now / 1e9, (now - self._started_ns) / 1e9)
        self.restarts += 1
        self._enter(WAITING, now)
        self._start_ns = now + int(delay_s * 1e9)
        log.warning('%s: ended with exit code %s, restarted in %.1f s', self.spec.name, self.exit_code, delay_s)

    def _enter(self, state, now):
        self.state, self._since_ns = state, now


class RestartPolicy:
    """One worker's history of failures; times in seconds of any one clock."""

    def __init__(self) -> None:
        self._ends = collections.deque()
        self._quick = 0
        self._slow = False

    def delay_s(self, ended_s: float, lived_s: float) -> float:
        """Seconds to wait after a process that ran for `lived_s` ended at `ended_s`."""
        if lived_s >= QUICK_S:
            self._quick, self._slow = 0, False
        self._ends.append(ended_s)
        while self._ends[0] <= ended_s - WINDOW_S:
            self._ends.popleft()
        self._slow = self._slow or len(self._ends) > BUDGET
        delay_s = DELAYS_S[min(self._quick, len(DELAYS_S) - 1)]
        self._quick += 1
        return SLOW_S if self._slow else delay_s
