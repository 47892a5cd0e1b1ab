"""The packet ring: a camera's newest encoded access units in shared memory, kept only while a reader holds a lease.

Packets lie one behind the other in a circular buffer, at positions that only rise. Before the writer touches a byte it
moves `reserved` past what it will write, so a packet is whole as long as `reserved` is not more than one round beyond
its start and its table entry still carries its index.
"""
import array
import ctypes
import os
from typing import NamedTuple, Optional, Tuple, Union

from edge_app.clock import now_ns
from edge_app.errors import RingError
from edge_app.transport.ring import Slot
from edge_app.transport.shared_file import OWN, PAGE, SharedFile, barrier, pages

KIND = 'packets'
VERSION = 1
CAPS_KEPT = 8
CAPS_BYTES = 4096

_HEAD, _RESERVED, _FLOOR, _CAPS = OWN, OWN + 1, OWN + 2, OWN + 3
_LEASE = 64
"""When the lease ends, the one word that readers write; on a cache line of its own."""
_CAPS_START = PAGE
_ENTRIES_START = _CAPS_START + CAPS_KEPT * CAPS_BYTES
_ENTRY_WORDS = 8


def packets_path(run_dir: str, camera: str) -> str:
    """Where the packet ring of a camera lies."""
    return os.path.join(run_dir, camera + '.packets')


def with_parameter_sets(caps: str, sets: bytes) -> str:
    """Caps that tell a stream's parameter sets (Annex B), for `PacketRing.set_caps`."""
    return '%s, parameter-sets=(string)%s' % (caps, sets.hex())


class Packet(NamedTuple):
    """One access unit without its bytes."""

    index: int
    """Number in this ring, from 1; `write` assigns it. A gap tells a reader that packets are missing."""
    pts_ns: int
    captured_ns: int
    """CLOCK_MONOTONIC at arrival."""
    key: bool
    """Decoding can start here."""
    caps_generation: int
    """The `caps` that describe it."""
    size: int
    """Bytes."""


