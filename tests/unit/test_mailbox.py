"""Mailboxes between processes."""
import os
import select
import threading

import pytest

from edge_app.errors import RingError
from edge_app.transport.mailbox import Inbox, Outbox

from tests.support.waiting import until


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'present.sock')


@pytest.fixture
def inbox(path):
    with Inbox(path) as inbox:
        yield inbox


@pytest.fixture
def outbox(path):
    outbox = Outbox(path)
    yield outbox
    outbox.close()


def test_messages_arrive_whole_and_in_order(inbox, outbox):
    for number in range(5):
        assert outbox.post(b'%d' % number * 3000)
    assert inbox.receive() == [b'%d' % number * 3000 for number in range(5)]
    assert inbox.receive() == []
    assert outbox.dropped == 0


def test_a_wake_up_wakes_and_is_no_message(inbox, outbox):
    assert inbox.wait(0) == []
    outbox.wake()
    assert inbox.wait(5) == [inbox.fileno()]
    assert inbox.receive() == []
    assert inbox.wait(0) == [], 'the wake-up is used up'


def test_wait_is_ended_by_a_message_from_another_thread(inbox, outbox):
    sender = threading.Timer(0.05, outbox.post, [b'x'])
    sender.start()
    assert inbox.wait(10) == [inbox.fileno()]
    sender.join()


def test_wait_without_limit(inbox, outbox):
    outbox.wake()
    assert inbox.wait(None) == [inbox.fileno()]


def test_wait_also_watches_other_descriptors(inbox):
    read, write = os.pipe()
    os.write(write, b'!')
    assert inbox.wait(5, read) == [read]
    os.close(write)
    os.close(read)


def test_an_inbox_works_with_select(inbox, outbox):
    outbox.post(b'x')
    assert select.select([inbox], [], [], 5)[0] == [inbox]


def test_nobody_there(outbox):
    assert not outbox.post(b'lost')
    outbox.wake()
    assert outbox.dropped == 1


def test_a_receiver_may_come_later_and_come_back(path, outbox):
    assert not outbox.post(b'early')
    for turn in (b'first', b'second'):
        with Inbox(path) as inbox:
            assert outbox.post(turn)
            assert inbox.receive() == [turn]
        assert not outbox.post(b'between')


def test_a_path_left_by_a_killed_receiver(path, outbox):
    abandoned = Inbox(path)
    abandoned._socket.close()
    assert os.path.exists(path)
    assert not outbox.post(b'to nobody')
    with Inbox(path) as inbox:
        assert outbox.post(b'x')
        assert inbox.receive() == [b'x']


def test_close_leaves_a_successors_path_alone(path, outbox):
    old = Inbox(path)
    with Inbox(path) as new:
        old.close()
        assert outbox.post(b'x')
        assert new.receive() == [b'x']
    assert not os.path.exists(path)


def fill(outbox):
    """Post numbered messages until one is dropped; how many were posted in all."""
    for number in range(100000):
        if not outbox.post(b'%d' % number):
            return number + 1
    raise AssertionError('never full')


def test_a_full_receiver_costs_the_oldest_and_never_blocks(inbox, path):
    outbox = Outbox(path, backlog=5)
    sent = fill(outbox)
    assert outbox.dropped == 1
    first = inbox.receive()
    outbox.wake()
    second = inbox.receive()
    assert len(first) == sent - 6, 'what the kernel kept'
    assert [int(message) for message in second] == list(range(sent - 5, sent)), 'the newest, kept by the sender'
    assert len(first) + len(second) + outbox.dropped == sent
    outbox.close()


def test_what_waits_is_tried_again_with_the_next_message(inbox, path):
    outbox = Outbox(path, backlog=5)
    sent = fill(outbox)
    inbox.receive()
    assert outbox.post(b'last')
    assert inbox.receive() == [b'%d' % number for number in range(sent - 5, sent)] + [b'last']
    outbox.close()


def test_what_waits_is_given_up_when_the_receiver_goes(inbox, path):
    outbox = Outbox(path, backlog=5)
    fill(outbox)
    inbox.close()
    assert not outbox.post(b'last')
    assert outbox.dropped == 7, 'one when it was full, the five that waited, the last'
    with Inbox(path) as again:
        outbox.wake()
        assert again.receive() == [], 'a new receiver does not get old news'
    outbox.close()


def test_a_wake_up_to_a_full_receiver_is_not_needed(inbox, outbox):
    fill(outbox)
    outbox.wake()
    assert inbox.wait(0) == [inbox.fileno()]


def test_one_hung_receiver_does_not_hurt_another(tmp_path):
    hung, well = Inbox(tmp_path / 'hung.sock'), Inbox(tmp_path / 'well.sock')
    to_hung, to_well = Outbox(hung.path), Outbox(well.path)
    fill(to_hung)
    for number in range(50):
        assert to_well.post(b'%d' % number)
        assert well.receive() == [b'%d' % number]
    for box in (hung, well, to_hung, to_well):
        box.close()


def test_a_message_no_socket_takes_is_dropped(inbox, outbox):
    assert not outbox.post(b'x' * (64 << 20))
    assert outbox.post(b'small')
    assert inbox.receive() == [b'small']


def test_a_path_longer_than_a_socket_has(tmp_path):
    with pytest.raises(RingError, match='longer than'):
        Inbox(tmp_path / ('x' * 120))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RingError, match='No such file'):
        Inbox(tmp_path / 'nowhere' / 'a.sock')


def test_a_flood_is_taken_in_bounded_portions(inbox, path):
    """A sender faster than the receiver must not keep it in `receive` for ever."""
    outbox, done = Outbox(path), threading.Event()
    flood = threading.Thread(target=lambda: [outbox.post(b'x') for _ in iter(done.is_set, True)])
    flood.start()
    try:
        until(lambda: inbox.receive(), 10, 'the first of the flood')
        for _ in range(20):
            assert len(inbox.receive()) <= 1024
    finally:
        done.set()
        flood.join()
        outbox.close()
