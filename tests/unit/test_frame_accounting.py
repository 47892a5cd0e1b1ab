"""The books of one camera's pipeline, replayed without a pipeline."""
import random

import pytest

from edge_app.camera.frame_accounting import FATES, QUEUED, REORDER, FrameAccounting, OutcomeCounts

FRAME = 40000000


def counts(passage):
    """Totals that are not zero, and what is on its way; balanced at every look."""
    totals, on_the_way = passage.snapshot()
    assert totals['received'] == sum(totals[fate] for fate in FATES) + on_the_way
    return {name: number for name, number in totals.items() if number}, on_the_way


def arrive(passage, *times, **facts):
    return [passage.arrive(pts, now_ns=1000 + number, **facts) for number, pts in enumerate(times)]


def take(passage, pts, fate='captured'):
    unit = passage.deliver(pts)
    passage.settle(fate)
    return unit


def test_a_unit_goes_from_arrival_to_the_ring():
    passage = FrameAccounting(OutcomeCounts())
    arrived, = arrive(passage, 0)
    assert counts(passage) == ({'received': 1}, 1)
    passage.decode(0)
    assert counts(passage) == ({'received': 1, 'decoded': 1}, 1)
    assert take(passage, 0) == arrived
    assert arrived.sequence == 1 and arrived.captured_ns == 1000
    assert counts(passage) == ({'received': 1, 'decoded': 1, 'captured': 1}, 0)


def test_a_picture_makes_earlier_units_without_one_undecodable():
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, 0, FRAME, 2 * FRAME)
    passage.decode(2 * FRAME)
    assert counts(passage) == ({'received': 3, 'decoded': 1, 'undecodable': 2}, 1)


def test_reordered_pictures_find_their_own_units():
    passage = FrameAccounting(OutcomeCounts())
    i, p, b = arrive(passage, 0, 3 * FRAME, FRAME)
    delivered = []
    for pts in (0, FRAME, 3 * FRAME):
        passage.decode(pts)
        delivered.append(take(passage, pts))
    assert delivered == [i, b, p]
    assert counts(passage) == ({'received': 3, 'decoded': 3, 'captured': 3}, 0)


def test_pictures_overtaken_in_the_queue_are_stale():
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, 0, FRAME, 2 * FRAME)
    for pts in (0, FRAME, 2 * FRAME):
        passage.decode(pts)
    assert take(passage, FRAME).pts == FRAME
    assert counts(passage) == ({'received': 3, 'decoded': 3, 'stale_capture': 1, 'captured': 1}, 1)


def test_a_delivered_picture_may_be_refused():
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, 0)
    passage.decode(0)
    take(passage, 0, 'stale_capture')
    assert counts(passage) == ({'received': 1, 'decoded': 1, 'stale_capture': 1}, 0)


@pytest.mark.parametrize('shown', (2, 1), ids=('both shown', 'one shown'))
def test_units_of_the_same_time(shown):
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, FRAME, FRAME, 2 * FRAME)
    for pts in [FRAME] * shown + [2 * FRAME]:
        passage.decode(pts)
        take(passage, pts)
    assert counts(passage)[0].get('undecodable', 0) == 2 - shown
    assert counts(passage)[1] == 0


def test_units_without_a_time_are_taken_in_order_of_arrival():
    passage = FrameAccounting(OutcomeCounts())
    units = arrive(passage, -1, -1, -1)
    for unit in units:
        passage.decode(-1)
        assert take(passage, -1) == unit
    assert counts(passage) == ({'received': 3, 'decoded': 3, 'captured': 3}, 0)


def test_units_without_a_time_that_nobody_takes_stay_few():
    passage = FrameAccounting(OutcomeCounts())
    for _ in range(100):
        arrive(passage, -1)
        passage.decode(-1)
        if passage.snapshot()[1] >= 10:
            take(passage, -1)
    assert counts(passage)[1] <= 10
    take(passage, -1)
    assert counts(passage)[1] < QUEUED


def test_a_decoder_that_invents_times_still_balances():
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, 0, FRAME, 2 * FRAME)
    passage.decode(FRAME + 7)
    assert take(passage, FRAME + 7).pts == FRAME
    assert counts(passage) == ({'received': 3, 'decoded': 1, 'captured': 1, 'undecodable': 1}, 1)


def test_time_that_jumps_back_leaves_nothing_behind_for_ever():
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, 1000 * FRAME, 1001 * FRAME)
    for number in range(REORDER + 2):
        arrive(passage, number * FRAME)
        passage.decode(number * FRAME)
        take(passage, number * FRAME)
    assert counts(passage)[0]['undecodable'] == 2
    assert counts(passage)[1] == 0


