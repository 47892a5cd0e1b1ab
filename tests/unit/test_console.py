"""What a run prints, and what makes it a failure."""
import attrs
import pytest

from edge_app.app.appliance import Appliance
from edge_app.app.console import Console, player_command, table
from edge_app.app.run_result import not_delivering, unaccounted
from edge_app.clock import now_ns
from edge_app.config import Output, from_dict
from edge_app.stats.report import NO_STATUS, report
from edge_app.supervision.managed_process import FAILED


@pytest.fixture
def appliance(tmp_path):
    config = from_dict({'cameras': [{'name': 'gate', 'uri': 'test://', 'size': [320, 192]}], 'memory_mb': 16})
    made = Appliance(config, tmp_path)
    yield made
    made.close()


def with_outputs(appliance, *outputs):
    appliance.config = attrs.evolve(appliance.config, outputs=outputs)
    return appliance


def test_the_first_lines_say_how_to_watch_and_how_to_stop(appliance):
    said = []
    Console(appliance, said.append).start()
    assert said == ['edge-app is running with 1 camera. Stop it with Ctrl-C.',
                    'mosaic    rtsp://127.0.0.1:8554/mosaic',
                    'watch     mpv rtsp://127.0.0.1:8554/mosaic   (or with ffplay, VLC)',
                    'cameras   rtsp://127.0.0.1:8554/CAMERA, rtsp://127.0.0.1:8554/CAMERA_annotated']


def test_a_window_can_be_closed_with_a_key(appliance):
    said = []
    Console(with_outputs(appliance, Output('window:')), said.append).start()
    assert said == ['edge-app is running with 1 camera. Stop it with Ctrl-C or q in the window.']


def test_news_are_printed_once_each(appliance):
    said = []
    console = Console(with_outputs(appliance, Output('rtsp://127.0.0.1:8554/a'), Output('rtsp://127.0.0.1:8555/b')),
                      said.append)
    console.start()
    console.update(now_ns())
    assert len(said) == len(set(said)) == 1 + 2 * 3 + 1 and said[-1] == 'gate: starting'
    appliance.counters.cameras['gate'].set('last_frame_ns', now_ns())
    console.update(now_ns())
    assert said[8:] == ['gate: live']


def test_what_the_model_is_no_use_for_is_noted_once(appliance):
    said = []
    console = Console(with_outputs(appliance), said.append)
    for warning in ('', 'Demo model', 'Demo model; the board is hot (81 C)'):
        appliance.counters.engine.info = {'model': 'm', 'backend': 'b', 'precision': 'fp32', 'why': 'w',
                                          'warning': warning}
        console.update(now_ns())
    assert [line for line in said if 'Demo' in line] == ['note      Demo model']


@pytest.mark.parametrize('address, command', [
    ('rtsp://0.0.0.0:8554/m', 'mpv rtsp://127.0.0.1:8554/m'), ('rtsps://0.0.0.0/m', 'mpv rtsps://127.0.0.1/m'),
    ('rtsp://[::]:8554/m', 'mpv rtsp://[::1]:8554/m'), ('rtsp://10.0.0.7:8554/m', 'mpv rtsp://10.0.0.7:8554/m')])
def test_the_player_connects_to_this_machine(address, command):
    assert player_command(address) == command


def test_a_camera_delivers_when_it_is_live_analysed_and_shown(appliance):
    page = appliance.counters.cameras['gate']
    assert list(not_delivering(appliance, [])) == ['gate: starting']
    page.set('last_frame_ns', now_ns())
    assert list(not_delivering(appliance, [])) == ['gate: no frame analysed within the last 2 s']
    page.set('last_inferred_ns', now_ns())
    assert list(not_delivering(appliance, [])) == ['gate: no frame shown within the last 2 s']
    page.set('last_shown_ns', now_ns())
    assert list(not_delivering(appliance, [])) == []


@pytest.mark.parametrize('reason, words', [('no such model', 'analyze: no such model'), (None, 'analyze: exit code 3')])
def test_a_worker_that_is_down_is_a_failure(appliance, reason, words):
    row = {'name': 'analyze', 'state': FAILED, 'reason': reason, 'exit_code': 3}
    assert words in list(not_delivering(appliance, [row, dict(row, name='web', state='running')]))


def test_frames_unaccounted_for_are_a_failure(appliance):
    assert list(unaccounted(appliance)) == []
    appliance.counters.cameras['gate'].add('received', 3)
    assert list(unaccounted(appliance)) == ['gate: 3 frames unaccounted for']


def test_the_table_adds_up_and_stands_in_columns(appliance):
    page = appliance.counters.cameras['gate']
    page.set_many('capture', received=25, captured=21, decoding=1, corrupt=3)
    page.set_many('analyze', inferred=12, overload=5, inferring=1, taken_index=18)
    report_of = report(appliance.counters, NO_STATUS)
    report_of['cameras']['a-camera-with-a-very-long-name'] = report_of['cameras']['gate']
    lines = table(report_of).splitlines()
    titles = ('received', 'analysed', 'dropped', 'in flight')
    ends = [lines[0].index(title) + len(title) for title in titles]
    for line in lines[1:]:
        received, analysed, dropped, in_flight = [int(line[:end].split()[-1]) for end in ends]
        assert (received, analysed, dropped, in_flight) == (25, 12, 8, 5)
        assert received == analysed + dropped + in_flight and line.endswith('corrupt 3, overload 5')
