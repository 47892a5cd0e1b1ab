"""One camera as the engine sees it: where its frames come from, and where is written what became of them."""
import collections
import os

from edge_app.clock import now_ns
from edge_app.frames import DAMAGED
from edge_app.inference.motion_gate import MotionGate
from edge_app.inference.scheduler import Share
from edge_app.stats import reconcile_analyze
from edge_app.transport.ring import Ring

RATE_OVER = 4
"""Seconds `attained_fps_milli` averages over."""
REASON_CELLS = {'stale': 'stale_engine', 'corrupt': 'corrupt_engine'}


def open_engine_feed(folder, counters, camera):
    """The Feed of a config Camera; its ring and page must be there."""
    return EngineFeed(camera, counters.cameras[camera.name], Ring.open(frames_path(folder, camera.name)))


def frames_path(folder, name):
    return os.path.join(folder, name + '.frames')


def share_of(camera):
    """What a config Camera may ask of the engine."""
    return Share(camera.name, camera.priority, camera.min_fps, camera.max_fps or 0, int(camera.max_staleness_s * 1e9),
                 camera.motion_percent)


class EngineFeed:
    """One camera as the engine sees it: its ring, and its cells in the books."""

    def __init__(self, camera, page, ring):
        self.name = camera.name
        self.page = page
        self.ring = ring
        self.share = share_of(camera)
        self.motion = MotionGate(self.share.motion_percent)
        self._looked = 0
        self.off = 0
        """Frames of the ring that were booked while the engine was off: `taken_index` leaves them out."""
        self.rates = collections.deque(maxlen=RATE_OVER + 1)

    def is_current(self, folder, counters):
        """Whether ring and page are still this camera's: one that came anew has others under the same name."""
        return counters.cameras.get(self.name) is self.page and self.ring.is_file(frames_path(folder, self.name))

    def settle(self):
        """What a predecessor left, and all that went by while there was no engine, is booked as engine_down."""
        reconcile_analyze(self.page)
        self.off = self.page.get('engine_off')
        passed = self.ring.head - self.taken
        self.page.add_many(engine_down=passed, taken_index=passed)

    @property
    def taken(self):
        """Ring index up to which frames are booked."""
        return self.page.get('taken_index') + self.off

    def account(self, batcher, taken):
        """Book what became of the camera's frames since the last time, `taken` of them into the engine."""
        passed = batcher.accounted(self.name) - self.taken
        if passed:
            lost = {REASON_CELLS.get(reason, reason): frames for reason, frames in batcher.losses(self.name).items()}
            self.page.add_many(taken_index=passed, inferring=taken, **lost)

    def change(self, share):
        """Another Share for the same camera."""
        self.share = share
        self.motion.percent = share.motion_percent

    def look(self, batcher, moment_ns):
        """Offer the newest frame, once."""
        newest = self.ring.newest()
        if newest is not None and newest[0] != self._looked:
            self._looked, meta = newest
            batcher.offer(self.name, self._looked, meta.captured_ns, self._useless(meta, moment_ns))

    def _useless(self, meta, moment_ns):
        """Why the newest frame need not be inferred, None where it is wanted."""
        if meta.flags & DAMAGED:
            return 'corrupt'
        seen = self.ring.peek(self._looked) if self.motion.percent is not None else None
        if seen is None:
            return None
        still = self.motion.is_still(seen[1][:meta.height], moment_ns)
        return 'motion_gate' if still and self.ring.intact(self._looked) else None

    def draw(self, detector, slot, index):
        """Frame `index` into a slot of the batch; its facts, None when it was overwritten meanwhile."""
        seen = self.ring.peek(index)
        if seen is not None:
            detector.prepare(slot, *seen)
            if self.ring.intact(index):
                self.motion.inferred(now_ns())
                return seen[0]
        self.page.add_many(inferring=-1, overload=1)
        return None

    def inferred(self, meta, done_ns):
        self.page.add_many(inferring=-1, inferred=1)
        self.page.set('last_inferred_ns', done_ns)
        self.page.observe('result', done_ns - meta.captured_ns)

    def rate(self, moment_ns):
        """Frames per second wanted of this camera and got, over the last seconds."""
        source = self.page.get('source_fps_milli')
        limit = int(self.share.max_fps * 1000)
        self.page.set('requested_fps_milli', min(source, limit) if limit else source)
        self.rates.append((moment_ns, self.page.get('inferred')))
        (first_ns, first), (last_ns, last) = self.rates[0], self.rates[-1]
        if last_ns > first_ns:
            self.page.set('attained_fps_milli', (last - first) * 1000000000000 // (last_ns - first_ns))
