"""The supervisor when something else is wanted, when all is to end, and what it tells; the clock is moved by hand."""
import json
import logging
import signal

import pytest

from edge_app.supervision.supervisor import WorkerSpec

from tests.support.supervisor_world import GATE, YARD, Process, World, die_at_once, states

# -- wanting something else -------------------------------------------------------------------------------------------


def test_what_is_gone_is_stopped_what_is_new_is_started_what_stays_is_left_alone(gate):
    door = WorkerSpec('door', 'some.module')
    gate.supervisor.reconcile([YARD, door])
    gate.step()
    assert gate.started[0].received == [signal.SIGTERM] and gate.started[1].received == []
    assert [process.worker.name for process in gate.started] == ['gate', 'yard', 'door']
    assert gate.status()['state'] == 'stopped'
    gate.supervisor.run(until=iter([False, True]).__next__)
    assert [row['name'] for row in gate.supervisor.status()] == ['yard', 'door']


def test_what_changed_is_started_again_with_the_change(gate):
    changed = WorkerSpec('gate', 'some.module', {'uri': 'rtsp://elsewhere'})
    gate.supervisor.reconcile([changed, YARD])
    gate.step()
    gate.step()
    assert gate.last().worker is changed
    assert gate.status()['restarts'] == 0 and gate.started[1].received == []


def test_the_old_process_is_gone_before_the_new_one_comes(world):
    world.answers = {}
    world.step()
    changed = WorkerSpec('gate', 'some.module', {'uri': 'rtsp://elsewhere'})
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
    gate.supervisor.reconcile([WorkerSpec('gate', 'some.module', {'uri': 'rtsp://gate'}), YARD])
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
    secret = WorkerSpec('door', 'some.module', {'password': 'hunter2'})
    gate.supervisor.reconcile([secret])
    gate.step()
    gate.last('door').code = 1
    gate.step()
    assert 'hunter2' not in repr(secret) + caplog.text + json.dumps(gate.supervisor.status())
