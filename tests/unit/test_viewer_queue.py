"""What a viewer's queue takes: from a key frame on, never more than its limit, not before its media runs; and when."""
import pytest

from edge_app.gst import Gst
from edge_app.output.rtsp_mount import MOST_APART_NS, ViewerQueue, ViewerTimes

from tests.support import situations

LIMIT = 1000


class Appsrc(object):
    """An appsrc as far as a ViewerQueue knows one."""

    def __init__(self):
        self.state, self.level, self.taken, self.answer = Gst.State.PLAYING, 0, 0, Gst.FlowReturn.OK
        self.times = []

    def get_state(self, timeout):
        return Gst.StateChangeReturn.SUCCESS, self.state, Gst.State.VOID_PENDING

    def get_property(self, name):
        assert name == 'current-level-bytes'
        return self.level

    def emit(self, signal, buffer):
        assert signal == 'push-buffer'
        self.times.append(buffer.pts)
        self.taken += self.answer == Gst.FlowReturn.OK
        return self.answer

    def get_clock(self):
        return Gst.SystemClock.obtain()

    def get_base_time(self):
        return 0


class Media(object):
    def __init__(self, appsrc):
        self.get_element = lambda: self
        self.get_by_name = lambda name: appsrc


@pytest.fixture
def appsrc():
    return Appsrc()


@pytest.fixture
def queue(appsrc):
    return ViewerQueue(Media(appsrc), LIMIT)


def unit():
    buffer = Gst.Buffer.new_wrapped(bytes(100))
    buffer.pts = 12345
    return buffer


def test_it_begins_at_a_key_frame(appsrc, queue):
    assert queue.wants_key
    assert [queue.push(unit(), key) for key in (False, False, True, False)] == [False, False, True, True]
    assert appsrc.taken == 2 and not queue.wants_key


def test_a_media_that_does_not_run_yet_gets_nothing(appsrc, queue):
    appsrc.state = Gst.State.PAUSED
    assert not queue.push(unit(), True) and not queue.wants_key
    appsrc.state = Gst.State.PLAYING
    assert queue.wants_key and queue.push(unit(), True)


def test_a_viewer_who_pauses_fills_its_queue_to_the_limit_and_goes_on_at_a_key_frame(appsrc, queue):
    queue.push(unit(), True)
    appsrc.state, appsrc.level = Gst.State.PAUSED, LIMIT
    assert [queue.push(unit(), key) for key in (False, True, False)] == [False] * 3
    assert queue.full and not queue.wants_key, 'no key frame is made for somebody who does not look'
    appsrc.level = 0
    assert queue.wants_key
    assert [queue.push(unit(), key) for key in (False, True, False)] == [False, True, True]


def test_a_media_that_has_ended_takes_nothing_and_needs_a_key_frame_after(appsrc, queue):
    queue.push(unit(), True)
    appsrc.answer = Gst.FlowReturn.FLUSHING
    assert not queue.push(unit(), False)
    appsrc.answer = Gst.FlowReturn.OK
    assert [queue.push(unit(), key) for key in (False, True)] == [False, True]


def test_parameter_sets_come_alone_and_before_everything(appsrc, queue):
    queue.announce(b'sets')
    assert queue.wants_key and not queue.push(unit(), False)
    queue.push(unit(), True), queue.push(unit(), False)
    assert len(appsrc.times) == 3 and appsrc.times == sorted(appsrc.times)


FRAME = 40 * 10 ** 6
"""Nanoseconds."""
B_FRAMES = [0, 3, 1, 2, 6, 4, 5]
"""Presentation order of pictures in decoding order."""


def times_of(pictures, running_ns=10 ** 9, now_ns=None):
    """Running times of [(pts, arrival)], the first being pushed when the media is at `running_ns`."""
    times, arrived_first = ViewerTimes(), pictures[0][1]
    now = arrived_first if now_ns is None else now_ns
    return [times.of(pts, arrived, max(0, now - arrived), running_ns) for pts, arrived in pictures]


