"""The supervisor's decisions when processes start, die and hang, with a clock that is moved by hand."""
import signal

import pytest

from edge_app.supervision.managed_process import BUDGET, QUICK_S, SLOW_S, RestartPolicy
from edge_app.supervision.supervisor import WorkerSpec

from tests.support.supervisor_world import GATE, YARD, World, die_at_once, states

# -- its own absence --------------------------------------------------------------------------------------------------


def paused(world, seconds, then):
    """The supervisor runs, is stopped for `seconds` during a sleep (SIGSTOP, `docker pause`), then calls `then`."""
    sleeps = []

    def wait(fds, timeout_s):
        sleeps.append(timeout_s)
        world.clock.pass_s(seconds if len(sleeps) == 5 else timeout_s)
        if len(sleeps) > 5:
            then(len(sleeps))
        else:
            for process in world.started:
                process.said.append('ready')

    world.supervisor._wait = wait
    world.supervisor.run(until=lambda: len(sleeps) >= 30)


def test_workers_stopped_together_with_the_supervisor_are_not_taken_for_hung(world):
    def go_on(sleeps):
        for process in world.started:
            process.said.append('')

    ended = []
    world.supervisor.stop = lambda: ended.extend(process.received for process in world.started)
    paused(world, 3600, go_on)
    assert len(world.started) == 2 and ended == [[], []]


def test_one_that_stays_silent_after_the_pause_is_ended_all_the_same(world):
    def only_yard(sleeps):
        world.last('yard').said.append('')

    paused(world, 3600, only_yard)
    assert signal.SIGTERM in world.started[0].received and len(world.started) == 3
    assert world.status('gate')['restarts'] == 1 and world.status('yard')['restarts'] == 0


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
    restarts = RestartPolicy()
    now, delays = 1000.0, []
    for _ in range(30):
        delays.append(restarts.delay_s(now, 0.1))
        now += delays[-1] + 0.1
    assert delays[:8] == [0, 0.2, 0.5, 1, 2, 5, 10, 10]
    assert delays.index(SLOW_S) == BUDGET
    assert set(delays[BUDGET:]) == {SLOW_S}
    assert restarts.delay_s(now + 20, 20.0) == 0.0, 'a long life restores the budget'


def test_deaths_spread_over_time_do_not_spend_the_budget():
    restarts = RestartPolicy()
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
    world = World(tmp_path, WorkerSpec('gate', 'some.module', heartbeat_timeout_s=5.0, startup_timeout_s=60.0))
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
    world = World(tmp_path, WorkerSpec('gate', 'some.module', startup_timeout_s=60.0))
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
