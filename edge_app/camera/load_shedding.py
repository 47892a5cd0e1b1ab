"""What a decoder is spared while this machine cannot take all it gives. Pure logic; times in seconds.

Two ways to be behind, two answers. Pictures that nobody takes: only every n-th is scaled and handed out. Units that
wait before the decoder, time after time: for a while key frames only, a picture now and then that is fresh.
"""
import collections

SPAN_S = 3.0
ENOUGH = 10
"""Pictures a span must have to say anything."""
TAKEN = 0.6
"""Share of the pictures that must have been taken; a burst costs more now and then, hence `SPANS`."""
SPANS = 2
ALL = 0.95
CALM_S = 30.0
"""All are taken for so long, and one in n becomes one in n - 1."""
MOST = 8

LATE_TIMES, LATE_S = 3, 30.0
KEYS_S = 60.0


IDLE = 0.25
"""Somebody who waits for data for more than this share of the time is not behind because of too much to do."""
IDLE_SPAN_NS = 2 * 10 ** 9


class DecoderQueue:
    """How much of the time of a streaming thread is spent waiting for what the network brings; times in nanoseconds.

    Units that come late from a slow network have waited too, but no decoder is spared by dropping them.
    """

    def __init__(self):
        self._seen_ns = self._done_ns = None
        self._idle_ns = self._span_ns = 0.0

    def arrived(self, now_ns):
        """A unit is there: from the last `done` until now there was nothing to do."""
        if self._seen_ns is not None:
            self._idle_ns += now_ns - max(self._done_ns, self._seen_ns)
            self._span_ns += now_ns - self._seen_ns
            if self._span_ns > IDLE_SPAN_NS:
                self._idle_ns, self._span_ns = self._idle_ns / 2, self._span_ns / 2
        self._seen_ns = self._done_ns = now_ns

    def done(self, now_ns):
        """Something has just been done with a unit."""
        self._done_ns = now_ns

    def much(self):
        """Whether more of the time than IDLE was spent waiting."""
        return self._idle_ns > IDLE * self._span_ns


class LoadShedding:
    """Says what to spare one decoder: `interval` and `keys_only`."""

    def __init__(self):
        self.interval = 1
        """Every so manieth picture is wanted."""
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

    def look(self, now_s, decoded, taken):
        """Totals of pictures decoded and taken so far; -> whether `interval` is another now."""
        if self._span_s is None or now_s - self._span_s < SPAN_S:
            if self._span_s is None:        # what earlier sessions counted is not this one's
                self._span_s, self._counted = now_s, (decoded, taken)
            return False
        before, self._counted, self._span_s = self._counted, (decoded, taken), now_s
        return self._judge(now_s, decoded - before[0], taken - before[1])

    def _judge(self, now_s, decoded, taken):
        was = self.interval
        self._behind = self._behind + 1 if decoded >= ENOUGH and taken < TAKEN * decoded else 0
        if taken < ALL * decoded:
            self._calm_s = now_s
        if self._behind >= SPANS:
            self.interval = min(MOST, -(-self.interval * decoded // max(1, taken)))
            self._behind, self._calm_s = 0, now_s
        elif self.interval > 1 and now_s - self._calm_s >= CALM_S:
            self.interval, self._calm_s = self.interval - 1, now_s
        return self.interval != was
