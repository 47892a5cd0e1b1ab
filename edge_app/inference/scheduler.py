"""Selects the frames of the next batch: one per camera, shared fairly. Pure logic; times are passed in.

Each camera has a queue of the frames that wait. A frame that is superseded, too old or beyond a limit is dropped with
its reason. Whether a newer frame supersedes the older ones depends on the engine. With time to spare it catches up with
pairs and bursts: the oldest goes first, so that results stay in capture order. An overloaded engine would only fall
behind: of each camera it takes the newest and drops what is older. The time it has idled lately tells the one from the
other: analysing an older frame is paid for out of it, and an overloaded engine never idles. What came while it idled
waits at least until it has been busy.

Three balances per queue, in frames, decide which cameras get a place:

- `allowance` grows with `max_fps`; a frame is taken only when it holds a token. It saves a few, so that uneven arrivals
  average out: a grid of fixed times would take 7.5 of 15 frames per second where 10 are allowed.
- `minimum` grows with `min_fps`; queues with a token there go before all others, and in a batch of their own, because
  the others' frames would delay them.
- `deficit`: the places of a batch are shared among the waiting queues by priority and paid for by those that get them
  (deficit round robin, Shreedhar and Varghese 1995). Queues without a frame neither gain nor lose, so nobody saves
  up while away and bursts later.
"""
import collections
from typing import Dict, Iterable, List, NamedTuple, Optional

import attrs

BURST_S = 0.2
"""A bucket holds the tokens of this long and one more, at least two: it evens out arrivals but allows no burst."""
MAX_DEFICIT = 4.0
"""Largest deficit or surplus kept; otherwise what a minimum has piled up would be paid back for hours."""
ROUNDING = 1e-6
SPARE_NS = 500 * 1000 * 1000
"""Most idle time that is saved up, and most that may be overdrawn: bounds how far a burst may set the results back."""

WORTH = 0.04
"""A larger batch must save this share of the cost of a frame."""
FIRST = 5
"""Batches of each size before it is rated: the first ones are slow."""
KEPT = 9
AGAIN = 100
"""After this many batches another size is tried again: the machine may be hotter now, or busy with other work."""


class CameraQuota(NamedTuple):
    """The share of the engine that one camera is entitled to."""

    name: str
    priority: float = 1.0
    min_fps: float = 0.0
    max_fps: float = 0.0
    """0: no limit."""
    max_staleness_ns: int = 1000000000
    motion_percent: Optional[float] = None
    """Frames that changed less are offered as `motion_gate`; None: all are analysed."""


class Selection(NamedTuple):
    """One frame of the next batch."""

    name: str
    index: int
    """Its index in the camera's ring."""


@attrs.define
class TokenBucket:
    """A balance of tokens, one per frame, that grows with time."""

    fps = attrs.field()
    frames = attrs.field(default=0.0)
    max_debt = attrs.field(default=0.0)
    """How far below zero it may fall."""
    since_ns = attrs.field(default=None)

    @property
    def capacity(self):
        return max(2.0, 1.0 + BURST_S * self.fps)

    def at(self, now_ns):
        """The balance now; time never runs backwards."""
        if self.since_ns is None:
            self.since_ns = now_ns
        passed_ns = max(0, now_ns - self.since_ns)
        self.frames = min(self.capacity, self.frames + self.fps * passed_ns / 1e9)
        self.since_ns += passed_ns
        return self.frames

    def has_token(self, now_ns):
        return self.at(now_ns) >= 1.0 - ROUNDING

    def spend(self, now_ns):
        self.frames = max(-self.max_debt, self.at(now_ns) - 1.0)


