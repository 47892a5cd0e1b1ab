"""Simulated cameras as their clients see them: real processes, sockets, players, kills."""
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from edge_app.config import load
from edge_app.errors import ConfigError, OutputError
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator
from edge_app.testing.simulator.settings import MAIN, SUB, Settings

from tests.support.rtsp_dialog import Dialog
from tests.support.waiting import until

SIZE, SUB_SIZE = (640, 360), (320, 180)
UDP = 'RTP/AVP;unicast;client_port=50010-50011'
SENDER_REPORT, NTP_EPOCH_S = 200, 2208988800
INTERLEAVED = 'RTP/AVP/TCP;unicast;interleaved=0-1'


@pytest.fixture(scope='module')
def simulator():
    """Three drawn cameras at one port; key frames are 40 s apart, so that each early one is owed to the server."""
    with Simulator(cameras=3, size=SIZE, fps=15, gop=600, user='o p', password='p@ss:w/rd') as running:
        yield running


def _player(uri, *options):
    """An ffmpeg that writes what it decodes, as luma planes, to its stdout."""
    arguments = ['-v', 'error', '-probesize', '50000', '-rtsp_transport', 'tcp', '-i', uri] + list(options)
    arguments += ['-vsync', 'passthrough', '-f', 'rawvideo', '-pix_fmt', 'gray', '-']
    return subprocess.Popen(['ffmpeg'] + arguments, stdout=subprocess.PIPE)


def _lumas(player, size, count):
    """The first pictures of a player, (height, width) uint8 each; it is ended then."""
    width, height = size
    try:
        return [np.frombuffer(player.stdout.read(width * height), np.uint8).reshape(height, width)
                for _ in range(count)]
    finally:
        player.kill()
        player.wait()
        player.stdout.close()


@pytest.mark.parametrize('stream, size', [(MAIN, SIZE), (SUB, SUB_SIZE)])
def test_ffprobe_plays_both_streams(simulator, stream, size):
    found = subprocess.check_output([
        'ffprobe', '-v', 'error', '-rtsp_transport', 'tcp', '-of', 'json', '-show_streams', '-count_frames',
        '-read_intervals', '%+1', simulator.uri_with_password(1, stream)], timeout=60)
    video, = json.loads(found.decode())['streams']
    assert (video['codec_name'], video['width'], video['height'], video['has_b_frames']) == ('h264',) + size + (0,)
    assert int(video['nb_read_frames']) >= 5


@pytest.mark.parametrize('stream, size', [(MAIN, SIZE), (SUB, SUB_SIZE)])
def test_every_decoded_picture_says_which_camera_which_frame_and_when(simulator, stream, size):
    marks = [timecode.read(luma) for luma in _lumas(_player(simulator.uri_with_password(2, stream)), size, 20)]
    assert [found.camera for found in marks] == [2] * 20
    frames, times = [found.frame for found in marks], [found.ms for found in marks]
    assert frames == sorted(set(frames)) and times == sorted(times)
    rate = (frames[-1] - frames[0]) * 1000.0 / (times[-1] - times[0])
    assert 12 < rate < 18


def test_a_late_viewer_of_a_shared_encoder_sees_a_whole_picture_at_once(simulator):
    before = simulator.counts()[1]['streams']['01']['encoders']
    first = _player(simulator.uri_with_password(1), '-frames:v', '100000')
    try:
        early = timecode.read(np.frombuffer(first.stdout.read(SIZE[0] * SIZE[1]), np.uint8).reshape(SIZE[::-1]))
        late = [timecode.read(luma) for luma in _lumas(_player(simulator.uri_with_password(1)), SIZE, 10)]
        counts = simulator.counts()[1]
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
    assert all(late) and late[0].frame > early.frame
    assert counts['streams']['01']['encoders'] == before + 1
    assert counts['streams']['01']['encoded'] <= counts['drawn']


def test_nothing_is_drawn_or_encoded_for_nobody(simulator):
    _lumas(_player(simulator.uri_with_password(1)), SIZE, 15)
    until(lambda: not simulator.counts()[1]['streams']['01']['watched'], 20, 'the server sees that its viewer is gone')
    left = simulator.counts()
    _lumas(_player(simulator.uri_with_password(2)), SIZE, 15)
    after = simulator.counts()
    assert left[3] == after[3] and left[3]['drawn'] == 0
    assert after[2]['drawn'] >= left[2]['drawn'] + 15
    assert after[1]['drawn'] <= left[1]['drawn'] + 1 and after[1]['streams'] == left[1]['streams']


def test_no_password_or_a_wrong_one_is_refused_with_a_digest_challenge(simulator):
    with Dialog(simulator.uri(1)) as stranger:
        status, text = stranger.ask('DESCRIBE', Accept='application/sdp')
        assert status == 401 and 'WWW-Authenticate: Digest' in text and 'Basic' not in text
    with Dialog(simulator.uri(1), simulator.user, 'wrong') as guesser:
        assert guesser.ask('DESCRIBE', Accept='application/sdp')[0] == 401


