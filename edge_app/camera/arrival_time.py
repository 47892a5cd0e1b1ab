"""When an access unit arrived at this host, also when nobody was free to take it at that moment."""

SPAN_NS = 30 * 10 ** 9
"""The least delay is remembered for one to two of these; clocks drift by less than 2 ms in that time."""
SETTLE_NS = 3 * 10 ** 9
"""A jitter buffer needs its first 2 s to find out how the stream's clock runs; times before that are provisional."""
JUMP_NS = 5 * 10 ** 9
"""A unit this late is none that had to wait: the stream's clock has jumped."""


class ArrivalTimes:
    """Turns stream times into arrival times on this host's clock. Pure logic; nanoseconds.

    On a machine that is overloaded a unit waits in the jitter buffer, unseen, and the moment it is taken says nothing
    about its age. Its presentation time does: it follows the arrival of its packets. So a unit arrived as long after
    its presentation time as the promptest unit of late.
    """

    def __init__(self, settle_ns=SETTLE_NS):
        self._recent = self._before = self._since_ns = self._believe_ns = None
        self._settle_ns = settle_ns

    def arrived_ns(self, pts, now_ns):
        """`now_ns`, or earlier when the unit with presentation time `pts` (-1: it has none) waited until now."""
        self._believe_ns = self._believe_ns or now_ns + self._settle_ns
        if pts < 0 or now_ns < self._believe_ns:
            return now_ns
        delay = now_ns - pts
        if self._since_ns is None or delay - min(self._recent, self._before) > JUMP_NS:
            self._recent = self._before = delay
            self._since_ns = now_ns
        elif now_ns - self._since_ns >= SPAN_NS:
            self._before, self._recent, self._since_ns = self._recent, delay, now_ns
        self._recent = min(self._recent, delay)
        return pts + min(self._recent, self._before)
