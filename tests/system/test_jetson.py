"""Capture and encoder on the elements of a Jetson's stand-ins, both boards, and the decoder's known bugs survived.

What this proves is that the pipelines fit those elements and that nothing a decoder does wrong is the end. None of it
has run on a board.
"""
import json
import os
import subprocess
import sys

import pytest

from edge_app.camera.frame_accounting import OUTCOMES
from edge_app.transport.packet_ring import PacketRing

from tests.support import jetson
from tests.support.capture_process import CaptureProcess
from tests.support.clips import write_clip
from tests.support.jetson_tasks import done
from tests.support.rtsp_camera import Camera
from tests.support.waiting import until

DECODE_CHAIN = {'nvv4l2decoder', 'nvvidconv'}
SOFTWARE = {'videoconvert', 'videoscale', 'avdec_h264', 'avdec_h265'}


@pytest.fixture
def camera():
    with Camera() as camera:
        yield camera


def capture_on(tmp_path, camera, board='tx2', bugs='', once=None, **settings):
    return CaptureProcess(tmp_path, camera.uri, env=jetson.environment(board, bugs, once), **settings)


@pytest.mark.parametrize('board', jetson.BOARDS)
@pytest.mark.parametrize('settings', ({}, {'codec': 'h265'}, {'bframes': 2}), ids=('h264', 'h265', 'bframes'))
def test_a_camera_is_decoded_by_the_board(tmp_path, board, settings):
    with Camera(**settings) as camera, capture_on(tmp_path, camera, board, 'second-caps') as capture:
        capture.until_frames(10)
        capture.until_state('live')
        assert capture.page.info['decoder'] == 'jetson (the first that this machine has)'
        assert capture.ring.newest()[1].size == (480, 360)
        assert capture.terminate() == 0
    assert capture.balance().error == 0 and 'Traceback' not in capture.log
    # The first B-frames after the first key frame may refer to one before it.
    assert capture.page.get('undecodable') <= settings.get('bframes', 0)


def test_a_file_is_decoded_by_the_board_and_a_camera_of_jpegs_by_the_cpu(tmp_path):
    folders = [tmp_path / name for name in ('file', 'jpeg')]
    for folder in folders:
        folder.mkdir()
    clip = write_clip(tmp_path / 'clip.mkv', [40 * number for number in range(50)], bframes=2)
    env = jetson.environment(bugs='second-caps')
    with CaptureProcess(folders[0], 'file://%s' % clip, env=env) as capture:
        capture.until_frames(20)
        assert capture.page.info['decoder'].startswith('jetson') and capture.terminate() == 0
    with Camera(codec='jpeg') as camera, CaptureProcess(folders[1], camera.uri, env=env) as capture:
        capture.until_frames(5)
        assert capture.page.info['decoder'].startswith('software') and capture.terminate() == 0


def test_without_a_parser_too_and_its_packets_are_kept(tmp_path, camera):
    with PacketRing.create(tmp_path / 'gate.packets', 1 << 20) as packets:
        packets.renew_lease(60)
        with capture_on(tmp_path, camera, bugs='second-caps', parser='none') as capture:
            capture.until_frames(5)
            packet, unit = until(lambda: packets.read_after(0), 15, 'a packet')
            assert packet.key and unit[:4] == b'\0\0\0\1'
            assert capture.page.info['width'] == 640
            camera.say('size 320x240')
            assert capture.ends() == 75
    assert capture.balance().error == 0


def test_news_without_a_new_size_never_reach_a_decoder_that_would_wedge(tmp_path, camera):
    """The rate changes, so the parser sends CAPS again: on a stock TX2 a second one is the last."""
    with capture_on(tmp_path, camera, bugs='second-caps') as capture:
        capture.until_state('live')
        camera.say('fps 10')
        until(lambda: 8 <= capture.page.info.get('fps', 0) <= 12, 15, 'ten frames per second')
        capture.until_frames(10)
        assert capture.page.get('reconnects') == 0 and capture.process.poll() is None
    assert capture.balance().error == 0


def test_a_new_size_ends_the_process_before_the_decoder_sees_it(tmp_path, camera):
    with capture_on(tmp_path, camera, bugs='second-caps') as capture:
        capture.until_frames(3)
        camera.say('size 320x240')
        assert capture.ends() == 75 and 'changed from 640x480 to 320x240' in capture.log
        capture.start()
        capture.until_frames(3)
        assert capture.ring.newest()[1].size == (320, 240)
    assert 'hangs' not in capture.log and capture.balance().error == 0


def test_a_decoder_that_never_comes_back_takes_only_its_process(tmp_path, camera):
    with capture_on(tmp_path, camera, bugs='hang=10', once=tmp_path, silence_s=1.0) as capture:
        assert capture.ends(20) == 75 and 'hangs' in capture.log
        capture.start()
        capture.until_frames(20)
        assert capture.process.poll() is None
    assert capture.balance().error == 0


def test_a_decoder_that_falls_silent_is_given_up_and_made_anew(tmp_path, camera):
    with capture_on(tmp_path, camera, bugs='silent=10', once=tmp_path, silence_s=1.0) as capture:
        capture.until_state('no_signal')
        until(lambda: capture.page.info['reason'].startswith('no frame for'), 15, 'the reason')
        capture.until_frames(20)
        capture.until_state('live')
        assert capture.page.get('reconnects') == 1 and capture.process.poll() is None
    assert capture.balance().error == 0


def test_a_late_first_picture_is_waited_for(tmp_path, camera):
    with capture_on(tmp_path, camera, bugs='late=3', first_frame_s=10.0, max_staleness_s=5.0) as capture:
        capture.until_state('live')
        assert capture.page.get('reconnects') == 0
    assert capture.balance().error == 0


