"""When a decoder is spared, and when no longer: counts and times, no decoder."""
from edge_app.camera.load_shedding import KEYS_S, LATE_S, MAX_INTERVAL, RECOVERY_S, SPAN_S, LoadShedding, NetworkWait

FPS = 25


class Camera:
    """Pictures at a steady rate, of which a reader takes so many; a LoadShedding looks on."""

    def __init__(self):
        self.shedding = LoadShedding()
        self.now_s = 1000.0
        self.decoded = self.taken = 0

    def run(self, seconds, takes_fps):
        for _ in range(int(seconds * 10)):
            self.now_s += 0.1
            decoded = FPS / self.shedding.interval / 10
            self.decoded += decoded
            self.taken += min(decoded, takes_fps / 10)
            self.shedding.update(self.now_s, int(self.decoded), int(self.taken))
        return self.shedding.interval


def test_a_reader_that_takes_all_gets_all():
    assert Camera().run(120, FPS) == 1


def test_one_that_takes_a_third_gets_every_third_after_two_spans():
    camera = Camera()
    assert camera.run(SPAN_S * 2 - 1, FPS / 3) == 1
    assert camera.run(SPAN_S + 2, FPS / 3) in (3, 4)
    assert camera.run(20, FPS / 3) in (3, 4)


def test_what_earlier_sessions_counted_says_nothing():
    camera = Camera()
    camera.decoded, camera.taken = 10000, 100
    assert camera.run(SPAN_S + 0.5, FPS) == 1
    assert camera.run(SPAN_S, FPS / 3) == 1, 'one span behind is a burst'


def test_a_burst_changes_nothing():
    camera = Camera()
    camera.run(30, FPS)
    camera.run(1.5, 2)
    assert camera.run(60, FPS) == 1


def test_a_reader_that_stopped_still_gets_some():
    assert Camera().run(60, 0) == MAX_INTERVAL


def test_it_comes_back_one_step_at_a_time():
    camera = Camera()
    interval = camera.run(SPAN_S * 2 + 0.5, FPS / 3)
    assert interval > 1 and camera.run(RECOVERY_S - SPAN_S, FPS) == interval
    assert camera.run(SPAN_S * 2, FPS) == interval - 1
    assert camera.run((RECOVERY_S + SPAN_S) * interval, FPS) == 1


def test_a_slow_camera_says_nothing():
    shedding = LoadShedding()
    for second in range(60):
        shedding.update(float(second), second, 0)
    assert shedding.interval == 1


def test_late_again_and_again_means_key_frames_only_for_a_while():
    shedding = LoadShedding()
    for now_s in (10.0, 12.0):
        shedding.late(now_s)
    assert not shedding.keys_only(12.0)
    shedding.late(14.0)
    assert shedding.keys_only(14.1) and shedding.keys_only(14.0 + KEYS_S - 1)
    assert not shedding.keys_only(14.0 + KEYS_S + 1)


def test_late_now_and_then_does_not():
    shedding = LoadShedding()
    for number in range(10):
        shedding.late(number * LATE_S)
        assert not shedding.keys_only(number * LATE_S)


def waited(network, now_ns, steps):
    """Units that each come after `rest_ms` and are worked on for `work_ms`."""
    for rest_ms, work_ms in steps:
        now_ns += rest_ms * 10 ** 6
        network.arrived(now_ns)
        now_ns += work_ms * 10 ** 6
        network.done(now_ns)
    return now_ns


def test_whoever_waits_for_the_network_is_not_behind():
    network = NetworkWait()
    now_ns = waited(network, 0, [(38, 2)] * 100)
    assert network.is_slow()
    now_ns = waited(network, now_ns, [(5000, 2)] + [(0, 2)] * 50)
    assert network.is_slow(), 'what was held up comes all at once, and takes no time to speak of'
    waited(network, now_ns, [(0, 40)] * 200)
    assert not network.is_slow(), 'this is too much to do'


def test_a_decoder_that_has_too_much_to_do_has_from_the_start():
    network = NetworkWait()
    assert not network.is_slow()
    waited(network, 0, [(0, 50)] * 10)
    assert not network.is_slow()
