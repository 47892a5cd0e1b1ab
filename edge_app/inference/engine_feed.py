"""One camera as the engine reads it, and the accounting of what became of each of its frames."""
import collections

from edge_app.clock import now_ns
from edge_app.frames import DAMAGED
from edge_app.inference.motion_gate import MotionGate, blocks
from edge_app.inference.scheduler import CameraQuota
from edge_app.stats.accounting import BEHIND_RING, reconcile_analyze
from edge_app.transport.camera_feed import CameraFeed

RATE_OVER = 4
"""Seconds `attained_fps_milli` averages over."""


def open_engine_feed(run_dir, counters, camera):
    """The EngineFeed of a config Camera, whose ring and page must exist; RingError without the ring."""
    return EngineFeed(run_dir, camera, counters.cameras[camera.name]).open()


def quota_of(camera):
    """What a config Camera may ask of the engine."""
    return CameraQuota(camera.name, camera.priority, camera.min_fps, camera.max_fps or 0,
                       int(camera.max_staleness_s * 1e9), camera.motion_percent)


class EngineFeed(CameraFeed):
    """A CameraFeed with a CameraQuota, whose page counts what the engine does with the frames."""

    def __init__(self, run_dir, camera, page):
        CameraFeed.__init__(self, run_dir, camera.name, page)
        self.quota = quota_of(camera)
        self.motion = MotionGate(self.quota.motion_percent)
        self._offered = 0
        self.off = 0
        """Frames of the ring that were counted while the engine was off: `taken_index` leaves them out."""
        self.rates = collections.deque(maxlen=RATE_OVER + 1)

    def reconcile(self):
        """Count what a predecessor left unfinished, and all frames that passed without an engine, as engine_down."""
        reconcile_analyze(self.page)
        self.off = self.page.get('engine_off')
        passed = self.ring.head - self.taken
        self.page.add_many(engine_down=passed, taken_index=passed)

    @property
    def taken(self):
        """Ring index up to which frames are accounted for."""
        return self.page.get('taken_index') + self.off

    def account(self, scheduler, taken):
        """Count what became of the camera's frames since the last call; `taken` of them go into the engine now."""
        passed = scheduler.accounted(self.name) - self.taken
        if passed:
            lost = {BEHIND_RING[reason]: frames for reason, frames in scheduler.take_drop_counts(self.name).items()}
            self.page.add_many(taken_index=passed, inferring=taken, **lost)

    def change(self, quota):
        """Another CameraQuota for the same camera."""
        self.quota = quota
        self.motion.percent = quota.motion_percent

    def offer(self, scheduler, moment_ns):
        """Offer what has come since the last call, oldest first; to an overloaded engine the newest frame only."""
        newest = self.newest()
        if newest is None or newest[0] == self._offered:
            return
        head, meta = newest
        oldest = head - self.ring.slots + 1
        scheduler.overwritten(self.name, oldest)
        first = max(oldest, self._offered + 1) if scheduler.can_catch_up(moment_ns) else head
        found = [(index, self.ring.meta(index)) for index in range(first, head)] + [(head, meta)]
        delay_ns = self.page.get('decoder_delay_ns')    # what a decoder holds back makes no frame stale
        for index, meta in found:
            if meta is not None:
                scheduler.offer(self.name, index, meta.captured_ns + delay_ns,
                                self._skip_reason(index, meta, moment_ns))
        self._offered = head

    def _skip_reason(self, index, meta, moment_ns):
        """Why a frame need not be analysed, None when it should be."""
        if meta.flags & DAMAGED:
            return 'corrupt'
        seen = self.peek(index) if self.motion.percent is not None else None
        if seen is None:
            return None
        still = self.motion.is_still(seen[1][:meta.height], moment_ns)
        return 'motion_gate' if still and self.intact(index) else None

    def prepare(self, detector, slot, index):
        """Scale frame `index` into a slot of the batch; its FrameMeta, None when it was overwritten meanwhile."""
        seen = self.peek(index)
        if seen is not None:
            meta, pixels = seen
            detector.prepare(slot, meta, pixels)
            reference = blocks(pixels[:meta.height]) if self.motion.percent is not None else None
            if self.intact(index):
                self.motion.inferred(reference, now_ns())
                return meta
        self.page.add_many(inferring=-1, overload=1)
        return None

    def inferred(self, meta, done_ns):
        """Count one frame whose detections are known."""
        self.page.add_many(inferring=-1, inferred=1)
        self.page.set('last_inferred_ns', done_ns)
        self.page.observe('result', done_ns - meta.captured_ns)

    def update_rates(self, moment_ns):
        """Write the requested and the attained frames per second over the last seconds."""
        source = self.page.get('source_fps_milli')
        limit = int(self.quota.max_fps * 1000)
        self.page.set('requested_fps_milli', min(source, limit) if limit else source)
        self.rates.append((moment_ns, self.page.get('inferred')))
        (first_ns, first), (last_ns, last) = self.rates[0], self.rates[-1]
        if last_ns > first_ns:
            self.page.set('attained_fps_milli', (last - first) * 1000000000000 // (last_ns - first_ns))
