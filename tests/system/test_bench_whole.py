"""The benchmarks of the whole appliance, each once and short: what they write is whole and agrees with itself."""
import os

import pytest

from edge_app.testing.harness.simulated_cameras import SimulatedCameras, clip, frames_of

from tests.bench import latency, reconnect, scaling, start, transport
from tests.support.benchmarks import SMALL, bench

pytestmark = pytest.mark.usefixtures('quick_bench')


def test_pipeline_paced_with_a_viewer(model, tmp_path):
    found = bench(tmp_path, 'pipeline', '--cameras', '1', '--model', model, '--regime', 'paced', '--viewer',
                  '--seconds', '4', '--repeat', '1', *SMALL)
    assert 'encoder' in found['floor']['cpu_s_per_s'] and found['frames_per_s']['encoded']['median'] > 0
    for found_ms in (found['latency_ms'], found['latency_ms']['bare']):
        for way in ('result', 'restream'):
            assert found_ms[way]['samples']['median'] > 0
            # a picture is not seen before it was sent, and its number is good for six seconds
            assert 0 < found_ms[way]['p50']['median'] <= found_ms[way]['p99']['median'] < 6000


def test_scaling_fits_a_line(model, tmp_path):
    found = bench(tmp_path, '--counts', '1,2', '--model', model, '--seconds', '1', '--repeat', '1', *SMALL,
                  command=scaling.command)
    assert [row['cameras'] for row in found['rows']] == [1, 2]
    for side in ('appliance', 'floor'):
        fit = found['fits'][side]
        assert fit['fixed'] + 2 * fit['per_camera'] == pytest.approx(found['rows'][1][side]['median'], abs=0.01)


def test_transport_compares_every_way_there_is(tmp_path):
    found = bench(tmp_path, '--frames', '4', '--repeat', '1', command=transport.transport)
    ways = {'edge-app', 'Pipe', 'Queue'} | ({'shared_memory'} if transport.shared_memory else set())
    assert [size['frame'] for size in found['sizes']] == list(transport.SIZES)
    for size in found['sizes']:
        assert set(size['ways']) == ways and size['unit_ms'] > 0
        for one in size['ways'].values():
            assert one['cpu_units'] == pytest.approx(one['cpu_ms']['median'] / size['unit_ms'], rel=0.01)
            assert one['latency_ms']['samples'] >= 3 and one['latency_ms']['p50'] > 0


def test_the_stages_of_a_frame_add_up(model, tmp_path):
    found = bench(tmp_path, '--cameras', '1', '--model', model, '--max-fps', '5', '--seconds', '5',
                  '--repeat', '1', *SMALL,
                  command=latency.command)
    for way, count in (('result', 5), ('picture', 4)):
        one = found['stages'][way]
        assert len(one['mean_ms']) == count and one['whole_ms']['samples']['median'] > 0
        assert sum(stage['median'] for stage in one['mean_ms']) == pytest.approx(one['whole_ms']['mean']['median'],
                                                                                 abs=0.01)


def test_start_counts_from_the_key_frames(model, tmp_path):
    found = bench(tmp_path, '--counts', '2', '--model', model, '--repeat', '1', *SMALL,
                  command=start.command)
    one = found['starts']['2']
    assert one['from_key_frames_s']['median'] <= one['from_command_s']['median'] and one['from_command_s']['median'] > 0


def test_reconnect_sees_a_camera_go_and_come_back(model, tmp_path):
    found = bench(tmp_path, '--cameras', '2', '--model', model, '--away', '1', '--repeat', '1', *SMALL,
                  command=reconnect.command)
    assert set(found['ways']) == {'killed', 'frozen'}
    for one in found['ways'].values():
        assert one['no_signal_s']['median'] > 0 and one['back_s']['median'] > 0 and one['others_rate']['median'] > 0
    assert found['ways']['killed']['reconnects']['median'] >= 1


def test_capacity_tries_numbers_of_cameras(model, tmp_path):
    found = bench(tmp_path, 'capacity', '--model', model, '--p95', '5000', '--share', '0.01', '--most', '2',
                  '--seconds', '2', *SMALL)
    assert found['cameras'] == 2 and [trial['cameras'] for trial in found['trials']] == [1, 2]
    assert all(trial['good'] and not trial['trouble'] for trial in found['trials'])


def test_a_clip_is_drawn_once_and_says_when_each_picture_was_sent(tmp_path):
    path = clip((320, 180), 5, 1, str(tmp_path))
    written = os.stat(path).st_mtime_ns
    assert clip((320, 180), 5, 1, str(tmp_path)) == path and os.stat(path).st_mtime_ns == written
    field = SimulatedCameras.__new__(SimulatedCameras)
    field.fps, field.frames, field._began = 5, frames_of(5), {1: 1000}
    assert field.sent_ns(1, 7, 1000 + int(1.5e9)) == 1000 + int(1.4e9)
    assert field.sent_ns(1, 7, 1000 + int(7.5e9)) == 1000 + int(7.4e9)   # six seconds are one pass
    assert field.sent_ns(1, 7, 1000 + int(7.3e9)) == 1000 + int(1.4e9)
