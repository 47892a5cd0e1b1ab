"""The outcome of every access unit of a camera on its way through the decoder to the ring.

    receive -> pending -> decode -> decoded -> deliver -> held -> finish(captured | stale_capture | ...)
                 |          |         |
            undecodable  corrupt  stale_capture             close(): whatever is left is resync

Pure logic: no GStreamer, no clock of its own. Units are recognised by their presentation time, the only thing a decoder
passes on. Pictures leave it in presentation order, so a picture decides the outcome of all earlier units still pending:
they will give none. Where times repeat, are missing or jump, the order of arrival decides.

Damage lasts until the next intact key frame, because every picture in between is predicted from a wrong one. Damaged
pictures go no further than the decoder (`corrupt`), so nothing behind it has to know.
"""
import collections
import threading
from typing import NamedTuple

from edge_app.stats.accounting import BEFORE_RING

REORDER = 32
"""Units a decoder may hold before it gives a picture; H.264 and H.265 allow 16 frames, 32 fields."""

WAITING = 4
"""Most pictures that wait for the reader: a burst is taken whole, though the decoder may be faster than the reader."""
QUEUED = WAITING + 3
"""Most pictures between decoder and reader: one being scaled, those waiting, one being taken, one spare."""

OUTCOMES = ('captured',) + tuple(BEFORE_RING.values())
COUNTS = ('received', 'decoded') + OUTCOMES


class AccessUnit(NamedTuple):
    """One access unit as it left the depayloader."""

    sequence: int
    captured_ns: int
    pts: int
    """Presentation time in nanoseconds, -1 when the stream gave none."""
    damaged: bool


class OutcomeCounts:
    """Totals over all sessions of one camera; `received` is the sum of OUTCOMES and of the units in flight."""

    def __init__(self, sequence=0):
        self.counts = dict.fromkeys(COUNTS, 0)
        self.sequence = sequence
        """Number of the last unit received."""


class DecoderDelay:
    """How long a decoder keeps pictures back until newer ones come: the median of its latest pictures.

    No fault of this machine's load, so no frame is stale for it.
    """

    def __init__(self, pictures=15):
        self._latest = collections.deque(maxlen=pictures)

    def picture(self, delay_ns):
        """A picture came out; the newest unit the decoder has arrived `delay_ns` after that of the picture."""
        self._latest.append(delay_ns)

    @property
    def ns(self):
        """The delay in nanoseconds; 0 before the first picture."""
        return sorted(self._latest)[len(self._latest) // 2] if self._latest else 0


class FrameAccounting:
    """The units of one session. `deliver`, `finish`, `close` and `snapshot` are called by the reader."""

    def __init__(self, totals):
        self._totals = totals
        self._lock = threading.Lock()
        self._pending = collections.OrderedDict()
        self._decoded = collections.deque()
        self._held = None
        self._damaged = False
        self._closed = False
        self.damaged_ns = 0
        """When the newest damaged unit arrived; 0 before there was one."""
        self.no_picture_expected = 0
        """Units that arrived and will give no picture, because they are damaged or the decoder is not given them."""
        self.decoder_delay = DecoderDelay()
        self.decimating = False
        """The decoder drops pictures because it was told to: their units are stale, not undecodable."""

    def receive(self, pts, now_ns, key=True, gap=False):
        """A unit left the depayloader. `gap`: packets before or in it are lost, damage until an intact key frame."""
        with self._lock:
            if self._closed:
                return None
            self._damaged = gap or (self._damaged and not key)
            self._totals.sequence += 1
            unit = AccessUnit(self._totals.sequence, now_ns, pts, self._damaged)
            self._totals.counts['received'] += 1
            self._pending[unit.sequence] = unit
            if unit.damaged:
                self._withhold(unit)
            return unit

    def _withhold(self, unit):
        self.damaged_ns = max(self.damaged_ns, unit.captured_ns)
        self.no_picture_expected += 1

    def mark_damaged(self):
        """The decoder reports damage: the units it has are damaged, and all others up to the next key frame."""
        with self._lock:
            self._damaged = True
            for unit in [unit for unit in self._pending.values() if not unit.damaged]:
                self._pending[unit.sequence] = unit._replace(damaged=True)
                self._withhold(unit)

    def skip(self, pts, outcome):
        """A unit the decoder is not given: before the first key frame (resync) or too old (stale_capture)."""
        with self._lock:
            unit = self._pick(pts)
            if unit is not None:
                del self._pending[unit.sequence]
                self._totals.counts[outcome] += 1
                self.no_picture_expected += outcome == 'stale_capture'

    def decode(self, pts):
        """A picture left the decoder: its unit goes on, earlier ones without a picture are undecodable (or decimated).

        False when it is damaged and must not be shown: its outcome is corrupt.
        """
        with self._lock:
            unit = self._pick(pts)
            if unit is None:
                return True
            del self._pending[unit.sequence]
            self._totals.counts['decoded'] += 1
            newest = next(reversed(self._pending.values()), unit)
            self.decoder_delay.picture(max(0, newest.captured_ns - unit.captured_ns))
            if unit.damaged:
                self._totals.counts['corrupt'] += 1
            else:
                self._decoded.append((pts, unit))
            # For these the decoder can no longer give a picture.
            earlier = unit.pts - self._time_slack()
            for other in [other for other in self._pending.values()
                          if other.sequence < unit.sequence - REORDER or 0 <= other.pts < earlier]:
                del self._pending[other.sequence]
                self._totals.counts['stale_capture' if self.decimating else 'undecodable'] += 1
            return not unit.damaged

    def _time_slack(self):
        """A jitter buffer moves the times of reordered units by up to a frame: no matter unless many are held."""
        times = [other.pts for other in self._pending.values() if other.pts >= 0]
        return (max(times) - min(times)) * 3 // (2 * len(times)) if len(times) > QUEUED else 0

    def _pick(self, pts):
        """The pending unit of a picture: the first with its time, else the last before it, else the first of all.

        Linear in what the decoder holds, a handful.
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
        """A picture reached the reader: its AccessUnit, held until `finish`; those it overtook in the queue are stale.

        None when no picture is known: it belongs to a session that has ended.
        """
        with self._lock:
            if not self._decoded:
                return None
            times = [decoded_pts for decoded_pts, _ in self._decoded]
            overtaken = times.index(pts) if pts in times and pts >= 0 else len(times) - QUEUED
            for _ in range(overtaken):
                self._decoded.popleft()
                self._totals.counts['stale_capture'] += 1
            self._held = self._decoded.popleft()[1]
            return self._held

    def finish(self, outcome):
        """Count the outcome (one of OUTCOMES) of the unit `deliver` gave."""
        with self._lock:
            self._held = None
            self._totals.counts[outcome] += 1

    def close(self):
        """The session is over: units in flight are lost to a resync, and later calls change nothing."""
        with self._lock:
            self._closed = True
            self._totals.counts['resync'] += self._in_flight()
            self._pending.clear()
            self._decoded.clear()
            self._held = None

    @property
    def last_received(self):
        """Sequence number of the unit received last."""
        return self._totals.sequence

    @property
    def in_decoder(self):
        """Units the decoder has not made a picture of."""
        return len(self._pending)

    def _in_flight(self):
        return len(self._pending) + len(self._decoded) + (self._held is not None)

    def snapshot(self):
        """({count: total}, units in flight) of one moment: received = sum of OUTCOMES + units in flight."""
        with self._lock:
            return dict(self._totals.counts), self._in_flight()
