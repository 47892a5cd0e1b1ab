"""The supervisor with real workers: killed, stopped, hung, deaf, and left alone."""
import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

import attrs
import pytest

from edge_app.app.processes import ONE_HEAP
from edge_app.supervision import cpu_affinity
from edge_app.supervision.child import Child, spawn
from edge_app.supervision.managed_process import EXCLUSIVE, YIELDING
from edge_app.supervision.run_dir import prepare_run_dir
from edge_app.supervision.supervisor import Supervisor, WorkerSpec
from edge_app.supervision.worker import HEARTBEAT_FD

from tests.support.sources import ROOT
from tests.support.waiting import until

TARGETS = 'tests.standins.worker_targets'


def worker(name, behaviour='good', heartbeat_timeout_s=5.0, **arguments):
    return WorkerSpec(name, TARGETS, dict(arguments, behaviour=behaviour), heartbeat_timeout_s=heartbeat_timeout_s)


def gone(pid):
    """Ended, even if nobody has asked for its exit code yet."""
    try:
        with open('/proc/%d/stat' % pid) as stat:
            return stat.read().rpartition(')')[2].split()[0] == 'Z'
    except OSError:
        return True


class Box:
    """A supervisor in this process, stepped whenever something is waited for."""

    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.supervisor = None

    def start(self, *specs):
        self.supervisor = Supervisor(specs, self.run_dir)
        self.until(lambda: all(row['state'] in ('running', 'failed') for row in self.supervisor.status()), 'all up')
        return self

    def row(self, name):
        return {row['name']: row for row in self.supervisor.status()}[name]

    def until(self, predicate, what, seconds=20):
        def stepped():
            self.supervisor.step()
            return predicate()

        return until(stepped, seconds, what)

    def stop(self):
        """Seconds it took."""
        began = time.monotonic()
        self.supervisor.stop()
        return time.monotonic() - began


@pytest.fixture
def box(tmp_path):
    box = Box(str(tmp_path))
    yield box
    if box.supervisor is not None:
        box.supervisor.stop()


def test_the_others_keep_off_the_core_of_a_busy_worker(tmp_path, monkeypatch):
    """On a machine of one core they cannot. Busy is what it can be beside other tests."""
    for name, value in (('SPAN_S', 1.0), ('BUSY', 0.1), ('IDLE', 0.05)):
        monkeypatch.setattr(cpu_affinity, name, value)
    every = sorted(os.sched_getaffinity(0))
    specs = [attrs.evolve(worker('busy', 'busy'), cores=EXCLUSIVE), attrs.evolve(worker('good'), cores=YIELDING),
             worker('aside')]
    supervisor = Supervisor(specs, str(tmp_path))
    began, seen = time.monotonic(), {}

    def kept_off():
        seen.update({row['name']: os.sched_getaffinity(row['pid']) for row in supervisor.status() if row['pid']})
        return seen.get('good') == set(every[:-1] or every) or time.monotonic() > began + 90

    supervisor.run(until=kept_off)
    assert seen == {'busy': set(every), 'good': set(every[:-1] or every), 'aside': set(every)}


def test_threads_of_a_capture_share_one_heap_from_the_first_on(box, tmp_path):
    reports = {name: str(tmp_path / name) for name in ('plain', 'capture')}
    box.start(*[attrs.evolve(worker(name, 'counts_heaps', path=path), environment=ONE_HEAP if name == 'capture' else {})
                for name, path in reports.items()])
    heaps = {name: len(xml.etree.ElementTree.parse(path).findall('heap')) for name, path in reports.items()}
    assert heaps['capture'] == 1 < heaps['plain']


# -- stopping ---------------------------------------------------------------------------------------------------------

def test_a_stop_that_everybody_answers_is_quick(box):
    box.start(*[worker('good %d' % number) for number in range(4)])
    pids = [row['pid'] for row in box.supervisor.status()]
    assert box.stop() < 3
    assert all(gone(pid) for pid in pids)
    assert [row['exit_code'] for row in box.supervisor.status()] == [0] * 4


