"""The capture process against a real RTSP camera that goes away, stays silent, says no, changes; and against kills."""
import os
import signal
import time

import pytest

from tests.support.capture_process import CaptureProcess
from tests.support.clips import write_clip
from tests.support.rtsp_camera import Camera
from tests.support.waiting import until

LOGIN = {'user': 'admin', 'password': 'p@ss:w/rd'}


@pytest.fixture
def camera():
    with Camera(**LOGIN) as camera:
        yield camera


def again(camera, **settings):
    """A camera at the same address."""
    return Camera(**dict(camera.settings, **settings))


def test_frames_come_into_the_ring_and_ring_the_bell(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, **LOGIN) as capture:
        capture.until_frames(10)
        assert capture.doorbell.wait(5)
        capture.until_state('live')
        until(lambda: capture.page.info.get('fps', 0) >= 10, 10, 'the frame rate')
        note = capture.page.info
        index, meta = capture.ring.newest()
        assert capture.terminate() == 0 and camera.hears('teardown')
    assert (note['codec'], note['width'], note['height'], note['transport']) == ('h264', 640, 480, 'tcp')
    assert meta.size == (480, 360) and meta.sequence >= index
    found = capture.balance()
    assert found.error == 0 and found.received >= capture.ring.head
    assert found.in_flight == capture.ring.head - capture.page.get('taken_index')
    assert LOGIN['password'] not in capture.log


def test_without_an_engine_every_frame_is_booked_as_that(tmp_path):
    with CaptureProcess(tmp_path, 'test://?fps=50', engine_enabled=False) as capture:
        capture.until_frames(5)
        assert not capture.doorbell.wait(0)
        assert capture.terminate() == 0
    assert capture.balance().dropped['engine_off'] == capture.ring.head and capture.balance().error == 0
    assert capture.balance().in_flight == 0


def test_the_password_shows_nowhere(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, **LOGIN) as capture:
        capture.until_state('live')
        for name in ('cmdline', 'environ'):
            with open('/proc/%d/%s' % (capture.process.pid, name), 'rb') as facts:
                assert LOGIN['password'].encode() not in facts.read()
        assert LOGIN['password'] not in repr(capture.page.info)


def test_a_camera_that_goes_and_comes_back(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, **LOGIN) as capture:
        capture.until_frames(3)
        camera.kill()
        capture.until_state('no_signal')
        until(lambda: 'answers' in capture.page.info['reason'], 15, 'the reason')
        before = capture.page.get('reconnects')
        with again(camera):
            capture.until_frames(3)
            capture.until_state('live')
        assert capture.page.get('reconnects') > before and capture.process.poll() is None
        assert capture.balance().error == 0


def test_a_silent_camera_is_noticed_and_connected_to_again(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, silence_s=1.0, first_frame_s=2.0, **LOGIN) as capture:
        capture.until_frames(3)
        camera.freeze()
        capture.until_state('no_signal')
        until(lambda: capture.page.info['reason'].startswith('no frame'), 15, 'the reason')
        os.kill(camera.process.pid, signal.SIGCONT)
        capture.until_frames(3)
        capture.until_state('live')
        assert capture.balance().error == 0


@pytest.mark.parametrize('wrong', ('password', 'path'))
def test_a_refusal_is_not_repeated_soon(tmp_path, camera, wrong):
    uri = camera.uri.replace('/live', '/other') if wrong == 'path' else camera.uri
    login = LOGIN if wrong == 'path' else dict(LOGIN, password='guess')
    with CaptureProcess(tmp_path, uri, **login) as capture:
        capture.until_state('refused')
        since = time.monotonic()
        reason = capture.page.info['reason']
        until(lambda: time.monotonic() - since > 3, 5, 'three seconds')
        assert capture.page.get('reconnects') == 0 and capture.state == 'refused'
        assert capture.terminate() == 0
    assert ('404' if wrong == 'path' else '401') in reason


def test_a_new_size_ends_the_process_with_75_and_the_next_one_goes_on(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, **LOGIN) as capture:
        capture.until_frames(3)
        camera.say('size 320x240')
        assert capture.ends() == 75
        last = capture.ring.newest()[1].sequence
        assert capture.balance().error == 0 and capture.page.get('decoding') == 0
        capture.start()
        capture.until_frames(3)
        meta = capture.ring.newest()[1]
        assert meta.size == (320, 240) and meta.sequence > last and capture.balance().error == 0


def test_a_killed_process_leaves_frames_its_successor_accounts_for(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, **LOGIN) as capture:
        capture.until_frames(5)
        capture.process.kill()
        capture.ends()
        capture.page.add_many(received=7, decoding=7)  # what it had in the decoder and did not live to see out
        received, resync = capture.page.get('received'), capture.page.get('resync')
        capture.start()
        capture.until_frames(3)
        assert capture.page.get('resync') >= resync + 7
        assert capture.ring.newest()[1].sequence > received
        assert capture.terminate() == 0
    assert capture.balance().error == 0


def test_a_decoder_that_hangs_takes_only_its_process(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, target='tests.standins.hanging_capture', silence_s=1.0,
                        first_frame_s=2.0, **LOGIN) as capture:
        assert capture.ends(20) == 75
    assert 'hangs' in capture.log
    assert capture.page.get('decoded') == 3 and capture.balance().error == 0


def test_a_decoder_this_machine_has_not_is_final_and_says_what_to_install(tmp_path, camera):
    with CaptureProcess(tmp_path, camera.uri, decoder='vaapi', **LOGIN) as capture:
        assert capture.ends() == 3
        assert capture.state == 'refused' and 'vaapih264dec' in capture.page.info['reason']
    assert capture.balance().error == 0


def test_a_clip_starts_over_as_a_camera_that_came_back(tmp_path):
    clip = write_clip(tmp_path / 'clip.mkv', [40 * number for number in range(10)], bframes=2)
    with CaptureProcess(tmp_path, 'file://%s' % clip) as capture:
        until(lambda: capture.page.get('reconnects') >= 1 and capture.page.get('received') > 10, 15, 'the second round')
        assert 'end of file' in capture.log and capture.terminate() == 0
    assert capture.balance().error == 0
