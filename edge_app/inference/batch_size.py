"""How many pictures go into a batch: as few as cost no more each, measured while at work. Pure logic, times are given.

Four pictures take a GPU hardly longer than one, so they go together. A processor needs four times as long for four, and each
of them waits for all: there two may even cost less than four, whose arrays no longer fit its cache, and every result is there
in half the time.
"""
import collections

WORTH = 0.04
"""A larger batch has to save this share of what a picture costs."""
FIRST = 5
"""Batches of each size before it is judged: the first ones are slow."""
KEPT = 9
AGAIN = 100
"""So many batches, and one of another size is tried again: the machine may be hotter now, or have other work."""


class BatchSize:
    """The batch that pays, of at most `most`: one, powers of two, or all that wait."""

    def __init__(self, most):
        self._most = most
        self._spent = {}
        """{pictures: what each cost in the last batches of so many}"""
        self._batches = 0

    def took(self, pictures, spent_ns):
        """A batch of so many took so long, everything about it included."""
        self._batches += 1
        self._spent.setdefault(pictures, collections.deque(maxlen=KEPT)).append(spent_ns / pictures)

    def next(self, waiting):
        """Most pictures the next batch should have, of so many that wait."""
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
        """What there is to choose from, smallest first."""
        found, size = [], 1
        while size < largest:
            found.append(size)
            size *= 2
        return found + [max(1, largest)]