@pytest.mark.parametrize('behaviour', ['deaf', 'blocked_in_c', 'holds_the_interpreter'])
def test_a_stop_that_one_does_not_answer_ends_in_time(box, behaviour):
    box.start(worker('good'), worker('hung', behaviour))
    pids = [row['pid'] for row in box.supervisor.status()]
    assert box.stop() < 5
    assert all(gone(pid) for pid in pids)
    assert box.row('good')['exit_code'] == 0 and box.row('hung')['exit_code'] == -9


# -- dying ------------------------------------------------------------------------------------------------------------

def test_each_worker_killed_is_started_again(box):
    names = ['gate', 'analyze', 'compositor']
    box.start(*[worker(name) for name in names])
    for name in names:
        killed = box.row(name)['pid']
        os.kill(killed, signal.SIGKILL)
        box.until(lambda: box.row(name)['state'] == 'running' and box.row(name)['pid'] != killed, name + ' again')
        assert (box.row(name)['restarts'], box.row(name)['exit_code']) == (1, -9)
    assert [box.row(name)['restarts'] for name in names] == [1, 1, 1]


def test_a_worker_that_somebody_else_ends_has_not_wished_to(box):
    """The appliance would end with it, as when the window is closed."""
    box.start(worker('compositor'))
    first = box.row('compositor')['pid']
    os.kill(first, signal.SIGTERM)
    box.until(lambda: box.row('compositor')['state'] == 'running' and box.row('compositor')['pid'] != first,
              'another process')
    row = box.row('compositor')
    assert (row['restarts'], row['exit_code'], row['quit']) == (1, 0, False)


def test_a_death_is_noticed_at_once_not_at_the_next_look(tmp_path):
    """Killed right after the look of a second; the next life begins long before the next look."""
    starts, kills = [], []

    def noted(spec, run_dir):
        starts.append(time.monotonic())
        return spawn(spec, run_dir)

    def kill():
        if len(kills) < 3 and supervisor.status()[0]['state'] == 'running':
            kills.append(time.monotonic())
            os.kill(supervisor.status()[0]['pid'], signal.SIGKILL)

    supervisor = Supervisor([worker('gate')], str(tmp_path), spawn=noted)
    began = time.monotonic()
    supervisor.run(until=lambda: len(starts) == 4 or time.monotonic() > began + 30, on_tick=kill)
    delays = [start - killed for start, killed in zip(starts[1:], kills)]
    assert len(delays) == 3 and min(delays) < 0.5, 'after the kills: %s s' % delays


def test_what_the_worker_started_neither_hides_its_death_nor_outlives_it(tmp_path):
    marker = str(tmp_path / 'child')
    child = spawn(worker('parent', 'has_a_child', marker=marker), str(tmp_path))
    grandchild = int(until(lambda: os.path.exists(marker) and open_text(marker), 10, 'the child of the worker'))
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: child.read_lines()[1], 5, 'the end of the heartbeat pipe')
    assert not gone(grandchild)
    assert until(child.poll, 5, 'the exit code') == -9
    until(lambda: gone(grandchild), 5, 'the end of the grandchild')
    child.close()


def open_text(path):
    with open(path) as file:
        return file.read()


def test_exit_code_3_is_left_down_with_its_reason(box):
    box.start(worker('good'), worker('analyze', 'needs_an_engine'))
    row = box.row('analyze')
    assert (row['state'], row['exit_code'], row['restarts']) == ('failed', 3, 0)
    assert row['reason'] == 'onnxruntime is not installed; pip install onnxruntime'
    assert box.row('good')['state'] == 'running'


def test_exit_code_75_starts_again_without_delay(box, tmp_path):
    marker = str(tmp_path / 'lives')
    box.supervisor = Supervisor([worker('gate', 'exits', code=75, after_s=1.2, marker=marker)], box.run_dir)
    box.until(lambda: os.path.exists(marker) and len(open_text(marker).split()) == 4, 'four lives')
    row = box.row('gate')
    assert row['restarts'] == 3 and row['exit_code'] == 75


def test_a_worker_that_raises_is_tried_again_more_and_more_slowly(box):
    box.supervisor = Supervisor([worker('gate', 'raises')], box.run_dir)
    box.until(lambda: box.row('gate')['restarts'] == 4, 'four deaths')
    row = box.row('gate')
    assert row['state'] == 'waiting' and row['exit_code'] == 1
    assert row['reason'] == 'ValueError: a mistake in the worker'


