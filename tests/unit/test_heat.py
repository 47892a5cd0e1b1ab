"""Heat, by a clock of our own: when a step is taken, when it is taken back, and what the scheduler makes of it."""
import json
import types

import pytest

from edge_app.inference.scheduler import CameraQuota, Scheduler
from edge_app.inference.thermal_limit import ThermalLimit
from edge_app.telemetry import latest_reading
from edge_app.telemetry.backends import quiet
from edge_app.telemetry.heat import DOWN_NS, FACTORS, UP_NS, Heat, ThermalGovernor, heat
from edge_app.telemetry.reading import Reading

from tests.standins import boards

S = 1000000000
HOT, COOL, BETWEEN = Heat(True, False, 'GPU-therm'), Heat(False, True), Heat(False, False)


def reading(c=50.0, limit_c=95.5, **changes):
    zones = {'GPU-therm': {'c': c, 'limit_c': limit_c}, 'Tboard_tegra': {'c': 38.0, 'limit_c': None}}
    return Reading('jetson', 'TX2', temperatures=zones)._replace(**changes)._asdict()


@pytest.mark.parametrize('read, hot, cool, words', [
    (reading(), False, True, ''),
    (reading(87.5), False, True, ''),
    (reading(87.6), False, False, ''),
    (reading(92.4), False, False, ''),
    (reading(92.5), True, False, 'GPU-therm at 92 C of 96 C'),
    (reading(120.0, None), False, True, ''),
    (reading(throttled=('gpu-balanced at 3 of 10',)), True, False, 'throttled: gpu-balanced at 3 of 10'),
    (reading(over_current=12, alarms=0), False, True, ''),
    (reading(99.0, backend='linux', throttled=('Processor at 3 of 10',)), False, True, ''),
    (reading(99.0, backend='jtop'), True, False, 'GPU-therm at 99 C of 96 C'),
    (reading(over_current=12, alarms=2), True, False, '2 over-current alarms'),
])
def test_what_a_reading_means(read, hot, cool, words):
    found = heat(read)
    assert (found.hot, found.cool) == (hot, cool) and found.why.startswith(words) and bool(found.why) == hot


def test_a_tx2_with_a_hot_gpu(tmp_path):
    files = dict(boards.tx2(), **boards.zone(2, 'GPU-therm', 94000, ('critical', -40000), ('passive', 95500)))
    assert heat(quiet(boards.build(tmp_path, files)).sample()._asdict()).why == 'GPU-therm at 94 C of 96 C'


def test_down_a_step_at_a_time_and_not_below_the_last():
    governor, moment_ns, steps = ThermalGovernor(), 0, []
    while moment_ns < 4 * DOWN_NS:
        if governor.update(HOT, moment_ns):
            steps.append((moment_ns, governor.factor))
        moment_ns += 5 * S
    assert steps == [(0, FACTORS[1]), (DOWN_NS, FACTORS[2])]


def test_back_up_only_after_a_minute_without_heat():
    governor = ThermalGovernor()
    governor.update(HOT, 0)
    assert not governor.update(COOL, 5 * S)
    assert not governor.update(COOL, 5 * S + UP_NS - 1)
    assert governor.update(COOL, 5 * S + UP_NS) and governor.factor == 1.0
    assert not governor.update(COOL, 1000 * S)


def test_between_hot_and_cool_nothing_changes_and_the_minute_restarts():
    governor = ThermalGovernor()
    governor.update(HOT, 0)
    governor.update(COOL, 10 * S)
    assert not governor.update(BETWEEN, 40 * S)
    assert not any(governor.update(COOL, moment * S) for moment in range(45, 105, 5))
    assert governor.update(COOL, 105 * S) and governor.factor == 1.0


def test_each_step_up_takes_its_own_minute():
    governor = ThermalGovernor()
    governor.update(HOT, 0)
    governor.update(HOT, DOWN_NS)
    changed = [moment for moment in range(20, 200, 5) if governor.update(COOL, moment * S)]
    assert changed == [80, 140] and governor.factor == 1.0


def test_a_cool_board_changes_nothing():
    governor = ThermalGovernor()
    assert not any(governor.update(found, moment * S) for moment in range(100) for found in (COOL, BETWEEN))


# -- what becomes of it ---------------------------------------------------------------------------------------------

def taken(scheduler, from_s, seconds, fps=25):
    """Frames the scheduler hands out of one camera's `fps` with an engine that is always free."""
    count = 0
    for number in range(int(seconds * fps)):
        moment_ns = int((from_s + number / fps) * S)
        scheduler.offer('gate', scheduler.queues['gate'].seen + 1, moment_ns)
        count += len(scheduler.take(moment_ns))
    return count


