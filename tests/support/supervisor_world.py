"""A supervisor with a clock that is moved by hand and processes that are none."""
import signal

from edge_app.supervision.supervisor import Supervisor, WorkerSpec


class Clock:
    def __init__(self):
        self.ns = 10 ** 12

    def __call__(self):
        return self.ns

    def pass_s(self, seconds):
        self.ns += int(round(seconds * 1e9))


class Process:
    """A process that does what the test says: `answers` decides which signals end it, and how."""

    fd = None

    def __init__(self, pid, answers):
        self.pid, self.answers = pid, answers
        self.said, self.code, self.received, self.closed, self.used_s = [], None, [], False, 0.0

    def read_lines(self):
        said, self.said = self.said, []
        return said, self.code is not None

    def poll(self):
        return self.code

    def send(self, number):
        self.received.append(number)
        if number == signal.SIGKILL:
            self.code = -9
        elif number in self.answers:
            self.code = self.answers[number]

    def cpu_s(self):
        return self.used_s

    def close(self):
        self.closed = True


class World:
    """A supervisor, its clock, and every process it ever started."""

    def __init__(self, run_dir, *specs):
        self.clock, self.started = Clock(), []
        self.answers = {signal.SIGTERM: 0}
        self.refuse = 0
        self.slept = []
        self.supervisor = Supervisor(specs, run_dir, clock=self.clock, spawn=self._spawn, wait=self._wait)

    def _spawn(self, worker, run_dir):
        if self.refuse:
            self.refuse -= 1
            raise OSError(11, 'Resource temporarily unavailable')
        process = Process(100 + len(self.started), dict(self.answers))
        process.worker = worker
        self.started.append(process)
        return process

    def _wait(self, fds, timeout_s):
        """A death closes the process's pipe, which ends the sleep."""
        self.slept.append(timeout_s)
        died = any(process.code is not None and not process.closed for process in self.started)
        self.clock.pass_s(0.001 if died else max(timeout_s, 0.001))

    def step(self, seconds=0.0):
        self.clock.pass_s(seconds)
        self.supervisor.step()

    def live(self, seconds, step_s=0.5):
        """Time goes by with heartbeats."""
        for _ in range(int(seconds / step_s)):
            for process in self.started:
                process.said.append('')
            self.step(step_s)

    def last(self, name='gate'):
        return [process for process in self.started if process.worker.name == name][-1]

    def status(self, name='gate'):
        return {row['name']: row for row in self.supervisor.status()}[name]


GATE = WorkerSpec('gate', 'some.module', {'uri': 'rtsp://gate'})
YARD = WorkerSpec('yard', 'some.module', {'uri': 'rtsp://yard'})


def states(world):
    return [row['state'] for row in world.supervisor.status()]


def die_at_once(world, times):
    """Seconds that passed between each death and the next life, to 0.05 s."""
    waits = []
    for _ in range(times):
        started, died_ns = len(world.started), world.clock.ns
        world.last().code = 1
        world.step()
        while len(world.started) == started:
            world.step(0.05)
        waits.append((world.clock.ns - died_ns) / 1e9)
    return waits
