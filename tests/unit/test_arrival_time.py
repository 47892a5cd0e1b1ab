"""Arrival times of units that had to wait."""
from edge_app.camera.arrival_time import JUMP_NS, SETTLE_NS, SPAN_NS, ArrivalTimes

MS = 10 ** 6
START = 77 * 10 ** 9


def feed(arrivals, waits_ms, interval_ms=40, start=0):
    """Arrival minus the true one, in ms, of units every `interval_ms` that were taken `waits_ms` after arriving."""
    found = []
    for number, wait in enumerate(waits_ms, start):
        true_ns = START + number * interval_ms * MS
        found.append((arrivals.arrived_ns(number * interval_ms * MS, true_ns + wait * MS) - true_ns) / MS)
    return found


def test_a_unit_taken_at_once_arrived_when_it_was_taken():
    assert feed(ArrivalTimes(0), [0] * 5) == [0] * 5


def test_a_unit_that_waited_keeps_its_arrival():
    assert feed(ArrivalTimes(0), [0, 0, 700, 660, 620, 0]) == [0] * 6


def test_a_constant_delay_cannot_be_seen_and_is_none():
    assert feed(ArrivalTimes(0), [30] * 4) == [30] * 4


def test_the_future_is_never_an_arrival():
    arrivals = ArrivalTimes(0)
    for number, wait in enumerate([5, 3, 9, 0, 4]):
        now = START + number * 40 * MS + wait * MS
        assert arrivals.arrived_ns(number * 40 * MS, now) <= now


def test_without_a_time_the_moment_counts():
    assert ArrivalTimes(0).arrived_ns(-1, START) == START


def test_a_decoder_a_little_too_slow_is_seen_falling_behind():
    waits = [number * 2 for number in range(700)]  # 40 ms of stream in 42 ms
    late = [wait - off for wait, off in zip(waits, feed(ArrivalTimes(0), waits))]
    assert max(late) > 1000


def test_clocks_that_drift_apart_make_nothing_late():
    drift_per_unit = 40 * 100e-6  # 100 ppm
    waits = [number * drift_per_unit for number in range(20000)]
    late = [wait - off for wait, off in zip(waits, feed(ArrivalTimes(0), waits))]
    assert max(late) < 2 * SPAN_NS / 1e9 * 0.1 + 1


def test_a_jump_of_the_streams_clock_is_taken_for_what_it_is():
    arrivals = ArrivalTimes(0)
    feed(arrivals, [0] * 5)
    jumped = JUMP_NS // MS + 1000
    assert feed(arrivals, [jumped] * 3, start=5) == [jumped] * 3


def test_the_first_seconds_times_are_not_believed():
    """While the jitter buffer learns, its times may be too early by any amount."""
    arrivals, first = ArrivalTimes(), 10
    early = [arrivals.arrived_ns(number * 40 * MS, START + number * 40 * MS - 100 * MS) for number in range(first)]
    assert early == [START + number * 40 * MS - 100 * MS for number in range(first)]
    settled = SETTLE_NS // (40 * MS) + 1
    assert feed(arrivals, [0] * 5, start=settled) == [0] * 5
