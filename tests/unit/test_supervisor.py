"""The supervisor's decisions, with a clock that is moved by hand and processes that are none."""
import json
import logging
import signal

import pytest

from edge_app.restarts import BUDGET, QUICK_S, SLOW_S, Restarts
from edge_app.supervisor import Supervisor, Worker


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

    def lines(self):
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


GATE = Worker('gate', 'some.module', {'uri': 'rtsp://gate'})
YARD = Worker('yard', 'some.module', {'uri': 'rtsp://yard'})


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, GATE, YARD)


@pytest.fixture
def gate(world):
    """A world in which both workers said that they are ready."""
    world.step()
    for process in world.started:
        process.said.append('ready')
    world.step(0.1)
    return world


def states(world):
    return [row['state'] for row in world.supervisor.status()]


# -- starting ---------------------------------------------------------------------------------------------------------

def test_nothing_starts_before_the_first_step(world):
    assert world.started == [] and states(world) == ['waiting', 'waiting']


def test_everything_starts_with_the_first_step(world):
    world.step()
    assert [process.worker for process in world.started] == [GATE, YARD]
    assert states(world) == ['starting', 'starting']
    world.last().said.append('ready')
    world.step(1)
    assert states(world) == ['running', 'starting']


def test_a_step_with_nothing_to_do_does_nothing(gate):
    gate.step(1)
    assert len(gate.started) == 2 and not gate.last().received


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path):
    world = World(tmp_path, GATE)
    world.refuse = 2
    world.step()
    assert states(world) == ['waiting'] and world.status()['pid'] is None
    world.step()
    assert states(world) == ['waiting'], 'refused a second time: 0.2 s'
    world.step(0.1)
    assert states(world) == ['waiting']
    world.step(0.1)
    assert states(world) == ['starting']


# -- dying ------------------------------------------------------------------------------------------------------------

def test_a_death_is_followed_by_a_new_life_at_once(gate):
    gate.last().code = -9
    gate.step()
    gate.step()
    assert [process.worker.name for process in gate.started] == ['gate', 'yard', 'gate']
    status = gate.status()
    assert (status['restarts'], status['exit_code'], status['state']) == (1, -9, 'starting')
    assert status['pid'] == gate.last().pid
    assert gate.status('yard')['restarts'] == 0
    assert gate.started[0].closed


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


def test_quick_deaths_are_followed_by_longer_and_longer_waits(tmp_path):
    world = World(tmp_path, GATE)
    world.step()
    assert die_at_once(world, 8) == pytest.approx([0, 0.2, 0.5, 1, 2, 5, 10, 10], abs=0.051)


def test_a_long_life_forgives(gate):
    die_at_once(gate, 4)
    gate.last().said.append('ready')
    gate.live(QUICK_S + 1)
    gate.last().code = 1
    gate.step()
    gate.step()
    assert gate.status()['state'] == 'starting', 'at once again'


def test_after_the_budget_is_spent_it_is_tried_slowly_but_never_given_up():
    restarts = Restarts()
    now, delays = 1000.0, []
    for _ in range(30):
        delays.append(restarts.delay_s(now, 0.1))
        now += delays[-1] + 0.1
    assert delays[:8] == [0, 0.2, 0.5, 1, 2, 5, 10, 10]
    assert delays.index(SLOW_S) == BUDGET
    assert set(delays[BUDGET:]) == {SLOW_S}
    assert restarts.delay_s(now + 20, 20.0) == 0.0, 'a long life restores the budget'


def test_deaths_spread_over_time_do_not_spend_the_budget():
    restarts = Restarts()
    assert SLOW_S not in [restarts.delay_s(n * 10.0, 9.0) for n in range(50)]


def test_exit_code_3_is_left_down_with_its_reason(gate, caplog):
    gate.last().said.append('reason "no onnxruntime; pip install it"')
    gate.last().code = 3
    gate.step()
    gate.live(3600, step_s=10)
    status = gate.status()
    assert (status['state'], status['exit_code'], status['pid']) == ('failed', 3, None)
    assert status['reason'] == 'no onnxruntime; pip install it'
    assert 'no onnxruntime; pip install it' in caplog.text
    assert len([process for process in gate.started if process.worker is GATE]) == 1


def test_exit_code_75_starts_again_at_once_and_is_no_fault(gate):
    for turn in range(1, 15):
        gate.last().said.append('ready')
        gate.live(2)
        gate.last().code = 75
        gate.step()
        assert gate.status()['state'] == 'starting' and gate.status()['restarts'] == turn
    gate.last().code = 1
    gate.step()
    gate.step()
    assert gate.status()['state'] == 'starting', 'the first fault is forgiven at once'


def test_exit_code_75_in_a_circle_is_a_fault(gate):
    found = []
    for _ in range(4):
        gate.last().code = 75
        gate.step()
        found.append(gate.status()['state'])
        gate.step(0.9)
    assert found == ['starting', 'waiting', 'waiting', 'waiting']


