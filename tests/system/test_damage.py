"""Pictures damaged on their way, each compared with what was drawn: the decoder hides it, the appliance does not."""
import pytest

from tests.support import damage
from tests.support.capture_process import CaptureProcess
from tests.support.rtsp_camera import Camera
from tests.support.waiting import until


def many(counts):
    """Enough good pictures and enough that were held back."""
    return counts['captured'] >= 20 and counts['corrupt'] >= 20


def test_pictures_without_damage_are_all_shown(tmp_path):
    found, counts = damage.measure('none', {}, 'tcp', tmp_path, lambda counts: counts['captured'] >= 30)
    assert found.right_shown >= 30 and found == damage.Verdict(found.right_shown, 0, 0, 0, 0)
    assert counts['corrupt'] == 0


@pytest.mark.parametrize('transport', ('tcp', 'udp'))
def test_after_a_loss_no_wrong_picture_is_shown(tmp_path, transport):
    found, counts = damage.measure('loss', {'share': 0.002}, transport, tmp_path, many)
    assert found.wrong_shown == 0 and found.right_shown >= 20
    assert found.wrong_gated + found.unreadable_gated > 0


def test_what_the_decoder_paints_over_is_held_back(tmp_path):
    """Not every flipped bit makes it complain, but most that can be seen do."""
    found, counts = damage.measure('corrupt', {'share': 0.002}, 'tcp', tmp_path, many)
    assert found.right_shown >= 15
    assert found.wrong_gated + found.unreadable_gated > 3 * found.wrong_shown


def test_a_camera_with_losses_is_live_and_its_damage_is_booked(tmp_path):
    with Camera(gop=10) as camera, CaptureProcess(tmp_path, camera.uri) as capture:
        capture.until_frames(3)
        assert capture.page.get('last_damaged_ns') == 0
        camera.say('lose 7')
        until(lambda: capture.page.get('corrupt') >= 5, 20, 'pictures held back')
        assert capture.state == 'live' and capture.page.get('last_damaged_ns') > 0
        camera.say('lose 0')
        capture.until_frames(10)
        assert capture.ring.newest()[1].captured_ns > capture.page.get('last_damaged_ns')
        assert capture.terminate() == 0
    found = capture.balance()
    assert found.error == 0 and found.dropped['corrupt'] >= 5 and found.received >= capture.ring.head + 5
