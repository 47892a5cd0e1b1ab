"""The state of a camera, from what capture reports and the age of its newest frame."""
import pytest

from edge_app.stats import STATES, Counters
from edge_app.stats.camera_state import (DISABLED, LIVE, NO_SIGNAL, REFUSED, STARTING, analysed_fps, camera_state,
                                         is_recent, reported_state, silent_after_s, state_of)

SECOND = 10 ** 9


@pytest.fixture
def page(tmp_path):
    with Counters.create(str(tmp_path), ['gate']) as counters:
        yield counters.cameras['gate']


@pytest.mark.parametrize('reported, age_s, fps, state', [
    ('live', 0.1, 25, LIVE), ('live', 2.9, 25, LIVE), ('live', 3.1, 25, NO_SIGNAL), ('starting', 0.1, 25, LIVE),
    ('starting', None, 0, STARTING), ('live', None, 0, STARTING), ('no_signal', None, 0, NO_SIGNAL),
    ('no_signal', 9.0, 25, NO_SIGNAL), ('refused', None, 0, REFUSED), ('refused', 9.0, 25, REFUSED),
    ('disabled', 0.1, 25, DISABLED), ('live', 5.0, 0.5, LIVE), ('live', 6.5, 0.5, NO_SIGNAL)])
def test_the_age_of_the_newest_frame_decides(page, reported, age_s, fps, state):
    assert state_of(reported, age_s, 1 / fps if fps else 0, 3.0) == state
    page.set('state', STATES.index(reported))
    page.set('source_fps_milli', fps * 1000)
    assert camera_state(page, age_s, 3.0) == state and reported_state(page) == reported


def test_a_slow_camera_is_given_three_of_its_frames():
    assert silent_after_s(3.0, 1 / 25) == 3.0 and silent_after_s(3.0, 2.0) == 6.0 and silent_after_s(3.0, 0) == 3.0


def test_the_limit_itself_is_recent_and_never_is_not():
    assert is_recent(10 * SECOND, 12 * SECOND, 2.0) and not is_recent(10 * SECOND, 12 * SECOND + 1, 2.0)
    assert not is_recent(0, 12 * SECOND, 2.0)


def test_a_camera_whose_results_end_is_analysed_at_no_rate(page):
    page.set('attained_fps_milli', 12500)
    page.set('last_inferred_ns', 10 * SECOND)
    assert analysed_fps(page, 12 * SECOND) == 12.5 and analysed_fps(page, 14 * SECOND) == 0.0
