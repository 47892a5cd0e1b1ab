"""The report and the metrics of books whose content is known."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from edge_app.clock import now_ns
from edge_app.stats import STATES, Counters, report
from edge_app.stats.camera_state import SUPERVISOR_SILENT_S
from edge_app.telemetry.backends import quiet
from edge_app.telemetry.prometheus import escaped, metrics
from edge_app.web.server import reasons_not_ready

from tests.standins import boards
from tests.support.waiting import until

MS = 1000000
WORKER = {'name': 'capture:gate', 'pid': 41, 'restarts': 2, 'state': 'running', 'exit_code': None, 'reason': '',
          'required': True, 'cpu_s': 1.25, 'pss_mb': 57.349, 'since_s': 3.0}


@pytest.fixture
def counters(tmp_path):
    with Counters.create(tmp_path, ['gate', 'yard']) as made:
        yield made


@pytest.fixture
def status():
    return {'written_ns': now_ns(), 'workers': [dict(WORKER)],
            'supervisor': {'pid': os.getpid(), 'cpu_s': 0.5, 'pss_mb': 20.0}}


def fill(page):
    """100 received: 60 inferred, 33 dropped for three reasons, 7 in flight."""
    page.add_many(received=100, captured=96, stale_capture=3, decoding=1, reconnects=4)
    page.add_many(taken_index=90, inferred=60, overload=25, stale_engine=5)
    page.set_many('analyze', requested_fps_milli=25000, attained_fps_milli=12400)
    page.set('last_frame_ns', now_ns())
    page.set('last_inferred_ns', now_ns())


def test_a_camera_balances(counters, status):
    fill(counters.cameras['gate'])
    gate = report.report(counters, status)['cameras']['gate']
    dropped = {reason: count for reason, count in gate['dropped'].items() if count}
    assert (gate['received'], gate['inferred'], dropped, gate['in_flight']) == (
        100, 60, {'stale': 8, 'overload': 25}, 7)
    assert gate['received'] == gate['inferred'] + sum(gate['dropped'].values()) + gate['in_flight']
    assert (gate['fps_requested'], gate['fps_attained'], gate['state']) == (25.0, 12.4, 'live')


def test_what_is_not_known_is_null_and_never_missing(counters, status):
    status['workers'][0].update(pid=None, pss_mb=None)
    found = report.report(counters, status)
    assert sorted(found) == ['board', 'cameras', 'engine', 'first_mosaic_s', 'processes', 'schema', 'sets']
    yard = found['cameras']['yard']
    assert yard['latency_ms'] == {'result': {'p50': None, 'p95': None}, 'mosaic': {'p50': None, 'p95': None}}
    assert (yard['fps_requested'], yard['fps_attained'], yard['received']) == (None, None, 0)
    assert found['engine'] == dict.fromkeys(['backend', 'why', 'model', 'precision', 'batch_mean', 'load_s'])
    assert found['first_mosaic_s'] is None
    assert found['processes'][1] == {'name': 'capture:gate', 'pid': None, 'restarts': 2, 'cpu_s': 1.25, 'pss_mb': None}


def test_before_the_supervisor_has_written(counters, tmp_path):
    found = report.report(counters, report.read_status(str(tmp_path)))
    assert [process['name'] for process in found['processes']] == ['supervisor']
    assert found['processes'][0]['pid'] is None


def test_the_compositor_is_listed_under_its_former_name_too_and_counted_once(counters, status):
    status['workers'] = [dict(status['workers'][0], name='compositor')]
    compositor, former = report.report(counters, status)['processes'][1:]
    assert former == dict(compositor, name='present', cpu_s=None, pss_mb=None) and compositor['cpu_s'] == 1.25
    found = [line for line in lines(counters, status) if 'process="' in line]
    assert {line.split('{')[0] for line in found if 'process="present"' in line} == {
        'edge_app_process_up', 'edge_app_process_restarts_total'}
    assert sum('process="compositor"' in line for line in found) >= 3


def test_latencies_in_milliseconds(counters, status):
    for duration in (10, 20, 30, 40, 200):
        counters.cameras['gate'].observe('result', duration * MS)
    latency = report.report(counters, status)['cameras']['gate']['latency_ms']['result']
    assert latency['p50'] == pytest.approx(30, rel=0.04) and latency['p95'] == pytest.approx(200, rel=0.04)


def test_the_engine(counters, status):
    counters.engine.add_many(batches=4, pictures=10, load_ns=1500 * MS)
    counters.engine.info = {'backend': 'onnxruntime', 'why': 'the only one', 'model': 'm.onnx', 'precision': 'fp32'}
    assert report.report(counters, status)['engine'] == {
        'backend': 'onnxruntime', 'why': 'the only one', 'model': 'm.onnx', 'precision': 'fp32', 'batch_mean': 2.5,
        'load_s': 1.5}


def test_the_first_mosaic_counts_from_the_start(counters, status):
    counters.compositor.set('first_mosaic_ns', 7500 * MS)
    assert report.report(counters, status, started_ns=5000 * MS)['first_mosaic_s'] == 2.5


def test_the_birth_of_a_process_lies_between_ours_and_now():
    born = report.born_ns(os.getpid())
    assert now_ns() - 3600 * 10**9 < born < now_ns()
    assert report.born_ns(None) is None


# -- metrics ----------------------------------------------------------------------------------------------------------

def lines(counters, status):
    text = metrics(counters, status, '1.2.3')
    assert text.endswith('\n')
    return text.splitlines()


def test_counters_by_camera_and_reason(counters, status):
    fill(counters.cameras['gate'])
    found = lines(counters, status)
    assert 'edge_app_camera_frames_received_total{camera="gate"} 100' in found
    assert 'edge_app_camera_frames_dropped_total{camera="gate",reason="overload"} 25' in found
    assert 'edge_app_camera_up{camera="gate"} 1' in found and 'edge_app_camera_up{camera="yard"} 0' in found
    assert 'edge_app_camera_reconnects_total{camera="gate"} 4' in found
    assert 'edge_app_build_info{version="1.2.3"} 1' in found
    assert 'edge_app_process_restarts_total{process="capture:gate"} 2' in found


def test_a_histogram_is_cumulative_and_ends_with_infinity(counters, status):
    for duration in (1, 50, 50, 90000):
        counters.cameras['gate'].observe('result', duration * MS)
    name = 'edge_app_result_latency_seconds'
    found = [line for line in lines(counters, status) if line.startswith(name) and 'camera="gate"' in line]
    counts = [int(line.split()[1]) for line in found if line.startswith(name + '_bucket')]
    assert counts == sorted(counts) and counts[-1] == 4
    assert name + '_bucket{camera="gate",le="+Inf"} 4' in found
    assert name + '_sum{camera="gate"} 90.101' in found
    assert name + '_count{camera="gate"} 4' in found


def test_every_metric_is_declared_once_and_well_named(counters, status):
    found = lines(counters, status)
    declared = [line.split()[2:] for line in found if line.startswith('# TYPE')]
    names = [name for name, _ in declared]
    assert len(names) == len(set(names))
    for name, kind in declared:
        assert (kind == 'counter') == name.endswith('_total'), name
    for line in found:
        if not line.startswith('#'):
            name = line.split('{')[0].split()[0]
            assert any(name == known or name.startswith(known + '_') for known in names), line


def test_no_pid_and_no_address_in_a_label(counters, status):
    for line in lines(counters, status):
        assert '41"' not in line and '://' not in line.partition('#')[0]


@pytest.mark.parametrize('files', [boards.tx2, boards.orin, boards.pc, dict])
def test_a_board_in_the_metrics(counters, status, tmp_path, files):
    reading = dict(quiet(boards.build(tmp_path / 'board', files())).sample()._asdict(), read_ns=1)
    text = metrics(counters, status, '1.2.3', json.loads(json.dumps(reading)))
    declared = [line.split()[2] for line in text.splitlines() if line.startswith('# TYPE')]
    assert len(declared) == len(set(declared)) and 'None' not in text
    if files is boards.tx2:
        for line in ('gpu_load_ratio 0.734', 'gpu_clock_hertz 1.122e+09', 'cpu_clock_hertz{core="3"} 2.0352e+09',
                     'memory_bytes{part="nvmap"} 671088640', 'swap_bytes{part="total"} 6442450944', 'throttled 0',
                     'temperature_celsius{zone="BCPU-therm"} 45.5', 'over_current_alarms_total 0',
                     'power_mode_info{mode="MAXP_CORE_ARM"} 1'):
            assert '\nedge_app_board_' + line + '\n' in text
        assert 'core="1"' not in text, 'that core is off'


def test_a_board_in_the_report(counters, status, tmp_path):
    reading = quiet(boards.build(tmp_path / 'board', boards.tx2())).sample()._asdict()
    assert report.report(counters, status, board=reading)['board']['power_mode'] == 'MAXP_CORE_ARM'
    assert report.report(counters, status)['board'] is None


def test_labels_are_escaped():
    assert escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


# -- readiness ------------------------------------------------------------------------------------------------------

def test_ready_with_a_camera_that_is_known_to_be_away(counters, status):
    counters.cameras['gate'].set('state', STATES.index('live'))
    counters.cameras['yard'].set('state', STATES.index('no_signal'))
    assert reasons_not_ready(counters, status) == []


def test_not_ready_while_nothing_is_known_of_a_camera(counters, status):
    counters.cameras['gate'].set('state', STATES.index('disabled'))
    assert reasons_not_ready(counters, status) == ['camera yard: nothing is known of it yet']


@pytest.mark.parametrize('state, required, count', [('waiting', True, 1), ('failed', True, 1), ('failed', False, 0)])
def test_not_ready_without_a_required_process(counters, status, state, required, count):
    for page in counters.cameras.values():
        page.set('state', STATES.index('live'))
    status['workers'][0].update(state=state, required=required, reason='no such model')
    found = reasons_not_ready(counters, status)
    assert found == ['process capture:gate: %s, no such model' % state] * count


def test_not_ready_when_the_supervisor_is_silent(counters, status):
    for page in counters.cameras.values():
        page.set('state', STATES.index('live'))
    status['written_ns'] -= 60 * 10**9
    assert reasons_not_ready(counters, status) == ['the supervisor has been silent for 60 s']
    assert 'not said anything' in reasons_not_ready(counters, report.NO_STATUS)[0]


# -- what a process said before it was gone ---------------------------------------------------------------------------

@pytest.fixture
def child():
    """A process that waits; ended by the test, or after it."""
    made = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    yield made
    made.kill()
    made.wait()
    made.stdin.close()


@pytest.mark.parametrize('sent', [signal.SIGKILL, signal.SIGSTOP])
def test_metrics_age_with_the_processes_that_write_them(counters, status, child, sent):
    """The supervisor is stopped, so nobody waits for the process that was killed, and its last word stays."""
    for name in ('capture:gate', 'compositor'):
        status['workers'].append(dict(WORKER, name=name, pid=child.pid))
    del status['workers'][0]
    fill(counters.cameras['gate'])
    counters.compositor.set('viewers', 3)
    expected = ['edge_app_process_up{process="%s"} %%d' % name for name in ('supervisor', 'capture:gate', 'compositor')]
    expected += ['edge_app_camera_up{camera="gate"} %d', 'edge_app_mosaic_viewers %d']
    found = lines(counters, status)
    assert set(expected) <= {re.sub(r' [13]$', ' %d', line) for line in found}
    assert any(line.startswith('edge_app_process_memory_bytes{') for line in found)
    child.send_signal(sent)
    until(lambda: not report.is_running(child.pid), 10, 'the process is gone, or stands still')
    status['written_ns'] = now_ns() - int((SUPERVISOR_SILENT_S + 1) * 1e9)
    for cell in ('last_frame_ns', 'last_inferred_ns'):
        counters.cameras['gate'].set(cell, now_ns() - 30 * 10 ** 9)
    found = lines(counters, status)
    assert {line % 0 for line in expected} <= set(found)
    assert 'edge_app_camera_attained_fps{camera="gate"} 0' in found
    assert not any(line.startswith(('edge_app_process_memory_bytes{', 'edge_app_process_cpu')) for line in found)