def test_a_limit_and_its_end_without_a_limit_of_its_own():
    scheduler = Scheduler([CameraQuota('gate')], 4)
    assert taken(scheduler, 0, 4) == 100
    scheduler.limit('gate', 5, 4 * S)
    assert taken(scheduler, 4, 10) == pytest.approx(50, abs=2)
    lost = scheduler.take_drop_counts('gate')
    assert set(lost) == {'rate_limit'} and lost['rate_limit'] == pytest.approx(200, abs=2)
    scheduler.limit('gate', 0, 14 * S)
    assert taken(scheduler, 14, 4) == 100


def test_a_limit_lower_than_its_own():
    scheduler = Scheduler([CameraQuota('gate', max_fps=10)], 4)
    taken(scheduler, 0, 2)
    scheduler.limit('gate', 2, 2 * S)
    assert taken(scheduler, 2, 10) == pytest.approx(20, abs=3)
    scheduler.limit('gate', 10, 12 * S)
    assert taken(scheduler, 12, 10) == pytest.approx(100, abs=3)


class Page:
    """The cells and the document of a CounterPage."""

    def __init__(self, **cells):
        self.cells, self.info = cells, None

    def get(self, name):
        return self.cells.get(name, 0)


@pytest.fixture
def feeds():
    return [types.SimpleNamespace(name='gate', quota=CameraQuota('gate'), page=Page(attained_fps_milli=20000)),
            types.SimpleNamespace(name='yard', quota=CameraQuota('yard', min_fps=8, max_fps=10),
                                  page=Page(attained_fps_milli=9000)),
            types.SimpleNamespace(name='dark', quota=CameraQuota('dark'), page=Page())]


def told(cooling, tmp_path, read, moment_s):
    latest_reading.write(str(tmp_path), Reading(**{key: read[key] for key in Reading._fields}), moment_s * S)
    cooling.poll(moment_s * S)


def limits(scheduler):
    return [scheduler.queues[name].quota.max_fps for name in ('gate', 'yard', 'dark')]


def test_the_engine_of_a_hot_board(tmp_path, feeds, caplog):
    scheduler, page = Scheduler([feed.quota for feed in feeds], 4), Page()
    cooling = ThermalLimit(str(tmp_path), feeds, scheduler, page,
                           {'model': 'm.onnx', 'warning': 'simulated scenes only'})
    cooling.poll(0)
    told(cooling, tmp_path, reading(), 5)
    assert limits(scheduler) == [0, 10, 0] and page.info is None and not caplog.records
    told(cooling, tmp_path, reading(94.0), 10)
    assert limits(scheduler) == [10, 8, 0.5], 'half of what each had, no less than its minimum'
    assert page.info['warning'] == ('simulated scenes only; the board is hot, half the usual inference rate '
                                    '(GPU-therm at 94 C of 96 C)')
    assert page.info['model'] == 'm.onnx' and 'half the usual inference rate' in caplog.text
    feeds[0].page.cells['attained_fps_milli'] = 10000
    told(cooling, tmp_path, reading(94.0), 30)
    assert limits(scheduler) == [5, 8, 0.5] and 'a quarter of' in page.info['warning'], 'of what it had while cool'
    for moment_s in range(35, 160, 5):
        told(cooling, tmp_path, reading(60.0), moment_s)
    assert limits(scheduler) == [0, 10, 0] and page.info['warning'] == 'simulated scenes only'
    assert caplog.records[-1].message == 'the board is cool again: the usual inference rate'
    assert len(caplog.records) == 4, 'once for each step'


def test_a_camera_that_comes_while_it_is_hot_gets_its_share_once_it_is_known(tmp_path, feeds):
    scheduler = Scheduler([feed.quota for feed in feeds], 4)
    cooling = ThermalLimit(str(tmp_path), feeds, scheduler, Page(), {})
    told(cooling, tmp_path, reading(94.0), 10)
    feeds[2].page.cells.update(attained_fps_milli=500, source_fps_milli=25000)
    cooling.poll(11 * S)
    assert limits(scheduler) == [10, 8, 12.5]
    feeds[2].page.cells.update(attained_fps_milli=12500)
    told(cooling, tmp_path, reading(94.0), 40)
    assert limits(scheduler) == [5, 8, 6.25]


def test_a_reading_counts_once(tmp_path, feeds):
    scheduler = Scheduler([feed.quota for feed in feeds], 4)
    cooling = ThermalLimit(str(tmp_path), feeds, scheduler, Page(), {})
    told(cooling, tmp_path, reading(94.0), 10)
    cooling.poll(100 * S)
    assert limits(scheduler) == [10, 8, 0.5], 'one old reading is one step, however often it is looked at'


def test_what_is_written_is_read(tmp_path):
    assert latest_reading.read(str(tmp_path)) is None and latest_reading.LatestReading(tmp_path).newest() is None
    read = quiet(boards.build(tmp_path / 'board', boards.tx2())).sample()
    latest_reading.write(tmp_path, read, 77)
    assert latest_reading.read(tmp_path) == json.loads(json.dumps(dict(read._asdict(), read_ns=77)))
