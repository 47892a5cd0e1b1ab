"""Memory and descriptors of an appliance over a run: a straight line through what its processes held, after they warmed up."""
import os

import numpy as np

from edge_app.clock import now_ns
from edge_app.supervision.process_usage import own_mb
from edge_app.testing.chaos.sampler import Sampler

WARM = 0.2
"""Share of the run that is left aside, if all was not done once before: caches fill, every code path has its first time."""
SETTLE_S = 120.0
"""The same of the life of a process that begins anew meanwhile."""
END_S = 5.0
"""And its end, when it lets go of everything."""
GIVES_BACK_S = 1.5
"""A session's last descriptor is closed so long before the last of its memory is given back."""
GROWTH_MB_PER_HOUR = 1.0
"""Most the sum of all processes may grow."""
LEAST_S = 1800.0
"""A shorter run says nothing about growth: it is measured, and not held against anybody."""
FEWEST = 20


class Scales(Sampler):
    """Weighs the processes of a `running` appliance now and then; a context manager.

    What they share with others of the same libraries is left out: it depends on how many of those there are.
    """

    rest_s = 0.25
    """A rest shows in what was seen several times within GIVES_BACK_S."""

    def __init__(self, running):
        super(Scales, self).__init__('scales')
        self._running = running
        self.samples = []
        """[(seconds since the start, {process: (pid, MB, descriptors)})]; descriptors None where they may not be seen."""
        self.warm_s = None
        """Seconds since the start until all had been done once; None: see WARM."""
        self._began_ns = now_ns()

    def warm(self):
        """All that is to happen has happened once."""
        self.warm_s = (now_ns() - self._began_ns) / 1e9

    def figures(self):
        """The part `memory` of the report."""
        return figures(self.samples, self.warm_s)

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


def figures(samples, warm_s=None):
    """The part `memory` of the report; empty where there are too few samples to say anything."""
    if len(samples) < FEWEST:
        return {}
    begin_s = samples[-1][0] * WARM if warm_s is None else warm_s
    processes = {}
    for moment_s, found in samples:
        for name, facts in found.items():
            processes.setdefault(name, []).append((moment_s,) + facts)
    weighed = {name: settled(looks, begin_s) for name, looks in sorted(processes.items())}
    weighed = {name: looks for name, looks in weighed.items() if len(looks) >= FEWEST}
    by_process = {name: growth([look[:3] for look in resting(looks)]) for name, looks in weighed.items()}
    opened = {name: [fds for _, _, _, fds in steady(looks)] for name, looks in weighed.items()}
    return {'seconds': round(samples[-1][0], 1), 'samples': sum(moment_s >= begin_s for moment_s, _ in samples),
            'mb_per_hour': round(sum(filter(None, by_process.values())), 2), 'mb_per_hour_by_process': by_process,
            'mb': round(sum(facts[1] for facts in samples[-1][1].values()), 1),
            'descriptors': {name: at_rest(found) for name, found in opened.items()
                            if len(found) > 1 and None not in found},
            'restarted': [name for name in weighed if len({pid for _, pid, _, _ in processes[name]}) > 1]}


def settled(looks, begin_s):
    """Of [(seconds, pid, MB, descriptors)] those after `begin_s`, without the begin of a later process' life and the end of any."""
    born_s, died_s = {}, {}
    for moment_s, pid, _, _ in looks:
        born_s.setdefault(pid, moment_s)
        died_s[pid] = moment_s
    first, last = looks[0][1], looks[-1][1]
    return [look for look in looks if look[0] >= begin_s and (look[1] == first or look[0] >= born_s[look[1]] + SETTLE_S)
            and (look[1] == last or look[0] <= died_s[look[1]] - END_S)]


def resting(looks):
    """Of [(seconds, pid, MB, descriptors)] those with the fewest descriptors, and not only just so few.

    A session with a camera, or a viewer, takes descriptors and megabytes, and gives them back: it would hide what stays.
    """
    held = steady(looks)
    fewest = min((look[3] or 0 for look in held), default=0)
    return [look for look in held if (look[3] or 0) == fewest]


def steady(looks):
    """Of [(seconds, pid, MB, descriptors)] those with as many descriptors as for GIVES_BACK_S before."""
    found, before, since_s = [], None, None
    for look in looks:
        if (look[1], look[3]) != before:
            before, since_s = (look[1], look[3]), look[0]
        if look[0] - since_s >= GIVES_BACK_S:
            found.append(look)
    return found


def at_rest(counts):
    """The fewest descriptors in the first and in the second half: sessions and viewers come and go, what leaks stays."""
    half = len(counts) // 2
    return [min(counts[:half]), min(counts[half:])]


def growth(looks):
    """MB per hour by the line of least squares through [(seconds, pid, MB)]: one slope, each process with a level of its own.

    A process that begins anew holds another amount, which is no growth; one that grows until it ends, again and again, is.
    None where there are too few looks to say.
    """
    if len(looks) < FEWEST:
        return None
    moments, pids, held = (np.array(column, float) for column in zip(*looks))
    for pid in set(pids):
        same = pids == pid
        moments[same] -= moments[same].mean()
        held[same] -= held[same].mean()
    spread = float((moments ** 2).sum())
    return round(float((moments * held).sum()) / spread * 3600, 2) if spread else 0.0


def failures(found):
    """What is beyond its limit, in words."""
    if found and found['seconds'] >= LEAST_S and found['mb_per_hour'] > GROWTH_MB_PER_HOUR:
        yield 'memory grew by %.2f MB an hour, at most %g' % (found['mb_per_hour'], GROWTH_MB_PER_HOUR)
    for name, slope in sorted(found['mb_per_hour_by_process'].items() if found and found['seconds'] >= LEAST_S else ()):
        if slope is None:
            yield '%s was too seldom at rest to be weighed' % name
    for name, (early, late) in sorted(found['descriptors'].items() if found else ()):
        if late > early and name not in found['restarted']:
            yield '%s has %d descriptors at rest, %d before' % (name, late, early)