@attrs.define
class CameraQueue:
    """One camera: the frames that wait, its balances, and the frames dropped since the last report."""

    quota = attrs.field()
    waiting = attrs.field(factory=collections.deque)
    """(ring index, when it was captured) of each frame that waits, oldest first."""
    seen = attrs.field(default=0)
    """Ring index up to which frames were offered."""
    seen_ns = attrs.field(default=0)
    deficit = attrs.field(default=0.0)
    last_taken_ns = attrs.field(default=0)
    allowance = attrs.field(default=None)
    demand_bucket = attrs.field(default=None)
    """`allowance` if every frame it lets through were taken, by capture time: tells rate_limit from overload."""
    minimum = attrs.field(default=None)
    dropped = attrs.field(factory=dict)
    """{reason: frames}, until `Scheduler.take_drop_counts` takes it away."""

    def __attrs_post_init__(self):
        self.allowance = TokenBucket(self.quota.max_fps)
        self.allowance.frames = self.allowance.capacity
        self.demand_bucket = attrs.evolve(self.allowance, max_debt=self.allowance.capacity)
        self.minimum = TokenBucket(self.quota.min_fps)

    def offer(self, index, captured_ns, skip_reason, can_catch_up):
        """A newer frame; those between are no longer in the ring, and are assumed to be evenly spaced.

        `can_catch_up`: the engine has time to spare, so only `max_fps` can have kept an older one waiting.
        """
        newer = index - self.seen
        step_ns = (captured_ns - self.seen_ns) // newer if self.seen_ns else 0
        for number in range(1, newer):
            self._drop_superseded(captured_ns - step_ns * (newer - number), can_catch_up)
        self.seen, self.seen_ns = index, captured_ns
        if skip_reason:
            self.drop(skip_reason)
            return
        self.waiting.append((index, captured_ns))
        while self.quota.max_fps and len(self.waiting) > max(1.0, self.allowance.at(captured_ns) + ROUNDING):
            self._drop_superseded(self.waiting.popleft()[1], can_catch_up)

    def drop_older(self):
        """Of the waiting frames keep the newest only."""
        while len(self.waiting) > 1:
            self._drop_superseded(self.waiting.popleft()[1])

    def drop_overwritten(self, index):
        """The ring holds frames from `index` on."""
        while self.waiting and self.waiting[0][0] < index:
            self._drop_superseded(self.waiting.popleft()[1])

    def limit(self, fps, now_ns):
        """From now on at most `fps` frames per second, 0 for no limit; the saved tokens stay within the new limit."""
        self.allowance.at(now_ns)
        self.quota = self.quota._replace(max_fps=fps)
        self.allowance.fps = self.demand_bucket.fps = fps
        self.demand_bucket.max_debt = self.allowance.capacity

    def change(self, quota, now_ns):
        """Another CameraQuota; the balances stay, within the new limits."""
        self.limit(quota.max_fps, now_ns)
        self.minimum.at(now_ns)
        self.minimum.fps = quota.min_fps
        self.quota = quota

    def _drop_superseded(self, captured_ns, can_catch_up=False):
        """Drop a frame: as overload if the limit would have let it through, otherwise as rate_limit."""
        if not self.quota.max_fps:
            self.drop('overload')
        elif not can_catch_up and self.demand_bucket.has_token(captured_ns):
            self.demand_bucket.spend(captured_ns)
            self.drop('overload')
        else:
            self.drop('rate_limit')

    def drop(self, reason):
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def expire(self, now_ns):
        """Drop the waiting frames that are too old."""
        while self.waiting and now_ns - self.waiting[0][1] > self.quota.max_staleness_ns:
            self.drop('stale')
            self.waiting.popleft()

    def ready(self, now_ns):
        """Whether a frame waits and may be taken."""
        return bool(self.waiting) and (not self.quota.max_fps or self.allowance.has_token(now_ns))

    def take(self, now_ns):
        """Take the oldest waiting frame and pay for it."""
        index, captured_ns = self.waiting.popleft()
        self.allowance.spend(now_ns)
        self.minimum.spend(now_ns)
        self.demand_bucket.spend(captured_ns)
        self.last_taken_ns = now_ns
        return Selection(self.quota.name, index)