@pytest.mark.parametrize('parser, worn', [('auto', False), ('none', True)])
def test_a_decoder_that_leaks_costs_a_process_and_no_more(tmp_path, camera, parser, worn):
    """It leaks where it is not told the width at first: never behind a parser, whose CAPS without one are held back."""
    with capture_on(tmp_path, camera, bugs='leak=110 silent=5', parser=parser, silence_s=0.5) as capture:
        if worn:
            assert capture.ends(40) == 75 and 'MB were left behind' in capture.log
        else:
            until(lambda: capture.page.get('reconnects') >= 3, 40, 'four sessions')
            assert capture.process.poll() is None
    assert capture.balance().error == 0


@pytest.mark.parametrize('board', jetson.BOARDS)
def test_a_reader_that_falls_behind_gets_fewer_pictures_from_the_decoder(tmp_path, camera, board):
    found = done('read_slowly', board, uri=camera.uri, folder=str(tmp_path), seconds=12, pause_s=0.25)
    assert found['interval'] >= 3 and 'one picture in %d' % found['interval'] in found['spared']
    assert DECODE_CHAIN <= set(found['chain']) and not SOFTWARE & set(found['chain'])
    counts = found['counts']
    assert counts['received'] == sum(counts[fate] for fate in OUTCOMES) + found['on_their_way']
    assert counts['stale_capture'] > 0 and counts['undecodable'] <= found['interval']


def test_pictures_of_a_decoder_that_cannot_leave_any_out_are_dropped_before_they_are_scaled(tmp_path, camera):
    found = done('read_slowly', uri=camera.uri, folder=str(tmp_path), seconds=12, pause_s=0.25, decoder='software')
    assert found['interval'] is None and any(text.startswith('one picture in') for text in found['spared'])
    counts = found['counts']
    assert counts['received'] == sum(counts[fate] for fate in OUTCOMES) + found['on_their_way']
    assert counts['stale_capture'] > counts['captured'] and counts['undecodable'] == 0


def test_a_decoder_that_is_too_slow_gets_key_frames_only(tmp_path, camera):
    with capture_on(tmp_path, camera, bugs='slow=0.15', max_staleness_s=0.5) as capture:
        until(lambda: capture.page.info.get('spared') == 'key frames only', 60, 'mercy')
        capture.until_frames(3, 30)
        assert 'decoding reduced, the machine is overloaded: key frames only' in capture.log
        received, captured = capture.page.get('received'), capture.page.get('captured')
        capture.until_frames(3, 30)
        assert capture.page.get('received') - received > 5 * (capture.page.get('captured') - captured)
        assert capture.process.poll() is None and capture.page.get('reconnects') == 0
    assert capture.balance().error == 0 and capture.page.get('undecodable') == 0


@pytest.mark.parametrize('fps, held', [(25, 4), (12, 8), (8, 8)])
def test_a_decoder_that_keeps_pictures_back_loses_none(tmp_path, fps, held):
    """Its delay is known, and no frame is stale for it, nor the machine called overloaded."""
    with Camera(fps=fps, size='320x240') as camera, capture_on(
            tmp_path, camera, bugs='hold=%d' % held, low_delay='off') as capture:
        page = capture.page
        until(lambda: page.get('decoder_delay_ns') / 1e9 > (held - 1.5) / fps, 30, 'its delay')
        received, captured = page.get('received'), page.get('captured')
        capture.until_frames(12)
        assert page.get('captured') - captured >= 0.75 * (page.get('received') - received)
        assert capture.state == 'live' and not page.info.get('spared') and page.get('reconnects') == 0


@pytest.mark.parametrize('bframes, low_delay, held', [(0, 'auto', False), (2, 'auto', True), (2, 'on', False)])
def test_pictures_come_at_once_where_their_order_is_kept(tmp_path, bframes, low_delay, held):
    """What the decoder is told is told before CAPS, or it would keep eight pictures back."""
    with Camera(fps=20, size='320x240', bframes=bframes) as camera, capture_on(
            tmp_path, camera, bugs='hold=8', low_delay=low_delay) as capture:
        capture.until_frames(20)
        until(lambda: (capture.page.get('decoding') >= 8) is held, 5, 'pictures in the decoder as expected')


@pytest.mark.parametrize('board', jetson.BOARDS)
def test_the_encoder_is_set_for_viewers_who_come_at_any_time(board):
    found = done('encode', board, pictures=35, fps=10.0, bitrate_kbit=1000, size=[320, 192], force_at=[15])
    assert found['row'] == 'jetson'
    assert found['properties'] == {'bitrate': 1000000, 'iframeinterval': 10, 'idrinterval': 10, 'insert-sps-pps': 1,
                                   'insert-vui': 1, 'maxperf-enable': 1, 'poc-type': 2}
    assert [number for number, (key, _) in enumerate(found['units']) if key] == [0, 10, 15, 25]
    # Noise takes all the bits it gets: kilobits taken for bits would give a thousandth.
    kbit = 8 * sum(size for _, size in found['units']) / 35 * 10 / 1000
    assert 500 < kbit < 2000
    assert 'x264enc' not in found['chain'] and 'nvv4l2h264enc' in found['chain']


def test_the_doctor_sees_the_board():
    for board in jetson.BOARDS:
        said = subprocess.check_output([sys.executable, '-m', 'edge_app.gst.probe'], universal_newlines=True,
                                       env=dict(os.environ, **jetson.environment(board)))
        choices = {choice['what']: choice['name'] for choice in json.loads(said)['choices']}
        assert choices == {'h264 decoder': 'jetson', 'h265 decoder': 'jetson', 'h264 encoder': 'jetson'}
