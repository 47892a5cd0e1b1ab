"""What the cameras that nothing was done to felt of it: windows with the fault beside windows without, of the same run."""
import collections
import contextlib
from typing import NamedTuple

import numpy as np

from edge_app.stats.histogram import Histogram
from edge_app.testing.chaos import steal_time

GAP_Q = 99.5
LATENCY_Q = 95
DISORDER = ('duplicates', 'out_of_order', 'torn')


class WindowReading(NamedTuple):
    """A camera's books at one moment."""

    moment_ns: int
    inferred: int
    result: object
    """Histogram of arrival to boxes known."""
    fates: dict
    """{reason: pictures that arrived and did not get into the ring}, so far."""
    unsent: int
    """Pictures the camera itself left out so far, because this machine was too slow for it."""


class Impact(NamedTuple):
    """One healthy camera in one window."""

    span_ns: int
    inferred: int
    result: object
    """Histogram of what was inferred in it."""
    gaps_ns: list
    lost: int
    """Pictures that were sent and are not in the ring."""
    fates: dict
    disorder: dict


class Comparison:
    """Windows of one row, and what they say.

    `look(names)` gives a Reading of each camera, `seen(name, begin_ns, end_ns)` its Sightings, `ticks()` what `host.ticks` does.
    """

    def __init__(self, look, seen, interval_ns, ticks=steal_time.ticks):
        self._look, self._seen, self._interval_ns, self._ticks = look, seen, interval_ns, ticks
        self._windows = {True: [], False: []}
        """By whether there was a fault: [{camera: Impact}]."""
        self.host_took = 0.0
        """The greatest share of the processors' time in any window that the host of this machine gave to others."""

    @contextlib.contextmanager
    def window(self, fault, healthy):
        """Everything within is one window; `healthy` are the cameras nothing is done to."""
        begin, began = self._look(healthy), self._ticks()
        yield
        end = self._look(healthy)
        self.host_took = max(self.host_took, steal_time.taken(began, self._ticks()))
        self._windows[fault].append({name: self._felt(name, begin[name], end[name]) for name in healthy})

    def _felt(self, name, begin, end):
        seen = self._seen(name, begin.moment_ns, end.moment_ns)
        return Impact(end.moment_ns - begin.moment_ns, end.inferred - begin.inferred,
                    end.result - begin.result, gaps_ns(seen),
                    max(0, holes(seen) - (end.unsent - begin.unsent)),
                    {reason: count - begin.fates[reason] for reason, count in end.fates.items()}, disorder(seen))

    def _all(self, fault):
        return [felt for window in self._windows[fault] for felt in window.values()]

    def gap_frames(self, fault):
        """p99.5 over windows and cameras of how much later than due a frame came after the one before, in intervals."""
        found = [gap for felt in self._all(fault) for gap in felt.gaps_ns]
        return round(float(np.percentile(found, GAP_Q)) / self._interval_ns, 3) if found else None

    def p95_ratios(self):
        """Per pair of windows: p95 of the healthy cameras' latency to the result with the fault by that without."""
        pairs = [(p95_ns(faulty), p95_ns(free)) for faulty, free in zip(self._windows[True], self._windows[False])]
        return [faulty / free for faulty, free in pairs if faulty and free]

    def rate_ratio(self):
        """Inferred per second with the fault by that without, the worst camera's; None without windows of both kinds."""
        rates = {fault: self._rates(fault) for fault in (True, False)}
        return min([rates[True][name] / rates[False][name] for name in rates[True] if rates[False].get(name)] or [None])

    def _rates(self, fault):
        totals = {}
        for window in self._windows[fault]:
            for name, felt in window.items():
                inferred, span_ns = totals.get(name, (0, 0))
                totals[name] = inferred + felt.inferred, span_ns + felt.span_ns
        return {name: inferred * 1e9 / span_ns for name, (inferred, span_ns) in totals.items()}

    def disorder(self):
        """{"duplicates", "out_of_order", "torn"} among the healthy cameras' frames in all windows."""
        every = self._all(True) + self._all(False)
        return {kind: sum(felt.disorder[kind] for felt in every) for kind in DISORDER}

    def lost(self, fault):
        """Pictures of healthy cameras that were sent and are in no ring."""
        return sum(felt.lost for felt in self._all(fault))

    def fates(self, fault):
        """{reason: pictures of healthy cameras that arrived and did not get into the ring}."""
        return total(felt.fates for felt in self._all(fault))


def p95_ns(window):
    """p95 of the latency over all cameras of one window; None where nothing was inferred."""
    counts = [felt.result.counts for felt in window.values()]
    return Histogram(np.sum(counts, axis=0), 0).percentile(LATENCY_Q) if counts else None


def total(counts):
    """Sum of dicts of numbers, without what is 0."""
    found = collections.Counter()
    for one in counts:
        found.update(one)
    return {name: count for name, count in sorted(found.items()) if count}


def neighbours(seen):
    """Pairs of sightings, both with a mark, with nothing between them that was not looked at."""
    return [(one, other) for one, other in zip(seen, seen[1:])
            if other.index == one.index + 1 and one.marked and other.marked]


def gaps_ns(seen):
    """Difference of the moments of consecutive marks less the difference of their sending."""
    return [(other.seen_ns - one.seen_ns) - (other.sent_ns - one.sent_ns) for one, other in neighbours(seen)]


def disorder(seen):
    """What may never be: the same picture twice, an older one after a newer, one without a sound mark."""
    steps = [other.number - one.number for one, other in neighbours(seen)]
    return dict(zip(DISORDER, (sum(step == 0 for step in steps), sum(step < 0 for step in steps),
                               sum(not sighting.marked for sighting in seen))))


def holes(seen):
    """Pictures missing between neighbours in the ring."""
    return sum(max(0, other.number - one.number - 1) for one, other in neighbours(seen))
