"""Arrival times of units that had to wait."""
from edge_app.camera.arrival_time import GAP_NS, JUMP_NS, SETTLE_NS, SPAN_NS, STEP_NS, ArrivalTimes, Pacing

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


def test_times_that_stand_still_or_run_slow_make_nothing_old_on_an_idle_machine():
    for stamped_ms in (0, 20):
        arrivals = ArrivalTimes(0)
        for number in range(500):
            now = START + number * 50 * MS
            assert arrivals.arrived_ns(number * stamped_ms * MS, now, idle=True) == now


def test_a_burst_is_as_old_as_its_arrival():
    arrivals = ArrivalTimes(0)
    for burst in range(20):
        for number in range(15):
            now = START + burst * 1000 * MS + number * MS
            assert arrivals.arrived_ns((burst * 15 + number) * 66 * MS, now, idle=True) == now


def test_what_waits_once_the_machine_is_busy_is_told_from_times_that_ran_slow_before():
    arrivals = ArrivalTimes(0)
    for number in range(100):
        arrivals.arrived_ns(number * 20 * MS, START + number * 50 * MS, idle=True)
    then = START + 100 * 50 * MS
    assert arrivals.arrived_ns(100 * 20 * MS, then) == then - 30 * MS   # the time alone says 3 s
    assert then + 700 * MS - arrivals.arrived_ns(100 * 20 * MS + 50 * MS, then + 700 * MS) == 680 * MS


def shown_ms(times_ms):
    """When a recording's pictures with these times are shown."""
    pacing = Pacing()
    shown = []
    for ms in times_ms:
        pacing.moves(ms * MS)
        shown.append(ms + pacing.offset_ns // MS)
    return shown


def test_a_recording_is_paced_by_its_times_but_not_over_gaps_and_jumps():
    assert shown_ms([0, 40, 80, 1080, 1000]) == [0, 40, 80, 1080, 1000]
    step = STEP_NS // MS
    gap = GAP_NS // MS
    assert shown_ms([0, 40, 40 + gap, 41 + 2 * gap + 1]) == [0, 40, 40 + gap, 40 + gap + step]
    assert shown_ms([40, 3600000, 3600040, 80, 120]) == [40, 40 + step, 80 + step, 80 + 2 * step, 120 + 2 * step]
    assert not Pacing().moves(-1)