class PacketRing:
    """At most `entries` packets and `capacity` bytes, for one writer and any number of readers."""

    def __init__(self, shared: SharedFile) -> None:
        self._shared = shared
        self.path = shared.path
        self.entries, self.capacity, start, _ = shared.facts
        self._words = shared.words
        self._start = start
        self._bytes = shared.bytes[start:start + self.capacity]
        self._begun = None

    @classmethod
    def create(cls, path: str, bytes_: int, entries: int = 1024) -> 'PacketRing':
        """A new ring; RingError naming what is needed and free when memory is short."""
        start = _ENTRIES_START + pages(entries * _ENTRY_WORDS * 8)
        return cls(SharedFile.create(path, KIND, VERSION, start + bytes_, (entries, bytes_, start)))

    @classmethod
    def open(cls, path: str, writable: bool = False) -> 'PacketRing':
        """The ring at `path`; a writer starts with a discontinuity, because earlier packets are not of its stream.

        Mapped writable for readers too: they renew the lease.
        """
        ring = cls(SharedFile.open(path, KIND, VERSION, writable=True))
        if writable:
            ring.mark_discontinuity()
        return ring

    # -- the writer -------------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Whether a reader holds a lease; checked before each packet, because a gap is a discontinuity."""
        wanted = self._words[_LEASE] > now_ns()
        if not wanted:
            self.mark_discontinuity()
        return wanted

    def mark_discontinuity(self) -> None:
        """The stream breaks here: earlier packets are not read any more, readers go on at the next key frame."""
        self._shared.claim()
        hole = self.head + 1
        if hole in (1, self._words[_FLOOR]):  # there is nothing before it
            return
        self._words[self._entry(hole)] = 0
        self._words[_FLOOR] = hole + 1
        barrier()
        self._words[_HEAD] = hole

    def set_caps(self, text: str) -> int:
        """Describe the packets that follow (``video/x-h264,stream-format=byte-stream,...``); returns the generation."""
        generation = self._words[_CAPS]
        if generation and self.caps(generation) == text:
            return generation
        encoded = text.encode()
        if len(encoded) > CAPS_BYTES - 8:
            raise RingError('%s: caps of %d bytes, %d fit' % (self.path, len(encoded), CAPS_BYTES - 8))
        start = self._caps_place(generation + 1)
        self._words[start // 8] = len(encoded)
        self._shared.bytes[start + 8:start + 8 + len(encoded)] = encoded
        barrier()
        self._words[_CAPS] = generation + 1
        return generation + 1

    def begin(self, size: int) -> Optional[Slot]:
        """Slot of `size` bytes to fill; None, and a discontinuity, when that is more than the whole ring."""
        if size > self.capacity:
            self.mark_discontinuity()
            return None
        self._shared.claim()
        begin = self._words[_RESERVED]
        place = begin % self.capacity
        if place + size > self.capacity:  # a packet is never split: leave the rest of this round empty
            begin, place = begin + self.capacity - place, 0
        self._words[_RESERVED] = begin + size
        barrier()
        self._begun = begin
        start = self._start + place
        return Slot(self._shared.address() + start, lambda: self._shared.octets[start:start + size])

    def publish(self, packet: Packet) -> int:
        """Complete the packet begun; assigns and returns its index."""
        if self._begun is None:
            raise RuntimeError('%s: publish without begin' % self.path)
        index = self._words[_HEAD] + 1
        entry = self._entry(index)
        self._words[entry] = 0
        barrier()
        values = (self._begun, packet.pts_ns, packet.captured_ns, packet.key, packet.caps_generation, packet.size)
        self._words[entry + 1:entry + 7] = array.array('q', [int(value) for value in values])
        barrier()
        self._words[entry] = index
        barrier()
        self._words[_HEAD] = index
        self._begun = None
        return index

    def write(self, packet: Packet, source: Union[bytes, int], size: Optional[int] = None) -> Optional[int]:
        """Copy one packet from `source`, bytes or a memory address; its index, None when larger than the ring."""
        size = packet.size if size is None else size
        slot = self.begin(size)
        if slot is None:
            return None
        if isinstance(source, int):
            ctypes.memmove(slot.address, source, size)
        else:
            place = slot.address - self._shared.address()
            self._shared.bytes[place:place + size] = memoryview(source).cast('B')[:size]
        return self.publish(packet._replace(size=size))

    # -- readers ----------------------------------------------------------------------------------------------------

    def renew_lease(self, seconds: float = 3.0) -> None:
        """Request packets for so long; renew it before it ends. The first one comes with the next key frame."""
        self._words[_LEASE] = max(self._words[_LEASE], now_ns() + int(seconds * 1e9))

    @property
    def head(self) -> int:
        """Index of the newest packet, 0 when there was none."""
        return self._words[_HEAD]

    def read_after(self, index: int) -> Optional[Tuple[Packet, bytes]]:
        """(Packet, bytes) of the next packet after `index`, None while there is none.

        After a discontinuity, or when the writer has overtaken this reader, the next key frame still held.
        """
        found = self._read(index + 1) if index < self.head else None
        if found is not None:
            return found
        for later in range(max(index + 2, self._oldest()), self.head + 1):
            packet = self.packet(later)
            found = self._read(later) if packet is not None and packet.key else None
            if found is not None:
                return found
        return None

    def packet(self, index: int) -> Optional[Packet]:
        """The Packet at `index`, None when it is gone or was never there."""
        entry = self._entry(index)
        if index < self._words[_FLOOR] or self._words[entry] != index:
            return None
        barrier()
        begin, pts_ns, captured_ns, key, generation, size = self._words[entry + 1:entry + 7].tolist()
        barrier()
        if self._words[entry] != index or self._words[_RESERVED] > begin + self.capacity:
            return None
        return Packet(index, pts_ns, captured_ns, bool(key), generation, size)

    def newest_key(self) -> Optional[int]:
        """Index of the newest packet decoding can start at, or None."""
        for index in range(self.head, self._oldest() - 1, -1):
            packet = self.packet(index)
            if packet is not None and packet.key:
                return index
        return None

    def caps(self, generation: int) -> Optional[str]:
        """The text given to `set_caps`; None when so many followed that it is gone."""
        start = self._caps_place(generation)
        text = self._shared.bytes[start + 8:start + 8 + self._words[start // 8]].tobytes()
        barrier()
        newest = self._words[_CAPS]
        return text.decode() if max(0, newest - CAPS_KEPT + 1) < generation <= newest else None

    @property
    def parameter_sets(self) -> bytes:
        """The newest stream's parameter sets, Annex B; empty while they are not known."""
        text = self.caps(self._words[_CAPS]) or ''
        return bytes.fromhex(text.partition('parameter-sets=(string)')[2])

    def close(self) -> None:
        """Unmap the memory."""
        self._bytes.release()
        self._shared.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _oldest(self):
        return max(1, self._words[_FLOOR], self.head - self.entries + 1)

    def _read(self, index):
        packet = self.packet(index)
        if packet is None:
            return None
        place = self._words[self._entry(index) + 1] % self.capacity
        content = self._bytes[place:place + packet.size].tobytes()
        barrier()
        return (packet, content) if self.packet(index) == packet else None

    def _entry(self, index):
        return _ENTRIES_START // 8 + index % self.entries * _ENTRY_WORDS

    @staticmethod
    def _caps_place(generation):
        return _CAPS_START + generation % CAPS_KEPT * CAPS_BYTES
