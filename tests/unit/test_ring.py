"""The frame ring: what one process can show of it."""
import ctypes
import errno
import os
import stat

import numpy as np
import pytest

from edge_app.errors import RingError
from edge_app.frames import BGR, DAMAGED, I420, FrameMeta, frame_bytes, shape_of
from edge_app.transport import ring as ring_module
from edge_app.transport.packet_ring import PacketRing
from edge_app.transport.ring import Ring

META = FrameMeta(1, 2, 32, 18)
SLOTS = 4


def frame(number, meta=META):
    """Facts and pixels of which every byte is `number`."""
    meta = meta._replace(sequence=number)
    return meta, np.full(shape_of(meta), number, np.uint8)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'gate.frames')


@pytest.fixture
def writer(path):
    with Ring.create(path, SLOTS, frame_bytes(32, 18, BGR)) as ring:
        yield ring


@pytest.fixture
def reader(writer):
    with Ring.open(writer.path) as ring:
        yield ring


def test_a_new_ring_is_empty(reader):
    assert reader.head == 0
    assert reader.newest() is None
    assert list(reader.indexes()) == []
    assert [reader.meta(index) for index in (-1, 0, 1, 99)] == [None] * 4
    assert reader.read(1) is None and reader.peek(0) is None


def test_a_frame_arrives_with_all_its_facts(writer, reader):
    meta = FrameMeta(sequence=7, captured_ns=1 << 60, width=32, height=18, format=BGR, pts_ns=-1,
                     capture_time_ns=1700000000000000001, capture_error_ns=5, flags=DAMAGED)
    pixels = np.arange(18 * 32 * 3, dtype=np.int64).astype(np.uint8).reshape(18, 32, 3)
    assert writer.write(meta, pixels) == 1
    assert reader.newest() == (1, meta)
    assert type(reader.meta(1)) is FrameMeta
    read_meta, read_pixels = reader.read(1)
    assert read_meta == meta and read_pixels.shape == (18, 32, 3)
    np.testing.assert_array_equal(read_pixels, pixels)


def test_the_oldest_frames_give_way(writer, reader):
    for number in range(1, 11):
        assert writer.write(*frame(number)) == number
    assert reader.head == 10
    assert list(reader.indexes()) == [7, 8, 9, 10]
    assert reader.read(6) is None and reader.meta(6) is None and reader.peek(6) is None
    assert [int(reader.read(index)[1][0, 0]) for index in reader.indexes()] == [7, 8, 9, 10]


def test_a_slot_being_written_is_busy(writer, reader):
    for number in range(1, 6):
        writer.write(*frame(number))
    slot = writer.begin()
    slot.pixels[:] = 99
    assert list(reader.indexes()) == [3, 4, 5]
    assert reader.meta(2) is None and reader.meta(6) is None
    assert reader.newest()[0] == 5


def test_begin_again_gives_the_frame_up(writer, reader):
    writer.write(*frame(1))
    first, second = writer.begin(), writer.begin()
    assert first.address == second.address
    meta, pixels = frame(8)
    second.pixels[:pixels.size] = 8
    assert writer.publish(meta) == 2
    assert reader.read(2)[0] == meta


def test_the_address_is_where_the_pixels_are(writer, reader):
    meta, pixels = frame(9)
    ctypes.memset(writer.begin().address, 9, pixels.size)
    writer.publish(meta)
    np.testing.assert_array_equal(reader.read(1)[1], pixels)


def test_publish_needs_begin(writer):
    with pytest.raises(RuntimeError, match='without begin'):
        writer.publish(META)
    writer.begin()
    writer.publish(META)
    with pytest.raises(RuntimeError, match='without begin'):
        writer.publish(META)


def test_a_frame_that_does_not_fit_is_refused_before_anything_is_touched(writer, reader):
    writer.write(*frame(1))
    large = META._replace(width=64, height=64)
    with pytest.raises(RingError, match='64x64 does not fit'):
        writer.write(large, np.zeros(shape_of(large), np.uint8))
    with pytest.raises(ValueError, match='shape'):
        writer.write(META, np.zeros((18, 32), np.uint8))
    assert reader.newest()[0] == 1
    assert writer.write(*frame(2)) == 2


def test_read_into_an_array_of_ones_own(writer, reader):
    writer.write(*frame(5))
    out = np.zeros(frame_bytes(32, 18) + 100, np.uint8)
    _, pixels = reader.read(1, out)
    assert pixels.base is not None and np.shares_memory(pixels, out)
    assert pixels.shape == (27, 32) and (pixels == 5).all() and (out[-100:] == 0).all()
    small = np.zeros(10, np.uint8)
    assert (reader.read(1, small)[1] == 5).all()
    assert (small == 0).all()


def test_peek_copies_nothing_and_cannot_write(writer, reader):
    writer.write(*frame(1))
    meta, view = reader.peek(1)
    assert reader.intact(1)
    with pytest.raises(ValueError):
        view[0, 0] = 1
    with pytest.raises(ValueError):
        writer.peek(1)[1][0, 0] = 1
    for number in range(2, 2 + SLOTS):
        writer.write(*frame(number))
    assert (view == 1 + SLOTS).all(), 'the view is on the slot'
    assert not reader.intact(1)


def test_intact_is_false_from_begin_on(writer, reader):
    for number in range(1, SLOTS + 1):
        writer.write(*frame(number))
    assert reader.intact(1)
    writer.begin()
    assert not reader.intact(1)