def test_damage_lasts_until_a_whole_key_frame():
    passage = FrameAccounting(OutcomeCounts())
    damaged = [passage.arrive(number * FRAME, 0, key=key, gap=gap).damaged for number, (key, gap) in enumerate(
        [(True, False), (False, True), (False, False), (True, True), (False, False), (True, False), (False, False)])]
    assert damaged == [False, True, True, True, True, False, False]


def test_damaged_pictures_go_no_further_than_the_decoder():
    passage = FrameAccounting(OutcomeCounts())
    passage.arrive(0, 1000)
    assert passage.decode(0) and passage.damaged_ns == passage.withheld == 0
    for number, key in ((1, False), (2, False), (3, True)):
        passage.arrive(number * FRAME, 1000 + number, key=key, gap=number == 1)
    assert [passage.decode(number * FRAME) for number in (1, 2, 3)] == [False, False, True]
    assert passage.damaged_ns == 1002 and passage.withheld == 2
    assert take(passage, 3 * FRAME).pts == 3 * FRAME
    assert counts(passage) == ({'received': 4, 'decoded': 4, 'corrupt': 2, 'stale_capture': 1, 'captured': 1}, 0)


def test_what_the_decoder_complains_of_is_doubted_up_to_the_next_key_frame():
    passage = FrameAccounting(OutcomeCounts())
    for number, key in enumerate((True, False, False)):
        passage.arrive(number * FRAME, 1000 + number, key=key)
        if number == 1:
            passage.doubt()
    assert [passage.decode(number * FRAME) for number in range(3)] == [False, False, False]
    passage.arrive(3 * FRAME, 1003, key=True)
    assert passage.decode(3 * FRAME)
    assert counts(passage) == ({'received': 4, 'decoded': 4, 'corrupt': 3}, 1)


def test_a_doubt_without_a_picture_is_over_with_the_next_key_frame():
    passage = FrameAccounting(OutcomeCounts())
    passage.arrive(0, 1000)
    passage.doubt()
    passage.arrive(FRAME, 1001)
    assert passage.decode(FRAME)
    assert counts(passage) == ({'received': 2, 'decoded': 1, 'undecodable': 1}, 1)


def test_the_end_is_a_resync_and_nothing_counts_after_it():
    passage = FrameAccounting(OutcomeCounts())
    arrive(passage, 0, FRAME, 2 * FRAME)
    passage.decode(0)
    passage.decode(FRAME)
    passage.deliver(0)
    passage.end()
    assert counts(passage) == ({'received': 3, 'decoded': 2, 'resync': 3}, 0)
    assert passage.arrive(3 * FRAME, 0) is None
    passage.decode(3 * FRAME)
    assert passage.deliver(3 * FRAME) is None
    passage.end()
    assert counts(passage) == ({'received': 3, 'decoded': 2, 'resync': 3}, 0)


def test_the_next_session_goes_on_counting():
    tally = OutcomeCounts(sequence=41)
    first = FrameAccounting(tally)
    assert arrive(first, 0)[0].sequence == 42
    first.end()
    assert arrive(FrameAccounting(tally), 0)[0].sequence == 43
    assert tally.counts['received'] == 2


def test_any_history_balances():
    """Random streams with losses, repeats, missing and jumping times, random decoders and lazy readers."""
    rng = random.Random(7)
    for _ in range(200):
        passage, base = FrameAccounting(OutcomeCounts()), 0
        pending = []
        for number in range(60):
            base = rng.choice((base, base, base, base + 50 * FRAME, 0))
            pts = rng.choice((base + number * FRAME, base + number * FRAME, base + (number // 2) * FRAME, -1))
            arrive(passage, pts)
            pending.append(pts)
            if rng.random() < 0.7:
                picture = pending.pop(rng.randrange(len(pending)))
                passage.decode(picture + rng.choice((0, 0, 0, 5)))
                if rng.random() < 0.6:
                    passage.deliver(picture)
                    passage.settle(rng.choice(('captured', 'stale_capture')))
            counts(passage)
        passage.end()
        assert counts(passage)[1] == 0


@pytest.mark.parametrize('fate', ['resync', 'stale_capture'])
def test_a_unit_kept_from_the_decoder_has_its_fate(fate):
    passage = FrameAccounting(OutcomeCounts())
    for number in range(3):
        passage.arrive(number * 40, number)
    passage.skip(0, fate)
    counts, on_their_way = passage.snapshot()
    assert (counts['received'], counts[fate], on_their_way) == (3, 1, 2)
    assert passage.withheld == (fate == 'stale_capture'), 'one that waits for a first key frame has its own patience'


def test_units_a_decoder_was_told_to_leave_out_are_stale():
    passage = FrameAccounting(OutcomeCounts())
    passage.thinned = True
    arrive(passage, 0, FRAME, 2 * FRAME)
    passage.decode(2 * FRAME)
    assert counts(passage) == ({'received': 3, 'decoded': 1, 'stale_capture': 2}, 1)
