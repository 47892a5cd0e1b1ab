"""One picture that is composed again and again for one output."""
from edge_app.clock import now_ns as clock_ns
from edge_app.clock import wall_ns
from edge_app.compositor.alignment import camera_clock, common_moment, moment_of, skew
from edge_app.compositor.mosaic import Compositor
from edge_app.compositor.tiles import Style
from edge_app.frames import FrameMeta

IDLE_S = 1.0
"""Nobody watches: one picture a second keeps the books true."""
FIRST_S = 0.1
"""Until the first picture with all cameras in it, to know when that was; given up after FIRST_TRIES."""
FIRST_TRIES = 300
REDRAWS = 2


class Shown(object):
    """What one composed picture held: per camera name the (index, captured_ns) of a live tile."""

    def __init__(self, now_ns, frames, complete, handed, skew_ns=None, aligned=False, camera_clock=False):
        self.now_ns = now_ns
        self.frames = frames
        self.complete = complete
        self.handed = handed
        """Whether an output took it."""
        self.skew_ns = skew_ns
        """How far apart the moments lie that its live, undamaged tiles show; None with fewer than two."""
        self.aligned = aligned
        """Whether that is within the tolerance of the output."""
        self.camera_clock = camera_clock
        """Whether the moments are the cameras' own times."""


class OutputLoop(object):
    """Feeds composed into pictures of one size for one sink, in its own rhythm."""

    def __init__(self, feeds, sink, compositor, fps, overlay='live', align_ms=None, always=False,
                 style=Style(), uri='null:'):
        """`compositor` None: one camera alone, the picture always as large as the camera's, with no line of warning.

        `always`: also when nobody watches.
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
        """Where each camera's tile lies: {name: [x, y, width, height]}; empty before the first picture."""
        tiles = self._compositor.tiles if self._compositor else ()
        return {feed.name: list(tile) for feed, tile in zip(self.feeds, tiles)}

    def hurry(self):
        """Somebody came: the next picture is due now."""
        self._due_ns = 0

    def due_ns(self):
        """When the next picture is wanted, None when none is."""
        return self._due_ns if self.always or self.sink.wanted else None

    def _period_ns(self):
        if self.sink.wanted:
            return int(1e9 / self._fps)
        early = not self._complete and self._composed < FIRST_TRIES
        return int((FIRST_S if early else IDLE_S) * 1e9)

    def show(self, now_ns, warning):
        """Compose and hand over one picture; what it held, as Shown."""
        period_ns = self._period_ns()
        self._due_ns = max(self._due_ns + period_ns, now_ns + period_ns // 2)
        views, indexes = self._look(now_ns)
        compositor = self._compositor_for(views)
        pixels = compositor.compose(views, '' if self._own_size else warning)
        self._mend(compositor, views, indexes, now_ns)
        frames = {view.name: (index, view.captured_ns) for view, index in zip(views, indexes) if index}
        self._composed += 1
        self._complete = self._complete or len(frames) == len(views)
        newest_ns = max([captured_ns for _, captured_ns in frames.values()] or [now_ns])
        meta = FrameMeta(self._composed, newest_ns, compositor.size[0], compositor.size[1])
        handed = self.sink.wanted and self.sink.put(meta, pixels)
        skew_ns = skew([view.moment_ns for view, index in zip(views, indexes) if index and not view.damaged])
        return Shown(now_ns, frames, len(frames) == len(views), handed, skew_ns,
                     skew_ns is not None and self._align_ns is not None and skew_ns <= self._align_ns,
                     self._offset_ns is not None)

    def _look(self, now_ns):
        target_ns = self._target()
        seen = [feed.look(now_ns, self._overlay, target_ns, self._offset_ns) for feed in self.feeds]
        return [view for view, _ in seen], [index for _, index in seen]

    def _target(self):
        """The moment all tiles are to show, None when the newest frames lie close enough together as they are."""
        metas = [meta for meta in (feed.newest() for feed in self.feeds) if meta]
        self._offset_ns = camera_clock(metas, wall_ns() - clock_ns())
        if self._align_ns is None:
            return None
        newest = [moment_of(meta, self._offset_ns) for meta in metas]
        common_ns = common_moment(newest)
        return common_ns if newest and max(newest) - common_ns > self._align_ns else None

    def _compositor_for(self, views):
        if self._own_size and (self._compositor is None or self._compositor.size != views[0].size):
            self._compositor = Compositor(views[0].size, self._style)
        return self._compositor

    def _mend(self, compositor, views, indexes, now_ns):
        """Draw a tile again whose frame was overwritten meanwhile: the newest frame, which has the longest to live."""
        for position, feed in enumerate(self.feeds):
            for _ in range(REDRAWS):
                if feed.intact(indexes[position]):
                    break
                views[position], indexes[position] = feed.look(now_ns, offset_ns=self._offset_ns)
                compositor.draw(position, views[position])

    def close(self):
        self.sink.close()
