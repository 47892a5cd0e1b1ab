"""Impact of a fault on the cameras it did not hit: windows with the fault beside windows without, of the same run."""
import collections
import contextlib
from typing import NamedTuple

import numpy as np

from edge_app.stats.histogram import Histogram

GAP_Q = 99.5
LATENCY_Q = 95
DISORDER = ('duplicates', 'out_of_order', 'torn')


class CameraReading(NamedTuple):
    """A camera's counters at one moment."""

    moment_ns: int
    inferred: int
    result: object
    """Histogram of the time from arrival to boxes."""
    dropped: dict
    """{reason: pictures that arrived and did not enter the ring}, so far."""
    skipped: int
    """Pictures that the simulated camera left out so far, because this machine was too slow for it."""


class CameraImpact(NamedTuple):
    """One healthy camera in one window."""

    span_ns: int
    inferred: int
    result: object
    """Histogram of what was analysed in it."""
    gaps_ns: list
    lost: int
    """Pictures that were sent and are not in the ring."""
    dropped: dict
    disorder: dict


def cpu_ticks():
    """(clock ticks that the host of this virtual machine gave to others, those of all states), of all processors.

    Source: proc(5), /proc/stat; `guest` and `guest_nice` are in `user` and `nice`. On a real machine the first is 0.
    """
    with open('/proc/stat') as stream:
        spent = [int(text) for text in stream.readline().split()[1:9]]
    return spent[7], sum(spent)


def stolen_share(before, after):
    """Share, 0 to 1, of the processors' time between two `cpu_ticks` that the host gave to others."""
    passed = after[1] - before[1]
    return (after[0] - before[0]) / passed if passed > 0 else 0.0


class Comparison:
    """The windows of one row of the report.

    `read(names)` gives a CameraReading of each camera, `seen(name, begin_ns, end_ns)` its FrameSightings.
    """

    def __init__(self, read, seen, interval_ns, ticks=cpu_ticks):
        self._read, self._seen, self._interval_ns, self._ticks = read, seen, interval_ns, ticks
        self._windows = {True: [], False: []}
        """By whether there was a fault: [{camera: CameraImpact}]."""
        self.host_took = 0.0
        """The largest `stolen_share` of any window."""

    @contextlib.contextmanager
    def window(self, fault, healthy):
        """Everything within the `with` is one window; `healthy` are the cameras that are not hit."""
        begin, began = self._read(healthy), self._ticks()
        yield
        end = self._read(healthy)
        self.host_took = max(self.host_took, stolen_share(began, self._ticks()))
        self._windows[fault].append({name: self._impact(name, begin[name], end[name]) for name in healthy})

    def _impact(self, name, begin, end):
        seen = self._seen(name, begin.moment_ns, end.moment_ns)
        return CameraImpact(
            end.moment_ns - begin.moment_ns, end.inferred - begin.inferred, end.result - begin.result, gaps_ns(seen),
            max(0, holes(seen) - (end.skipped - begin.skipped)),
            {reason: count - begin.dropped[reason] for reason, count in end.dropped.items()}, disorder(seen))

    def _all(self, fault):
        return [impact for window in self._windows[fault] for impact in window.values()]

    def gap_frames(self, fault):
        """p99.5, over windows and cameras, of how much later than due a frame followed the one before, in intervals."""
        found = [gap for impact in self._all(fault) for gap in impact.gaps_ns]
        return round(float(np.percentile(found, GAP_Q)) / self._interval_ns, 3) if found else None

    def p95_ratios(self):
        """Per pair of windows: p95 of the healthy cameras' latency to the result with the fault, by that without."""
        pairs = [(p95_ns(faulty), p95_ns(free)) for faulty, free in zip(self._windows[True], self._windows[False])]
        return [faulty / free for faulty, free in pairs if faulty and free]

    def rate_ratio(self):
        """Rate of analysis with the fault by that without, of the worst camera; None without both kinds of windows."""
        rates = {fault: self._rates(fault) for fault in (True, False)}
        return min([rates[True][name] / rates[False][name] for name in rates[True] if rates[False].get(name)] or [None])

    def _rates(self, fault):
        totals = {}
        for window in self._windows[fault]:
            for name, impact in window.items():
                inferred, span_ns = totals.get(name, (0, 0))
                totals[name] = inferred + impact.inferred, span_ns + impact.span_ns
        return {name: inferred * 1e9 / span_ns for name, (inferred, span_ns) in totals.items()}

    def disorder(self):
        """{"duplicates", "out_of_order", "torn"} among the healthy cameras' frames in all windows."""
        impacts = self._all(True) + self._all(False)
        return {kind: sum(impact.disorder[kind] for impact in impacts) for kind in DISORDER}

    def lost(self, fault):
        """Pictures of healthy cameras that were sent and are in no ring."""
        return sum(impact.lost for impact in self._all(fault))

    def dropped(self, fault):
        """{reason: pictures of healthy cameras that arrived and did not enter the ring}."""
        found = collections.Counter()
        for impact in self._all(fault):
            found.update(impact.dropped)
        return {reason: count for reason, count in sorted(found.items()) if count}


def p95_ns(window):
    """p95 of the latency over all cameras of one window; None if nothing was analysed."""
    counts = [impact.result.counts for impact in window.values()]
    return Histogram(np.sum(counts, axis=0), 0).percentile(LATENCY_Q) if counts else None


def neighbours(seen):
    """Pairs of consecutive sightings, both with a timecode, with no unsampled frame between them."""
    return [(one, other) for one, other in zip(seen, seen[1:])
            if other.index == one.index + 1 and one.marked and other.marked]


def gaps_ns(seen):
    """Interval between the moments of consecutive sightings, less the interval between their sending."""
    return [(other.seen_ns - one.seen_ns) - (other.sent_ns - one.sent_ns) for one, other in neighbours(seen)]


def disorder(seen):
    """What must never happen: the same picture twice, an older one after a newer, one without a valid timecode."""
    steps = [other.number - one.number for one, other in neighbours(seen)]
    return dict(zip(DISORDER, (sum(step == 0 for step in steps), sum(step < 0 for step in steps),
                               sum(not sighting.marked for sighting in seen))))


def holes(seen):
    """Pictures missing between neighbours in the ring."""
    return sum(max(0, other.number - one.number - 1) for one, other in neighbours(seen))
