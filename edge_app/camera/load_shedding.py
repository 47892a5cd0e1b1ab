"""What a decoder need not do while this machine is overloaded. Pure logic; times in seconds.

Two ways to be behind, two answers. Pictures nobody takes: only every n-th is scaled and handed out. Units that wait
before the decoder, again and again: key frames only for a while, fewer pictures but fresh ones.
"""
import collections

SPAN_S = 3.0
MIN_SAMPLES = 10
"""Fewest pictures in a span from which anything is concluded."""
BEHIND_RATIO = 0.6
"""Behind: less than this share of the pictures was taken, in SPANS spans in a row (a burst costs one)."""
SPANS = 2
OK_RATIO = 0.95
RECOVERY_S = 30.0
"""After so long with OK_RATIO taken, one in n becomes one in n - 1."""
MAX_INTERVAL = 8
"""Largest n."""

LATE_TIMES, LATE_S = 3, 30.0
"""So many late units within so many seconds mean key frames only, for KEYS_S."""
KEYS_S = 60.0

IDLE = 0.25
"""A streaming thread that waits for data for more than this share of the time has not too much to do."""
IDLE_SPAN_NS = 2 * 10 ** 9


class NetworkWait:
    """How much of a streaming thread's time is spent waiting for the network; times in nanoseconds.

    Units from a slow network are late too, but dropping them relieves no decoder.
    """

    def __init__(self):
        self._arrived_ns = self._done_ns = None
        self._idle_ns = self._span_ns = 0.0

    def arrived(self, now_ns):
        """A unit is there: since the last `done` the thread was idle."""
        if self._arrived_ns is not None:
            self._idle_ns += now_ns - max(self._done_ns, self._arrived_ns)
            self._span_ns += now_ns - self._arrived_ns
            if self._span_ns > IDLE_SPAN_NS:
                self._idle_ns, self._span_ns = self._idle_ns / 2, self._span_ns / 2
        self._arrived_ns = self._done_ns = now_ns

    def done(self, now_ns):
        """The thread has finished some work on a unit."""
        self._done_ns = now_ns

    def is_slow(self):
        """Whether the network, not the decoder, is what is waited for."""
        return self._idle_ns > IDLE * self._span_ns


class LoadShedding:
    """Decides what to leave out for one decoder: `interval` and `keys_only`."""

    def __init__(self):
        self.interval = 1
        """Every n-th picture is wanted."""
        self._span_s = None
        self._counted = (0, 0)
        self._behind = 0
        self._calm_s = None
        self._late = collections.deque(maxlen=LATE_TIMES)
        self._keys_until_s = None

    def late(self, now_s):
        """A unit has waited too long before the decoder."""
        self._late.append(now_s)
        if len(self._late) == LATE_TIMES and now_s - self._late[0] <= LATE_S:
            self._keys_until_s = now_s + KEYS_S
            self._late.clear()

    def keys_only(self, now_s):
        """Whether the decoder is given key frames only."""
        return self._keys_until_s is not None and now_s < self._keys_until_s

    def update(self, now_s, decoded, taken):
        """Take in the totals of pictures decoded and taken so far; -> `interval`."""
        if self._span_s is None:        # earlier sessions' counts do not matter
            self._span_s, self._counted = now_s, (decoded, taken)
        elif now_s - self._span_s >= SPAN_S:
            before, self._counted, self._span_s = self._counted, (decoded, taken), now_s
            self._judge(now_s, decoded - before[0], taken - before[1])
        return self.interval

    def _judge(self, now_s, decoded, taken):
        self._behind = self._behind + 1 if decoded >= MIN_SAMPLES and taken < BEHIND_RATIO * decoded else 0
        if taken < OK_RATIO * decoded:
            self._calm_s = now_s
        if self._behind >= SPANS:
            self.interval = min(MAX_INTERVAL, -(-self.interval * decoded // max(1, taken)))
            self._behind, self._calm_s = 0, now_s
        elif self.interval > 1 and now_s - self._calm_s >= RECOVERY_S:
            self.interval, self._calm_s = self.interval - 1, now_s