def test_an_unknown_channel_is_not_found(simulator):
    with Dialog(simulator.uri(1).replace('/101', '/901'), simulator.user, simulator.password) as lost:
        assert lost.ask('DESCRIBE', Accept='application/sdp')[0] == 404


def test_udp_is_refused_and_tcp_is_not(simulator):
    with Dialog(simulator.uri(1), simulator.user, simulator.password) as client:
        assert client.ask('DESCRIBE', Accept='application/sdp')[0] == 200
        assert client.ask('SETUP', simulator.uri(1) + '/stream=0', Transport=UDP)[0] == 461
        assert client.ask('SETUP', simulator.uri(1) + '/stream=0', Transport=INTERLEAVED)[0] == 200


def test_udp_is_allowed_when_asked_for():
    with Simulator(udp=True, size=(160, 96)) as running:
        with Dialog(running.uri(1), running.user, running.password) as client:
            assert client.ask('DESCRIBE', Accept='application/sdp')[0] == 200
            assert client.ask('SETUP', running.uri(1) + '/stream=0', Transport=UDP)[0] == 200


def test_behind_a_front_udp_is_what_it_is_and_faults_reach_it():
    with Simulator(udp=True, faultable=True, size=(160, 96), fps=10, gop=10) as running, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, \
            Dialog(running.uri(1), running.user, running.password) as client:
        receiver.bind(('127.0.0.1', 0))
        receiver.settimeout(10)
        assert client.ask('DESCRIBE', Accept='application/sdp')[0] == 200
        port = receiver.getsockname()[1]
        status, text = client.ask('SETUP', running.uri(1) + '/stream=0',
                                  Transport='RTP/AVP;unicast;client_port=%d-%d' % (port, port + 1))
        granted = r'Transport: RTP/AVP;unicast;client_port=%d-%d;server_port=\d+-\d+' % (port, port + 1)
        assert status == 200 and re.search(granted, text)
        session = re.search(r'Session: ([^;\r]+)', text).group(1)
        assert client.ask('PLAY', Session=session)[0] == 200
        numbers = [struct.unpack('>H', receiver.recv(2000)[2:4])[0] for _ in range(20)]
        assert numbers == [(numbers[0] + step) % 65536 for step in range(20)]
        running.fault(1, 'loss', share=0.5)
        numbers = [struct.unpack('>H', receiver.recv(2000)[2:4])[0] for _ in range(40)]
        assert (numbers[-1] - numbers[0]) % 65536 > 40


def test_sender_reports_tell_when_it_was_sent(simulator):
    with Dialog(simulator.uri(3), simulator.user, simulator.password) as client:
        assert client.ask('DESCRIBE', Accept='application/sdp')[0] == 200
        _, text = client.ask('SETUP', simulator.uri(3) + '/stream=0', Transport=INTERLEAVED)
        session = re.search(r'Session: ([^;\r]+)', text).group(1)
        assert client.ask('PLAY', Session=session)[0] == 200
        report = next(data for channel, data in client.packets() if channel == 1 and data[1] == SENDER_REPORT)
    seconds, = struct.unpack('>I', report[8:12])
    assert abs(seconds - NTP_EPOCH_S - time.time()) < 5


def test_key_frames_come_as_often_as_asked():
    with Simulator(size=(160, 96), gop=5) as running:
        found = subprocess.check_output([
            'ffprobe', '-v', 'error', '-rtsp_transport', 'tcp', '-of', 'json', '-show_packets',
            '-read_intervals', '%+3', running.uri_with_password(1)], timeout=60)
    keys = [index for index, packet in enumerate(json.loads(found.decode())['packets']) if 'K' in packet['flags']]
    assert len(keys) >= 5
    # The first ones also answer the viewer's arrival.
    assert {later - earlier for earlier, later in zip(keys[2:], keys[3:])} == {5}


def test_the_password_is_in_no_argument_list(simulator):
    with open('/proc/%d/cmdline' % simulator.pids[None], 'rb') as file:
        arguments = file.read()
    assert b'edge_app.testing.simulator' in arguments and b'p@ss' not in arguments


def test_a_taken_port_is_a_clear_error(simulator):
    with pytest.raises(OutputError) as caught:
        Simulator(port=simulator.ports[0]).start()
    assert str(simulator.ports[0]) in str(caught.value) and '--port' in str(caught.value)


def test_unknown_weather_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError) as caught:
        Simulator(conditions='hailstones').start()
    assert 'hailstones' in str(caught.value)


@pytest.fixture(scope='module')
def apart():
    with Simulator(cameras=2, apart=True, size=(160, 96)) as running:
        yield running


def _answers(running, number):
    try:
        with Dialog(running.uri(number), running.user, running.password) as client:
            return client.ask('DESCRIBE', Accept='application/sdp')[0] == 200
    except OSError:
        return False


def test_a_camera_apart_can_be_unplugged_and_comes_back_at_its_address(apart):
    uris = apart.uris
    apart.stop_camera(1)
    assert not _answers(apart, 1) and _answers(apart, 2)
    apart.start_camera(1)
    assert apart.uris == uris and _answers(apart, 1)
    apart.kill(2)
    assert not _answers(apart, 2) and _answers(apart, 1)
    apart.start_camera(2)
    assert _answers(apart, 2)


