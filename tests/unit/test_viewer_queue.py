"""What a viewer's queue takes: from a key frame on, never more than its limit, and not before its media runs."""
import pytest

from edge_app.gst import Gst
from edge_app.output.rtsp_mount import ViewerQueue

LIMIT = 1000


class Appsrc(object):
    """An appsrc as far as a ViewerQueue knows one."""

    def __init__(self):
        self.state, self.level, self.taken, self.answer = Gst.State.PLAYING, 0, 0, Gst.FlowReturn.OK

    def get_state(self, timeout):
        return Gst.StateChangeReturn.SUCCESS, self.state, Gst.State.VOID_PENDING

    def get_property(self, name):
        assert name == 'current-level-bytes'
        return self.level

    def emit(self, signal, buffer):
        assert signal == 'push-buffer' and buffer.pts == Gst.CLOCK_TIME_NONE
        self.taken += self.answer == Gst.FlowReturn.OK
        return self.answer


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