def test_reasons_belong_to_the_last_death(gate):
    gate.last().said.append('reason "first"')
    gate.last().code = 1
    gate.step()
    gate.step()
    assert gate.status()['reason'] == 'first'
    gate.last().code = -11
    gate.step()
    assert gate.status()['reason'] is None and gate.status()['exit_code'] == -11


# -- hanging ----------------------------------------------------------------------------------------------------------

def test_silence_ends_the_process_and_starts_another(gate):
    gate.live(30)
    gate.last().said.append('')
    gate.step()
    gate.step(9.9)
    assert gate.status()['state'] == 'running'
    gate.step(0.2)
    assert gate.last().received == [signal.SIGTERM]
    gate.step()
    gate.step()
    assert gate.status()['state'] == 'starting' and gate.status()['restarts'] == 1
    assert gate.status()['reason'].startswith('silent for 10')


def test_a_process_deaf_to_sigterm_is_killed_after_3_s(world):
    world.answers = {}
    world.step()
    for process in world.started:
        process.said.append('ready')
    world.step()
    world.step(10.1)
    assert world.status()['state'] == 'stopping'
    hung = world.last()
    world.step(2.8)
    assert hung.received == [signal.SIGTERM]
    world.step(0.3)
    assert hung.received == [signal.SIGTERM, signal.SIGKILL]
    world.step()
    world.step()
    assert world.last() is not hung and world.status()['state'] == 'starting'


def test_starting_may_take_longer_than_silence(tmp_path):
    world = World(tmp_path, Worker('gate', 'some.module', silence_s=5.0, boot_s=60.0))
    world.step()
    world.step(59)
    assert world.status()['state'] == 'starting'
    world.last().said.append('ready')
    world.step()
    world.step(4.9)
    assert world.status()['state'] == 'running'
    world.step(0.2)
    assert world.last().received == [signal.SIGTERM]


def test_a_heartbeat_while_starting_counts(tmp_path):
    world = World(tmp_path, Worker('gate', 'some.module', boot_s=60.0))
    world.step()
    for _ in range(10):
        world.last().said.append('')
        world.step(50)
    assert world.status()['state'] == 'starting' and world.status()['restarts'] == 0


def test_beats_while_stopping_do_not_save_it(world):
    world.answers = {}
    world.step()
    world.supervisor.reconcile([YARD])
    world.live(4)
    assert world.started[0].received == [signal.SIGTERM, signal.SIGKILL]


# -- wanting something else -------------------------------------------------------------------------------------------

def test_what_is_gone_is_stopped_what_is_new_is_started_what_stays_is_left_alone(gate):
    door = Worker('door', 'some.module')
    gate.supervisor.reconcile([YARD, door])
    gate.step()
    assert gate.started[0].received == [signal.SIGTERM] and gate.started[1].received == []
    assert [process.worker.name for process in gate.started] == ['gate', 'yard', 'door']
    assert gate.status()['state'] == 'stopped'
    gate.supervisor.run(until=iter([False, True]).__next__)
    assert [row['name'] for row in gate.supervisor.status()] == ['yard', 'door']


def test_what_changed_is_started_again_with_the_change(gate):
    changed = Worker('gate', 'some.module', {'uri': 'rtsp://elsewhere'})
    gate.supervisor.reconcile([changed, YARD])
    gate.step()
    gate.step()
    assert gate.last().worker is changed
    assert gate.status()['restarts'] == 0 and gate.started[1].received == []


def test_the_old_process_is_gone_before_the_new_one_comes(world):
    world.answers = {}
    world.step()
    changed = Worker('gate', 'some.module', {'uri': 'rtsp://elsewhere'})
    world.supervisor.reconcile([changed, YARD])
    world.step(2.9)
    assert world.last().worker is GATE
    world.step(0.2)
    world.step()
    assert world.last().worker is changed


def test_gone_and_wanted_again_while_it_still_ends(world):
    world.answers = {}
    world.step()
    world.supervisor.reconcile([YARD])
    world.supervisor.reconcile([GATE, YARD])
    world.step(3.1)
    world.step()
    world.step()
    assert world.status()['state'] == 'starting' and len(world.started) == 3


def test_what_was_left_down_gets_another_chance(gate):
    gate.last().code = 3
    gate.step()
    gate.supervisor.reconcile([GATE, YARD])
    gate.step()
    assert gate.status()['state'] == 'starting'


def test_reconcile_with_nothing_new_does_nothing(gate):
    gate.supervisor.reconcile([Worker('gate', 'some.module', {'uri': 'rtsp://gate'}), YARD])
    gate.step()
    assert len(gate.started) == 2 and not gate.last().received


# -- stopping ---------------------------------------------------------------------------------------------------------

def test_stop_tells_all_at_once_and_returns_when_they_are_gone(gate):
    before = gate.clock.ns
    gate.supervisor.stop()
    assert [process.received for process in gate.started] == [[signal.SIGTERM]] * 2
    assert states(gate) == ['stopped', 'stopped'] and (gate.clock.ns - before) / 1e9 < 0.1
    gate.step(100)
    assert len(gate.started) == 2, 'nobody is started again'


