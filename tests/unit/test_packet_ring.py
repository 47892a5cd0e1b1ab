"""The ring of encoded access units."""
import ctypes

import pytest

from edge_app.errors import RingError
from edge_app.transport import packet_ring
from edge_app.transport.packet_ring import CAPS_KEPT, Packet, PacketRing
from edge_app.transport.ring import Ring

BYTES, ENTRIES = 10000, 16


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'gate.packets')


@pytest.fixture
def writer(path):
    with PacketRing.create(path, BYTES, ENTRIES) as ring:
        yield ring


@pytest.fixture
def reader(writer):
    with PacketRing.open(writer.path) as ring:
        yield ring


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        ns = 10 ** 12

    monkeypatch.setattr(packet_ring, 'now_ns', lambda: Clock.ns)
    return Clock


def unit(number, key=False, size=100):
    """Facts and content of one access unit; every byte is `number`."""
    return Packet(0, number * 40, number, key, 1, size), bytes([number]) * size


def write(ring, *numbers, key=5, size=100):
    """Write units, each `key`th of them a key frame."""
    return [ring.write(*unit(number, number % key == 0, size)) for number in numbers]


def follow(ring, index=0):
    """(index, first byte) of everything a reader gets that has seen `index`."""
    found = []
    while True:
        got = ring.read_after(index)
        if got is None:
            return found
        packet, content = got
        assert len(content) == packet.size and len(set(content)) == 1
        index = packet.index
        found.append((index, content[0]))


def test_a_new_ring_is_empty(reader):
    assert reader.head == 0 and reader.newest_key() is None
    assert reader.read_after(0) is None and reader.read_after(7) is None


def test_a_packet_arrives_with_all_its_facts(writer, reader):
    generation = writer.set_caps('video/x-h264')
    assert writer.write(Packet(0, -1, 1 << 60, True, generation, 3), b'abc') == 1
    packet, content = reader.read_after(0)
    assert packet == Packet(1, -1, 1 << 60, True, generation, 3) and packet.key is True
    assert content == b'abc'
    assert reader.caps(packet.caps_generation) == 'video/x-h264'
    assert reader.read_after(1) is None


def test_a_packet_from_an_address(writer, reader):
    memory = ctypes.create_string_buffer(b'xyz12345')
    writer.write(Packet(0, 0, 0, True, 1, 0), ctypes.addressof(memory), 3)
    assert reader.read_after(0)[1] == b'xyz'
    assert reader.read_after(0)[0].size == 3


def test_begin_and_publish_fill_in_place(writer, reader):
    slot = writer.begin(4)
    ctypes.memmove(slot.address, b'1234', 4)
    assert reader.head == 0
    assert writer.publish(Packet(0, 0, 0, True, 1, 4)) == 1
    assert reader.read_after(0)[1] == b'1234'
    with pytest.raises(RuntimeError, match='without begin'):
        writer.publish(Packet(0, 0, 0, True, 1, 4))


def test_packets_follow_each_other_without_gaps(writer, reader):
    write(writer, *range(1, 6))
    assert follow(reader) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    write(writer, 6, 7)
    assert follow(reader, 5) == [(6, 6), (7, 7)]


def test_a_reader_overtaken_by_the_table_goes_on_at_a_key_frame(writer, reader):
    write(writer, *range(1, 41))
    assert follow(reader, 3)[0] == (25, 25), '25 is the oldest held, and a key frame'
    assert follow(reader, 30)[0] == (31, 31), 'this one was not overtaken'
    write(writer, 41)
    assert [index for index, _ in follow(reader, 3)][:2] == [30, 31]


def test_a_reader_overtaken_by_the_bytes_goes_on_at_a_key_frame(writer, reader):
    write(writer, *range(1, 13), size=1500)
    held = [index for index in range(1, 13) if reader.packet(index) is not None]
    assert held == list(range(7, 13)), 'six of 1500 bytes fit 10000'
    assert [index for index, _ in follow(reader, 0)] == [10, 11, 12]


def test_a_reader_overtaken_waits_when_no_key_frame_is_held(writer, reader):
    write(writer, *range(1, 41), key=1000)
    assert reader.read_after(3) is None and reader.newest_key() is None
    write(writer, 41, key=41)
    assert follow(reader, 3) == [(41, 41)]


def test_newest_key(writer, reader):
    write(writer, *range(1, 14))
    assert reader.newest_key() == 10


