"""One row of the report per fault: detection, recovery, impact on the other cameras; and the limits."""
import attrs
import numpy as np

from edge_app.testing.chaos.memory import LEAST_S

SCHEMA = 1

GAP_FRAMES = 2.0
"""p99.5 of the gap of healthy cameras with the fault: how much later than due a picture may be, in frame intervals."""
GAP_MORE_FRAMES = 1.0
"""The same beyond that of the windows without a fault."""
P95_RATIO = 1.2
"""p95 from arrival to result of a healthy camera with the fault by that without; median over the alternations."""
LEAST_RATE = 0.95
"""Inferences a second of a healthy camera with the fault by those without."""
ALTERNATIONS = 5
"""With fewer, the two ratios are reported and not judged: a median of two windows of seconds says little."""
LOST = 0
"""Pictures of healthy cameras that were sent and never entered their ring."""
OFF_S = 3.0
"""Longest time for which frames may be unaccounted for: the successor of a killed process reconciles them."""
NO_SIGNAL_S = 3.0
"""From the last picture until the camera is no longer live; the cameras here send more than one in a second."""
STOLEN = 0.03
"""Share of the processors, taken by the host, that is mentioned beside a missed limit; it excuses nothing."""
BACK_S = 2.0
"""From the moment the port answers to a picture, plus one key-frame interval."""


@attrs.define(eq=False)
class ReportRow:
    """Figures of one fault; None where there is none. Its fields are the keys of the report."""

    name = attrs.field()
    target = attrs.field()
    """What it hit; `all` if no camera was left healthy."""
    times = attrs.field(default=0)
    """Repetitions."""
    healthy_gap_frames = attrs.field(default=None)
    """{"p99.5", "fault_free"} in frame intervals."""
    healthy_p95_ratio = attrs.field(default=None)
    healthy_p95_spread = attrs.field(default=None)
    """[least, greatest] over the alternations."""
    healthy_rate_ratio = attrs.field(default=None)
    frames_lost = attrs.field(default=None)
    frames_lost_fault_free = attrs.field(default=None)
    kept_out = attrs.field(default=None)
    """{reason: pictures of healthy cameras that arrived and did not enter their ring}, with the fault."""
    disorder = attrs.field(default=None)
    """{"duplicates", "out_of_order", "torn"} of the healthy cameras."""
    host_took = attrs.field(default=None)
    """Largest share of the processors' time in any window that the host of a virtual machine gave to others."""
    detected_s = attrs.field(default=None)
    """From the fault to its first sign in the counters, the longest."""
    recovered_s = attrs.field(default=None)
    """From its end to a fresh picture, the longest."""
    most_detected_s = attrs.field(default=None)
    """Limits of the two; None: it need not be detected."""
    most_recovered_s = attrs.field(default=None)
    ledger_balanced = attrs.field(default=None)
    ledger_off_s = attrs.field(default=None)
    left_behind = attrs.field(factory=list)
    trouble = attrs.field(factory=list)
    """What else went wrong, as text."""
    refused = attrs.field(default=None)
    """Why it is impossible on this machine."""
    more = attrs.field(factory=dict)
    """Figures that only this fault has."""

    def compare(self, comparison):
        """Enter the figures of the healthy cameras from a Comparison."""
        ratios = comparison.p95_ratios()
        self.healthy_gap_frames = {'p99.5': comparison.gap_frames(True), 'fault_free': comparison.gap_frames(False)}
        self.healthy_p95_ratio = round(float(np.median(ratios)), 3) if ratios else None
        self.healthy_p95_spread = [round(min(ratios), 3), round(max(ratios), 3)] if ratios else None
        self.healthy_rate_ratio = rounded(comparison.rate_ratio())
        self.frames_lost, self.frames_lost_fault_free = comparison.lost(True), comparison.lost(False)
        self.kept_out, self.disorder = comparison.dropped(True), comparison.disorder()
        self.host_took = rounded(comparison.host_took)

    def audit(self, off_s, allowed_s=0.0):
        """Enter how long frames were unaccounted for; `allowed_s`: a process was down for this long."""
        self.ledger_off_s = max(round(off_s, 2), self.ledger_off_s or 0.0)
        self.ledger_balanced = self.ledger_balanced is not False and off_s <= OFF_S + allowed_s

    def took(self, detected_s, recovered_s):
        """Enter one repetition: the longest times count."""
        self.times += 1
        self.detected_s = rounded(longest(self.detected_s, detected_s))
        self.recovered_s = rounded(longest(self.recovered_s, recovered_s))
        if detected_s is None and self.most_detected_s is not None:
            self.trouble.append('not detected')
        if recovered_s is None:
            self.trouble.append('not recovered')

    def failures(self, timing=True):
        """What exceeds its limit, as text; without `timing` only what a busy machine does not excuse."""
        found = list(self.trouble) + ['left behind: ' + left for left in self.left_behind]
        if self.ledger_balanced is False:
            found.append('frames unaccounted for, for %.1f s' % self.ledger_off_s)
        found += ['%s: %d' % (kind.replace('_', ' '), count) for kind, count in (self.disorder or {}).items() if count]
        return found + (list(self._slow()) + [words + self._host() for words in self._impact()] if timing else [])

    def _host(self):
        took = self.host_took or 0.0
        words = ' (the host of this machine took up to %.0f %% of its processors)'
        return words % (100 * took) if took >= STOLEN else ''

    def _slow(self):
        for what, took_s, most_s in (('detected', self.detected_s, self.most_detected_s),
                                     ('recovered', self.recovered_s, self.most_recovered_s)):
            if took_s is not None and most_s is not None and took_s > most_s:
                yield '%s after %.1f s, at most %.1f' % (what, took_s, most_s)

    def _impact(self):
        gap = self.healthy_gap_frames or {}
        faulty, free = gap.get('p99.5'), gap.get('fault_free')
        if faulty is not None and faulty > GAP_FRAMES:
            yield 'healthy cameras waited %.2f frames, at most %g' % (faulty, GAP_FRAMES)
        if faulty is not None and free is not None and faulty > free + GAP_MORE_FRAMES:
            yield 'healthy cameras waited %.2f frames longer than without, at most %g' % (
                faulty - free, GAP_MORE_FRAMES)
        often = self.times >= ALTERNATIONS
        if often and self.healthy_p95_ratio is not None and self.healthy_p95_ratio > P95_RATIO:
            yield 'p95 of healthy cameras %.2f times as long, at most %g' % (self.healthy_p95_ratio, P95_RATIO)
        if often and self.healthy_rate_ratio is not None and self.healthy_rate_ratio < LEAST_RATE:
            yield 'healthy cameras at %.2f of their rate, at least %g' % (self.healthy_rate_ratio, LEAST_RATE)
        if (self.frames_lost or 0) > LOST:
            yield '%d frames of healthy cameras lost%s' % (self.frames_lost, ''.join(
                ', %s %d' % reason for reason in sorted((self.kept_out or {}).items())))

    def to_dict(self):
        """The row of the report."""
        return dict(attrs.asdict(self), failures=[] if self.refused else self.failures())


