"""The process that reads the board: seldom when nobody asks, every second while somebody does."""
import os
import threading

import pytest

from edge_app.clock import now_ns
from edge_app.supervision.worker_context import WorkerContext
from edge_app.telemetry import latest_reading
from edge_app.workers import board

from tests.standins import boards
from tests.support.waiting import until

S = 1000000000


@pytest.fixture
def tx2(tmp_path):
    return boards.build(tmp_path / 'root', boards.tx2())


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    return str(folder)


def moments(poller, run_dir, from_s, to_s):
    """Seconds at which something was written, looked at every 100 ms."""
    seen = set()
    for tenth in range(from_s * 10, to_s * 10):
        poller.poll(tenth * S // 10)
        seen.add(latest_reading.read(run_dir)['read_ns'] / S)
    return sorted(moment for moment in seen if moment >= from_s)


def test_every_five_seconds_and_every_second_on_request(tx2, run_dir):
    poller = board.BoardPoller(run_dir, tx2)
    assert moments(poller, run_dir, 0, 12) == [0, 5, 10]
    poller.request(12 * S)
    assert moments(poller, run_dir, 12, 15) == [12, 13, 14]
    poller.request(15 * S)
    late = moments(poller, run_dir, 40, 60)
    assert late[:6] == [40, 41, 42, 43, 44, 45] and late[-2:] == [50, 55], 'until 30 s after the last question'


class Costly:
    """A telemetry that counts its openings."""

    def __init__(self):
        self.open = 0

    def best(self, root):
        self.open += 1
        return self

    def sample(self):
        return board.backends.quiet('/nowhere').sample()._replace(backend='costly')

    def close(self):
        self.open -= 1


def test_the_costly_way_is_used_only_on_request(tx2, run_dir, monkeypatch):
    costly = Costly()
    monkeypatch.setattr(board.backends, 'best', costly.best)
    poller = board.BoardPoller(run_dir, tx2)
    poller.poll(0)
    assert costly.open == 0 and latest_reading.read(run_dir)['backend'] == 'jetson'
    for moment_s in (1, 2, 3):
        poller.request(moment_s * S)
        poller.poll(moment_s * S)
    assert costly.open == 1 and latest_reading.read(run_dir)['backend'] == 'costly'
    poller.poll(34 * S)
    assert costly.open == 0 and latest_reading.read(run_dir)['backend'] == 'jetson'


def test_the_successor_of_a_process_that_hung_avoids_the_costly_way(tx2, run_dir, monkeypatch):
    costly = Costly()
    monkeypatch.setattr(board.backends, 'best', costly.best)
    board.BoardPoller(run_dir, tx2).request(0)       # and never closed: it hung
    costly.open = 0
    poller = board.BoardPoller(run_dir, tx2, 10 * S)
    poller.request(20 * S)
    poller.poll(20 * S)
    assert costly.open == 0 and latest_reading.read(run_dir)['backend'] == 'jetson'
    poller.poll(560 * S)                      # nobody asks any more
    poller.request(700 * S)
    poller.poll(700 * S)
    assert costly.open == 1 and latest_reading.read(run_dir)['backend'] == 'costly'
    poller.close()
    assert not os.path.exists(os.path.join(run_dir, board.ASKING))


def test_a_wake_up_makes_it_look(tx2, run_dir):
    context = WorkerContext('board', run_dir)
    worker = threading.Thread(target=board.main, args=(context,), kwargs={'root': tx2})
    worker.start()
    try:
        first = until(lambda: latest_reading.read(run_dir), 10, 'the first reading')
        assert first['gpu_load'] == pytest.approx(0.734)
        asked_ns = now_ns()
        latest_reading.ask(run_dir)
        until(lambda: latest_reading.read(run_dir)['read_ns'] > first['read_ns'], 4, 'a reading before its time')
        assert latest_reading.read(run_dir)['read_ns'] - asked_ns < 3 * S
    finally:
        context.stop()
        worker.join(10)
    assert not worker.is_alive()


def test_alarms_are_reported_once(tmp_path, run_dir):
    root, files = str(tmp_path / 'root'), boards.tx2()
    name = next(path for path in files if path.endswith('oc1_irq_cnt'))

    def counted(alarms):
        boards.build(tmp_path / 'root', dict(files, **{name: '%d\n' % alarms}))

    def alarms():
        return latest_reading.read(run_dir)['alarms']
    counted(1)
    poller = board.BoardPoller(run_dir, root)
    poller.poll(0)
    poller.request(S)
    poller.poll(S)
    counted(4)
    poller.poll(2 * S)
    assert alarms() == 3
    poller.poll(40 * S)
    assert alarms() == 0
