"""Everything that can be made to go wrong with a simulated camera: it does, it ends, and no other camera feels it."""
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from edge_app import gst
from edge_app.errors import ConfigError
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator

from tests.support.rtsp_dialog import Dialog
from tests.support.rtsp_recorder import Recorder
from tests.support.waiting import until

SIZE, OTHER_SIZE, FPS = (160, 96), (320, 192), 10
SMALL = dict(size=SIZE, fps=FPS, gop=FPS, bitrate_kbit=400, faultable=True)


@pytest.fixture(scope='module')
def cameras():
    with Simulator(cameras=2, port_per_camera=True, **SMALL) as running:
        yield running


@pytest.fixture(scope='module')
def bystander(cameras):
    """Somebody who watches the other camera all the time."""
    with Recorder(cameras, 2) as recorder:
        yield recorder


@pytest.fixture(autouse=True)
def nobody_else_is_hurt(request):
    """Whatever was done to camera 1: camera 2 went on, on the same connection, without a packet lost."""
    if 'cameras' not in request.fixturenames:
        yield
        return
    cameras, bystander = request.getfixturevalue('cameras'), request.getfixturevalue('bystander')
    yield
    cameras.clear()
    bystander.gets(3)
    assert bystander.lost == 0
    assert cameras.faults() == []


def _silence_s(recorder, since):
    """Longest time without a packet of RTP among those from number `since` on."""
    times = [at for at, _ in recorder.rtp][since:]
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def _status(cameras, number=1):
    with Dialog(cameras.uri(number), cameras.user, cameras.password) as client:
        return client.ask('DESCRIBE', Accept='application/sdp')[0]


def _played(simulator, number=1):
    """Samples as rtspsrc and a decoder give them, without end."""
    source = gst.make('rtspsrc', location=simulator.uri(number), user_id=simulator.user, user_pw=simulator.password,
                      protocols=gst.GstRtsp.RTSPLowerTrans.TCP, latency=50)
    depay, parse, decoder = gst.make('rtph264depay'), gst.make('h264parse'), gst.make('avdec_h264')
    sink = gst.make('appsink', sync=False)
    pipeline = gst.Gst.Pipeline.new(None)
    pipeline.add(source)
    gst.add_and_link(pipeline, depay, parse, decoder, gst.caps_filter('video/x-raw,format=I420'), sink)
    source.connect('pad-added', lambda _source, pad: pad.link(depay.get_static_pad('sink')))
    pipeline.set_state(gst.Gst.State.PLAYING)
    try:
        while True:
            sample = sink.emit('try-pull-sample', 15 * gst.Gst.SECOND)
            assert sample, 'no picture came'
            yield sample
    finally:
        pipeline.set_state(gst.Gst.State.NULL)


def _first(samples, wanted, what):
    for _, sample in zip(range(20 * FPS), samples):
        if wanted(sample):
            return sample
    raise AssertionError('%s: not in %d pictures' % (what, 20 * FPS))


def _luma(sample):
    buffer = sample.get_buffer()
    return np.frombuffer(buffer.extract_dup(0, SIZE[0] * SIZE[1]), np.uint8).reshape(SIZE[::-1])


def test_refused(cameras):
    with Recorder(cameras, 1) as recorder:
        cameras.fault(1, 'refuse', 1.5)
        until(lambda: recorder.ended, 5, 'the session ends')
    with pytest.raises(ConnectionRefusedError):
        Dialog(cameras.uri(1))
    until(lambda: not cameras.faults(), 5, 'the fault ends')
    assert _status(cameras) == 200


def test_a_refusing_camera_keeps_its_port(cameras):
    cameras.fault(1, 'refuse')
    with pytest.raises(OSError), socket.socket() as thief:
        thief.bind(('127.0.0.1', cameras.ports[0]))
    cameras.fault(1, 'refuse')
    cameras.clear(1)
    assert _status(cameras) == 200


@pytest.mark.parametrize('kind', ['401', '404', '453', '503'])
def test_answered_with_an_error(cameras, kind):
    with Recorder(cameras, 1) as recorder:
        cameras.fault(1, int(kind))
        until(lambda: recorder.ended, 5, 'the session ends')
    with pytest.raises(AssertionError, match='answered %s' % kind):
        Recorder(cameras, 1)
    cameras.clear(1)
    with Recorder(cameras, 1) as recorder:
        recorder.gets(3)


