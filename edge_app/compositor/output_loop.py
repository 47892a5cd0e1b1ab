"""One output's picture, composed again and again at that output's rate."""
from edge_app.clock import now_ns as clock_ns
from edge_app.clock import wall_ns
from edge_app.compositor.alignment import camera_clock, common_moment, moment_of, skew
from edge_app.compositor.mosaic import Compositor
from edge_app.compositor.tiles import Style
from edge_app.frames import FrameMeta
from edge_app.stats.camera_state import LIVE

IDLE_S = 1.0
"""Without a viewer: one picture a second keeps the counters up to date."""
FIRST_S = 0.1
"""Until the first picture with all cameras in it, to know when that was; given up after FIRST_TRIES."""
FIRST_TRIES = 300
REDRAWS = 2


class Shown(object):
    """What one composed picture held: {camera name: (index, captured_ns)} of its tiles with a picture."""

    def __init__(self, frames, complete, handed, skew_ns=None, aligned=False, camera_clock=False):
        self.frames = frames
        self.complete = complete
        self.handed = handed
        """Whether an output took it."""
        self.skew_ns = skew_ns
        """How far apart the moments lie that its live tiles show, held pictures aside; None with fewer than two."""
        self.aligned = aligned
        """Whether that is within the tolerance of the output."""
        self.camera_clock = camera_clock
        """Whether the moments are the cameras' own times."""


class OutputLoop(object):
    """Composes the newest tiles into a picture for one FrameSink whenever one is due."""

    def __init__(self, feeds, sink, compositor, fps, overlay='live', align_ms=None, always=False,
                 style=Style(), uri='null:'):
        """`compositor` None: one camera alone, in a picture as large as the camera's, without a line of warning.

        `always`: also without a viewer. `uri`: address of the output it belongs to.
        """
        self.feeds = feeds
        self.sink = sink
        self.uri = uri
        self.always = always
        self._style = style
        self._compositor = compositor
        self._own_size = compositor is None
        self._fps = fps
        self._overlay = overlay
        self._offset_ns = None
        """Between the cameras' clock and ours, where all of them state the time."""
        self._align_ns = None if align_ms is None else align_ms * 1000000
        self._due_ns = 0
        self._composed = 0
        self._complete = False

    @property
    def tiles(self):
        """{camera name: [x, y, width, height]} of each tile; empty before the first picture."""
        tiles = self._compositor.tiles if self._compositor else ()
        return {feed.name: list(tile) for feed, tile in zip(self.feeds, tiles)}

    def due_now(self):
        """A viewer came or the cameras changed: the next picture is due at once."""
        self._due_ns = 0

    def due_ns(self):
        """When the next picture is due, None while none is wanted."""
        return self._due_ns if self.always or self.sink.wanted else None

    def show(self, now_ns, warning):
        """Compose one picture and hand it to the sink; returns what it held, as Shown."""
        early = not self._complete and self._composed < FIRST_TRIES
        period_ns = int(1e9 / self._fps if self.sink.wanted else (FIRST_S if early else IDLE_S) * 1e9)
        self._due_ns = max(self._due_ns + period_ns, now_ns + period_ns // 2)
        target_ns = self._common_moment()
        seen = [feed.tile_state(now_ns, self._overlay, target_ns, self._offset_ns) for feed in self.feeds]
        states, indexes = [state for state, _ in seen], [index for _, index in seen]
        compositor = self._compositor_for(states)
        pixels = compositor.compose(states, '' if self._own_size else warning)
        self._redraw_torn(compositor, states, indexes, now_ns)
        frames = {state.name: (index, state.captured_ns) for state, index in zip(states, indexes) if index}
        complete = len(frames) == len(states)
        self._composed += 1
        self._complete = self._complete or complete
        newest_ns = max([captured_ns for _, captured_ns in frames.values()] or [now_ns])
        meta = FrameMeta(self._composed, newest_ns, compositor.size[0], compositor.size[1])
        handed = self.sink.wanted and self.sink.put(meta, pixels)
        skew_ns = skew([state.moment_ns for state, index in zip(states, indexes)
                        if index and state.state == LIVE and not state.held])
        aligned = skew_ns is not None and self._align_ns is not None and skew_ns <= self._align_ns
        return Shown(frames, complete, handed, skew_ns, aligned, self._offset_ns is not None)

    def _common_moment(self):
        """The moment all tiles are to show, None when the newest frames lie close enough together as they are."""
        metas = [newest[1] for newest in (feed.newest() for feed in self.feeds) if newest]
        self._offset_ns = camera_clock(metas, wall_ns() - clock_ns())
        if self._align_ns is None:
            return None
        moments = [moment_of(meta, self._offset_ns) for meta in metas]
        common_ns = common_moment(moments)
        return common_ns if moments and max(moments) - common_ns > self._align_ns else None

    def _compositor_for(self, states):
        if self._own_size and (self._compositor is None or self._compositor.size != states[0].size):
            self._compositor = Compositor(states[0].size, self._style)
        return self._compositor

    def _redraw_torn(self, compositor, states, indexes, now_ns):
        """Draw a tile again whose frame was overwritten meanwhile, with the newest frame: it will last longest."""
        for position, feed in enumerate(self.feeds):
            for _ in range(REDRAWS):
                if not indexes[position] or feed.intact(indexes[position]):
                    break
                states[position], indexes[position] = feed.tile_state(now_ns, offset_ns=self._offset_ns)
                compositor.draw(position, states[position])

    def close(self):
        self.sink.close()
