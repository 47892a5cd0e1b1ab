"""Durations counted in logarithmic buckets from 100 us to 100 s, 60 per decade: each is 3.9 % wide."""
import bisect
import itertools
import math

FLOOR_NS = 100000
PER_DECADE = 60
DECADES = 6
CELLS = PER_DECADE * DECADES + 2
"""One bucket below the floor, the decades, one above."""
_PROMETHEUS_STEP = 12


def bucket(duration_ns):
    """Number of the cell that counts this duration."""
    if duration_ns < FLOOR_NS:
        return 0
    return min(CELLS - 1, 1 + int(math.log10(duration_ns / FLOOR_NS) * PER_DECADE))


def _edge_ns(number):
    """Upper edge of bucket `number`."""
    return FLOOR_NS * 10 ** (number / PER_DECADE)


class Histogram:
    """Counts at one moment; subtract an earlier Histogram for the durations in between."""

    def __init__(self, counts, sum_ns):
        self.counts = list(counts)
        self.sum_ns = sum_ns

    @property
    def count(self):
        return sum(self.counts)

    def __sub__(self, earlier):
        counts = [late - early for late, early in zip(self.counts, earlier.counts)]
        return Histogram(counts, self.sum_ns - earlier.sum_ns)

    def percentile(self, q):
        """Duration in ns that `q` percent (0 to 100) do not exceed, within 2 %; None when nothing was counted."""
        if 0 < q < 1:
            raise ValueError('percentile(%s) is in percent; did you mean %s?' % (q, q * 100))
        if not self.count:
            return None
        rank = max(1, math.ceil(self.count * q / 100))
        number = bisect.bisect_left(list(itertools.accumulate(self.counts)), rank)
        if number in (0, CELLS - 1):
            return int(_edge_ns(min(number, CELLS - 2)))
        return int(_edge_ns(number - 0.5))

    def buckets(self):
        """[(upper edge in s, durations up to it)], 5 per decade and infinity last: Prometheus' cumulative `le`."""
        below = list(itertools.accumulate(self.counts))
        edges = range(0, CELLS - 1, _PROMETHEUS_STEP)
        return ([(float('%.6g' % (_edge_ns(number) / 1e9)), below[number]) for number in edges]
                + [(math.inf, below[-1])])