# -- hanging ----------------------------------------------------------------------------------------------------------

def test_a_stopped_worker_is_killed_and_started_again(box):
    box.start(worker('gate', heartbeat_timeout_s=1.0), worker('yard', heartbeat_timeout_s=5.0))
    frozen = box.row('gate')['pid']
    os.kill(frozen, signal.SIGSTOP)
    box.until(lambda: box.row('gate')['state'] == 'running' and box.row('gate')['pid'] != frozen, 'another gate')
    row = box.row('gate')
    assert gone(frozen) and row['exit_code'] == -9 and row['reason'].startswith('silent for')
    assert box.row('yard')['restarts'] == 0


def test_a_worker_without_heartbeat_that_hears_sigterm_is_started_again(box):
    box.start(worker('gate', 'silent_but_obedient', heartbeat_timeout_s=1.0))
    box.until(lambda: box.row('gate')['restarts'] == 1, 'a restart')
    assert box.row('gate')['exit_code'] == 0


# -- what a worker is given and shows ---------------------------------------------------------------------------------

def test_secrets_travel_on_stdin_alone(box, tmp_path):
    path = str(tmp_path / 'shown')
    box.start(worker('capture:gate, the long one', 'shows', path=path, password='hunter2'))
    pid = box.row('capture:gate, the long one')['pid']
    shown = ast.literal_eval(until(lambda: os.path.exists(path) and open_text(path), 10, 'what the worker sees'))
    assert shown['given'] == {'password': 'hunter2'}
    assert shown['run_dir'] == str(tmp_path)
    assert shown['name'] == 'capture:gate, t'
    assert shown['sigint'] == str(signal.SIG_IGN) and shown['dumpable'] == 0 and shown['core'] == (0, 0)
    assert 'hunter2' not in shown['cmdline'] and 'hunter2' not in repr(shown['environment'])
    for file in ('cmdline', 'environ'):
        assert b'hunter2' not in looked_at_from_outside(pid, file)
    assert HEARTBEAT_FD not in shown['environment']
    assert shown['version'] == sys.version_info[:2]
    assert 'hunter2' not in json.dumps(box.supervisor.status())


def looked_at_from_outside(pid, file):
    """What another process of the same user sees; the environment of a worker is for root alone."""
    try:
        with open('/proc/%d/%s' % (pid, file), 'rb') as seen:
            return seen.read()
    except PermissionError:
        assert os.geteuid() != 0 and file == 'environ'
        return b''


def test_a_large_job_arrives_and_holds_nobody_up(box, tmp_path):
    path, large = str(tmp_path / 'shown'), 'x' * 600000
    began = time.monotonic()
    child = spawn(worker('gate', 'shows', path=path, text=large), str(tmp_path))
    assert time.monotonic() - began < 5
    shown = ast.literal_eval(until(lambda: os.path.exists(path) and open_text(path), 20, 'what the worker sees'))
    assert shown['given'] == {'text': large}
    child.send(signal.SIGTERM)
    until(lambda: child.poll() is not None, 10, 'the end')
    child.close()


def test_status_tells_cost(box):
    box.start(worker('gate'))
    row = box.until(lambda: box.row('gate') if box.row('gate')['pss_mb'] else None, 'the memory')
    assert 3 < row['pss_mb'] < 200 and row['cpu_s'] > 0 and row['since_s'] >= 0
    used = row['cpu_s']
    os.kill(row['pid'], signal.SIGKILL)
    box.until(lambda: box.row('gate')['restarts'] == 1 and box.row('gate')['state'] == 'running', 'another life')
    assert box.row('gate')['cpu_s'] > used


def test_workers_are_started_from_the_main_thread_only(tmp_path):
    raised = []

    def elsewhere():
        with pytest.raises(RuntimeError, match='main thread'):
            Child('gate', {})
        raised.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert raised == [True]


# -- the supervisor's own end -----------------------------------------------------------------------------------------

