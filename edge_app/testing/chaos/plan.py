"""What is done in which order, short or long, and the report of it."""
import contextlib
import shutil
import tempfile
import time

import attrs

from edge_app.errors import ConfigError, EdgeAppError
from edge_app.testing.bench.statistics import machine
from edge_app.testing.chaos import camera_counts, camera_faults, disk_full, kills, memory, models, viewers
from edge_app.testing.chaos.report import SCHEMA, ReportRow
from edge_app.testing.chaos.testbed import CAMERAS, FPS, Testbed

SEED = 5


@attrs.frozen
class Length:
    """How much of everything."""

    alternations = attrs.field()
    window_s = attrs.field()
    kills = attrs.field()
    others = attrs.field()
    """Times the processes are stopped, ended or stopped for a while, for each of these; 35 are five of each of the seven kinds."""
    crowd_s = attrs.field()
    warms = attrs.field(default=False)
    """All that cameras do is done once before it counts: what a thing needs at its first time is not growth."""
    names = attrs.field(default=None)
    """What is done without --only; None: everything."""


SHORT = Length(5, 2.5, 12, 8, 10.0, names=('freeze', 'rst', 'kill'))
LONG = Length(5, 7.0, 200, 35, 600.0, warms=True)
SAY_EVERY_S = 60.0


def expected_s(length, name):
    """About how long it takes."""
    both_s = 2 * length.window_s
    if name in {case.name for case in camera_faults.CASES}:
        waits_s = camera_faults.REFUSED_S if any(case.edited for case in camera_faults.CASES if case.name == name) else 0
        return length.alternations * (both_s + 5) + waits_s
    if name in viewers.KINDS:
        return length.alternations * (both_s + 2)
    if name in disk_full.PLACES:
        return length.alternations * (both_s + 8) + 10
    way_s = {kills.KILL.name: 5 * length.kills, kills.END.name: 8 * length.others, kills.HANG.name: 19 * length.others,
             kills.PAUSE.name: 8 * length.others}
    return way_s.get(name, length.crowd_s + 20)


class Progress:
    """Says what is at work and how long it will be, by `say`."""

    def __init__(self, length, names, say):
        self._say = say
        self._expected_s = {name: expected_s(length, name) for name in names}
        self._whole_s = dict(self._expected_s)
        self._said_s = time.monotonic()

    def begin(self, name):
        """Once a minute at most; what is expected of `name` alone is still to come."""
        if time.monotonic() - self._said_s >= SAY_EVERY_S:
            self._said_s = time.monotonic()
            self._say('...  %s; about %.0f minutes left' % (name, sum(self._expected_s.values()) / 60))

    def part(self, name, parts):
        """One of `parts` parts of it is done."""
        self._expected_s[name] = max(0.0, self._expected_s[name] - self._whole_s[name] / parts)
        self.begin('%s, one of %d' % (name, parts))

    def done(self, name):
        """All of it is."""
        self._expected_s[name] = 0.0


