"""Which frames go into the next batch: the newest of whoever has one, shared fairly. Pure logic, times are given.

Each camera is a lane holding at most one frame, its newest; a frame that is superseded, too old or held back is
dropped there and then, with its reason. Three accounts per lane, in frames, decide:

- `allowance` grows with `max_fps`; a frame is taken only when it holds one. It keeps some, so that uneven arrivals
  average out: a grid of fixed times would take 7.5 of 15 frames per second where 10 are allowed.
- `owed` grows with `min_fps`; lanes that are owed a whole frame go before all others, and in a batch of their own:
  the others' pictures would make them wait.
- `deficit`: each place in a batch is shared out among the waiting lanes by priority and paid by the lane that gets it
  (deficit round robin, Shreedhar and Varghese 1995). Lanes without a frame neither gain nor lose, so nobody saves
  up while away and bursts later.
"""
from typing import NamedTuple, Optional

import attrs

SAVED_S = 0.2
"""An account holds this long's frames and one more, or two: enough to even out arrivals, too few for a burst."""
FAR = 4.0
"""Largest deficit or surplus remembered; one a minimum has piled up would else be paid back for hours."""
ROUNDING = 1e-6
REASONS = ('overload', 'rate_limit', 'stale', 'corrupt', 'motion_gate')


class Share(NamedTuple):
    """What a camera may ask of the engine."""

    name: str
    priority: float = 1.0
    min_fps: float = 0.0
    max_fps: float = 0.0
    """0: no limit."""
    max_staleness_ns: int = 1000000000
    motion_percent: Optional[float] = None
    """Pictures that changed less are offered as `motion_gate`, by who sees them; None: all are wanted."""


class Selection(NamedTuple):
    """One frame of the next batch."""

    name: str
    index: int
    """Its index in the camera's ring."""


@attrs.define
class TokenBucket:
    """A balance in frames that grows with time."""

    fps = attrs.field()
    frames = attrs.field(default=0.0)
    debt = attrs.field(default=0.0)
    """How far below nothing it may get."""
    since_ns = attrs.field(default=None)

    @property
    def most(self):
        return max(2.0, 1.0 + SAVED_S * self.fps)

    def at(self, now_ns):
        """The balance now; a time before the latest seen counts as that."""
        if self.since_ns is None:
            self.since_ns = now_ns
        passed_ns = max(0, now_ns - self.since_ns)
        self.frames = min(self.most, self.frames + self.fps * passed_ns / 1e9)
        self.since_ns += passed_ns
        return self.frames

    def holds_one(self, now_ns):
        return self.at(now_ns) >= 1.0 - ROUNDING

    def spend(self, now_ns):
        self.frames = max(-self.debt, self.at(now_ns) - 1.0)


@attrs.define
class CameraQueue:
    """One camera: its newest frame, its accounts, and what became of the frames since asked last."""

    share = attrs.field()
    index = attrs.field(default=0)
    """Ring index of the waiting frame, 0 when none waits."""
    captured_ns = attrs.field(default=0)
    """When the waiting frame was captured."""
    seen = attrs.field(default=0)
    """Ring index up to which frames were offered."""
    seen_ns = attrs.field(default=0)
    deficit = attrs.field(default=0.0)
    served = attrs.field(default=0)
    allowance = attrs.field(default=None)
    passing = attrs.field(default=None)
    """`allowance` if every frame it lets through were taken, in capture time: tells rate_limit from overload."""
    owed = attrs.field(default=None)
    lost = attrs.field(factory=dict)
    """{reason: frames}, until `Scheduler.losses` takes it away."""

    def __attrs_post_init__(self):
        self.allowance = TokenBucket(self.share.max_fps)
        self.allowance.frames = self.allowance.most
        self.passing = attrs.evolve(self.allowance, debt=self.allowance.most)
        self.owed = TokenBucket(self.share.min_fps)

    def offer(self, index, captured_ns, useless):
        """A newer frame: those between go, and the one waiting too unless the newer one is useless.

        Those between are taken to be evenly spaced.
        """
        newer = index - self.seen
        step_ns = (captured_ns - self.seen_ns) // newer if self.seen_ns else 0
        if self.index and not useless:
            self._superseded(self.captured_ns)
        for number in range(1, newer):
            self._superseded(captured_ns - step_ns * (newer - number))
        self.seen, self.seen_ns = index, captured_ns
        if useless:
            self.lose(useless)
        else:
            self.index, self.captured_ns = index, captured_ns

    def limit(self, fps, now_ns):
        """From now on at most `fps` frames per second; 0: no limit. What was saved up for stays within the new limit."""
        self.allowance.at(now_ns)
        self.share = self.share._replace(max_fps=fps)
        self.allowance.fps = self.passing.fps = fps
        self.passing.debt = self.allowance.most

    def change(self, share, now_ns):
        """Another Share; what was saved up for and owed stays, within the new limits."""
        self.limit(share.max_fps, now_ns)
        self.owed.at(now_ns)
        self.owed.fps = share.min_fps
        self.share = share

    def _superseded(self, captured_ns):
        """A frame went by untaken: overload if the limit would have let it through, else the limit's doing."""
        if not self.share.max_fps:
            self.lose('overload')
        elif self.passing.holds_one(captured_ns):
            self.passing.spend(captured_ns)
            self.lose('overload')
        else:
            self.lose('rate_limit')

    def lose(self, reason):
        self.lost[reason] = self.lost.get(reason, 0) + 1

    def expire(self, now_ns):
        """Drop the waiting frame when it is too old."""
        if self.index and now_ns - self.captured_ns > self.share.max_staleness_ns:
            self.lose('stale')
            self.index = 0

    def ready(self, now_ns):
        """Whether a frame waits and may be taken."""
        return bool(self.index) and (not self.share.max_fps or self.allowance.holds_one(now_ns))

    def take(self, now_ns):
        """Hand out the waiting frame and pay for it."""
        self.allowance.spend(now_ns)
        self.owed.spend(now_ns)
        self.passing.spend(self.captured_ns)
        self.served = now_ns
        pick, self.index = Selection(self.share.name, self.index), 0
        return pick