def rounded(value, digits=3):
    return None if value is None else round(float(value), digits)


def longest(one, other):
    known = [value for value in (one, other) if value is not None]
    return max(known) if known else None


HEADING = '%-24s %-9s %3s %9s %9s %6s %6s %6s %5s %6s %8s  %s' % (
    'fault', 'target', 'n', 'detected', 'recovered', 'gap', 'free', 'p95', 'lost', 'rate', 'balanced',
    'limits exceeded')


def line(row):
    """The row of the table."""
    if row.refused:
        return '%-24s %-9s %s' % (row.name, row.target, 'not possible: ' + row.refused)
    gap = row.healthy_gap_frames or {}
    return '%-24s %-9s %3d %9s %9s %6s %6s %6s %5s %6s %8s  %s' % (
        row.name, row.target, row.times, cell(row.detected_s, ' s'), cell(row.recovered_s, ' s'),
        cell(gap.get('p99.5')),
        cell(gap.get('fault_free')), cell(row.healthy_p95_ratio), '-' if row.frames_lost is None else row.frames_lost,
        cell(row.healthy_rate_ratio), {True: 'yes', False: 'NO', None: '-'}[row.ledger_balanced],
        '; '.join(row.failures()) or '-')


def summary(found):
    """The end of the report as text: the model, memory, and every limit exceeded."""
    if found['model']:
        yield 'model: ' + found['model']
    memory = found['memory']
    if 'mb_per_hour' in memory:
        yield 'memory: %s, %.0f MB at the end; descriptors at rest: %s' % (growth(memory), memory['mb'], ', '.join(
            '%s %d, then %d' % (name, early, late) for name, (early, late) in sorted(memory['descriptors'].items())))
    beyond = [(row['name'], failure) for row in found['faults'] for failure in row['failures']]
    for name, failure in beyond + [('memory', failure) for failure in memory['failures']]:
        yield 'limit exceeded: %s: %s' % (name, failure)
    verdict = 'within all limits' if found['good'] else 'FAILED' if found['complete'] else 'interrupted before the end'
    yield '%s, %.0f s' % (verdict, found['seconds'])


def growth(memory):
    """Growth as text, from the part `memory` of the report; minutes are not extrapolated to an hour."""
    if memory['seconds'] < LEAST_S:
        return '%.0f s are too short to measure growth' % memory['seconds']
    return '%+.2f MB an hour over %.0f s' % (memory['mb_per_hour'], memory['seconds'])


def cell(value, unit=''):
    return '-' if value is None else '%.2f%s' % (value, unit)
