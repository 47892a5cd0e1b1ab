"""The state of a camera, from what its page says; every reader's answer is this one."""
import pytest

from edge_app.stats import STATES, Counters
from edge_app.stats.camera_state import (DAMAGED, DISABLED, FROZEN, FROZEN_AFTER_NS, LIVE, NO_SIGNAL, REASONS, REFUSED,
                                         STARTING, analysed_fps, camera_state, is_recent, reported_state,
                                         silent_after_s, state_text)

SECOND = 10 ** 9
NOW = 1000 * SECOND


@pytest.fixture
def page(tmp_path):
    with Counters.create(str(tmp_path), ['gate']) as counters:
        yield counters.cameras['gate']


def write(page, reported, age_s, limit_s=0, damaged_age_s=None, unchanged_s=None):
    """A page as capture leaves it; None: never."""
    page.set('state', STATES.index(reported))
    page.set('silent_after_ns', limit_s * SECOND)
    for name, seconds in (('last_frame_ns', age_s), ('last_damaged_ns', damaged_age_s),
                          ('unchanged_since_ns', unchanged_s)):
        page.set(name, 0 if seconds is None else NOW - seconds * SECOND)


@pytest.mark.parametrize('reported, age_s, limit_s, state', [
    ('live', 0.1, 3, LIVE), ('live', 2.9, 3, LIVE), ('live', 3.1, 3, NO_SIGNAL), ('starting', 0.1, 3, LIVE),
    ('starting', None, 0, STARTING), ('live', None, 0, STARTING), ('no_signal', None, 0, NO_SIGNAL),
    ('no_signal', 9.0, 3, NO_SIGNAL), ('refused', None, 0, REFUSED), ('refused', 9.0, 3, REFUSED),
    ('disabled', 0.1, 3, DISABLED), ('live', 5.0, 6, LIVE), ('live', 6.5, 6, NO_SIGNAL), ('live', 2.1, 0, NO_SIGNAL)])
def test_the_age_of_the_newest_frame_decides(page, reported, age_s, limit_s, state):
    write(page, reported, age_s, limit_s)
    assert camera_state(page, NOW) == state and reported_state(page) == reported


@pytest.mark.parametrize('reported', ['live', 'starting', 'no_signal'])
def test_a_camera_that_sends_only_damaged_frames_is_damaged_until_it_is_silent(page, reported):
    write(page, reported, 2.9, 3, damaged_age_s=0.1)
    assert camera_state(page, NOW) == LIVE, 'the last good picture is still fresh'
    write(page, reported, 3.1, 3, damaged_age_s=0.1)
    assert camera_state(page, NOW) == DAMAGED
    write(page, reported, None, 3, damaged_age_s=0.1)
    assert camera_state(page, NOW) == DAMAGED, 'there never was a good one'
    write(page, reported, 6.1, 3, damaged_age_s=3.1)
    assert camera_state(page, NOW) == NO_SIGNAL


def test_a_camera_that_repeats_one_picture_is_frozen_until_it_is_silent(page):
    limit_s = FROZEN_AFTER_NS / SECOND
    write(page, 'live', 0, 3, unchanged_s=limit_s)
    assert camera_state(page, NOW) == LIVE
    write(page, 'live', 0, 3, unchanged_s=limit_s + 0.1)
    assert camera_state(page, NOW) == FROZEN
    write(page, 'live', 3.1, 3, unchanged_s=20)
    assert camera_state(page, NOW) == NO_SIGNAL


def test_every_state_says_why_in_the_words_of_capture_or_its_own(page):
    write(page, 'live', 3.1, 3)
    assert state_text(page, NOW) == 'no signal: ' + REASONS[NO_SIGNAL]
    page.info = {'reason': 'connection refused', 'codec': 'h264', 'width': 64, 'height': 48}
    assert state_text(page, NOW) == 'no signal: connection refused'
    write(page, 'live', 0.1, 3)
    assert state_text(page, NOW) == 'live, h264 64x48'
    page.info = {}
    write(page, 'live', 0.1, 3, unchanged_s=20)
    assert state_text(page, NOW) == 'frozen: ' + REASONS[FROZEN]


def test_a_slow_camera_is_given_three_of_its_frames():
    assert silent_after_s(3.0, 1 / 25) == 3.0 and silent_after_s(3.0, 2.0) == 6.0 and silent_after_s(3.0, 0) == 3.0


def test_the_limit_itself_is_recent_and_never_is_not():
    assert is_recent(10 * SECOND, 12 * SECOND, 2.0) and not is_recent(10 * SECOND, 12 * SECOND + 1, 2.0)
    assert not is_recent(0, 12 * SECOND, 2.0)


def test_a_camera_whose_results_end_is_analysed_at_no_rate(page):
    page.set('attained_fps_milli', 12500)
    page.set('last_inferred_ns', 10 * SECOND)
    assert analysed_fps(page, 12 * SECOND) == 12.5 and analysed_fps(page, 14 * SECOND) == 0.0
