"""The counters and their arithmetic."""
import json
import threading

import pytest

from edge_app.config import Camera
from edge_app.errors import RingError
from edge_app.frames import FrameMeta, frame_bytes
from edge_app.inference.engine_feed import open_engine_feed
from edge_app.inference.scheduler import Scheduler
from edge_app.stats import INFO_BYTES, REASONS, STATES, Counters, balance
from edge_app.stats import counters as counters_module
from edge_app.stats import reconcile_analyze, reconcile_capture, reconcile_for_analyze
from edge_app.stats.accounting import BEFORE_RING, BEHIND_RING, IN_RING
from edge_app.transport.ring import Ring

from tests.support.waiting import until

ALL_CELLS = [name for names in counters_module.CAMERA.values() for name in names]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path)


@pytest.fixture
def counters(path):
    with Counters.create(path, ['gate', 'yard']) as counters:
        yield counters


@pytest.fixture
def gate(counters):
    return counters.cameras['gate']


# -- pages ------------------------------------------------------------------------------------------------------------

def test_every_page_is_there_and_blank(counters, path):
    with Counters.open(path) as opened:
        assert list(opened.cameras) == ['gate', 'yard']
        for page in list(opened.cameras.values()) + [opened.engine, opened.compositor]:
            assert set(page.cells().values()) == {0} and page.info == {}
        assert opened.engine.batches == 0 and opened.compositor.viewers == 0


def test_what_one_process_counts_another_reads(counters, path):
    with Counters.open(path) as other:
        other.cameras['gate'].add('received')
        other.cameras['gate'].add('received', 4)
        other.cameras['gate'].set('decoding', 3)
        other.engine.add('busy_ns', 10 ** 15)
    assert counters.cameras['gate'].received == counters.cameras['gate'].get('received') == 5
    assert counters.cameras['gate'].decoding == 3
    assert counters.engine.busy_ns == 10 ** 15
    assert counters.cameras['yard'].received == 0


def test_every_cell_is_its_own(gate):
    for number, name in enumerate(ALL_CELLS, 1):
        gate.set(name, number)
    assert gate.cells() == {name: number for number, name in enumerate(ALL_CELLS, 1)}


def test_pages_do_not_touch_each_other(counters):
    counters.cameras['yard'].info = {'text': 'y' * 3000}
    for page in counters.cameras.values():
        for name in ALL_CELLS:
            page.set(name, -1)
        for name in ('result', 'mosaic'):
            page.observe(name, 10 ** 15)
    assert set(counters.engine.cells().values()) == {0} and counters.engine.info == {}
    assert counters.cameras['yard'].info == {'text': 'y' * 3000}
    assert counters.cameras['gate'].info == {}


def test_a_counter_that_does_not_exist(gate, counters):
    with pytest.raises(AttributeError, match='nonsense'):
        gate.nonsense
    with pytest.raises(KeyError):
        gate.add('batches')
    with pytest.raises(KeyError):
        counters.engine.add('received')


def test_a_post_is_for_the_cells_of_one_entry(gate):
    gate.add_many(received=2, decoding=1)
    gate.add_many(decoding=-1, decoded=1)
    assert (gate.received, gate.decoding, gate.decoded) == (2, 0, 1)


