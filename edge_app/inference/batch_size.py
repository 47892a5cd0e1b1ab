"""Chooses the batch size: the smallest that costs no more per frame, measured while running. Pure logic.

A GPU hardly takes longer for four frames than for one. A CPU takes four times as long, and each frame waits for all:
there two may even cost less per frame than four, whose arrays no longer fit the cache, and results are ready in half
the time.
"""
import collections

WORTH = 0.04
"""A larger batch must save this share of the cost of a frame."""
FIRST = 5
"""Batches of each size before it is rated: the first ones are slow."""
KEPT = 9
AGAIN = 100
"""After this many batches another size is tried again: the machine may be hotter now, or busy with other work."""


class BatchSize:
    """Chooses among one, powers of two and all that wait, up to `most`."""

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
