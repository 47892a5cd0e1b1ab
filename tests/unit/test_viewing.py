"""What a viewer's feed takes: from a key frame on, never more than its limit, and not before its media runs."""
import pytest

from edge_app.gst import Gst
from edge_app.output.rtsp_server import ViewerQueue

LIMIT = 1000


class Feed(object):
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
    def __init__(self, feed):
        self.get_element = lambda: self
        self.get_by_name = lambda name: feed


@pytest.fixture
def feed():
    return Feed()


@pytest.fixture
def viewing(feed):
    return ViewerQueue(Media(feed), LIMIT)


def unit():
    buffer = Gst.Buffer.new_wrapped(bytes(100))
    buffer.pts = 12345
    return buffer


def test_it_begins_at_a_key_frame(feed, viewing):
    assert viewing.wants_key
    assert [viewing.push(unit(), key) for key in (False, False, True, False)] == [False, False, True, True]
    assert feed.taken == 2 and not viewing.wants_key


def test_a_media_that_does_not_run_yet_gets_nothing(feed, viewing):
    feed.state = Gst.State.PAUSED
    assert not viewing.push(unit(), True) and not viewing.wants_key
    feed.state = Gst.State.PLAYING
    assert viewing.wants_key and viewing.push(unit(), True)


def test_a_viewer_who_pauses_fills_his_feed_to_the_limit_and_goes_on_at_a_key_frame(feed, viewing):
    viewing.push(unit(), True)
    feed.state, feed.level = Gst.State.PAUSED, LIMIT
    assert [viewing.push(unit(), key) for key in (False, True, False)] == [False] * 3
    assert viewing.full and not viewing.wants_key, 'no key frame is made for somebody who does not look'
    feed.level = 0
    assert viewing.wants_key
    assert [viewing.push(unit(), key) for key in (False, True, False)] == [False, True, True]


def test_a_media_that_has_ended_takes_nothing_and_needs_a_key_frame_after(feed, viewing):
    viewing.push(unit(), True)
    feed.answer = Gst.FlowReturn.FLUSHING
    assert not viewing.push(unit(), False)
    feed.answer = Gst.FlowReturn.OK
    assert [viewing.push(unit(), key) for key in (False, True)] == [False, True]