def test_a_snapshot_never_sees_half_a_post(counters, path):
    """A writer that moves frames between two cells as fast as it can: their sum never changes."""
    stop = threading.Event()

    def write():
        with Counters.open(path) as own:
            while not stop.is_set():
                own.cameras['gate'].add_many(received=1, decoding=-1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sums = set()
        until(lambda: counters.cameras['gate'].received, 10, 'the writer at work')
        for _ in range(300):
            cells = counters.cameras['gate'].snapshot(tries=1000)
            sums.add(cells['received'] + cells['decoding'])
    finally:
        stop.set()
        writer.join()
    assert sums == {0}


def test_threads_of_one_process_lose_no_count(gate):
    threads = [threading.Thread(target=lambda: [gate.add('received') or gate.add_many(decoded=1) for _ in range(2000)])
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (gate.received, gate.decoded) == (8000, 8000)


def test_a_writer_killed_in_the_middle_does_not_hold_up_a_snapshot(gate):
    gate._words[0] += 1  # where a post begins
    assert gate.snapshot(tries=2)['received'] == 0
    gate.set_many('capture', received=7)
    gate.add_many(received=1)
    turns = gate._words[:3].tolist()
    assert gate.snapshot()['received'] == 8 and not any(turn & 1 for turn in turns)


def test_two_cameras_of_one_name(path):
    with pytest.raises(RingError, match='same name'):
        Counters.create(path, ['gate', 'gate'])


def test_many_cameras_with_long_names(path):
    names = ['camera number %d with quite a long name, in 中文 too' % number for number in range(100)]
    with Counters.create(path, names) as made:
        made.cameras[names[99]].set('received', 99)
        with Counters.open(path) as opened:
            assert list(opened.cameras) == names and opened.cameras[names[99]].received == 99


# -- notes ------------------------------------------------------------------------------------------------------------

def test_a_note_is_replaced_as_a_whole(counters, path):
    with Counters.open(path) as other:
        for note in ({'codec': 'h264', 'fps': 25.0, 'reason': None}, {'reason': 'connection refused: größer'}, {}):
            other.cameras['gate'].info = note
            assert counters.cameras['gate'].info == note


def test_a_note_that_does_not_fit_leaves_the_one_before(gate):
    gate.info = {'text': 'x' * (INFO_BYTES - len('{"text":""}'))}
    with pytest.raises(ValueError, match='%d fit' % INFO_BYTES):
        gate.info = {'text': 'x' * INFO_BYTES}
    assert len(json.dumps(gate.info, separators=(',', ':'))) == INFO_BYTES


def test_a_writer_killed_in_a_note_leaves_the_one_before(gate):
    gate.info = {'number': 1}
    gate.info = {'number': 2}
    turn = gate._words[counters_module._INFO_SEQUENCE] + 1
    start = counters_module._INFO + turn % 2 * INFO_BYTES
    gate._bytes[start:start + 10] = b'\xff' * 10
    assert gate.info == {'number': 2}
    gate.info = {'number': 3}
    assert gate.info == {'number': 3}


def test_a_note_is_never_half_of_two(counters, path):
    stop = threading.Event()

    def write():
        with Counters.open(path) as own:
            number = 0
            while not stop.is_set():
                number += 1
                own.engine.info = {'numbers': [number] * (1 + number % 200)}

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: counters.engine.info, 10, 'the writer at work')
        for _ in range(300):
            assert len(set(counters.engine.info['numbers'])) == 1
    finally:
        stop.set()
        writer.join()


# -- the balance ------------------------------------------------------------------------------------------------------

WRITTEN = 100


def keep(page):
    """A camera's life in which every cell of the equation has moved; WRITTEN frames went to its ring."""
    page.add_many(received=WRITTEN + 20, decoding=WRITTEN + 20)
    page.add_many(undecodable=2, decoding=-2)
    page.add_many(corrupt=3, decoding=-3)
    page.add_many(stale_capture=4, decoding=-4)
    page.add_many(resync=5, decoding=-5)
    page.add_many(decoded=WRITTEN, captured=WRITTEN, decoding=-WRITTEN)
    page.add_many(taken_index=90, inferring=1, inferred=59, overload=10, rate_limit=8, stale_engine=6, motion_gate=4,
                  engine_down=2)


def test_the_books_balance(gate):
    keep(gate)
    found = balance(gate, WRITTEN)
    assert found.error == 0
    assert (found.received, found.inferred) == (WRITTEN + 20, 59)
    assert found.in_flight == 6 + 10 + 1, '6 in the pipeline, 10 in the ring, 1 in the engine'
    assert found.dropped == {'undecodable': 2, 'corrupt': 3, 'stale': 4 + 6, 'overload': 10, 'rate_limit': 8,
                             'resync': 5, 'motion_gate': 4, 'engine_down': 2, 'engine_off': 0}
    assert set(found.dropped) == set(REASONS)
    assert found.received == found.inferred + sum(found.dropped.values()) + found.in_flight


def test_each_drop_reason_has_a_cell_of_its_own_for_each_place():
    places = [row[2:] for row in REASONS.values()]
    cells = [cell for row in places for cell in row if cell]
    assert all(any(row) for row in places), 'a reason that no process can count'
    assert len(set(cells)) == len(cells) and set(cells) <= set(sum(counters_module.CAMERA.values(), ()))


def fill(page):
    """One frame dropped for each reason at each place it occurs, none in flight; how many went to the ring."""
    before, unread, behind = (list(cells.values()) for cells in (BEFORE_RING, IN_RING, BEHIND_RING))
    page.add_many(received=len(before + unread + behind), captured=len(unread + behind),
                  **dict.fromkeys(before + unread, 1))
    page.add_many(taken_index=len(behind), **dict.fromkeys(behind, 1))
    return len(unread + behind)


def test_a_restart_counts_no_frame_twice_whatever_it_was_dropped_for(gate):
    ring_head = fill(gate)
    before = gate.cells()
    assert balance(gate, ring_head).error == 0 and set(balance(gate).dropped.values()) <= {1, 2}
    reconcile_capture(gate, ring_head)
    reconcile_analyze(gate)
    reconcile_for_analyze(gate)
    assert gate.cells() == before


@pytest.mark.parametrize('amount', [1, -1])
@pytest.mark.parametrize('cell', ['received', 'captured', 'decoding', 'taken_index', 'inferred', 'inferring',
                                  *BEFORE_RING.values(), *IN_RING.values(), *BEHIND_RING.values()])
def test_one_wrong_count_anywhere_breaks_the_balance(gate, cell, amount):
    keep(gate)
    gate.add(cell, amount)
    if cell == 'engine_off':  # a frame of the ring nobody takes: the same in flight, one drop more
        gate.add('taken_index', -amount)
    assert balance(gate, WRITTEN).error != 0


def test_a_lost_frame_in_the_ring_breaks_the_balance(gate):
    keep(gate)
    assert balance(gate, WRITTEN + 1).error != 0
    assert balance(gate).error == 0


def test_with_the_engine_off_every_frame_is_dropped_for_that(gate):
    gate.add_many(received=10, decoding=10)
    for _ in range(8):
        gate.add_many(captured=1, decoding=-1, engine_off=1)
    found = balance(gate, 8)
    assert found.error == 0 and found.dropped['engine_off'] == 8 and found.in_flight == 2


def test_an_engine_switched_on_takes_up_where_it_was_off(counters, gate, tmp_path):
    """And no frame is booked twice, as engine_off and engine_down."""
    meta = FrameMeta(1, 1, 32, 32)
    with Ring.create(str(tmp_path / 'gate.frames'), 3, frame_bytes(32, 32)) as ring:
        def captured(count, **more):
            for _ in range(count):
                ring.begin()
                ring.publish(meta)
                gate.add_many(received=1, captured=1, **more)
        captured(5, engine_off=1)
        feed = open_engine_feed(str(tmp_path), counters, Camera('gate', 'test://', size=(32, 32)))
        scheduler = Scheduler([feed.quota], 1)
        captured(2)
        feed.reconcile()
        scheduler.start('gate', feed.taken)
        for number in range(3):
            captured(1)
            scheduler.offer('gate', ring.head, number)
            assert [pick.index for pick in scheduler.take(number)] == [8 + number]
            feed.account(scheduler, 1)
            feed.inferred(meta, 2)
        found = counters.balance('gate', ring)
        assert (found.error, found.in_flight, found.inferred) == (0, 0, 3)
        assert (found.dropped['engine_off'], found.dropped['engine_down']) == (5, 2)
        feed.ring.close()


def test_books_balance_against_the_ring_itself(counters, gate, tmp_path):
    meta = FrameMeta(1, 1, 16, 2)
    with Ring.create(str(tmp_path / 'gate.frames'), 2, frame_bytes(16, 2)) as ring:
        for _ in range(3):
            ring.begin()
            ring.publish(meta)
            gate.add_many(received=1, captured=1)
        assert counters.balance('gate', ring).error == 0
        ring.begin()
        ring.publish(meta)
        assert counters.balance('gate', ring, tries=2).error == -1


@pytest.mark.parametrize('died_with', [
    {'decoding': 1}, {'received': 1}, {'received': 1, 'decoding': 1}, {'decoding': -1}, {'captured': 1, 'decoding': -1},
])
def test_a_capture_process_killed_anywhere_is_settled(gate, died_with):
    """Whatever it had or had not written down of its last step, its pipeline's frames become resync."""
    keep(gate)
    gate.add_many(**died_with)
    ring_head = gate.captured
    reconcile_capture(gate, ring_head)
    found = balance(gate, ring_head)
    assert found.error == 0 and gate.decoding == 0
    assert 5 < found.dropped['resync'] <= 5 + 6 + 1


def test_a_capture_process_killed_between_ring_and_books_is_settled(gate):
    keep(gate)
    reconcile_capture(gate, WRITTEN + 1)
    found = balance(gate, WRITTEN + 1)
    assert found.error == 0 and found.in_flight == 11 + 1


def test_settling_good_books_changes_only_what_was_in_the_pipeline(gate):
    keep(gate)
    before = gate.cells()
    reconcile_capture(gate, WRITTEN)
    reconcile_analyze(gate)
    assert {name: value for name, value in gate.cells().items() if value != before[name]} == {
        'decoding': 0, 'resync': 5 + 6, 'inferring': 0, 'engine_down': 2 + 1}


@pytest.mark.parametrize('died_with', [{'inferring': 1}, {'taken_index': 2}, {'taken_index': 1, 'inferring': 1},
                                       {'inferred': 1}, {'inferring': -1}])
def test_an_engine_process_killed_anywhere_is_settled(gate, died_with):
    keep(gate)
    gate.add_many(**died_with)
    reconcile_analyze(gate)
    assert balance(gate, WRITTEN).error == 0 and gate.inferring == 0


def test_frames_that_pass_a_dead_engine_are_engine_down(gate):
    gate.add_many(received=9, decoded=9, captured=8, decoding=1)
    gate.add_many(taken_index=5, inferred=3, overload=1, inferring=1)
    reconcile_for_analyze(gate)
    found = balance(gate)
    assert (found.error, found.in_flight, found.dropped['engine_down'], found.dropped['overload']) == (0, 1, 4, 1)
    reconcile_for_analyze(gate)
    assert balance(gate) == found


def test_states_are_numbers_of_names(gate):
    gate.set('state', STATES.index('no_signal'))
    assert STATES[gate.state] == 'no_signal'
