"""A worker's seat: it stays, while one process after another sits in it."""
import json
import logging
import signal

import attrs

from edge_app.errors import EXIT_AGAIN, EXIT_CONFIG, EXIT_FINAL, EXIT_GOOD
from edge_app.supervision.restart_policy import RestartPolicy

TERM_S = 3.0
"""From SIGTERM to SIGKILL."""
_REAP_S = 0.01
"""Between two looks at a process that has closed its pipe or was killed, and is not quite gone."""
_AGAIN_S = 1.0
"""A worker that asks to be started again before it lived so long is a fault: it would go round and round."""

STARTING, RUNNING, STOPPING, WAITING, FAILED, STOPPED = (
    'starting', 'running', 'stopping', 'waiting', 'failed', 'stopped')
OWN, ASIDE = 'own', 'aside'

log = logging.getLogger(__name__)


@attrs.frozen
class WorkerSpec:
    """What is wanted in a seat."""

    name = attrs.field()
    target = attrs.field()
    """Dotted module name; its `main(life, **arguments)` is called in the child."""
    arguments = attrs.field(factory=dict, repr=False)
    """JSON-able; may hold passwords."""
    fixed = attrs.field(default=None, repr=False)
    """What of the arguments cannot change while a process runs; other changes it is told. None: all of it."""
    silence_s = attrs.field(default=10.0)
    """Without a heartbeat for so long the process is ended and started again."""
    boot_s = attrs.field(default=60.0)
    """The same until it said `ready`."""
    required = attrs.field(default=True)
    """Whether the appliance is unhealthy while it is down."""
    environment = attrs.field(factory=dict)
    """Variables it has besides the supervisor's: for what is to be settled before its first thread."""
    cores = attrs.field(default=None)
    """OWN: those it is busy on are left to it by all that keep ASIDE, while all others have room elsewhere."""


