"""When an access unit arrived at this host, even if it was taken only later."""

SPAN_NS = 30 * 10 ** 9
"""The smallest delay is remembered for one to two of these; clocks drift by less than 2 ms in that time."""
SETTLE_NS = 3 * 10 ** 9
"""A jitter buffer takes 2 s to estimate the stream's clock; times before that are provisional."""
JUMP_NS = 5 * 10 ** 9
"""A unit this late has not waited: the stream's clock has jumped."""


class ArrivalTimes:
    """Turns stream times into arrival times on this host's clock. Pure logic; nanoseconds.

    On an overloaded machine a unit waits in the jitter buffer, and the moment it is taken says nothing about its age.
    Its presentation time does, because it follows the arrival of its packets: a unit arrived as long after its
    presentation time as the promptest recent unit. That holds only while the machine is busy: cameras' times stand
    still, run slow and come in bursts, and they alone make nothing old.
    """

    def __init__(self, settle_ns=SETTLE_NS):
        self._recent = self._before = self._since_ns = self._settled_ns = None
        self._settle_ns = settle_ns

    def arrived_ns(self, pts, now_ns, idle=False):
        """`now_ns`, or earlier when the unit with presentation time `pts` (-1: it has none) waited until now.

        `idle`: units are taken faster than they come. Then none has waited, whatever its time says.
        """
        self._settled_ns = self._settled_ns or now_ns + self._settle_ns
        if pts < 0 or now_ns < self._settled_ns:
            return now_ns
        delay = now_ns - pts
        if idle:
            self._recent = self._before = delay
            self._since_ns = now_ns
            return now_ns
        if self._since_ns is None or delay - min(self._recent, self._before) > JUMP_NS:
            self._recent = self._before = delay
            self._since_ns = now_ns
        elif now_ns - self._since_ns >= SPAN_NS:
            self._before, self._recent, self._since_ns = self._recent, delay, now_ns
        self._recent = min(self._recent, delay)
        return pts + min(self._recent, self._before)


GAP_NS = int(2.5e9)
"""Longer gaps in a recording are not waited for; below what counts as no signal."""
STEP_NS = 40 * 1000 * 1000


class Pacing:
    """Keeps a recording playing over gaps and jumps of its times, which may be hours. Pure logic; nanoseconds."""

    def __init__(self):
        self.offset_ns = 0
        """To be added to the times from now on."""
        self._last = None

    def moves(self, pts):
        """Whether the offset is another one from the picture with this time (-1: it has none) on."""
        if pts < 0:
            return False
        last, self._last = self._last, pts
        if last is None or -GAP_NS <= pts - last <= GAP_NS:
            return False
        self.offset_ns -= pts - last - STEP_NS
        return True
