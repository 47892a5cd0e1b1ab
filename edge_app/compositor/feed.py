"""What one camera has at this moment, read from its ring, its page of the books and the results that came for it."""
import contextlib
import os
from collections import deque

from edge_app.compositor import tile_state as views
from edge_app.compositor.alignment import moment_of
from edge_app.compositor.tile_state import TileState
from edge_app.errors import RingError
from edge_app.frames import DAMAGED, I420
from edge_app.transport.ring import Ring

BOXES_CARRIED_NS = int(1.5e9)
"""Boxes older than the picture by more are not drawn: what they marked has moved on.

Newer ones replace them at once, so it matters where results are late or end. Shorter than an inference takes and the next is
away, about a second at two results a second, and boxes blink, which reads as detections that come and go.
"""

EXACT_WAIT_NS = int(1.5e9)
"""With the exact overlay, a newest result older than this gives way to the newest frame without boxes."""

WORDS_EVERY_NS = int(0.5e9)
"""Rates, ages and reasons on the screen change this often at most: faster cannot be read."""


class TileFeed(object):
    """One camera, ready to be looked at."""

    def __init__(self, run_dir, name, size, page, states, engine_enabled=True, no_signal_s=views.SILENCE_S,
                 carried_ns=BOXES_CARRIED_NS):
        """`page` is the camera's page of the books, `states` the names its `state` counts through."""
        self.name = name
        self._path = os.path.join(run_dir, name + '.frames')
        self._page = page
        self._states = states
        self._engine_enabled = engine_enabled
        self._no_signal_s = no_signal_s
        self.carried_ns = carried_ns
        self._size = size
        self._results = deque(maxlen=32)
        self._ring = None
        self._inode = None
        self._words_ns = None
        self._begun_ns = None
        self._offset_ns = None
        self._held = False
        """Newer pictures than the newest in the ring have come and are damaged."""

    def is_of(self, page):
        """Whether `page` is still the one it reads: a camera that came anew under the same name has another."""
        return page is self._page

    def add(self, result):
        """Take in the engine's Result for one of this camera's frames."""
        if not self._results or result.meta.sequence > self._results[-1].meta.sequence:
            self._results.append(result)
        elif result.meta.captured_ns > self._results[-1].meta.captured_ns:   # the camera's process began anew
            self._results.clear()
            self._results.append(result)

    def share_of(self, size):
        """Pixels of this camera's pictures in relation to a picture of `size`."""
        return self._size[0] * self._size[1] / float(size[0] * size[1])

    def newest(self):
        """FrameMeta of the newest frame, None when there is none."""
        newest = self._newest()
        return newest[1] if newest else None

    def _newest(self):
        if self._ring is None:
            self._reopen()
        return self._ring.newest() if self._ring else None

    def look(self, now_ns, overlay='live', target_ns=None, offset_ns=None):
        """(View, index of its frame in the ring or 0).

        `target_ns`: take the frame that shows the moment nearest to that one, by the clock of `offset_ns` (see
        `alignment`); None: the newest there is. The View's pixels are the ring's own memory: ask `intact(index)` when
        done with them.
        """
        self._offset_ns = offset_ns
        self._refresh(now_ns)
        newest = self._newest()
        age_s = (now_ns - self._last_sign_ns(newest[1])) / 1e9 if newest else None
        state = views.state_of(self._state, age_s, self._source_fps, self._no_signal_s)
        if state != views.LIVE or newest[1].format != I420:
            return self._away(state, now_ns, newest), 0
        index, result = self._choose(newest, now_ns, overlay, target_ns)
        return self._live(index, result, now_ns) if index else (self._away(views.STARTING, now_ns, None), 0)

    def _last_sign_ns(self, newest):
        """When the camera last gave anything. Damaged pictures stay out of the ring: meanwhile the last good one is held."""
        damaged_ns = self._page.get('last_damaged_ns')
        self._held = damaged_ns > newest.captured_ns
        return max(damaged_ns, newest.captured_ns)

    def intact(self, index):
        """Whether the picture of frame `index` was whole until now."""
        return index == 0 or self._ring.intact(index)

    # -- which frame, which boxes -----------------------------------------------------------------------------------

    def _choose(self, newest, now_ns, overlay, target_ns):
        """(index, result or None): with the exact overlay the frame of a result, else the frame for the moment."""
        if overlay == 'exact':
            for result in self._by_distance(target_ns):
                index = self._index_of(result.meta) if now_ns - result.meta.captured_ns < EXACT_WAIT_NS else 0
                if index:
                    return index, result
            return newest[0], None
        index = newest[0] if target_ns is None else self._nearest(target_ns) or newest[0]
        return index, self._results[-1] if self._results else None

    def _by_distance(self, target_ns):
        if target_ns is None:
            return list(self._results)[::-1]
        return sorted(self._results, key=lambda result: abs(moment_of(result.meta, self._offset_ns) - target_ns))

    def _backwards(self):
        """(index, FrameMeta) of the frames still there, newest first."""
        for index in reversed(self._ring.indexes()):
            meta = self._ring.meta(index)
            if meta is not None:
                yield index, meta

    def _index_of(self, wanted):
        for index, meta in self._backwards():
            if meta.captured_ns <= wanted.captured_ns:
                return index if meta == wanted else 0
        return 0

    def _nearest(self, target_ns):
        best, distance = 0, None
        for index, meta in self._backwards():
            away = abs(moment_of(meta, self._offset_ns) - target_ns)
            if distance is not None and away >= distance:
                break
            best, distance = index, away
        return best

    # -- the view ---------------------------------------------------------------------------------------------------

    def _live(self, index, result, now_ns):
        seen = self._ring.peek(index)
        if seen is None:
            return self._away(views.STARTING, now_ns, None), 0
        meta, pixels = seen
        if result is not None and abs(meta.captured_ns - result.meta.captured_ns) > self.carried_ns:
            result = None
        self._size = meta.size
        return self._view(
            state=views.LIVE, age_s=self._steady_age((now_ns - meta.captured_ns) / 1e9), size=meta.size, pixels=pixels,
            damaged=self._held or bool(meta.flags & DAMAGED), captured_ns=meta.captured_ns,
            moment_ns=moment_of(meta, self._offset_ns),
            detections=_boxes_on(result, meta)), index

    def _view(self, **facts):
        return TileState(name=self.name, source_fps=self._source_fps, inference_fps=self._inference_fps, **facts)

    def _away(self, state, now_ns, newest):
        since = newest[1].captured_ns if newest and state == views.NO_SIGNAL else self._since_ns or self._begun_ns
        return self._view(state=state, age_s=(now_ns - since) / 1e9, size=self._size, reason=self._reason)

    def _steady_age(self, age_s):
        """The age as it was when the words were last renewed, so that it does not flicker."""
        if self._age_s is None:
            self._age_s = age_s
        return self._age_s

    def _refresh(self, now_ns):
        """Read the ring's whereabouts and the words anew, at most every WORDS_EVERY_NS."""
        if self._words_ns is not None and 0 <= now_ns - self._words_ns < WORDS_EVERY_NS:
            return
        self._words_ns = now_ns
        self._begun_ns = self._begun_ns or now_ns
        self._reopen()
        page = self._page
        self._state = self._states[min(page.get('state'), len(self._states) - 1)]
        self._since_ns = page.get('state_since_ns')
        self._source_fps = page.get('source_fps_milli') / 1000.0
        self._inference_fps = self._attained(now_ns) if self._engine_enabled else None
        self._reason = str((page.info or {}).get('reason') or '')
        self._age_s = None

    def _attained(self, now_ns):
        """Pictures inferred per second; 0 when the engine has been still for a while, whatever it last wrote."""
        recent = now_ns - self._page.get('last_inferred_ns') < 3e9
        return self._page.get('attained_fps_milli') / 1000.0 if recent else 0.0

    def _reopen(self):
        """Open the ring when it appears and again when another file has taken its place."""
        with contextlib.suppress(RingError, FileNotFoundError):
            inode = os.stat(self._path).st_ino
            if inode != self._inode:
                ring, old = Ring.open(self._path), self._ring
                self._ring, self._inode = ring, inode
                if old:
                    old.close()

    def close(self):
        if self._ring:
            self._ring.close()
            self._ring = None


def _boxes_on(result, meta):
    """The result's Detections in pixels of the frame shown, whose size may have changed since."""
    if result is None:
        return None
    if result.meta.size == meta.size:
        return result.detections
    return result.detections.scaled(meta.width / float(result.meta.width), meta.height / float(result.meta.height))
