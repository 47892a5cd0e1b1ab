"""Pacing by the clock, and one line of time for a file that is looped."""
from edge_app.testing.simulator.replay import Timeline
from edge_app.testing.simulator.sources import Pacer

MS = 1000000


def test_pictures_are_due_on_a_grid():
    pacer = Pacer(25, start_ns=1000)
    assert [pacer.due_ns(number) for number in (0, 1, 50)] == [1000, 1000 + 40 * MS, 1000 + 2000 * MS]


def test_the_next_picture_follows_the_last_while_in_time():
    pacer = Pacer(25, start_ns=0)
    assert pacer.after(-1, now_ns=0) == 0
    assert pacer.after(6, now_ns=7 * 40 * MS - 1) == 7
    assert pacer.after(6, now_ns=7 * 40 * MS + 39 * MS) == 7


def test_a_late_machine_leaves_pictures_out_and_stays_on_the_grid():
    pacer = Pacer(25, start_ns=0)
    number = pacer.after(6, now_ns=1010 * MS)
    assert number == 25
    assert pacer.due_ns(number) == 1000 * MS


def _units(timeline, units):
    return [timeline.place(pts, dts) for pts, dts in units]


def test_a_looped_file_goes_on_one_interval_after_its_end():
    timeline = Timeline(interval_ns=1)
    units = [(n * 40 * MS, n * 40 * MS) for n in range(3)]
    first = _units(timeline, units)
    timeline.wrap()
    second = _units(timeline, units)
    assert [send for send, _ in first + second] == [n * 40 * MS for n in range(6)]
    assert [shown for _, shown in first + second] == [n * 40 * MS for n in range(6)]


def test_reordered_pictures_are_sent_in_decoding_order_and_keep_their_order_of_showing():
    timeline = Timeline(interval_ns=1)
    pass_of_four = [(80, 0), (200, 40), (120, 80), (160, 120)]
    assert _units(timeline, pass_of_four) == [(0, 80), (40, 200), (80, 120), (120, 160)]
    timeline.wrap()
    assert timeline.place(80, 0) == (160, 240)


def test_without_decoding_times_a_unit_is_sent_when_the_latest_so_far_is_shown():
    timeline = Timeline(interval_ns=1)
    assert _units(timeline, [(0, None), (120, None), (40, None), (80, None), (160, None)]) == [
        (0, 0), (120, 120), (120, 40), (120, 80), (160, 160)]
    timeline.wrap()
    assert timeline.place(0, None) == (200, 200)


def test_units_without_any_time_are_an_interval_apart():
    timeline = Timeline(interval_ns=50)
    assert _units(timeline, [(None, None)] * 3) == [(0, 0), (50, 50), (100, 100)]
    timeline.wrap()
    assert timeline.place() == (150, 150)


def test_a_file_of_one_picture_can_be_looped():
    timeline = Timeline(interval_ns=50)
    timeline.place(7, 7)
    timeline.wrap()
    assert timeline.place(7, 7) == (50, 50)
