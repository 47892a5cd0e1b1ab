"""Waiting for a camera, without waiting."""
import types

from edge_app.camera.retry import LOST_S, NO_PICTURE_S, REFUSED_S, Backoff, FrameWatchdog, PortProbe

CAMERA = types.SimpleNamespace(first_frame_s=15.0, silence_s=5.0)


def test_waits_grow_and_start_again_after_a_reset():
    backoff = Backoff(LOST_S, jitter=lambda low, high: 1.0)
    assert [backoff.next_s() for _ in range(7)] == [1, 2, 5, 10, 30, 30, 30]
    backoff.reset()
    assert backoff.next_s() == 1


def test_jitter_is_a_fifth_each_way():
    assert Backoff(REFUSED_S, jitter=lambda low, high: low).next_s() == 48
    assert Backoff(REFUSED_S, jitter=lambda low, high: high).next_s() == 72


def test_the_first_frame_may_take_its_time():
    watch = FrameWatchdog(CAMERA, 100.0)
    assert watch.lost(114.9) is None and not watch.no_signal(114.9)
    assert watch.lost(115.1) == 'no frame within 15 s'


def test_silence_is_first_shown_and_then_acted_upon():
    watch = FrameWatchdog(CAMERA, 0.0)
    for number in range(25):
        watch.frame(number * 0.04)
    assert not watch.no_signal(2.95) and watch.lost(2.95) is None
    assert watch.no_signal(3.0) and watch.lost(4.1) is None
    assert watch.lost(6.1) == 'no frame for 5 s'


def test_a_slow_camera_is_not_a_silent_one():
    watch = FrameWatchdog(CAMERA, 0.0)
    for number in range(5):
        watch.frame(number * 10.0)
    assert not watch.no_signal(69.0) and watch.lost(69.0) is None
    assert watch.no_signal(71.0) and watch.lost(71.0)


def test_how_often_a_camera_delivers_is_seen_from_its_second_frame_on():
    watch = FrameWatchdog(CAMERA, 0.0)
    watch.frame(3.0)
    assert watch.no_signal(6.0) and watch.lost(17.9) is None and watch.lost(18.1) == 'no frame for 15 s'
    watch.frame(11.0)   # a picture in 8 s
    assert watch.lost(34.9) is None and watch.lost(35.1)


def test_a_camera_that_sends_bursts_is_not_silent_in_between():
    watch = FrameWatchdog(CAMERA, 0.0, patience=2)     # once it was given up
    bursts = [burst * 8.0 + number * 0.04 for burst in range(10) for number in range(20)]
    for before, moment in zip([0.0] + bursts, bursts):
        assert watch.lost(moment) is None, before
        watch.frame(moment)
    assert watch.lost(bursts[-1] + 7.5) is None and watch.lost(bursts[-1] + 25)


def test_an_interruption_is_forgotten_again():
    watch = FrameWatchdog(CAMERA, 0.0)
    for moment in [number * 0.04 for number in range(25)] + [5.0 + number * 0.04 for number in range(3000)]:
        watch.frame(moment)
    assert watch.lost(5.0 + 3000 * 0.04 + 4.9) is None and watch.lost(5.0 + 3000 * 0.04 + 5.1) == 'no frame for 5 s'


def test_patience_lengthens_the_silence_that_is_borne():
    for patience, limit in ((1, 5), (2, 10), (12, 60)):
        watch = FrameWatchdog(CAMERA, 0.0, patience=patience)
        for number in range(25):
            watch.frame(number * 0.04)
        assert watch.lost(0.96 + limit - 0.1) is None and watch.lost(0.96 + limit + 0.1)
        assert watch.no_signal(0.96 + 2.7)


def test_a_camera_whose_pictures_are_held_back_is_not_silent_but_has_no_end_of_time():
    watch = FrameWatchdog(CAMERA, 0.0)
    for number in range(25):
        watch.frame(number * 0.04)
    for second in range(1, NO_PICTURE_S + 1):
        watch.no_picture_expected(float(second))
        assert not watch.no_signal(second + 0.5) and watch.lost(second + 0.5) is None
    watch.no_picture_expected(NO_PICTURE_S + 1.0)
    assert watch.lost(NO_PICTURE_S + 1.5) == 'no frame for %d s' % (NO_PICTURE_S + 1)


def test_a_camera_falls_silent_after_pictures_that_were_held_back():
    watch = FrameWatchdog(CAMERA, 0.0)
    watch.frame(0.9)
    watch.frame(1.0)
    watch.no_picture_expected(4.0)
    assert watch.no_signal(7.1) and watch.lost(8.9) is None and watch.lost(9.1) == 'no frame for 8 s'


def test_good_time_counts_only_while_frames_come():
    watch = FrameWatchdog(CAMERA, 0.0)
    assert watch.good_s(40.0) == 0
    watch.frame(1.0)
    watch.frame(39.9)
    assert watch.good_s(40.0) == 40.0


class Port:
    """A connect that fails or succeeds as told."""

    def __init__(self):
        self.is_open = True

    def __call__(self, address, timeout_s):
        if not self.is_open:
            raise ConnectionRefusedError(address)
        return types.SimpleNamespace(close=lambda: None)


def port_probe(port_probeer):
    port_probeer.start()
    port_probeer._thread.join()
    return port_probeer.reopened


def test_an_open_door_is_no_news_a_door_that_opens_is():
    port = Port()
    port_probeer = PortProbe(('camera', 554), connect=port)
    assert not port_probe(port_probeer)
    port.is_open = False
    assert not port_probe(port_probeer)
    port.is_open = True
    assert port_probe(port_probeer)


def test_a_door_that_opened_between_two_waits_is_news_once():
    port = Port()
    port.is_open = False
    port_probeer = PortProbe(('camera', 554), connect=port)
    assert not port_probe(port_probeer)
    port.is_open = True     # during an attempt that was too early for it
    assert port_probe(port_probeer)
    port_probeer.reset()
    assert not port_probeer.reopened and not port_probe(port_probeer)


def test_a_camera_without_an_address_is_not_port_probeed_at():
    port_probeer = PortProbe(None, connect=None)
    port_probeer.start()
    assert not port_probeer.reopened