class Scheduler:
    """The queues of all cameras. `offer` frames, `take` a batch whenever the engine is free; nothing waits.

    From one `take` to the next the engine was busy with that batch, or idle if there was none. Arrivals and the pace of
    the engine are the only clock: a queue held back by `max_fps` is checked again with its next frame, which is fresher
    than the one held back.
    """

    def __init__(self, quotas: Iterable[CameraQuota], size: int):
        """`quotas`: one CameraQuota per camera; `size`: most frames in a batch, which may change."""
        self.queues = {quota.name: CameraQueue(quota) for quota in quotas}
        self.size = size
        self._spare_ns = 0.0
        self._since_ns = None
        """When the engine began what it does now."""
        self._taken = self._older = 0
        """Frames of the batch in hand, and how many of them had a newer one behind them."""

    def add(self, quota: CameraQuota) -> None:
        """Add a camera."""
        self.queues[quota.name] = CameraQueue(quota)

    def remove(self, name: str) -> None:
        """Remove a camera and its waiting frame."""
        del self.queues[name]

    def change(self, quota, now_ns):
        """Change the quota of a camera."""
        self.queues[quota.name].change(quota, now_ns)

    def start(self, name, index):
        """Frames of `name` up to ring index `index` are accounted for elsewhere."""
        self.queues[name].seen = index

    def offer(self, name: str, index: int, captured_ns: int, skip_reason: Optional[str] = None) -> None:
        """Frame `index` is the newest in the ring of `name`; it may supersede older ones. Repeated, it has no effect.

        With a `skip_reason` it is dropped for that reason, and waiting frames stay.
        """
        if index > self.queues[name].seen:
            self.queues[name].offer(index, captured_ns, skip_reason, self._can_catch_up)

    def overwritten(self, name: str, index: int) -> None:
        """The ring of `name` holds frames from `index` on."""
        self.queues[name].drop_overwritten(index)

    @property
    def _idle(self):
        return self._since_ns is not None and not self._taken

    @property
    def _can_catch_up(self):
        return self._idle or self._spare_ns > 0

    def can_catch_up(self, now_ns: int) -> bool:
        """Whether older frames are worth offering: the engine idles, or has time to spare."""
        passed_ns = now_ns - (now_ns if self._since_ns is None else self._since_ns)
        if self._idle:
            self._spare_ns = min(SPARE_NS, self._spare_ns + passed_ns)
        elif self._taken:
            self._spare_ns = max(-SPARE_NS, self._spare_ns - passed_ns * self._older / self._taken)
        self._since_ns = None if self._since_ns is None else now_ns
        return self._can_catch_up

    def limit(self, name, max_fps, now_ns):
        """Override the `max_fps` of camera `name` until the next call; 0: no limit."""
        self.queues[name].limit(max_fps, now_ns)

    def waiting(self, now_ns: int) -> int:
        """Number of frames that may be taken now."""
        return sum(queue.ready(now_ns) for queue in self.queues.values())

    def take(self, now_ns: int) -> List[Selection]:
        """Selections of the next batch, at most one per camera; empty when no frame may be taken."""
        can_catch_up = self.can_catch_up(now_ns)
        for queue in self.queues.values():
            queue.expire(now_ns)
            if not can_catch_up:
                queue.drop_older()
        waiting = [queue for queue in self.queues.values() if queue.ready(now_ns)]
        waiting = [queue for queue in waiting if queue.minimum.has_token(now_ns)] or waiting
        if len(waiting) > self.size:
            waiting = deficit_round_robin(waiting, self.size, now_ns)
        selections = [queue.take(now_ns) for queue in waiting]
        self._since_ns, self._taken = now_ns, len(selections)
        self._older = sum(bool(queue.waiting) for queue in waiting)
        return selections

    def accounted(self, name: str) -> int:
        """How many frames of `name` were taken or dropped, counted from index 1."""
        queue = self.queues[name]
        return queue.seen - len(queue.waiting)

    def take_drop_counts(self, name: str) -> Dict[str, int]:
        """{reason: frames dropped} of `name` since the last call."""
        queue = self.queues[name]
        dropped, queue.dropped = queue.dropped, {}
        return dropped


def deficit_round_robin(waiting, places, now_ns):
    """The queues that get the places of the batch: shared by priority, paid for by those that get one."""
    total = sum(queue.quota.priority for queue in waiting)
    for queue in waiting:
        queue.deficit = min(MAX_DEFICIT, queue.deficit + places * queue.quota.priority / total)
    chosen = sorted(waiting, key=lambda queue: urgency(queue, now_ns))[:places]
    for queue in chosen:
        queue.deficit = max(-MAX_DEFICIT, queue.deficit - 1.0)
    return chosen


def urgency(queue, now_ns):
    """Sorting key, most urgent first: furthest behind its minimum, then largest deficit, then longest not served."""
    behind = queue.minimum.at(now_ns) if queue.minimum.has_token(now_ns) else 0.0
    return -behind, -round(queue.deficit, 9), queue.last_taken_ns


class BatchSize:
    """Chooses how many frames a batch has: the fewest that cost no more per frame, measured while running.

    A GPU hardly takes longer for four frames than for one. A CPU takes four times as long, and each frame waits for
    all: there two may even cost less per frame than four, whose arrays no longer fit the cache, and results are ready
    in half the time. The choice is among one, powers of two and all that wait, up to `most`.
    """

    def __init__(self, most):
        self._most = most
        self._spent = {}
        """{batch size: cost per frame in the last batches of that size}"""
        self._batches = 0

    def took(self, pictures, spent_ns):
        """Report that a batch of `pictures` frames took `spent_ns`, everything included."""
        self._batches += 1
        self._spent.setdefault(pictures, collections.deque(maxlen=KEPT)).append(spent_ns / pictures)

    def next(self, waiting):
        """Largest size of the next batch when `waiting` frames wait."""
        sizes = self._sizes(min(self._most, waiting))
        if self._batches % AGAIN == AGAIN - 1:
            return sizes[self._batches // AGAIN % len(sizes)]
        costs = {}
        for size in sizes:
            spent = self._spent.get(size, ())
            if len(spent) < FIRST:
                return size
            # the lower quartile: what took longer was interrupted, which says nothing about the size
            costs[size] = sorted(spent)[len(spent) // 4]
        best = min(costs.values())
        return next(size for size in sizes if costs[size] <= best * (1 + WORTH))

    def _sizes(self, largest):
        """The sizes to choose from, smallest first."""
        found, size = [], 1
        while size < largest:
            found.append(size)
            size *= 2
        return found + [max(1, largest)]
