"""Which faults, how often and in which order, short or long; the report."""
import contextlib
import functools
import tempfile
import time

import attrs

from edge_app.errors import ConfigError, EdgeAppError
from edge_app.testing.chaos import camera_counts, camera_faults, disk_full, kills, memory, models, viewers
from edge_app.testing.chaos.report import SCHEMA, ReportRow
from edge_app.testing.chaos.testbed import CAMERAS, FPS, Testbed
from edge_app.testing.harness.statistics import machine

SEED = 5


@attrs.frozen
class Length:
    """How much of everything."""

    alternations = attrs.field()
    window_s = attrs.field()
    kills = attrs.field()
    others = attrs.field()
    """How often processes are stopped, ended or paused, each; 35 is five times for each of the seven kinds."""
    count_s = attrs.field()
    warms = attrs.field(default=False)
    """Every fault of a camera is tried once before memory is measured: what the first time takes is not growth."""
    names = attrs.field(default=None)
    """Faults without --only; None: all."""


SHORT = Length(5, 2.5, 12, 8, 10.0, names=('freeze', 'rst', 'kill'))
LONG = Length(5, 7.0, 200, 35, 600.0, warms=True)
PROGRESS_EVERY_S = 60.0


def expected_s(length, name):
    """About how long a fault takes."""
    both_s = 2 * length.window_s
    if name in {case.name for case in camera_faults.CASES}:
        edited = any(case.edited for case in camera_faults.CASES if case.name == name)
        waits_s = camera_faults.REFUSED_S if edited else 0
        return length.alternations * (both_s + 5) + waits_s
    if name in viewers.KINDS:
        return length.alternations * (both_s + 2)
    if name in disk_full.PLACES:
        return length.alternations * (both_s + 8) + 10
    way_s = {kills.KILL.name: 5 * length.kills, kills.END.name: 8 * length.others, kills.HANG.name: 19 * length.others,
             kills.PAUSE.name: 8 * length.others}
    return way_s.get(name, length.count_s + 20)


class ChaosProgress:
    """Reports what is being done and how long the rest will take, through `echo`."""

    def __init__(self, length, names, echo):
        self._echo = echo
        self._expected_s = {name: expected_s(length, name) for name in names}
        self._whole_s = dict(self._expected_s)
        self._reported_s = time.monotonic()

    def begin(self, name):
        """Report the start of `name`, at most once a minute."""
        if time.monotonic() - self._reported_s >= PROGRESS_EVERY_S:
            self._reported_s = time.monotonic()
            self._echo('...  %s; about %.0f minutes left' % (name, sum(self._expected_s.values()) / 60))

    def part(self, name, parts):
        """One of `parts` parts of `name` is done."""
        self._expected_s[name] = max(0.0, self._expected_s[name] - self._whole_s[name] / parts)
        self.begin('%s, one of %d' % (name, parts))

    def done(self, name):
        """All of `name` is done."""
        self._expected_s[name] = 0.0


