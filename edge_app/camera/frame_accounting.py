"""A camera's books: what became of every access unit on its way through the decoder to the ring.

    arrive -> pending -> decode -> decoded -> deliver -> held -> settle(captured | stale_capture | ...)
                 |          |         |
            undecodable  corrupt  stale_capture             end(): whatever is left is resync

Pure logic: no GStreamer, no clock of its own. Units are recognised by their presentation time, the one thing a decoder
hands on. It hands pictures out in presentation order, so a picture says the fate of every earlier unit still pending:
there will be none of it. Where times repeat, are missing or jump, the order of arrival decides.

Damage lasts until the next whole key frame: every picture between is made of differences to a wrong one. None of them
goes any further than the decoder (`corrupt`), so nobody behind it has to know.
"""
import collections
import threading
from typing import NamedTuple

REORDER = 32
"""Units a decoder may hold back before it hands one out; H.264 and H.265 allow 16 frames, 32 fields."""

QUEUED = 4
"""Pictures that can be between decoder and reader: one being scaled, one waiting, one being taken, one to spare."""

FATES = ('captured', 'undecodable', 'corrupt', 'stale_capture', 'resync')
COUNTS = ('received', 'decoded') + FATES


class AccessUnit(NamedTuple):
    """One access unit as it left the depayloader."""

    sequence: int
    captured_ns: int
    pts: int
    """Presentation time in nanoseconds, -1 when the stream gave none."""
    damaged: bool


class OutcomeCounts:
    """Totals over all sessions of one camera; `received` equals the sum of FATES and what is still on its way."""

    def __init__(self, sequence=0):
        self.counts = dict.fromkeys(COUNTS, 0)
        self.sequence = sequence
        """Number of the last unit received; the next is one more."""


class FrameAccounting:
    """The units of one session. `arrive` and `decode` are called by streaming threads, the rest by the reader."""

    def __init__(self, tally):
        self._tally = tally
        self._lock = threading.Lock()
        self._pending = collections.OrderedDict()
        self._decoded = collections.deque()
        self._held = None
        self._damaged = False
        self._ended = False
        self.damaged_ns = 0
        """When the newest damaged unit arrived; 0 before there was one."""
        self.withheld = 0
        """Units that came and will give nothing to show, because they are damaged or the decoder is spared them."""
        self.thinned = False
        """The decoder leaves pictures out because it was told to: its units are stale, not undecodable."""

    def arrive(self, pts, now_ns, key=True, gap=False):
        """A unit left the depayloader. `gap`: packets before or in it are lost: damaged until a whole key frame."""
        with self._lock:
            if self._ended:
                return None
            self._damaged = gap or (self._damaged and not key)
            self._tally.sequence += 1
            unit = AccessUnit(self._tally.sequence, now_ns, pts, self._damaged)
            self._tally.counts['received'] += 1
            self._pending[unit.sequence] = unit
            if unit.damaged:
                self._withhold(unit)
            return unit

    def _withhold(self, unit):
        self.damaged_ns = max(self.damaged_ns, unit.captured_ns)
        self.withheld += 1

    def doubt(self):
        """The decoder complains of a unit it was given: no picture of those it has is trusted, nor any up to a key frame."""
        with self._lock:
            self._damaged = True
            for unit in [unit for unit in self._pending.values() if not unit.damaged]:
                self._pending[unit.sequence] = unit._replace(damaged=True)
                self._withhold(unit)

    def skip(self, pts, fate):
        """A unit no decoder is given: before the first key frame (resync), or too old already (stale_capture)."""
        with self._lock:
            unit = self._pick(pts)
            if unit is not None:
                del self._pending[unit.sequence]
                self._tally.counts[fate] += 1
                self.withheld += fate == 'stale_capture'

    def decode(self, pts):
        """A picture left the decoder: its unit goes on, earlier ones without a picture are undecodable (or thinned).

        False when it is damaged and must not be shown: it is booked as corrupt then and goes no further.
        """
        with self._lock:
            unit = self._pick(pts)
            if unit is None:
                return True
            del self._pending[unit.sequence]
            self._tally.counts['decoded'] += 1
            if unit.damaged:
                self._tally.counts['corrupt'] += 1
            else:
                self._decoded.append((pts, unit))
            for other in [other for other in self._pending.values() if _passed_over(other, unit)]:
                del self._pending[other.sequence]
                self._tally.counts['stale_capture' if self.thinned else 'undecodable'] += 1
            return not unit.damaged

    def _pick(self, pts):
        """The pending unit this picture was: the first of this time, else the last before it, else the first of all.

        Linear in what the decoder holds, which is a handful.
        """
        first = earlier = None
        for unit in self._pending.values():
            if unit.pts == pts and pts >= 0:
                return unit
            first = first or unit
            if 0 <= unit.pts < pts and (earlier is None or unit.pts > earlier.pts):
                earlier = unit
        return earlier or first

    def deliver(self, pts):
        """A picture reached the reader: its Unit, held until `settle`; those it overtook in the queue are stale.

        None when the books know of no picture: it belongs to a session that has ended.
        """
        with self._lock:
            if not self._decoded:
                return None
            times = [decoded_pts for decoded_pts, _ in self._decoded]
            overtaken = times.index(pts) if pts in times and pts >= 0 else len(times) - QUEUED
            for _ in range(overtaken):
                self._decoded.popleft()
                self._tally.counts['stale_capture'] += 1
            self._held = self._decoded.popleft()[1]
            return self._held

    def settle(self, fate):
        """Say what became of the unit `deliver` gave: one of FATES."""
        with self._lock:
            self._held = None
            self._tally.counts[fate] += 1

    def end(self):
        """The session is over: what is still on its way is lost to a resync, and later calls change nothing."""
        with self._lock:
            self._ended = True
            self._tally.counts['resync'] += self._on_its_way()
            self._pending.clear()
            self._decoded.clear()
            self._held = None

    def _on_its_way(self):
        return len(self._pending) + len(self._decoded) + (self._held is not None)

    def snapshot(self):
        """({count: total}, units on their way), taken at one moment: received = sum of fates + on their way."""
        with self._lock:
            return dict(self._tally.counts), self._on_its_way()


def _passed_over(unit, shown):
    """Whether the decoder can no longer give a picture for `unit` once it has given that of `shown`."""
    if unit.sequence < shown.sequence - REORDER:
        return True
    return 0 <= unit.pts < shown.pts