def test_accepted_and_never_answered(cameras):
    cameras.fault(1, 'silent')
    address = ('127.0.0.1', cameras.ports[0])
    with socket.create_connection(address, 5) as client:
        client.sendall(('OPTIONS %s RTSP/1.0\r\nCSeq: 1\r\n\r\n' % cameras.uri(1)).encode())
        client.settimeout(1)
        with pytest.raises(socket.timeout):
            client.recv(1)
        cameras.clear(1)
        client.settimeout(5)
        assert client.recv(100).startswith(b'RTSP/1.0 200')


def _descriptors(cameras):
    return len(os.listdir('/proc/%d/fd' % cameras.pids[None]))


def test_a_client_that_gives_up_on_a_silent_camera_is_let_go(cameras):
    cameras.fault(1, 'silent')
    before = _descriptors(cameras)
    with socket.create_connection(('127.0.0.1', cameras.ports[0]), 5) as client:
        client.sendall(('OPTIONS %s RTSP/1.0\r\nCSeq: 1\r\n\r\n' % cameras.uri(1)).encode())
        until(lambda: _descriptors(cameras) > before, 5, 'the camera takes the connection')
    until(lambda: _descriptors(cameras) <= before, 5, 'the camera forgets it')


def test_frozen_with_the_connection_open(cameras):
    with Recorder(cameras, 1) as recorder:
        start = recorder.gets(5)
        cameras.fault(1, 'freeze', 1.2)
        until(lambda: not cameras.faults(), 5, 'the fault ends')
        recorder.gets(5)
        assert _silence_s(recorder, start) > 1
        assert recorder.lost > 0


def test_drips(cameras):
    with Recorder(cameras, 1) as recorder:
        recorder.gets(5)
        cameras.fault(1, 'drip', bytes_per_s=500)
        time.sleep(0.5)
        before, began = sum(len(data) for _, data in recorder.rtp), time.monotonic()
        time.sleep(2)
        rate = (sum(len(data) for _, data in recorder.rtp) - before) / (time.monotonic() - began)
        cameras.clear(1)
        recorder.gets(20)
    assert rate < 2500


@pytest.mark.parametrize('kind, reset', [('close', False), ('rst', True)])
def test_cut_off_once(cameras, kind, reset):
    with Recorder(cameras, 1) as recorder:
        recorder.gets(3)
        cameras.fault(1, kind)
        until(lambda: recorder.ended, 5, 'the session ends')
        assert isinstance(recorder.error, ConnectionResetError) == reset
    with Recorder(cameras, 1) as recorder:
        recorder.gets(3)


def test_packets_get_lost(cameras):
    with Recorder(cameras, 1) as recorder:
        recorder.gets(3)
        cameras.fault(1, 'loss', share=0.3)
        recorder.gets(30)
        cameras.clear(1)
        assert 4 < recorder.lost < 40
        lost = recorder.lost
        recorder.gets(20)
        assert recorder.lost - lost <= 2


def test_video_is_corrupted(cameras):
    def complaints():
        return subprocess.run(['ffmpeg', '-v', 'error', '-rtsp_transport', 'tcp', '-i', cameras.uri_with_password(1),
                               '-frames:v', '20', '-f', 'null', '-'], stderr=subprocess.PIPE, timeout=40).stderr
    cameras.fault(1, 'corrupt', share=1, bits=60)
    assert b'error' in complaints()
    cameras.clear(1)
    assert complaints() == b''


@pytest.mark.parametrize('kind', ['garbage', 'empty', 'cut'])
def test_described_with_nonsense(cameras, kind):
    cameras.fault(1, 'bad_sdp', sdp=kind)
    probe = ['ffprobe', '-v', 'error', '-rtsp_transport', 'tcp', '-show_entries', 'stream=codec_name',
             cameras.uri_with_password(1)]
    assert b'h264' not in subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30).stdout
    cameras.clear(1)
    assert b'h264' in subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30).stdout


def test_the_clock_jumps(cameras):
    hour = 3600 * 90000
    with Recorder(cameras, 1) as recorder:
        recorder.gets(5)
        cameras.fault(1, 'clock_jump', by_s=3600)
        recorder.gets(10)
        cameras.clear(1)
        recorder.gets(5)
        steps = [(later - earlier) % 2 ** 32 for earlier, later in zip(recorder.stamps, recorder.stamps[1:])]
    jumps = [step for step in steps if step > 900000]
    assert len(jumps) == 2
    assert abs(jumps[0] - hour) < 900000 and abs(2 ** 32 - jumps[1] - hour) < 900000


