"""What a worker has in hand, without a process: its life, its job, its cost."""
import json
import os
import select
import subprocess
import sys

import pytest

from edge_app.errors import ConfigError, EdgeAppError, EngineUnavailable
from edge_app.supervision import worker
from edge_app.supervision import worker_context as life_module
from edge_app.supervision.process_usage import cpu_s, pss_mb
from edge_app.supervision.worker_context import WorkerContext

from tests.support import sources


@pytest.fixture
def pipe():
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    yield read, write
    for fd in (read, write):
        os.close(fd)


def said(fd):
    """Whole lines in the pipe."""
    try:
        return os.read(fd, 1 << 20).decode().split('\n')[:-1]
    except BlockingIOError:
        return []


def test_beats_are_few_however_often_one_beats(pipe, monkeypatch):
    now = [10 ** 12]
    monkeypatch.setattr(life_module, 'now_ns', lambda: now[0])
    context = WorkerContext('gate', heartbeat_fd=pipe[1], heartbeat_s=1.0)
    for _ in range(100):
        context.heartbeat()
        now[0] += 10 ** 7
    assert said(pipe[0]) == ['']
    context.heartbeat()
    assert said(pipe[0]) == ['']


def test_a_worker_run_by_hand_speaks_to_nobody():
    context = WorkerContext('gate')
    context.heartbeat()
    context.ready()
    context.report('reason', 'x')
    assert not context.stopping.is_set() and context.run_dir is None


def test_stop_is_seen_by_threads_and_by_loops():
    context = WorkerContext('gate')
    assert select.select([context.stop_fd], [], [], 0)[0] == []
    for _ in range(3):
        context.stop()
    assert context.stopping.is_set()
    assert select.select([context.stop_fd], [], [], 0)[0] == [context.stop_fd]


def test_a_supervisor_that_does_not_listen_costs_nothing(pipe):
    context = WorkerContext('gate', heartbeat_fd=pipe[1], heartbeat_s=0.0)
    for _ in range(100000):
        context.heartbeat()
    os.read(pipe[0], 1 << 20)
    context.ready()
    assert said(pipe[0])[-1] == 'ready'


def test_a_reason_is_one_line_of_json_that_fits_the_pipe(pipe):
    context = WorkerContext('gate', heartbeat_fd=pipe[1])
    context.report('reason', 'two\nlines "quoted" ' + 'ü' * 5000)
    line, = said(pipe[0])
    assert line.startswith('reason ') and len(line) < 4096
    assert json.loads(line[len('reason '):]).startswith('two\nlines "quoted" üüü')


class Target:
    """Stands for the module a job names."""

    def __init__(self, outcome):
        self.outcome = outcome

    def main(self, context, **arguments):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize('outcome, code, reason', [
    (None, 0, None), (0, 0, None), (75, 75, None), (SystemExit(), 0, None), (SystemExit(4), 4, None),
    (SystemExit('sentence'), 1, None),
    (EdgeAppError('port in use'), 1, 'port in use'), (ConfigError('bad'), 2, 'bad'),
    (EngineUnavailable('no onnxruntime'), 3, 'no onnxruntime'),
    (ValueError('a mistake'), 1, 'ValueError: a mistake'),
])
def test_how_a_target_ends_is_how_the_worker_ends(pipe, monkeypatch, outcome, code, reason):
    monkeypatch.setattr(worker.importlib, 'import_module', lambda name: Target(outcome))
    context = WorkerContext('gate', heartbeat_fd=pipe[1])
    assert worker._work(context, {'target': 'some.module', 'arguments': {}}) == code
    assert said(pipe[0]) == ([] if reason is None else ['reason ' + json.dumps(reason)])


def test_a_target_that_does_not_exist(pipe):
    context = WorkerContext('gate', heartbeat_fd=pipe[1])
    assert worker._work(context, {'target': 'edge_app.nonsense', 'arguments': {}}) == 1
    assert 'ModuleNotFoundError' in said(pipe[0])[0]


def test_a_job_is_one_line_and_the_rest_of_the_stream_stays(pipe):
    os.write(pipe[1], b'{"a": 1}\n')
    assert worker._first_line(pipe[0]) == ('{"a": 1}', b'')
    os.write(pipe[1], b'{"a": 1}\n{"a": 2}\n{"a"')
    assert worker._first_line(pipe[0]) == ('{"a": 1}', b'{"a": 2}\n{"a"')


def test_cpu_time_of_this_process_grows():
    before = cpu_s(os.getpid())
    while cpu_s(os.getpid()) < before + 0.05:
        sum(range(10000))
    assert cpu_s('self') >= before + 0.05


GROW = """
import os
from edge_app.supervision.process_usage import pss_mb
before = pss_mb()
held = bytearray(os.urandom(1)) * (64 << 20)
print(pss_mb() - before)
"""


def test_memory_of_a_process_grows():
    """Of a new one: this one has so much that was used and given back that it need not grow at all."""
    grown = subprocess.run([sys.executable, '-c', GROW], stdout=subprocess.PIPE, cwd=sources.ROOT).stdout
    assert 55 < float(grown) < 80


def test_memory_on_a_kernel_without_the_sum(monkeypatch):
    import builtins
    real = builtins.open

    def old_kernel(path, *arguments):
        if str(path).endswith('smaps_rollup'):
            raise FileNotFoundError(path)
        return real(path, *arguments)

    monkeypatch.setattr(builtins, 'open', old_kernel)
    added_up = pss_mb()
    monkeypatch.undo()
    assert added_up == pytest.approx(pss_mb(), rel=0.05)


def test_a_process_that_is_gone_costs_nothing():
    assert cpu_s(4194304 + 1) == 0.0 and pss_mb(4194304 + 1) is None
