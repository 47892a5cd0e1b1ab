"""The accounting of one camera's frames, replayed without a pipeline."""
import random

import pytest

from edge_app.camera.frame_accounting import OUTCOMES, QUEUED, REORDER, FrameAccounting, OutcomeCounts

FRAME = 40000000


def counts(accounting):
    """Totals that are not zero, and what is on its way; balanced at every look."""
    totals, on_the_way = accounting.snapshot()
    assert totals['received'] == sum(totals[outcome] for outcome in OUTCOMES) + on_the_way
    return {name: number for name, number in totals.items() if number}, on_the_way


def arrive(accounting, *times, **facts):
    return [accounting.receive(pts, now_ns=1000 + number, **facts) for number, pts in enumerate(times)]


def take(accounting, pts, outcome='captured'):
    unit = accounting.deliver(pts)
    accounting.finish(outcome)
    return unit


def test_a_unit_goes_from_arrival_to_the_ring():
    accounting = FrameAccounting(OutcomeCounts())
    arrived, = arrive(accounting, 0)
    assert counts(accounting) == ({'received': 1}, 1)
    accounting.decode(0)
    assert counts(accounting) == ({'received': 1, 'decoded': 1}, 1)
    assert take(accounting, 0) == arrived
    assert arrived.sequence == 1 and arrived.captured_ns == 1000
    assert counts(accounting) == ({'received': 1, 'decoded': 1, 'captured': 1}, 0)


def test_a_picture_makes_earlier_units_without_one_undecodable():
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, 0, FRAME, 2 * FRAME)
    accounting.decode(2 * FRAME)
    assert counts(accounting) == ({'received': 3, 'decoded': 1, 'undecodable': 2}, 1)


def test_reordered_pictures_find_their_own_units():
    accounting = FrameAccounting(OutcomeCounts())
    i, p, b = arrive(accounting, 0, 3 * FRAME, FRAME)
    delivered = []
    for pts in (0, FRAME, 3 * FRAME):
        accounting.decode(pts)
        delivered.append(take(accounting, pts))
    assert delivered == [i, b, p]
    assert counts(accounting) == ({'received': 3, 'decoded': 3, 'captured': 3}, 0)


def test_pictures_overtaken_in_the_queue_are_stale():
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, 0, FRAME, 2 * FRAME)
    for pts in (0, FRAME, 2 * FRAME):
        accounting.decode(pts)
    assert take(accounting, FRAME).pts == FRAME
    assert counts(accounting) == ({'received': 3, 'decoded': 3, 'stale_capture': 1, 'captured': 1}, 1)


def test_a_delivered_picture_may_be_refused():
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, 0)
    accounting.decode(0)
    take(accounting, 0, 'stale_capture')
    assert counts(accounting) == ({'received': 1, 'decoded': 1, 'stale_capture': 1}, 0)


@pytest.mark.parametrize('shown', (2, 1), ids=('both shown', 'one shown'))
def test_units_of_the_same_time(shown):
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, FRAME, FRAME, 2 * FRAME)
    for pts in [FRAME] * shown + [2 * FRAME]:
        accounting.decode(pts)
        take(accounting, pts)
    assert counts(accounting)[0].get('undecodable', 0) == 2 - shown
    assert counts(accounting)[1] == 0


def test_units_without_a_time_are_taken_in_order_of_arrival():
    accounting = FrameAccounting(OutcomeCounts())
    units = arrive(accounting, -1, -1, -1)
    for unit in units:
        accounting.decode(-1)
        assert take(accounting, -1) == unit
    assert counts(accounting) == ({'received': 3, 'decoded': 3, 'captured': 3}, 0)


def test_units_without_a_time_that_nobody_takes_stay_few():
    accounting = FrameAccounting(OutcomeCounts())
    for _ in range(100):
        arrive(accounting, -1)
        accounting.decode(-1)
        if accounting.snapshot()[1] >= 10:
            take(accounting, -1)
    assert counts(accounting)[1] <= 10
    take(accounting, -1)
    assert counts(accounting)[1] < QUEUED


def test_a_decoder_that_invents_times_still_balances():
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, 0, FRAME, 2 * FRAME)
    accounting.decode(FRAME + 7)
    assert take(accounting, FRAME + 7).pts == FRAME
    assert counts(accounting) == ({'received': 3, 'decoded': 1, 'captured': 1, 'undecodable': 1}, 1)


def test_time_that_jumps_back_leaves_nothing_behind_for_ever():
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, 1000 * FRAME, 1001 * FRAME)
    for number in range(REORDER + 2):
        arrive(accounting, number * FRAME)
        accounting.decode(number * FRAME)
        take(accounting, number * FRAME)
    assert counts(accounting)[0]['undecodable'] == 2
    assert counts(accounting)[1] == 0


def test_damage_lasts_until_a_whole_key_frame():
    accounting = FrameAccounting(OutcomeCounts())
    damaged = [accounting.receive(number * FRAME, 0, key=key, gap=gap).damaged for number, (key, gap) in enumerate(
        [(True, False), (False, True), (False, False), (True, True), (False, False), (True, False), (False, False)])]
    assert damaged == [False, True, True, True, True, False, False]