def test_every_packet_is_in_one_piece(writer, reader):
    for number in range(1, 200):
        write(writer, number, key=1, size=1 + number * 37 % 3000)
        packet, content = reader.read_after(number - 1)
        assert packet.index == number and content == bytes([number]) * packet.size


def test_a_packet_as_large_as_the_ring_fits_and_a_larger_one_cuts(writer, reader):
    write(writer, 1, key=1)
    assert write(writer, 2, key=1, size=BYTES) == [2]
    assert follow(reader, 1) == [(2, 2)]
    assert write(writer, 3, key=1, size=BYTES + 1) == [None]
    assert follow(reader, 0) == [], 'after a hole only a key frame helps'
    write(writer, 4, key=100)
    write(writer, 5, key=1)
    assert [content for _, content in follow(reader, 2)] == [5]


def test_a_packet_overwritten_while_it_is_copied_is_not_given_out(writer, reader, monkeypatch):
    write(writer, 1, key=1, size=3000)
    before = PacketRing.packet
    looks = []

    def looked(ring, index):
        packet = before(ring, index)
        looks.append(packet)
        if len(looks) == 1:
            write(writer, 2, 3, 4, key=100, size=3000)
        return packet

    monkeypatch.setattr(PacketRing, 'packet', looked)
    assert reader.read_after(0) is None
    assert looks[0].index == 1 and looks[1] is None


def test_a_writer_killed_between_begin_and_publish_leaves_nothing_torn(path):
    with PacketRing.create(path, BYTES, ENTRIES) as first:
        write(first, *range(1, 7), size=1600)
        first.begin(1600).pixels[:] = 99
    with PacketRing.open(path, writable=True) as second, PacketRing.open(path) as reader:
        assert reader.packet(1) is None, 'its bytes were written over'
        assert follow(reader, 1) == [], 'a new writer is a new stream'
        write(second, 10, 11, size=1600)
        assert [content for _, content in follow(reader, 6)] == [10, 11]
        assert follow(reader, 6)[0][0] > 7, 'the jump tells the reader'


def test_nothing_is_wanted_until_somebody_asks_and_only_for_so_long(writer, reader, clock):
    assert not writer.wanted
    reader.renew_lease(3.0)
    assert writer.wanted
    clock.ns += int(2.9e9)
    assert writer.wanted
    clock.ns += int(0.2e9)
    assert not writer.wanted


def test_the_longest_of_several_demands_counts(writer, reader, clock):
    reader.renew_lease(10)
    reader.renew_lease(1)
    clock.ns += int(5e9)
    assert writer.wanted


def test_what_came_before_a_pause_is_not_given_out_after_it(writer, reader, clock):
    reader.renew_lease()
    assert writer.wanted
    write(writer, 5, 6)
    clock.ns += int(4e9)
    assert not writer.wanted and not writer.wanted
    reader.renew_lease()
    assert writer.wanted
    assert reader.newest_key() is None
    write(writer, 7)
    assert follow(reader, 2) == [], 'not a key frame'
    write(writer, 10, 11)
    assert [content for _, content in follow(reader, 2)] == [10, 11]


def test_asking_without_a_pause_leaves_no_gap(writer, reader, clock):
    reader.renew_lease()
    for number in range(1, 10):
        assert writer.wanted
        write(writer, number)
        clock.ns += int(1e9)
        reader.renew_lease()
    assert [index for index, _ in follow(reader)] == list(range(1, 10))


def test_caps_have_generations(writer, reader):
    first = writer.set_caps('video/x-h264,width=1920')
    assert writer.set_caps('video/x-h264,width=1920') == first
    second = writer.set_caps('video/x-h265')
    assert second > first
    assert reader.caps(first) == 'video/x-h264,width=1920' and reader.caps(second) == 'video/x-h265'
    assert reader.caps(second + 1) is None and reader.caps(0) is None
    for number in range(CAPS_KEPT):
        writer.set_caps('video/x-h264,number=%d' % number)
    assert reader.caps(first) is None
    assert reader.caps(second + CAPS_KEPT) == 'video/x-h264,number=%d' % (CAPS_KEPT - 1)


def test_caps_that_do_not_fit(writer):
    with pytest.raises(RingError, match='caps of 5000 bytes'):
        writer.set_caps('x' * 5000)


def test_one_writer_at_a_time(writer, path):
    write(writer, 1)
    with pytest.raises(RingError, match='another process writes'):
        PacketRing.open(path, writable=True)


def test_open_another_kind(path):
    Ring.create(path, 2, 100).close()
    with pytest.raises(RingError, match='not a packets file'):
        PacketRing.open(path)