def test_a_report_tells_another_time(cameras):
    cameras.fault(1, 'clock_jump', by_s=-5000)
    with Recorder(cameras, 1) as recorder:
        report = until(lambda: recorder.reports, 15, 'a sender report')[0]
    seconds = int.from_bytes(report[8:12], 'big') - 2208988800
    assert abs(seconds + 5000 - time.time()) < 20


def test_a_pause_and_then_all_at_once(cameras):
    with Recorder(cameras, 1) as recorder:
        start = recorder.gets(5)
        cameras.fault(1, 'burst', 1.5)
        until(lambda: not cameras.faults(), 5, 'the fault ends')
        recorder.gets(5)
        times = [at for at, _ in recorder.rtp]
        assert _silence_s(recorder, start) > 1.2
        assert recorder.lost == 0
    steps = [later - earlier for earlier, later in zip(times, times[1:])]
    pause = steps.index(max(steps))
    assert times[pause + 8] - times[pause + 1] < 0.3, 'eight pictures took less than a third of their time'


def test_the_first_pictures_are_late_and_a_key_frame_among_them(cameras):
    cameras.fault(1, 'slow_start', delay_s=1.5)
    with Recorder(cameras, 1) as recorder:
        until(lambda: len(recorder.keys) >= 4, 10, 'pictures')
        assert recorder.rtp[0][0] - recorder.played_s > 1.4
        assert True in [key for _, key in recorder.keys[:4]]


def test_no_key_frame_comes_not_even_for_a_new_viewer(cameras):
    with Recorder(cameras, 1) as recorder:
        until(lambda: len(recorder.keys) > FPS + 3, 15, 'pictures')
        assert sum(key for _, key in recorder.keys) >= 2
        cameras.fault(1, 'no_key_frames')
        settled = len(recorder.keys) + 3
        with Recorder(cameras, 1) as late:
            until(lambda: len(recorder.keys) > settled + 2 * FPS, 15, 'pictures')
            assert not any(key for _, key in recorder.keys[settled:])
            assert len(late.keys) > 5 and not any(key for _, key in late.keys[3:])
        cameras.clear(1)
        cleared = len(recorder.keys)
        until(lambda: any(key for _, key in recorder.keys[cleared - 1:]), 3, 'a key frame')


