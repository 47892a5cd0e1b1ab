"""Processes of the ring's system tests: python -m tests.standins.ring_processes ROLE PATH [ARGUMENT]."""
import json
import sys
import time

import numpy as np

from edge_app.frames import FrameMeta, shape_of
from edge_app.stats import Counters
from edge_app.transport.packet_ring import Packet, PacketRing
from edge_app.transport.ring import Ring

SIZE = (640, 360)


def write(path, _):
    """Hammer: frames whose every byte is the sequence, as fast as they go."""
    ring = Ring.open(path, writable=True)
    print('writing', flush=True)
    while True:
        number = ring.head + 1
        ring.begin().pixels[:] = number & 255
        ring.publish(FrameMeta(number, number * 1000, *SIZE, pts_ns=-number))


def begin_and_hang(path, _):
    ring = Ring.open(path, writable=True)
    ring.begin().pixels[:1000] = 77
    print('begun', flush=True)
    time.sleep(1000)


def write_one(path, _):
    ring = Ring.open(path, writable=True)
    number = ring.head + 1
    ring.begin().pixels[:] = number & 255
    ring.publish(FrameMeta(number, number * 1000, *SIZE, pts_ns=-number))
    print(ring.head, flush=True)


def _whole(meta, pixels, index):
    """Every byte and every fact from one and the same frame."""
    return (meta == FrameMeta(index, index * 1000, *SIZE, pts_ns=-index)
            and pixels.shape == shape_of(meta) and bool((pixels == (index & 255)).all()))


def read(path, reads):
    """Read newest and oldest in turn, by copy and by view; a JSON object gives the results."""
    ring = Ring.open(path)
    out = np.empty(SIZE[0] * SIZE[1] * 3 // 2, np.uint8)
    counts = {'whole': 0, 'torn': 0, 'refused': 0, 'indexes': 0}
    last = 0
    deadline = time.monotonic() + 240
    while counts['whole'] < int(reads) and time.monotonic() < deadline:
        held = ring.indexes()
        if len(held) == 0:
            continue
        index = held[0] if counts['whole'] % 2 else held[-1]
        seen = _peeked(ring, index) if counts['whole'] % 3 == 0 else ring.read(index, out)
        if seen is None:
            counts['refused'] += 1
            continue
        counts['whole' if _whole(*seen, index=index) else 'torn'] += 1
        counts['indexes'] += index != last
        last = index
    print(json.dumps(counts), flush=True)


def _peeked(ring, index):
    seen = ring.peek(index)
    if seen is None:
        return None
    copy = np.array(seen[1])
    return (seen[0], copy) if ring.intact(index) else None


def read_unchecked(path, _):
    """What a reader without the checks would accept: until a torn frame was seen, or 60 s."""
    ring = Ring.open(path)
    deadline = time.monotonic() + 60
    torn = reads = 0
    while not torn and time.monotonic() < deadline:
        oldest = ring.head + 1
        pixels = np.array(ring._pixels((oldest - 1) % ring.slots))
        reads += 1
        torn += bool((pixels != pixels[0]).any())
    print(json.dumps({'torn': torn, 'reads': reads}), flush=True)


def write_packets(path, _):
    """Packets of changing size whose every byte is the low byte of their pts."""
    ring = PacketRing.open(path, writable=True)
    print('writing', flush=True)
    number = 0
    while True:
        number += 1
        size = 1000 + number * 7919 % 30000
        if ring.wanted:
            ring.begin(size).pixels[:] = number & 255
            ring.publish(Packet(0, number, number * 3, number % 10 == 0, size % 7, size))


def read_packets(path, reads):
    ring = PacketRing.open(path)
    counts = {'whole': 0, 'torn': 0, 'jumps_to_delta': 0, 'jumps': 0}
    index = 0
    deadline = time.monotonic() + 60
    while counts['whole'] < int(reads) and time.monotonic() < deadline:
        ring.renew_lease()
        got = ring.read_after(index)
        if got is None:
            continue
        packet, content = got
        jumped = index and packet.index != index + 1
        counts['jumps'] += bool(jumped)
        counts['jumps_to_delta'] += bool(jumped and not packet.key)
        whole = (packet.captured_ns == packet.pts_ns * 3 and packet.caps_generation == packet.size % 7
                 and content == bytes([packet.pts_ns & 255]) * packet.size)
        counts['whole' if whole else 'torn'] += 1
        index = packet.index
        if counts['whole'] % 50 == 0:
            time.sleep(0.002)  # be overtaken now and then
    print(json.dumps(counts), flush=True)


def write_counters(path, _):
    """Entries that leave the sum of two cells at 0, a thousand a second, and notes."""
    counters = Counters.open(path)
    page = counters.cameras['gate']
    print('writing', flush=True)
    while True:
        page.add_many(received=1, decoding=-1)
        page.info = {'numbers': [page.received] * 50}
        time.sleep(0.001)


if __name__ == '__main__':
    globals()[sys.argv[1]](*(sys.argv[2:] + [None])[:2])
