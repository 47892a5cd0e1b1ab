"""Which frame of a camera its tile shows, and which detections on it."""
from collections import deque

from edge_app.compositor.alignment import moment_of
from edge_app.compositor.tile_state import TileState
from edge_app.frames import DAMAGED, I420
from edge_app.stats.camera_state import (BOXES_CARRIED_NS, EXACT_WAIT_NS, FROZEN, LIVE, NO_SIGNAL, SHOWN, STARTING,
                                         analysed_fps, camera_state, reason, source_fps)
from edge_app.transport.camera_feed import CameraFeed

TEXT_EVERY_NS = int(0.5e9)
"""Rates, ages and reasons on the screen change this often at most: faster cannot be read."""


class TileFeed(CameraFeed):
    """A CameraFeed that makes the TileState of any moment."""

    def __init__(self, run_dir, name, size, page, engine_enabled=True, carried_ns=BOXES_CARRIED_NS):
        """`size`: expected width and height of the pictures; `carried_ns`: how much older the boxes may be."""
        CameraFeed.__init__(self, run_dir, name, page)
        self.carried_ns = carried_ns
        self._engine_enabled = engine_enabled
        self._size = size
        self._results = deque(maxlen=32)
        self._text_ns = None
        self._first_look_ns = None
        self._offset_ns = None
        self._held = False
        """Newer pictures than the newest in the ring have come and are damaged."""

    def add(self, result):
        """Take in the engine's Result for one of this camera's frames."""
        if not self._results or result.meta.sequence > self._results[-1].meta.sequence:
            self._results.append(result)
        elif result.meta.captured_ns > self._results[-1].meta.captured_ns:   # the camera's process has restarted
            self._results.clear()
            self._results.append(result)

    def share_of(self, size):
        """Pixels of this camera's pictures in relation to a picture of `size`."""
        return self._size[0] * self._size[1] / float(size[0] * size[1])

    def tile_state(self, now_ns, overlay='live', target_ns=None, offset_ns=None):
        """(TileState, index of its frame in the ring or 0).

        `target_ns`: take the frame that shows the moment nearest to that one, by the clock of `offset_ns` (see
        `alignment`); None: the newest there is. The pixels are the ring's own memory: check `intact(index)` after use.
        """
        self._offset_ns = offset_ns
        self._refresh_text(now_ns)
        newest = self.newest()
        state = camera_state(self.page, now_ns)
        if state not in SHOWN or newest is None or newest[1].format != I420:
            return self._without_picture(state if newest or state != LIVE else STARTING, now_ns, newest), 0
        # Damaged pictures stay out of the ring: the last good one is held.
        self._held = self.page.get('last_damaged_ns') > newest[1].captured_ns
        return self._with_picture(state, now_ns, *self._choose(newest, now_ns, overlay, target_ns))

    # -- which frame, which boxes -----------------------------------------------------------------------------------

    def _choose(self, newest, now_ns, overlay, target_ns):
        """(index, Result or None): with the exact overlay the frame of a result, else the frame for the moment."""
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

    def _index_of(self, wanted):
        for index, meta in self.newest_first():
            if meta.captured_ns <= wanted.captured_ns:
                return index if meta == wanted else 0
        return 0

    def _nearest(self, target_ns):
        best, distance = 0, None
        for index, meta in self.newest_first():
            away = abs(moment_of(meta, self._offset_ns) - target_ns)
            if distance is not None and away >= distance:
                break
            best, distance = index, away
        return best

    # -- the state --------------------------------------------------------------------------------------------------

    def _with_picture(self, state, now_ns, index, result):
        seen = self.peek(index)
        if seen is None:
            return self._without_picture(STARTING, now_ns, None), 0
        meta, pixels = seen
        if result is not None and abs(meta.captured_ns - result.meta.captured_ns) > self.carried_ns:
            result = None
        self._size = meta.size
        if self._age_s is None:     # kept until the text is renewed, so that it does not flicker
            since_ns = self.page.get('unchanged_since_ns') if state == FROZEN else meta.captured_ns
            self._age_s = (now_ns - since_ns) / 1e9
        return self._state(
            state=state, age_s=self._age_s, pixels=pixels, held=self._held or bool(meta.flags & DAMAGED),
            captured_ns=meta.captured_ns, moment_ns=moment_of(meta, self._offset_ns),
            detections=_boxes_on(result, meta)), index

    def _without_picture(self, state, now_ns, newest):
        if newest and state == NO_SIGNAL:
            since_ns = newest[1].captured_ns
        else:
            since_ns = self.page.get('state_since_ns') or self._first_look_ns
        return self._state(state=state, age_s=(now_ns - since_ns) / 1e9, reason=reason(self.page, state))

    def _state(self, **facts):
        return TileState(name=self.name, size=self._size, source_fps=self._source_fps,
                         inference_fps=self._inference_fps, **facts)

    def _refresh_text(self, now_ns):
        """Find a replaced ring and renew what is written on the tile, at most every TEXT_EVERY_NS."""
        if self._text_ns is not None and 0 <= now_ns - self._text_ns < TEXT_EVERY_NS:
            return
        self._text_ns = now_ns
        self._first_look_ns = self._first_look_ns or now_ns
        self.reopen()
        self._source_fps = source_fps(self.page)
        self._inference_fps = analysed_fps(self.page, now_ns) if self._engine_enabled else None
        self._age_s = None


def _boxes_on(result, meta):
    """The result's Detections in pixels of the frame shown, whose size may have changed since."""
    if result is None:
        return None
    if result.meta.size == meta.size:
        return result.detections
    return result.detections.scaled(meta.width / float(result.meta.width), meta.height / float(result.meta.height))