@pytest.mark.parametrize('marked', [True, False])
def test_the_picture_is_black(cameras, marked):
    def is_black(sample):
        return _luma(sample)[:SIZE[1] * 3 // 4].max() < 24
    samples = _played(cameras)
    assert not is_black(next(samples))
    cameras.fault(1, 'black', mark=marked)
    black = _first(samples, is_black, 'black')
    found = timecode.read(_luma(black))
    assert (found.camera == 1) if marked else (found is None)
    cameras.clear(1)
    seen = _first(samples, lambda sample: not is_black(sample), 'not black')
    samples.close()
    assert timecode.read(_luma(seen)) is not None


def test_the_size_changes_in_the_middle_of_a_session(cameras):
    def size(sample):
        structure = sample.get_caps().get_structure(0)
        return structure.get_int('width')[1], structure.get_int('height')[1]
    samples = _played(cameras)
    assert size(next(samples)) == SIZE
    cameras.fault(1, 'resolution', size=OTHER_SIZE)
    _first(samples, lambda sample: size(sample) == OTHER_SIZE, 'the other size')
    cameras.clear(1)
    _first(samples, lambda sample: size(sample) == SIZE, 'the first size')
    samples.close()


def test_the_codec_changes(cameras):
    with Recorder(cameras, 1) as recorder:
        assert 'H264' in recorder.sdp
        cameras.fault(1, 'codec')
        until(lambda: recorder.ended, 5, 'the session ends')
    with Recorder(cameras, 1) as recorder:
        assert 'H265' in recorder.sdp
        recorder.gets(3)
        cameras.clear(1)
        until(lambda: recorder.ended, 5, 'the session ends')
    assert timecode.read(_luma(next(_played(cameras)))).camera == 1


def test_faults_come_together(cameras):
    with Recorder(cameras, 1) as recorder:
        cameras.fault(1, 'loss', share=0.3)
        cameras.fault(1, 'clock_jump')
        assert {fault['fault'] for fault in cameras.faults()} == {'loss', 'clock_jump'}
        recorder.gets(30)
        assert recorder.lost > 3


def test_a_mistake_is_told_and_nothing_begins(cameras):
    with pytest.raises(ConfigError, match="did you mean 'freeze'"):
        cameras.fault(1, 'freze')
    with pytest.raises(ConfigError, match='no camera 3'):
        cameras.fault(3, 'freeze')
    assert cameras.faults() == []


@pytest.mark.parametrize('kind', ['silent', '404', 'close', 'drip', 'codec'])
def test_behind_one_port_too_the_others_feel_nothing(recorder_box, kind):
    with Recorder(recorder_box, 2) as other:
        recorder_box.fault(1, kind)
        other.gets(10)
        recorder_box.clear(1)
        assert other.lost == 0 and _status(recorder_box, 1) == 200


@pytest.fixture(scope='module')
def recorder_box():
    with Simulator(cameras=2, **SMALL) as running:
        yield running


def test_without_a_front_nothing_can_be_made_to_fail():
    with Simulator(size=SIZE) as plain:
        with pytest.raises(ConfigError, match='faultable=True'):
            plain.fault(1, 'freeze')


def test_apart_each_camera_has_its_own_faults():
    with Simulator(cameras=2, apart=True, **SMALL) as apart:
        apart.fault(2, '404')
        assert (_status(apart, 1), _status(apart, 2)) == (200, 404)
        assert [(fault['camera'], fault['fault']) for fault in apart.faults()] == [(2, '404')]
        apart.clear()
        assert _status(apart, 2) == 200


def _fates(plan):
    """Which of the first packets came, from the first one the server speaks of."""
    with Simulator(faults=plan, seed=5, size=SIZE, fps=25) as simulator, Recorder(simulator, 1) as recorder:
        recorder.gets(60)
        first = int(re.search(r'seq=(\d+)', recorder.playing).group(1))
        return [(number - first) % 65536 for number in recorder.numbers][:50]


def test_a_plan_is_the_same_in_every_run(tmp_path):
    path = tmp_path / 'plan.yaml'
    path.write_text('- {camera: 1, fault: loss, share: 0.3}\n')
    once, again = _fates(str(path)), _fates(str(path))
    assert once == again and once != list(range(50))


class Commander:
    """edge-app simulate with a plan and a control socket."""

    def __init__(self, folder, plan):
        self.path = str(folder / 'control')
        (folder / 'plan.yaml').write_text(plan)
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'edge_app', 'simulate', '--port', '0', '--cameras', '2', '--size', '160x96',
             '--faults', str(folder / 'plan.yaml'), '--control', self.path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def ask(self, text):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(self.path)
            client.sendall(text.encode() + b'\n')
            return json.loads(client.makefile().readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def test_the_control_socket_and_the_plan(tmp_path):
    with Commander(tmp_path, '- {camera: 1, at_s: 0.5, for_s: 1.5, fault: freeze}') as commander:
        assert '# ready\n' in iter(commander.process.stdout.readline, '')
        assert stat.S_IMODE(os.stat(commander.path).st_mode) == 0o600
        until(lambda: commander.ask('{"active": true}')['active'], 10, 'the plan begins')
        until(lambda: not commander.ask('{"active": true}')['active'], 10, 'the plan ends')
        active = commander.ask('{"camera": 2, "fault": 404, "for_s": 60}')['active']
        assert [(fault['camera'], fault['fault'], fault['for_s']) for fault in active] == [(2, '404', 60)]
        assert 'loss' in commander.ask('{"camera": 2, "fault": "los"}')['error']
        for nonsense in ('', '[]', '{', '"x"', '{"camera": 1e999, "fault": "loss"}', '\x00', '[' * 5000):
            assert 'error' in commander.ask(nonsense)
        assert commander.ask('{"clear": "all"}')['active'] == []
        commander.process.send_signal(signal.SIGTERM)
        assert commander.process.wait(10) == 0
        assert not os.path.exists(commander.path)


def test_a_wrong_plan_starts_nothing(tmp_path):
    with Commander(tmp_path, '- {camera: 3, fault: freeze}\n- {camera: 1, fault: refuse}\n') as commander:
        assert commander.process.wait(30) == 2
        said = commander.process.stderr.read()
    assert 'plan.yaml:1' in said and 'plan.yaml:2' in said and '--port-per-camera' in said
    assert not os.path.exists(commander.path)
