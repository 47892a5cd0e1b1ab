"""Growth of the memory and descriptors of an appliance's processes over a run, after they have warmed up."""
import os

import numpy as np

from edge_app.clock import now_ns
from edge_app.supervision.process_usage import own_mb
from edge_app.testing.harness.sampler import Sampler

WARM = 0.2
"""Share of the run to ignore unless everything was done once before: caches fill, code runs for the first time."""
SETTLE_S = 120.0
"""The same for a process that restarts meanwhile."""
END_S = 5.0
"""And for its end, when it releases everything."""
RELEASE_S = 1.5
"""A session's last descriptor is closed this long before the last of its memory is released."""
GROWTH_MB_PER_HOUR = 1.0
"""Limit for the sum of all processes."""
LEAST_S = 1800.0
"""The growth of a shorter run is reported and not judged: it says little."""
FEWEST = 20
"""Samples of a process."""


class MemorySampler(Sampler):
    """Samples the processes of a `running` appliance; a context manager.

    Pages shared with others are left out: their share depends on how many processes use the same libraries.
    """

    rest_s = 0.25
    """Several samples within RELEASE_S show that a process is at rest."""

    def __init__(self, running):
        super(MemorySampler, self).__init__()
        self._running = running
        self.samples = []
        """[(seconds since the start, {process: (pid, MB, descriptors)})]; descriptors None where not permitted."""
        self.warm_s = None
        """Seconds since the start until everything had been done once; None: see WARM."""
        self._began_ns = now_ns()

    def warm(self):
        """Everything has been done once."""
        self.warm_s = (now_ns() - self._began_ns) / 1e9

    def figures(self):
        """The part `memory` of the report."""
        return figures(self.samples, self.warm_s)

    def sample(self):
        found = {name: (row['pid'], own_mb(row['pid']), descriptors(row['pid']))
                 for name, row in self._running.workers().items() if row['pid']}
        self.samples.append(((now_ns() - self._began_ns) / 1e9,
                             {name: facts for name, facts in found.items() if facts[1] is not None}))


def descriptors(pid):
    """How many a process has open; None when not permitted."""
    try:
        return len(os.listdir('/proc/%d/fd' % pid))
    except OSError:
        return None


def figures(samples, warm_s=None):
    """The part `memory` of the report; empty with too few samples."""
    if len(samples) < FEWEST:
        return {}
    begin_s = samples[-1][0] * WARM if warm_s is None else warm_s
    processes = {}
    for moment_s, found in samples:
        for name, facts in found.items():
            processes.setdefault(name, []).append((moment_s,) + facts)
    kept = {name: settled(rows, begin_s) for name, rows in sorted(processes.items())}
    kept = {name: rows for name, rows in kept.items() if len(rows) >= FEWEST}
    by_process = {name: growth([row[:3] for row in resting(rows)]) for name, rows in kept.items()}
    # The fewest in each half: those of sessions and viewers come and go, leaked ones stay.
    opened = {name: [fds for _, _, _, fds in steady(rows)] for name, rows in kept.items()}
    return {'seconds': round(samples[-1][0], 1), 'samples': sum(moment_s >= begin_s for moment_s, _ in samples),
            'mb_per_hour': round(sum(filter(None, by_process.values())), 2), 'mb_per_hour_by_process': by_process,
            'mb': round(sum(facts[1] for facts in samples[-1][1].values()), 1),
            'descriptors': {name: [min(found[:len(found) // 2]), min(found[len(found) // 2:])]
                            for name, found in opened.items() if len(found) > 1 and None not in found},
            'restarted': [name for name in kept if len({pid for _, pid, _, _ in processes[name]}) > 1]}


def settled(samples, begin_s):
    """[(seconds, pid, MB, descriptors)] after `begin_s`, without starts of restarted processes and ends of any."""
    born_s, died_s = {}, {}
    for moment_s, pid, _, _ in samples:
        born_s.setdefault(pid, moment_s)
        died_s[pid] = moment_s
    first, last = samples[0][1], samples[-1][1]
    return [row for row in samples if row[0] >= begin_s and (row[1] == first or row[0] >= born_s[row[1]] + SETTLE_S)
            and (row[1] == last or row[0] <= died_s[row[1]] - END_S)]


def resting(samples):
    """[(seconds, pid, MB, descriptors)] with the fewest descriptors for a while.

    A session with a camera or a viewer takes descriptors and megabytes and returns them, which would hide what stays.
    """
    held = steady(samples)
    fewest = min((sample[3] or 0 for sample in held), default=0)
    return [sample for sample in held if (sample[3] or 0) == fewest]


def steady(samples):
    """[(seconds, pid, MB, descriptors)] with the same number of descriptors for RELEASE_S before."""
    found, before, since_s = [], None, None
    for sample in samples:
        if (sample[1], sample[3]) != before:
            before, since_s = (sample[1], sample[3]), sample[0]
        if sample[0] - since_s >= RELEASE_S:
            found.append(sample)
    return found


def growth(samples):
    """MB per hour by least squares through [(seconds, pid, MB)]: one slope, and a level of its own for each pid.

    A restarted process holds another amount, which is no growth; growing until it ends, again and again, is.
    None with too few samples.
    """
    if len(samples) < FEWEST:
        return None
    moments, pids, held = (np.array(column, float) for column in zip(*samples))
    for pid in set(pids):
        same = pids == pid
        moments[same] -= moments[same].mean()
        held[same] -= held[same].mean()
    spread = float((moments ** 2).sum())
    return round(float((moments * held).sum()) / spread * 3600, 2) if spread else 0.0


def failures(found):
    """What exceeds its limit, as text."""
    if found and found['seconds'] >= LEAST_S and found['mb_per_hour'] > GROWTH_MB_PER_HOUR:
        yield 'memory grew by %.2f MB an hour, at most %g' % (found['mb_per_hour'], GROWTH_MB_PER_HOUR)
    for name, slope in sorted(found['mb_per_hour_by_process'].items() if found and found['seconds'] >= LEAST_S else ()):
        if slope is None:
            yield '%s was too rarely at rest to be measured' % name
    for name, (early, late) in sorted(found['descriptors'].items() if found else ()):
        if late > early and name not in found['restarted']:
            yield '%s has %d descriptors at rest, %d before' % (name, late, early)
