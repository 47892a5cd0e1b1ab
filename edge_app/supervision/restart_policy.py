"""When a dead worker is started again."""
import collections

QUICK_S = 10.0
"""A life shorter than this was a quick death."""
DELAYS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before the restart after the first, second... quick death in a row."""
BUDGET = 10
WINDOW_S = 60.0
SLOW_S = 30.0
"""Between tries once more than BUDGET deaths came within WINDOW_S; never given up, a camera may be repaired."""


class RestartPolicy:
    """One worker's history of deaths; times in seconds of any one clock."""

    def __init__(self):
        self._deaths = collections.deque()
        self._quick = 0
        self._slow = False

    def delay_s(self, died_s, lived_s):
        """Seconds to wait after a death at `died_s` that ended a life of `lived_s`."""
        if lived_s >= QUICK_S:
            self._quick, self._slow = 0, False
        self._deaths.append(died_s)
        while self._deaths[0] <= died_s - WINDOW_S:
            self._deaths.popleft()
        self._slow = self._slow or len(self._deaths) > BUDGET
        delay_s = DELAYS_S[min(self._quick, len(DELAYS_S) - 1)]
        self._quick += 1
        return SLOW_S if self._slow else delay_s