def test_a_paused_camera_keeps_its_connections_and_sends_nothing(apart):
    size = (160, 96)
    player = _player(apart.uri_with_password(1))
    try:
        def read():
            return timecode.read(np.frombuffer(player.stdout.read(size[0] * size[1]), np.uint8).reshape(size[::-1]))
        before = read()
        apart.pause(1)
        until(lambda: _state(apart.pids[1]) == 'T', 5, 'the camera has stopped')
        assert player.poll() is None
        apart.resume(1)
        after = [read() for _ in range(30)][-1]
        assert after.camera == before.camera == 1 and after.frame > before.frame
    finally:
        player.kill()
        player.wait()
        player.stdout.close()


def _state(pid):
    """One letter, as in ps: S sleeps, T is stopped, Z is dead; None when there is no such process."""
    try:
        with open('/proc/%d/stat' % pid) as file:
            return file.read().rsplit(')', 1)[1].split()[0]
    except OSError:
        return None


def _command(*arguments):
    """edge-app simulate in a process of its own, ready, and the text it printed before saying so."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'edge_app', 'simulate', '--port', '0', '--size', '160x96'] + list(arguments),
        stdout=subprocess.PIPE, universal_newlines=True)
    return process, ''.join(iter(process.stdout.readline, '# ready\n'))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly_while_watched(number, tmp_path):
    process, text = _command('--cameras', '1', '--truth', str(tmp_path / 'truth.jsonl'))
    uri = text.split()[4]
    assert uri.endswith('/Streaming/Channels/101') and 'drawn-cameras' in text
    player = _player(uri.replace('rtsp://', 'rtsp://admin:drawn-cameras@'))
    try:
        seen = timecode.read(np.frombuffer(player.stdout.read(160 * 96), np.uint8).reshape(96, 160))
        process.send_signal(number)
        assert process.wait(10) == 0
    finally:
        player.kill()
        player.wait()
        player.stdout.close()
        process.stdout.close()
    lines = [json.loads(line) for line in (tmp_path / 'truth.jsonl').read_text().splitlines()]
    told, = [line for line in lines if line['frame'] == seen.frame]
    assert (told['camera'], told['ms']) == (seen.camera, seen.ms)
    assert all(set(box) == {'class', 'xyxy', 'visible'} for line in lines for box in line['boxes'])


def test_all_it_prints_is_a_configuration(tmp_path):
    process, text = _command('--duration', '0.2', '--cameras', '2', '--user', 'a"${b}')
    path = tmp_path / 'site.yaml'
    path.write_text(text + '# ready\n' + process.stdout.read())
    process.stdout.close()
    assert process.wait(20) == 0
    cameras = load(str(path), environment={}).cameras
    assert [camera.name for camera in cameras] == ['camera1', 'camera2']
    assert {(camera.user, camera.password) for camera in cameras} == {('a"${b}', 'drawn-cameras')}
    assert [camera.uri for camera in cameras] == [line.split()[4] for line in text.splitlines()[:2]]


PARENT = '''
import subprocess, sys, time
if sys.argv[1] == 'command':
    child = subprocess.Popen([sys.executable, '-m', 'edge_app', 'simulate', '--port', '0', '--die-with-parent'],
                             stdout=subprocess.PIPE)
    while child.stdout.readline() != b'# ready\\n':
        pass
    print(child.pid, flush=True)
else:
    from edge_app.testing.simulator.process import Simulator
    print(Simulator().start().pids[None], flush=True)
time.sleep(60)
'''


@pytest.mark.parametrize('way', ['command', 'object'])
def test_it_does_not_outlive_a_killed_parent(way):
    parent = subprocess.Popen([sys.executable, '-c', PARENT, way], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert _state(pid) in ('S', 'R', 'D')
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: _state(pid) in (None, 'Z'), 10, 'the simulator has ended')


def test_its_caller_needs_no_gstreamer():
    code = 'import sys, edge_app.testing.simulator.process; print(sorted({"gi", "cv2", "numpy"} & set(sys.modules)))'
    assert subprocess.check_output([sys.executable, '-c', code]).strip() == b'[]'


def test_sixteen_small_cameras_are_all_alive():
    with Simulator(cameras=16, size=SUB_SIZE, fps=5) as running:
        players = {number: _player(running.uri_with_password(number)) for number in running.settings.numbers}
        for number, player in players.items():
            assert [timecode.read(luma).camera for luma in _lumas(player, SUB_SIZE, 3)] == [number] * 3


def test_h265_when_asked_for():
    with Simulator(codec='h265', size=SUB_SIZE) as running:
        marks = [timecode.read(luma) for luma in _lumas(_player(running.uri_with_password(1)), SUB_SIZE, 5)]
    assert [found.camera for found in marks] == [1] * 5


def test_the_settings_of_a_simulator_are_checked_before_anything_starts():
    with pytest.raises(ConfigError):
        Simulator(cameras=0)
    with pytest.raises(ConfigError):
        Simulator(cameras=2, apart=True, truth='/tmp/truth')
    assert Simulator(cameras=2).settings == Settings(cameras=2, port=0)