class ManagedProcess:
    """The process of one worker now: started, listened to, ended, started again. Times in ns of the given clock."""

    def __init__(self, worker, spawn, clock):
        self.worker = worker
        self.process = None
        self.state = WAITING
        self.restarts = 0
        self.exit_code = None
        self.reason = None
        """Why the last process ended, in words, as far as is known; goes with `exit_code`."""
        self.quit = False
        """Whether the last process ended well and nobody had told it to."""
        self.pss_mb = None
        self._spawn, self._clock = spawn, clock
        self._history = RestartPolicy()
        self._next = worker
        self._cpu_before_s = 0.0
        self._since_ns = self._start_ns = self._started_ns = self._heard_ns = clock()
        self._kill_ns = None
        self._silent_pipe = False
        self._said = None
        self._told = False

    # -- what the supervisor asks -----------------------------------------------------------------------------------

    @property
    def wanted(self):
        """The WorkerSpec that is to sit here, None when the seat is given up."""
        return self._next

    @property
    def gone(self):
        """Nobody sits here and nobody will."""
        return self.process is None and self._next is None

    @property
    def fd(self):
        """Heartbeat pipe to wait for, or None."""
        return self.process.fd if self.process is not None and not self._silent_pipe else None

    @property
    def due_ns(self):
        """When `step` has something to do even if the pipe stays silent; None: never."""
        if self.process is None:
            return self._start_ns if self.state == WAITING else None
        if self._silent_pipe or (self.state == STOPPING and self._kill_ns is None):
            return self._clock() + int(_REAP_S * 1e9)
        return self._kill_ns if self.state == STOPPING else self._heard_ns + self._patience_ns()

    def status(self):
        """What there is to know, as a dict that can become JSON."""
        running_s = self.process.cpu_s() if self.process is not None else 0.0
        return {'name': self.worker.name, 'pid': self.process.pid if self.process is not None else None,
                'restarts': self.restarts, 'state': self.state, 'exit_code': self.exit_code, 'reason': self.reason,
                'quit': self.quit, 'required': self.worker.required, 'cpu_s': round(self._cpu_before_s + running_s, 2),
                'pss_mb': self.pss_mb, 'since_s': round((self._clock() - self._since_ns) / 1e9, 1)}

    # -- what the supervisor orders ---------------------------------------------------------------------------------

    def step(self):
        """Do what is due now."""
        now = self._clock()
        if self.process is not None:
            self._attend(now)
        if self.process is None and self.state == WAITING and now >= self._start_ns:
            self._start(now)

    def stop(self):
        """End the process, start no other."""
        self._next = None
        self._end(self._clock())

    def replace(self, worker):
        """Seat a worker with another job, or bring one back that was left down."""
        self._next = worker
        self._history = RestartPolicy()
        self._end(self._clock())

    def adapt(self, worker):
        """Let the seat have another worker: the same process goes on where it can, told of its new arguments."""
        before = self._next
        if before is None or before.fixed is None or attrs.evolve(before, arguments=worker.arguments) != worker:
            self.replace(worker)
        elif before is not self.worker:     # its process has yet to start
            self._next = worker
        else:
            self.worker = self._next = worker
            if self.process is not None and self.state != STOPPING and not self.process.tell(worker.arguments):
                self._said = 'does not take its new arguments'
                log.warning('%s: %s, started anew', worker.name, self._said)
                self._end(self._clock())

    def kill(self):
        """End the process without asking."""
        if self.process is not None:
            self.process.send(signal.SIGKILL)

    def _end(self, now):
        if self.process is not None:
            self._terminate(now)
        else:
            self._rest(now)

    def _rest(self, now):
        """Nobody sits here; wait for the next one, if one is wanted, at once."""
        self.worker = self._next or self.worker
        self._enter(WAITING if self._next else STOPPED, now)
        self._start_ns = now

    # -- one life ---------------------------------------------------------------------------------------------------

    def _start(self, now):
        self._started_ns = self._heard_ns = now
        self._silent_pipe, self._kill_ns, self._said, self._told = False, None, None, False
        try:
            self.process = self._spawn(self.worker)
        except OSError as error:
            log.error('%s: cannot be started: %s', self.worker.name, error)
            self._wait_for_restart(now)
            return
        self._enter(STARTING, now)
        log.info('%s: started, pid %d', self.worker.name, self.process.pid)

    def _attend(self, now):
        lines, self._silent_pipe = self.process.lines()
        for line in lines:
            self._heard_ns = now
            self._understand(line, now)
        code = self.process.poll()
        if code is not None:
            self._ended(code, now)
        elif self.state == STOPPING:
            self._kill_when_due(now)
        elif now - self._heard_ns >= self._patience_ns():
            self._said = 'silent for %.1f s' % ((now - self._heard_ns) / 1e9)
            log.warning('%s: %s, told to end', self.worker.name, self._said)
            self._terminate(now)
        elif self._silent_pipe:
            self._terminate(now)

    def _understand(self, line, now):
        what, _, value = line.partition(' ')
        if what == 'ready' and self.state == STARTING:
            self._enter(RUNNING, now)
        elif what == 'pss_mb':
            self.pss_mb = json.loads(value)
        elif what == 'reason':
            self._said = json.loads(value)
        elif what == 'told':
            self._told = True

    def _patience_ns(self):
        return int((self.worker.boot_s if self.state == STARTING else self.worker.silence_s) * 1e9)

    def _terminate(self, now):
        if self.state == STOPPING:
            return
        self._enter(STOPPING, now)
        self._kill_ns = now + int(TERM_S * 1e9)
        self.process.send(signal.SIGTERM)

    def _kill_when_due(self, now):
        if self._kill_ns is not None and now >= self._kill_ns:
            self._kill_ns = None
            log.warning('%s: still there %.0f s after SIGTERM, killed', self.worker.name, TERM_S)
            self.kill()

    # -- and its end ------------------------------------------------------------------------------------------------

    def _ended(self, code, now):
        ordered = self.state == STOPPING and self._next is not self.worker
        self._cpu_before_s += self.process.cpu_s()
        self.process.close()
        self.process, self.pss_mb, self.exit_code, self.reason = None, None, code, self._said
        self.quit = code == EXIT_GOOD and not (ordered or self._told) and self._said is None
        if ordered:
            self._rest(now)
        elif code in (EXIT_CONFIG, EXIT_FINAL):
            self._enter(FAILED, now)
            log.error('%s: left down, starting again will not help: %s', self.worker.name, self.reason or 'see above')
        elif code == EXIT_AGAIN and now - self._started_ns >= _AGAIN_S * 1e9:
            self.restarts += 1
            self._start(now)
        else:
            self._wait_for_restart(now)

    def _wait_for_restart(self, now):
        delay_s = self._history.delay_s(now / 1e9, (now - self._started_ns) / 1e9)
        self.restarts += 1
        self._enter(WAITING, now)
        self._start_ns = now + int(delay_s * 1e9)
        log.warning('%s: ended with %s, started again in %.1f s', self.worker.name, self.exit_code, delay_s)

    def _enter(self, state, now):
        self.state, self._since_ns = state, now
