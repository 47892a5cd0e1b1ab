"""How long to wait before a worker is restarted."""
import collections

QUICK_S = 10.0
"""A process that ended sooner failed quickly."""
DELAYS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Wait after the first, second... quick failure in a row."""
BUDGET = 10
WINDOW_S = 60.0
SLOW_S = 30.0
"""Wait once more than BUDGET processes ended within WINDOW_S. Never given up: a camera may be repaired."""


class RestartPolicy:
    """One worker's history of failures; times in seconds of any one clock."""

    def __init__(self) -> None:
        self._ends = collections.deque()
        self._quick = 0
        self._slow = False

    def delay_s(self, ended_s: float, lived_s: float) -> float:
        """Seconds to wait after a process that ran for `lived_s` ended at `ended_s`."""
        if lived_s >= QUICK_S:
            self._quick, self._slow = 0, False
        self._ends.append(ended_s)
        while self._ends[0] <= ended_s - WINDOW_S:
            self._ends.popleft()
        self._slow = self._slow or len(self._ends) > BUDGET
        delay_s = DELAYS_S[min(self._quick, len(DELAYS_S) - 1)]
        self._quick += 1
        return SLOW_S if self._slow else delay_s