class Scheduler:
    """Lanes of all cameras. `offer` newest frames, `take` a batch whenever the engine is free, never wait.

    Arrivals and the engine's own pace are the only clock needed: a lane held back by `max_fps` is looked at
    again with its next frame, which is fresher than the one held back.
    """

    def __init__(self, shares, size):
        """`shares`: one Share per camera; `size`: most frames in a batch, which may change."""
        self.lanes = {share.name: CameraQueue(share) for share in shares}
        self.size = size

    def join(self, share):
        """A camera comes."""
        self.lanes[share.name] = CameraQueue(share)

    def leave(self, name):
        """A camera goes; the frame of it that waits is nobody's."""
        del self.lanes[name]

    def change(self, share, now_ns):
        """Other limits for a camera that stays."""
        self.lanes[share.name].change(share, now_ns)

    def start(self, name, index):
        """Frames of `name` up to ring index `index` are somebody else's business."""
        self.lanes[name].seen = index

    def offer(self, name, index, captured_ns, useless=None):
        """The newest frame in the ring of `name` is `index`; ones between are superseded. Told twice, heard once.

        A `useless` one, for that reason, is never taken; a good one that waits goes on waiting.
        """
        if index > self.lanes[name].seen:
            self.lanes[name].offer(index, captured_ns, useless)

    def limit(self, name, max_fps, now_ns):
        """Another `max_fps` for camera `name` than its share says, until told otherwise; 0: none."""
        self.lanes[name].limit(max_fps, now_ns)

    def waiting(self, now_ns):
        """How many frames may go now."""
        return sum(lane.ready(now_ns) for lane in self.lanes.values())

    def take(self, now_ns):
        """Picks of the next batch, at most one per camera; empty when nobody has a frame that may go."""
        for lane in self.lanes.values():
            lane.expire(now_ns)
        waiting = [lane for lane in self.lanes.values() if lane.ready(now_ns)]
        waiting = [lane for lane in waiting if lane.owed.holds_one(now_ns)] or waiting
        if len(waiting) > self.size:
            waiting = deficit_round_robin(waiting, self.size, now_ns)
        return [lane.take(now_ns) for lane in waiting]

    def accounted(self, name):
        """How many frames of `name` were taken or dropped, counted from index 1."""
        lane = self.lanes[name]
        return lane.seen - 1 if lane.index else lane.seen

    def losses(self, name):
        """{reason: frames dropped} of `name` since the last call."""
        lane = self.lanes[name]
        lost, lane.lost = lane.lost, {}
        return lost


def deficit_round_robin(waiting, places, now_ns):
    """The lanes that get the batch's places: each place is shared out by priority and paid by who gets it."""
    total = sum(lane.share.priority for lane in waiting)
    for lane in waiting:
        lane.deficit = min(FAR, lane.deficit + places * lane.share.priority / total)
    chosen = sorted(waiting, key=lambda lane: urgency(lane, now_ns))[:places]
    for lane in chosen:
        lane.deficit = max(-FAR, lane.deficit - 1.0)
    return chosen


def urgency(lane, now_ns):
    """Sorting key, most urgent first: owed most of its minimum, then largest deficit, then longest not served."""
    owed = lane.owed.at(now_ns) if lane.owed.holds_one(now_ns) else 0.0
    return -owed, -round(lane.deficit, 9), lane.served