def test_damaged_pictures_go_no_further_than_the_decoder():
    accounting = FrameAccounting(OutcomeCounts())
    accounting.receive(0, 1000)
    assert accounting.decode(0) and accounting.damaged_ns == accounting.no_picture_expected == 0
    for number, key in ((1, False), (2, False), (3, True)):
        accounting.receive(number * FRAME, 1000 + number, key=key, gap=number == 1)
    assert [accounting.decode(number * FRAME) for number in (1, 2, 3)] == [False, False, True]
    assert accounting.damaged_ns == 1002 and accounting.no_picture_expected == 2
    assert take(accounting, 3 * FRAME).pts == 3 * FRAME
    assert counts(accounting) == ({'received': 4, 'decoded': 4, 'corrupt': 2, 'stale_capture': 1, 'captured': 1}, 0)


def test_what_the_decoder_complains_of_is_doubted_up_to_the_next_key_frame():
    accounting = FrameAccounting(OutcomeCounts())
    for number, key in enumerate((True, False, False)):
        accounting.receive(number * FRAME, 1000 + number, key=key)
        if number == 1:
            accounting.mark_damaged()
    assert [accounting.decode(number * FRAME) for number in range(3)] == [False, False, False]
    accounting.receive(3 * FRAME, 1003, key=True)
    assert accounting.decode(3 * FRAME)
    assert counts(accounting) == ({'received': 4, 'decoded': 4, 'corrupt': 3}, 1)


def test_a_doubt_without_a_picture_is_over_with_the_next_key_frame():
    accounting = FrameAccounting(OutcomeCounts())
    accounting.receive(0, 1000)
    accounting.mark_damaged()
    accounting.receive(FRAME, 1001)
    assert accounting.decode(FRAME)
    assert counts(accounting) == ({'received': 2, 'decoded': 1, 'undecodable': 1}, 1)


def test_the_end_is_a_resync_and_nothing_counts_after_it():
    accounting = FrameAccounting(OutcomeCounts())
    arrive(accounting, 0, FRAME, 2 * FRAME)
    accounting.decode(0)
    accounting.decode(FRAME)
    accounting.deliver(0)
    accounting.close()
    assert counts(accounting) == ({'received': 3, 'decoded': 2, 'resync': 3}, 0)
    assert accounting.receive(3 * FRAME, 0) is None
    accounting.decode(3 * FRAME)
    assert accounting.deliver(3 * FRAME) is None
    accounting.close()
    assert counts(accounting) == ({'received': 3, 'decoded': 2, 'resync': 3}, 0)


def test_the_next_session_goes_on_counting():
    totals = OutcomeCounts(sequence=41)
    first = FrameAccounting(totals)
    assert arrive(first, 0)[0].sequence == 42
    first.close()
    assert arrive(FrameAccounting(totals), 0)[0].sequence == 43
    assert totals.counts['received'] == 2


def test_any_history_balances():
    """Random streams with losses, repeats, missing and jumping times, random decoders and lazy readers."""
    rng = random.Random(7)
    for _ in range(200):
        accounting, base = FrameAccounting(OutcomeCounts()), 0
        pending = []
        for number in range(60):
            base = rng.choice((base, base, base, base + 50 * FRAME, 0))
            pts = rng.choice((base + number * FRAME, base + number * FRAME, base + (number // 2) * FRAME, -1))
            arrive(accounting, pts)
            pending.append(pts)
            if rng.random() < 0.7:
                picture = pending.pop(rng.randrange(len(pending)))
                accounting.decode(picture + rng.choice((0, 0, 0, 5)))
                if rng.random() < 0.6:
                    accounting.deliver(picture)
                    accounting.finish(rng.choice(('captured', 'stale_capture')))
            counts(accounting)
        accounting.close()
        assert counts(accounting)[1] == 0


@pytest.mark.parametrize('outcome', ['resync', 'stale_capture'])
def test_a_unit_kept_from_the_decoder_has_its_fate(outcome):
    accounting = FrameAccounting(OutcomeCounts())
    for number in range(3):
        accounting.receive(number * 40, number)
    accounting.skip(0, outcome)
    counts, on_their_way = accounting.snapshot()
    assert (counts['received'], counts[outcome], on_their_way) == (3, 1, 2)
    assert accounting.no_picture_expected == (outcome == 'stale_capture'), 'a first key frame has its own limit'


def test_units_a_decoder_was_told_to_leave_out_are_stale():
    accounting = FrameAccounting(OutcomeCounts())
    accounting.decimating = True
    arrive(accounting, 0, FRAME, 2 * FRAME)
    accounting.decode(2 * FRAME)
    assert counts(accounting) == ({'received': 3, 'decoded': 1, 'stale_capture': 2}, 1)


def test_the_delay_of_a_decoder_is_that_of_most_recent_pictures():
    accounting, delays = FrameAccounting(OutcomeCounts()), []
    held = [3] * 70 + [5] * 70      # units behind the picture that comes out
    number = 0
    for count in held:
        while number <= len(delays) + count:
            accounting.receive(number * FRAME, now_ns=number * FRAME)
            number += 1
        accounting.decode(len(delays) * FRAME)
        delays.append(accounting.decoder_delay.ns)
    assert FrameAccounting(OutcomeCounts()).decoder_delay.ns == 0
    assert delays[:70] == [3 * FRAME] * 70 and delays[-1] == 5 * FRAME