@pytest.fixture
def supervise(tmp_path):
    """Starts a supervisor process over tmp_path; gives (process, its run directory, the pids of its workers)."""
    with contextlib.ExitStack() as stack:
        def supervise(*behaviours):
            process = subprocess.Popen([sys.executable, '-m', 'tests.standins.supervised', str(tmp_path)]
                                       + list(behaviours), cwd=ROOT, stdout=subprocess.PIPE, universal_newlines=True)
            for cleanup in (process.stdout.close, process.wait, process.kill):
                stack.callback(cleanup)
            run_dir = process.stdout.readline().strip()
            pids = until(lambda: running(run_dir, len(behaviours)), 20, 'all workers running')
            stack.callback(end, pids)
            return process, run_dir, pids

        yield supervise


def running(run_dir, count):
    """Pids of the workers, once `count` of them are running."""
    try:
        rows = json.loads(open_text(os.path.join(run_dir, 'status.json')))['workers']
    except FileNotFoundError:
        return None
    pids = [row['pid'] for row in rows if row['state'] == 'running']
    return pids if len(pids) == count else None


def end(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT'])
def test_a_supervisor_told_to_end_leaves_nothing(supervise, tmp_path, name):
    process, run_dir, pids = supervise('good', 'good', 'silent_but_obedient')
    began = time.monotonic()
    process.send_signal(getattr(signal, name))
    assert process.wait(10) == 0 and time.monotonic() - began < 3
    assert all(gone(pid) for pid in pids) and list(tmp_path.iterdir()) == []
    assert process.stdout.read() == 'done\n'


def test_a_supervisor_killed_takes_all_workers_along_and_they_clean_up(supervise, tmp_path):
    process, run_dir, pids = supervise('good', 'good', 'deaf', 'blocked_in_c')
    process.kill()
    process.wait()
    until(lambda: gone(pids[0]) and gone(pids[1]), 3, 'the end of those who listen, at once')
    until(lambda: all(gone(pid) for pid in pids), 10, 'the end of all workers')
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_could_clean_up_is_removed_at_the_next_start(supervise, tmp_path):
    process, run_dir, pids = supervise('good', 'good')
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    end(pids)
    until(lambda: all(gone(pid) for pid in pids), 10, 'the end of all workers')
    assert os.path.exists(os.path.join(run_dir, 'status.json'))
    with prepare_run_dir(str(tmp_path)) as fresh:
        assert [str(path) for path in tmp_path.iterdir()] == [fresh.path]


# -- a worker without supervisor --------------------------------------------------------------------------------------

@pytest.fixture
def by_hand():
    """Starts a worker as one would from a shell, with its job from a file that ends."""
    with contextlib.ExitStack() as stack:
        def by_hand(behaviour, **job):
            process = subprocess.Popen([sys.executable, '-m', 'edge_app.supervision.worker', 'gate'], cwd=ROOT,
                                       stdin=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
            for cleanup in (process.stderr.close, process.wait, process.kill):
                stack.callback(cleanup)
            process.stdin.write(json.dumps(dict(job, target=TARGETS, arguments={'behaviour': behaviour})))
            process.stdin.close()
            until(lambda: has_handler(process.pid, signal.SIGTERM), 10, 'the worker listening')
            return process

        yield by_hand


def has_handler(pid, number):
    with open('/proc/%d/status' % pid) as status:
        caught = next(line for line in status if line.startswith('SigCgt:'))
    return int(caught.split()[1], 16) >> (number - 1) & 1


def test_a_worker_runs_by_hand_until_it_is_told_to_end(by_hand):
    process = by_hand('good')
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


@pytest.mark.parametrize('behaviour', ['blocked_in_c', 'deaf'])
def test_a_worker_that_hangs_ends_itself_4_s_after_sigterm_and_shows_where(by_hand, behaviour):
    process = by_hand(behaviour)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 1
    assert time.monotonic() - began > 3.5
    assert 'worker_targets.py' in process.stderr.read()


def test_a_worker_that_holds_the_interpreter_is_ended_by_a_timer_that_needs_none(by_hand):
    process = by_hand('holds_the_interpreter', hang_s=1.0)
    assert process.wait(15) == 1
    assert '_deadlock' in process.stderr.read()