class ChaosRun:
    """One run and its rows. `folder` is for a generated model."""

    def __init__(self, length, names, on_row, progress, folder):
        self.length, self.names, self._on_row, self._progress, self._folder = length, names, on_row, progress, folder
        self.rows, self.memory = [], {}
        self.model = self._engine = None

    def add(self, row):
        """Add a complete row."""
        self.rows.append(row)
        self._on_row(row)

    def wanted(self, things):
        """Those that were selected."""
        return [thing for thing in things if name_of(thing) in self.names]

    def each(self, things):
        """One after the other, with progress."""
        for thing in things:
            self._progress.begin(name_of(thing))
            yield thing
            self._progress.done(name_of(thing))

    @contextlib.contextmanager
    def testbed(self):
        """A Testbed for several rows, with an engine that leaves room; its leftovers count for the last row."""
        if self.model is None:
            self._engine, self.model = models.with_room(self._folder, CAMERAS * FPS)
        with Testbed(CAMERAS, fps=FPS, engine=self._engine) as testbed:
            yield testbed
            self.rows[-1].left_behind += testbed.end()

    def cameras(self):
        """Faults of cameras, on one appliance, whose memory is sampled meanwhile."""
        cases = self.wanted(camera_faults.CASES)
        if not cases:
            return
        with self.testbed() as testbed, memory.MemorySampler(testbed.running) as sampler:
            try:
                if self.length.warms:
                    self._progress.begin('each once, to warm up')
                    for number, case in enumerate(cases):
                        camera_faults.measure(testbed, case, 1, SHORT.window_s, first=number)
                    sampler.warm()
                for case in self.each(cases):
                    first = sum(row.times for row in self.rows)
                    self.add(camera_faults.measure(testbed, case, self.length.alternations, self.length.window_s,
                                                   first))
            finally:
                self.memory = sampler.figures()

    def viewers(self):
        """Faults of viewers, on an appliance of its own, because every viewer is served from memory of its own."""
        kinds = self.wanted(viewers.KINDS)
        if not kinds:
            return
        with self.testbed() as testbed:
            for kind in self.each(kinds):
                self.add(viewers.measure(testbed, kind, self.length.alternations, self.length.window_s))

    def processes(self):
        """Faults of processes."""
        for way in self.each(self.wanted(kills.WAYS)):
            times = self.length.kills if way is kills.KILL else self.length.others
            with self.testbed() as testbed:
                for row in kills.measure(testbed, way, times, SEED, self.length.window_s,
                                         functools.partial(self._progress.part, way.name, times)):
                    self.add(row)

    def full_places(self):
        for place in self.each(self.wanted(disk_full.PLACES)):
            self.add(disk_full.measure(place, self.length.alternations, self.length.window_s))

    def camera_counts(self):
        for count in self.each(self.wanted(camera_counts.COUNTS)):
            self.add(camera_counts.measure(count, self.length.count_s, self._folder))

    def all(self):
        """Everything that was selected; a part that cannot continue becomes a row, and the next one follows."""
        for part in (self.cameras, self.viewers, self.processes, self.full_places, self.camera_counts):
            try:
                part()
            except (EdgeAppError, OSError) as error:
                self.add(ReportRow(part.__name__.replace('_', ' '), 'all', trouble=['could not continue: %s' % error]))


def name_of(thing):
    """Its name for --only; a thing may be its own name."""
    return getattr(thing, 'name', thing)


def names():
    """All faults, in their order."""
    return ([case.name for case in camera_faults.CASES] + list(viewers.KINDS) + [way.name for way in kills.WAYS]
            + list(disk_full.PLACES) + [count.name for count in camera_counts.COUNTS])


def check_names(only):
    """ConfigError if `only` names an unknown fault."""
    for name in only:
        if name not in names():
            raise ConfigError('--only: unknown fault %r; known: %s' % (name, '; '.join(names())))


def run(length, only=(), on_row=lambda row: None, echo=lambda words: None):
    """The report of everything, or of `only` these; `on_row` for each complete row, `echo` for progress."""
    began_s = time.monotonic()
    wanted = list(only) or length.names or names()
    complete = False
    with tempfile.TemporaryDirectory(prefix='edge-app-chaos-') as folder:
        done = ChaosRun(length, wanted, on_row, ChaosProgress(length, wanted, echo), folder)
        with contextlib.suppress(KeyboardInterrupt):        # what has been done by then is worth reporting
            done.all()
            complete = True
    troubles = list(memory.failures(done.memory))
    return {'schema': SCHEMA, 'machine': machine(), 'model': done.model,
            'seconds': round(time.monotonic() - began_s, 1),
            'complete': complete,
            'good': complete and not troubles and not any(row.failures() for row in done.rows if not row.refused),
            'faults': [row.to_dict() for row in done.rows], 'memory': dict(done.memory, failures=troubles)}