@situations.camera('B-frames, re-streamed: presentation times in the camera\'s order')
def test_pictures_are_as_far_apart_as_the_camera_said_in_its_order():
    base, arrival = 777 * FRAME, 10 ** 12
    found = times_of([(base + place * FRAME, arrival + number * FRAME + number % 2 * 10 ** 6)
                      for number, place in enumerate(B_FRAMES)])
    assert [time - found[0] for time in found] == [place * FRAME for place in B_FRAMES]
    assert found[0] == 10 ** 9


@situations.camera('a viewer opens the re-stream between two key frames')
def test_what_waited_in_the_ring_keeps_its_times_and_none_is_before_zero():
    pictures = [(number * FRAME, 10 ** 12 + number * FRAME) for number in range(28)]
    found = times_of(pictures, running_ns=5 * 10 ** 6, now_ns=pictures[-1][1])
    assert found == [number * FRAME for number in range(28)]


@situations.camera('open GOPs, re-streamed: pictures before the first key frame')
def test_pictures_to_be_shown_before_the_first_key_frame_are_left_out():
    base = 100 * FRAME
    assert times_of([(base, 10 ** 12), (base - 2 * FRAME, 10 ** 12 + FRAME), (base + FRAME, 10 ** 12 + 2 * FRAME)]) == [
        10 ** 9, None, 10 ** 9 + FRAME]


@pytest.mark.parametrize('stamps', [
    pytest.param([-1] * 6, marks=situations.camera('no presentation times, re-streamed')),
    pytest.param([5 * FRAME] * 6, marks=situations.camera('presentation times that stand still, re-streamed')),
    pytest.param([number * FRAME + (0 if number < 3 else 10 * MOST_APART_NS) for number in range(6)],
                 marks=situations.camera('presentation times that jump on, re-streamed')),
    pytest.param([(number if number < 3 else number - 3) * FRAME + 50 * MOST_APART_NS * (number < 3)
                  for number in range(6)], marks=situations.camera('presentation times that start anew, re-streamed')),
    pytest.param([number * FRAME + (9800 * 10 ** 9 if number != 3 else 0) for number in range(6)],
                 marks=situations.camera('single frames stamped hours away, re-streamed'))],
    ids=['none', 'standing still', 'jumping on', 'starting anew', 'one hours away'])
def test_times_that_cannot_be_are_those_of_arrival(stamps):
    arrivals = [10 ** 12 + number * FRAME for number in range(6)]
    assert times_of(list(zip(stamps, arrivals))) == [10 ** 9 + number * FRAME for number in range(6)]


def test_nothing_that_cannot_be_goes_back_behind_what_was_sent():
    """The camera's clock is ahead of the arrivals when a slip comes, and when it starts anew."""
    ahead = MOST_APART_NS // 2
    pictures = [(0, 10 ** 12), (ahead, 10 ** 12 + FRAME), (9800 * 10 ** 9, 10 ** 12 + 2 * FRAME),
                (ahead + FRAME, 10 ** 12 + 3 * FRAME), (5 * 10 ** 12, 10 ** 12 + 4 * FRAME),
                (5 * 10 ** 12 + FRAME, 10 ** 12 + 5 * FRAME), (5 * 10 ** 12 + 2 * FRAME, 10 ** 12 + 6 * FRAME)]
    found = times_of(pictures)
    assert found == sorted(found) and found[-1] - found[-2] == FRAME


@situations.camera('a camera that comes back while its re-stream is watched')
def test_another_session_of_the_camera_goes_on_where_the_one_before_ended():
    times = ViewerTimes()
    first = times.of(50 * FRAME, 10 ** 12, 0, 10 ** 9)
    times.restart()
    assert times.of(0, 10 ** 12 + 20 * FRAME, 0, 0) == first + 20 * FRAME
