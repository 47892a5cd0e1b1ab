"""Memory and descriptors of an appliance over a run: a straight line through what its processes held, after they warmed up."""
import os

import numpy as np

from edge_app.chaos.looking import Looking
from edge_app.clock import now_ns
from edge_app.supervision.process_usage import own_mb

WARM = 0.2
"""Share of the run that is left aside: caches fill, every code path has its first time."""
GROWTH_MB_PER_HOUR = 1.0
"""Most the sum of all processes may grow."""
LEAST_S = 1800.0
"""A shorter run says nothing about growth: it is measured, and not held against anybody."""
FEWEST = 20


class Scales(Looking):
    """Weighs the processes of a `running` appliance now and then; a context manager.

    What they share with others of the same libraries is left out: it depends on how many of those there are.
    """

    rest_s = 5.0

    def __init__(self, running):
        super(Scales, self).__init__('scales')
        self._running = running
        self.samples = []
        """[(seconds since the start, {process: (pid, MB, descriptors)})]; descriptors None where they may not be seen."""
        self._began_ns = now_ns()

    def look(self):
        found = {name: (row['pid'], own_mb(row['pid']), descriptors(row['pid']))
                 for name, row in self._running.workers().items() if row['pid']}
        self.samples.append(((now_ns() - self._began_ns) / 1e9,
                             {name: facts for name, facts in found.items() if facts[1] is not None}))


def descriptors(pid):
    """How many a process has open; None when it may not be seen."""
    try:
        return len(os.listdir('/proc/%d/fd' % pid))
    except OSError:
        return None


def figures(samples):
    """The part `memory` of the report; empty where there are too few samples to say anything."""
    if len(samples) < FEWEST:
        return {}
    warm = [sample for sample in samples if sample[0] >= samples[-1][0] * WARM]
    moments = [moment_s for moment_s, _ in warm]
    names = sorted(set.intersection(*[set(found) for _, found in warm]))
    by_process = {name: growth(moments, [found[name][1] for _, found in warm]) for name in names}
    opened = {name: [found[name][2] for _, found in warm] for name in names}
    total = growth(moments, [sum(found[name][1] for name in names) for _, found in warm])
    return {'seconds': round(samples[-1][0], 1), 'samples': len(warm), 'mb_per_hour': total, 'mb_per_hour_by_process': by_process,
            'mb': round(sum(found[1] for found in warm[-1][1].values()), 1),
            'descriptors': {name: at_rest(found) for name, found in opened.items() if None not in found},
            'restarted': [name for name in names if len({found[name][0] for _, found in warm}) > 1]}


def at_rest(counts):
    """The fewest descriptors in the first and in the second half: sessions and viewers come and go, what leaks stays."""
    half = len(counts) // 2
    return [min(counts[:half]), min(counts[half:])]


def growth(moments, values):
    """Slope of the straight line of least squares, per hour."""
    return round(float(np.polyfit(moments, values, 1)[0]) * 3600, 2)


def failures(found):
    """What is beyond its limit, in words."""
    if found and found['seconds'] >= LEAST_S and found['mb_per_hour'] > GROWTH_MB_PER_HOUR:
        yield 'memory grew by %.2f MB an hour, at most %g' % (found['mb_per_hour'], GROWTH_MB_PER_HOUR)
    for name, (early, late) in sorted(found['descriptors'].items() if found else ()):
        if late > early and name not in found['restarted']:
            yield '%s has %d descriptors at rest, %d before' % (name, late, early)