class Run:
    """One run: what is left to do, and its rows. `folder` is for a model, should one have to be made."""

    def __init__(self, length, names, on_row, progress, folder):
        self.length, self.names, self._on_row, self._progress, self._folder = length, names, on_row, progress, folder
        self.rows, self.memory = [], {}
        self.model = self._engine = None

    def add(self, row):
        """A row is complete."""
        self.rows.append(row)
        self._on_row(row)

    def wanted(self, things):
        """Those of them that are to be done."""
        return [thing for thing in things if name_of(thing) in self.names]

    def each(self, things):
        """One after the other, and how long it will be."""
        for thing in things:
            self._progress.begin(name_of(thing))
            yield thing
            self._progress.done(name_of(thing))

    @contextlib.contextmanager
    def stand(self):
        """A Testbed for several rows, whose engine has room; what its appliance leaves behind goes to the account of the last."""
        if self.model is None:
            self._engine, self.model = models.with_room(self._folder, CAMERAS * FPS)
        with Testbed(CAMERAS, fps=FPS, engine=self._engine) as stand:
            yield stand
            self.rows[-1].left_behind += stand.end()

    def cameras(self):
        """What cameras do wrong, to one appliance, which is weighed meanwhile."""
        cases = self.wanted(camera_faults.CASES)
        if not cases:
            return
        with self.stand() as stand, memory.Scales(stand.running) as scales:
            try:
                if self.length.warms:
                    self._progress.begin('all once, to warm up')
                    for number, case in enumerate(cases):
                        camera_faults.measure(stand, case, 1, SHORT.window_s, first=number)
                    scales.warm()
                for case in self.each(cases):
                    first = sum(row.times for row in self.rows)
                    self.add(camera_faults.measure(stand, case, self.length.alternations, self.length.window_s, first))
            finally:
                self.memory = scales.figures()

    def viewers(self):
        """What viewers do wrong: to an appliance of its own, for whoever watches is served from memory of his own."""
        kinds = self.wanted(viewers.KINDS)
        if not kinds:
            return
        with self.stand() as stand:
            for kind in self.each(kinds):
                self.add(viewers.measure(stand, kind, self.length.alternations, self.length.window_s))

    def processes(self):
        """What is done to processes."""
        for way in self.each(self.wanted(kills.WAYS)):
            times = self.length.kills if way is kills.KILL else self.length.others
            with self.stand() as stand:
                for row in kills.measure(stand, way, times, SEED, self.length.window_s, lambda: self._progress.part(way.name, times)):
                    self.add(row)

    def full_places(self):
        for place in self.each(self.wanted(disk_full.PLACES)):
            self.add(disk_full.measure(place, self.length.alternations, self.length.window_s))

    def camera_counts(self):
        for crowd in self.each(self.wanted(camera_counts.CROWDS)):
            self.add(camera_counts.measure(crowd, self.length.crowd_s, self._folder))

    def all(self):
        """Everything that is to be done; a part that cannot go on is a row too, and the next one follows."""
        for part in (self.cameras, self.viewers, self.processes, self.full_places, self.crowds):
            try:
                part()
            except (EdgeAppError, OSError) as error:
                self.add(ReportRow(part.__name__.replace('_', ' '), 'all', trouble=['it could not go on: %s' % error]))


def name_of(thing):
    """What --only calls it; a thing may be its own name."""
    return getattr(thing, 'name', thing)


def names():
    """Everything that can be done, in its order."""
    return ([case.name for case in camera_faults.CASES] + list(viewers.KINDS) + [way.name for way in kills.WAYS]
            + list(disk_full.PLACES) + [crowd.name for crowd in camera_counts.CROWDS])


def check_names(only):
    """ConfigError when `only` names something that cannot be done."""
    for name in only:
        if name not in names():
            raise ConfigError('--only: there is no fault %r; there are: %s' % (name, '; '.join(names())))


def run(length, only=(), on_row=lambda row: None, say=lambda words: None):
    """The report of everything, or of `only` these; `on_row` as each row is complete, `say` how long it will be."""
    began_s = time.monotonic()
    wanted = list(only) or length.names or names()
    folder = tempfile.mkdtemp(prefix='edge-app-chaos-')
    done = Run(length, wanted, on_row, Progress(length, wanted, say), folder)
    complete = False
    try:
        with contextlib.suppress(KeyboardInterrupt):        # what is done by then is worth having
            done.all()
            complete = True
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    troubles = list(memory.failures(done.memory))
    return {'schema': SCHEMA, 'machine': machine(), 'model': done.model, 'seconds': round(time.monotonic() - began_s, 1),
            'complete': complete,
            'good': complete and not troubles and not any(row.failures() for row in done.rows if not row.refused),
            'faults': [row.to_dict() for row in done.rows], 'memory': dict(done.memory, failures=troubles)}
