"""Which moments pictures show, and by whose clock."""
from edge_app.compositor.alignment import PLAUSIBLE_NS, camera_clock, common_moment, moment_of, skew
from edge_app.frames import FrameMeta

MS = 1000000
START = 10 ** 12
WALL = 1700000000 * 10 ** 9
"""Wall time minus the monotonic clock."""


def frame(captured_ns, on_its_way_ns=0, wall_ns=WALL):
    """A frame whose camera says that it is older than its arrival."""
    stated = captured_ns - on_its_way_ns + wall_ns if on_its_way_ns else 0
    return FrameMeta(1, captured_ns, 64, 36, capture_time_ns=stated, capture_error_ns=50 * MS if stated else 0)


def test_nobody_waits_for_a_camera_far_behind():
    assert common_moment([START, START + 100 * MS, 0]) == START
    assert common_moment([START, START + 2000 * MS, START + 2030 * MS]) == START + 2000 * MS
    assert common_moment([0, 0]) is None


def test_cameras_that_all_state_the_time_are_believed():
    near, far = frame(START + 30 * MS, on_its_way_ns=20 * MS), frame(START + 190 * MS, on_its_way_ns=180 * MS)
    offset_ns = camera_clock([near, far], WALL)
    assert offset_ns == WALL
    assert skew([moment_of(meta, offset_ns) for meta in (near, far)]) == 0
    assert skew([moment_of(meta, None) for meta in (near, far)]) == 160 * MS


def test_one_that_states_none_or_a_wrong_one_puts_all_on_the_clock_of_arrival():
    good, silent = frame(START, on_its_way_ns=20 * MS), frame(START)
    wrong = frame(START, on_its_way_ns=20 * MS, wall_ns=WALL - PLAUSIBLE_NS)
    assert camera_clock([good, silent], WALL) is camera_clock([good, wrong], WALL) is camera_clock([], WALL) is None
    assert moment_of(good, None) == START
    assert moment_of(silent, WALL) == START, 'a frame from before its camera had stated the time'


def test_a_single_picture_has_no_skew():
    assert skew([START]) is None and skew([]) is None and skew([START + 3, START, START + 1]) == 3