def test_a_frame_overwritten_while_it_is_copied_is_not_given_out(writer, reader, monkeypatch):
    for number in range(1, SLOTS + 1):
        writer.write(*frame(number))
    copy = ring_module._copy

    def slow_copy(to, source):
        copy(to[:9], source[:9])
        monkeypatch.setattr(ring_module, '_copy', copy)
        for number in range(5, 5 + SLOTS):
            writer.write(*frame(number))
        copy(to[9:], source[9:])

    monkeypatch.setattr(ring_module, '_copy', slow_copy)
    out = np.zeros(shape_of(META), np.uint8)
    assert reader.read(1, out) is None
    assert sorted(np.unique(out)) == [1, 5], 'the copy was torn, as this test means it to be'


def test_views_outlive_the_ring(path):
    with Ring.create(path, 2, frame_bytes(32, 18)) as ring:
        ring.write(*frame(3))
        view = ring.peek(1)[1]
    assert (view == 3).all()
    ring.close()


def test_a_writer_that_comes_back_continues(path):
    with Ring.create(path, SLOTS, frame_bytes(32, 18)) as first:
        for number in range(1, 4):
            first.write(*frame(number))
        first.begin()
    with Ring.open(path, writable=True) as second:
        assert second.head == 3
        assert second.write(*frame(4)) == 4
        assert list(second.indexes()) == [1, 2, 3, 4]


def test_one_writer_at_a_time(writer, path):
    writer.write(*frame(1))
    with Ring.open(path, writable=True) as other:
        with pytest.raises(RingError, match='another process writes'):
            other.begin()
        writer.close()
        assert other.write(*frame(2)) == 2


def test_a_reader_cannot_write(reader):
    with pytest.raises(RingError, match='writable=True'):
        reader.begin()


def test_only_its_owner_may_look(writer, path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize('slots, slot_bytes', [(1, 100), (0, 100), (4, 0)])
def test_a_ring_needs_two_slots_of_something(path, slots, slot_bytes):
    with pytest.raises(ValueError, match='2 slots'):
        Ring.create(path, slots, slot_bytes)
    assert not os.path.exists(path)


def test_create_does_not_take_what_is_there(writer, path):
    with pytest.raises(RingError, match='gate.frames.*exists'):
        Ring.create(path, 2, 100)
    assert writer.write(*frame(1)) == 1


def test_too_little_memory_is_said_with_sizes_and_leaves_nothing(path):
    state = os.statvfs(os.path.dirname(path))
    whole = state.f_blocks * state.f_frsize
    with pytest.raises(RingError) as refused:
        Ring.create(path, 2, whole)
    needed = Ring.bytes_needed(2, whole)
    assert 'needs %.1f MB' % (needed / 1e6) in str(refused.value)
    assert 'MB free in %s' % os.path.dirname(path) in str(refused.value)
    assert '--shm-size' in str(refused.value)
    assert not os.path.exists(path)


def test_memory_that_goes_while_it_is_reserved_is_said_too(path, monkeypatch):
    def full(fd, offset, size):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'posix_fallocate', full)
    with pytest.raises(RingError, match='needs 0.0 MB.*free'):
        Ring.create(path, 2, 100)
    assert not os.path.exists(path)


def test_bytes_needed_is_what_is_taken(path):
    with Ring.create(path, 3, 1000):
        taken = os.stat(path)
    assert 0 <= taken.st_size - Ring.bytes_needed(3, 1000) < 4096
    assert taken.st_blocks * 512 >= taken.st_size, 'reserved, not sparse'


def test_open_what_is_not_there(path):
    with pytest.raises(RingError, match='gate.frames.*[Nn]o such file'):
        Ring.open(path)


@pytest.mark.parametrize('content', [b'', b'x', b'garbage' * 1000, b'\0' * 8192])
def test_open_garbage(path, content):
    with open(path, 'wb') as file:
        file.write(content)
    with pytest.raises(RingError, match='not a frames file'):
        Ring.open(path)


def test_open_another_kind(path):
    PacketRing.create(path, 1000).close()
    with pytest.raises(RingError, match='not a frames file'):
        Ring.open(path)


def test_open_another_version(path, monkeypatch):
    monkeypatch.setattr(ring_module, 'VERSION', 999)
    Ring.create(path, 2, 100).close()
    monkeypatch.undo()
    with pytest.raises(RingError, match='version 999'):
        Ring.open(path)


def test_open_a_ring_cut_short(writer, path):
    writer.close()
    os.truncate(path, 4096)
    with pytest.raises(RingError, match='not a frames file'):
        Ring.open(path)


def test_refused_files_are_closed_again(path):
    with open(path, 'wb') as file:
        file.write(b'garbage')
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(5):
        with pytest.raises(RingError):
            Ring.open(path)
    assert len(os.listdir('/proc/self/fd')) == before


def test_sizes_may_change_from_frame_to_frame(writer, reader):
    small = META._replace(width=16, height=8)
    writer.write(*frame(1))
    writer.write(*frame(2, small))
    writer.write(*frame(3, META._replace(format=BGR)))
    shapes = [reader.read(index)[1].shape for index in reader.indexes()]
    assert shapes == [(27, 32), (12, 16), (18, 32, 3)]
    assert reader.meta(1).format == I420
