"""Who keeps off which cores: the decision with figures, its effect on real processes."""
import contextlib
import os
import subprocess
import sys

import pytest

from edge_app.supervision.cpu_affinity import SPAN_S, CpuAffinity, isolated_cores, reserved_cores, set_affinity
from edge_app.supervision.managed_process import EXCLUSIVE, YIELDING


@pytest.mark.parametrize('cores, own, others, before, expected', [
    (2, 0.95, 0.6, 0, 1),       # busy, and there is room
    (2, 0.95, 0.8, 0, 0),       # the others need more than the one core that is left
    (2, 0.95, 0.8, 1, 1),       # but who is there already may stay
    (2, 0.95, 0.95, 1, 0),      # until it is full
    (2, 0.5, 0.3, 0, 0),        # not busy enough
    (2, 0.5, 0.3, 1, 1),
    (2, 0.3, 0.3, 1, 0),
    (1, 1.0, 0.0, 0, 0),        # there is no other core
    (4, 2.9, 0.5, 0, 3),
    (4, 2.9, 1.4, 0, 2),        # as many as leave room
    (4, 1.9, 0.5, 3, 2),
    (6, 0.2, 2.0, 0, 0),        # an engine whose work a GPU does
])
def test_how_many_cores_are_kept(cores, own, others, before, expected):
    assert reserved_cores(cores, own, others, before) == expected


def test_what_is_decided_once_is_not_decided_otherwise_by_the_same_figures():
    for own in range(0, 400, 5):
        for others in range(0, 400, 5):
            for before in range(4):
                once = reserved_cores(4, own / 100, others / 100, before)
                assert reserved_cores(4, own / 100, others / 100, once) == once


THREADS = ('import threading; '
           '[threading.Thread(target=threading.Event().wait, daemon=True).start() for _ in range(3)]; print(); input()')


@pytest.fixture
def pids():
    """Two processes of four threads."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(2):
            process = stack.enter_context(subprocess.Popen([sys.executable, '-c', THREADS], stdin=subprocess.PIPE,
                                                           stdout=subprocess.PIPE))
            stack.callback(process.kill)
            process.stdout.readline()
            found.append(process.pid)
        yield found


def affinities(pid):
    return [os.sched_getaffinity(int(thread)) for thread in os.listdir('/proc/%d/task' % pid)]


def test_the_others_keep_off_while_the_engine_is_busy(pids):
    """On a machine of one core nobody is sent anywhere."""
    engine, capture = pids
    every = sorted(os.sched_getaffinity(0))
    cores, used = CpuAffinity(), [0.0, 0.0]

    def spans(number, own, other):
        for _ in range(number):
            spans.now_s += SPAN_S
            used[0] += own * SPAN_S
            used[1] += other * SPAN_S
            cores.update(spans.now_s, [(EXCLUSIVE, engine, used[0]), (YIELDING, capture, used[1]),
                                       (None, os.getpid(), 0.0)])

    spans.now_s = 1000.0
    spans(2, 0.95, 0.3)
    assert affinities(capture) == [set(every[:-1] or every)] * 4
    assert affinities(engine) == [set(every)] * 4 and os.sched_getaffinity(0) == set(every)
    spans(1, 0.1, 0.3)
    assert affinities(capture) == [set(every)] * 4


@pytest.mark.parametrize('text, cores', [('1-2\n', {1, 2}), ('0,3-5', {0, 3, 4, 5}), ('\n', set()), ('(null)', set())])
def test_the_kernels_list_of_isolated_cores(text, cores, tmp_path):
    (tmp_path / 'isolated').write_text(text)
    assert isolated_cores(str(tmp_path / 'isolated')) == cores
    assert isolated_cores(str(tmp_path / 'missing')) == set()


def test_the_engine_gets_a_core_that_the_kernel_leaves_idle(pids, tmp_path):
    """On a machine of one core nobody is sent anywhere."""
    (engine, capture), every = pids, sorted(os.sched_getaffinity(0))
    (tmp_path / 'isolated').write_text('%d\n' % every[-1])
    os.sched_setaffinity(0, every[:-1] or every)   # as init and all it starts have it with isolcpus
    try:
        cores = CpuAffinity(str(tmp_path / 'isolated'))
        cores.update(1000.0, [(EXCLUSIVE, engine, 0.0), (YIELDING, capture, 0.0)])
        cores.update(1000.0 + SPAN_S, [(EXCLUSIVE, engine, 3.0), (YIELDING, capture, 1.0)])
    finally:
        os.sched_setaffinity(0, every)
    assert os.sched_getaffinity(engine) == {every[-1]}
    assert sorted(affinities(engine), key=len)[1:] == [set(every)] * 3, 'its other threads stay where they were'
    assert affinities(capture) == [set(every)] * 4


def test_a_process_that_is_gone_stops_nobody(pids):
    set_affinity(pids[0], os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait(30)
    set_affinity(process.pid, os.sched_getaffinity(0))