def test_stop_kills_who_does_not_answer(world):
    world.answers = {}
    world.step()
    before = world.clock.ns
    world.supervisor.stop()
    assert [process.received for process in world.started] == [[signal.SIGTERM, signal.SIGKILL]] * 2
    assert 3.0 <= (world.clock.ns - before) / 1e9 < 3.5


def test_stop_gives_up_on_who_cannot_be_killed(world, caplog, monkeypatch):
    monkeypatch.setattr(Process, 'send', lambda process, number: process.received.append(number))
    world.step()
    before = world.clock.ns
    world.supervisor.stop()
    assert 5.0 <= (world.clock.ns - before) / 1e9 < 5.5
    assert 'cannot be killed' in caplog.text


def test_stop_also_ends_who_was_hanging_already(world):
    world.answers = {}
    world.step()
    world.step(60.1)
    assert states(world) == ['stopping', 'stopping']
    world.supervisor.stop()
    assert states(world) == ['stopped', 'stopped'] and len(world.started) == 2


def test_stop_while_waiting_for_a_restart(gate):
    die_at_once(gate, 3)
    gate.last().code = 1
    gate.step()
    assert gate.status()['state'] == 'waiting'
    gate.supervisor.stop()
    assert gate.status()['state'] == 'stopped'


# -- running ----------------------------------------------------------------------------------------------------------

def test_run_sleeps_until_something_is_due(world):
    world.supervisor.run(until=lambda: world.clock.ns > 10 ** 12 + 5 * 10 ** 9)
    asleep = [timeout_s for timeout_s in world.slept if timeout_s > 0]
    assert len(asleep) <= 7 and max(asleep) <= 1.0, 'once a second, when all is well'


def test_run_wakes_for_a_restart_that_is_due(gate):
    die_at_once(gate, 2)
    gate.last().code = 1
    gate.step()
    gate.slept.clear()
    ends_ns = gate.clock.ns + 3 * 10 ** 9
    gate.supervisor.run(until=lambda: gate.clock.ns > ends_ns)
    assert any(abs(timeout_s - 0.5) < 0.01 for timeout_s in gate.slept)
    assert gate.status()['restarts'] == 3


def test_run_stops_everything_also_after_an_exception(world):
    def tick():
        raise ValueError('a mistake in the caller')

    with pytest.raises(ValueError):
        world.supervisor.run(on_tick=tick)
    assert [process.received for process in world.started] == [[signal.SIGTERM]] * 2


def test_run_ticks_once_a_second(world):
    ticks = []
    world.supervisor.run(until=lambda: world.clock.ns > 10 ** 12 + 5 * 10 ** 9, on_tick=lambda: ticks.append(1))
    assert 5 <= len(ticks) <= 7


# -- telling ----------------------------------------------------------------------------------------------------------

def test_status_json_says_what_status_says(world, tmp_path):
    world.supervisor.run(until=iter([False, True]).__next__)
    with open(str(tmp_path / 'status.json')) as file:
        written = json.load(file)
    assert written['workers'] == json.loads(json.dumps(world.supervisor.status()))
    assert written['supervisor']['pid'] > 0 and written['written_ns'] > 10 ** 12
    assert [path.name for path in tmp_path.iterdir()] == ['status.json']


def test_a_run_directory_that_went_away_does_not_end_the_supervisor(tmp_path, caplog):
    world = World(tmp_path / 'gone', GATE)
    world.supervisor.run(until=iter([False, True]).__next__)
    assert 'status.json' in caplog.text


def test_cpu_time_is_kept_over_deaths(gate):
    gate.last().used_s = 1.5
    assert gate.status()['cpu_s'] == 1.5
    gate.last().used_s = 2.0
    gate.last().code = 1
    gate.step()
    assert gate.status()['cpu_s'] == 2.0
    gate.step()
    gate.last().used_s = 0.25
    assert gate.status()['cpu_s'] == 2.25


def test_memory_is_what_the_worker_said_last(gate):
    assert gate.status()['pss_mb'] is None
    gate.last().said += ['pss_mb 48.5', '', 'pss_mb 49.25']
    gate.step()
    assert gate.status()['pss_mb'] == 49.25
    gate.last().code = 1
    gate.step()
    assert gate.status()['pss_mb'] is None


def test_since_is_the_time_in_this_state(gate):
    gate.live(5)
    assert gate.status()['since_s'] == pytest.approx(5.0)


def test_arguments_are_never_shown(gate, caplog):
    caplog.set_level(logging.DEBUG)
    secret = Worker('door', 'some.module', {'password': 'hunter2'})
    gate.supervisor.reconcile([secret])
    gate.step()
    gate.last('door').code = 1
    gate.step()
    assert 'hunter2' not in repr(secret) + caplog.text + json.dumps(gate.supervisor.status())
