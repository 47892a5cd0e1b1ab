"""Rings and counters between real processes: writers at full speed, readers all the time, writers killed anywhere."""
import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest

from edge_app.frames import frame_bytes
from edge_app.stats import Counters
from edge_app.transport.packet_ring import PacketRing
from edge_app.transport.ring import Ring

from tests.standins.ring_processes import SIZE
from tests.support.sources import ROOT
from tests.support.waiting import until

READS = 3000


@pytest.fixture
def start():
    """Starts a role of tests/standins/ring_processes.py; kills what is left of them."""
    with contextlib.ExitStack() as stack:
        def start(*arguments):
            process = subprocess.Popen([sys.executable, '-m', 'tests.standins.ring_processes'] + list(arguments),
                                       cwd=ROOT, stdout=subprocess.PIPE, universal_newlines=True)
            stack.callback(process.stdout.close)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'gate.frames')


def make(path, slots):
    with Ring.create(path, slots, frame_bytes(*SIZE)):
        return path


def said(process):
    return json.loads(process.stdout.readline())


# Frames are written over without a pause: one look in a hundred gets a whole one, 2900 a minute on two slow cores.
@pytest.mark.timeout(300)
@pytest.mark.parametrize('slots', [2, 4])
def test_no_reader_ever_gets_a_torn_frame(start, path, slots):
    make(path, slots)
    writer = start('write', path)
    assert writer.stdout.readline() == 'writing\n'
    readers = [start('read', path, str(READS)) for _ in range(3)]
    for counts in [said(reader) for reader in readers]:
        assert counts['torn'] == 0
        assert counts['whole'] == READS, counts
        assert counts['indexes'] > 100, 'the frames kept changing'
    assert writer.poll() is None


def test_without_the_checks_readers_would_get_torn_frames(start, path):
    """The check of the test above: its writer is fast enough to tear."""
    writer = start('write', make(path, 2))
    assert writer.stdout.readline() == 'writing\n'
    assert said(start('read_unchecked', path))['torn'] == 1


def test_a_writer_killed_in_the_middle_of_a_frame(start, path):
    make(path, 3)
    for number in range(1, 5):
        assert int(start('write_one', path).stdout.readline()) == number
    dying = start('begin_and_hang', path)
    assert dying.stdout.readline() == 'begun\n'
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    with Ring.open(path) as reader:
        assert reader.head == 4 and list(reader.indexes()) == [3, 4], 'the slot of frame 2 stays busy'
        assert reader.meta(2) is None and reader.newest()[0] == 4
        assert int(start('write_one', path).stdout.readline()) == 5
        assert list(reader.indexes()) == [3, 4, 5]
        meta, pixels = reader.read(5)
        assert meta.sequence == 5 and (pixels == 5).all()


def test_writers_killed_at_any_moment_leave_nothing_torn(start, path):
    make(path, 3)
    with Ring.open(path) as reader:
        for turn in range(8):
            head = reader.head
            writer = start('write', path)
            until(lambda: reader.head > head + 3, 20, 'the restarted writer going on')
            time.sleep(0.003 * turn)  # another moment of its loop each time
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            assert len(reader.indexes()) >= 2
            for index in reader.indexes():
                meta, pixels = reader.read(index)
                assert meta.sequence == index and (pixels == (index & 255)).all()


def test_a_second_writer_is_refused_until_the_first_is_killed(start, path):
    make(path, 3)
    first = start('begin_and_hang', path)
    assert first.stdout.readline() == 'begun\n'
    second = start('write_one', path)
    assert second.wait(20) == 1
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert int(start('write_one', path).stdout.readline()) == 1


def test_packets_are_whole_and_jumps_lead_to_key_frames(start, tmp_path):
    path = str(tmp_path / 'gate.packets')
    PacketRing.create(path, 600000, 64).close()
    writer = start('write_packets', path)
    assert writer.stdout.readline() == 'writing\n'
    readers = [start('read_packets', path, str(READS)) for _ in range(2)]
    for counts in [said(reader) for reader in readers]:
        assert counts['torn'] == 0 and counts['jumps_to_delta'] == 0
        assert counts['whole'] == READS, counts
        assert counts['jumps'] > 0, 'the readers were overtaken now and then'


def test_counters_are_read_whole_while_another_process_writes(start, tmp_path):
    path = str(tmp_path)
    with Counters.create(path, ['gate']) as counters:
        page = counters.cameras['gate']
        for _ in range(3):
            before = page.received
            writer = start('write_counters', path)
            until(lambda: page.received > before, 20, 'the writer at work')
            for _ in range(300):
                cells = page.snapshot()
                assert cells['received'] + cells['decoding'] == 0
                assert len(set(page.info['numbers'])) == 1
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            page.set_many('capture', decoding=-page.received)
            assert page.received > before
