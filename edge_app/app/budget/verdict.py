"""Whether a configuration fits a TX2, and the budget as a table or JSON."""
from typing import NamedTuple

from edge_app.app.budget.estimate import USUAL_STREAM, model_of, picture_ms, rows, wanted_fps
from edge_app.app.budget.figures import FIGURES

FITS, TIGHT, OVER = 'fits', 'tight', 'over'
TIGHT_SHARE = 0.9
RESOURCES = (
    ('memory', 'memory', 'memory without swap', OVER),
    ('decoder', 'decoder', 'video decoder', OVER),
    ('encoder', 'encoder', 'video encoder', OVER),
    ('gpu', 'gpu', 'GPU', TIGHT),
    ('cpu', 'cores', 'CPU', TIGHT),
)
"""(resource, its capacity in the table of figures, its name, what exceeding it means): an overloaded CPU or GPU
drops frames and continues; memory and codecs do not."""


class Verdict(NamedTuple):
    """How much of one resource is used."""

    resource: str
    name: str
    used: float
    capacity: float
    unit: str
    state: str
    words: str
    kind: str
    source: str
    """Of the capacity."""


class Budget(NamedTuple):
    """The budget of a configuration."""

    stream: tuple
    rows: tuple
    verdicts: tuple
    notes: tuple
    problems: tuple
    """Why it does not fit, one sentence each; empty when it does."""


def budget(config, stream=USUAL_STREAM):
    """The Budget of a Config; ConfigError when its model is missing."""
    found = tuple(rows(config, stream))
    verdicts = tuple(_verdict(found, *resource) for resource in RESOURCES)
    problems = tuple(verdict.words for verdict in verdicts if verdict.state == OVER) + tuple(_minimum(config))
    return Budget(stream, found, verdicts, tuple(_notes(config, stream, verdicts)), problems)


def _verdict(found, resource, figure, name, beyond):
    used = sum(row.amount for row in found if row.resource == resource)
    known = FIGURES[figure]
    unit = known.unit if resource != 'cpu' else '%'
    capacity = known.value if resource != 'cpu' else 100 * known.value
    share = used / capacity
    state = beyond if share > 1 else TIGHT if share > TIGHT_SHARE else FITS
    words = '%s: %.0f of %.0f %s, %.0f %%' % (name, used, capacity, unit, 100 * share)
    return Verdict(resource, name, used, capacity, unit, state, words, known.kind, known.origin)


def _minimum(config):
    """The minimum rates must be possible."""
    found = picture_ms(config) if config.engine.enabled else None
    least = sum(camera.min_fps for camera in config.enabled_cameras)
    if found and least * found[0] > 1000:
        yield 'cameras[].min_fps: %g frames/s in total are guaranteed, but the GPU is expected to manage %.0f' % (
            least, 1000 / found[0])


def _notes(config, stream, verdicts):
    """Further remarks."""
    yield 'every stream is assumed to be %dx%d at %g frames/s; use --stream for another' % stream
    desktop, build = FIGURES['desktop'], FIGURES['build']
    yield 'a desktop takes %.0f MB more (%s: %s)' % (desktop.value, desktop.kind, desktop.origin)
    if not config.engine.enabled:
        return
    model = model_of(config)
    if model.local:
        memory = verdicts[0]
        spare = memory.capacity - memory.used
        yield 'building the plan takes about %.0f MB for some minutes (%s: %s)%s' % (
            build.value, build.kind, build.origin, '' if spare > build.value else ': use a swap file')
    if model.gflop is None:
        yield 'the GPU time is unknown: %s' % model.why
    else:
        yield _rates(config, stream)


def _rates(config, stream):
    ms = picture_ms(config)[0]
    wanted = sum(wanted_fps(camera, stream) for camera in config.enabled_cameras)
    if wanted * ms <= 1000:
        return 'every frame can be analysed: %.0f/s of about %.0f/s' % (wanted, 1000 / ms)
    return ('of %.0f frames/s about %.0f can be analysed; the others are dropped, not delayed. max_fps and priority '
            'decide which' % (wanted, 1000 / ms))


def as_dict(found):
    """The budget for --json."""
    return {'board': 'Jetson TX2, 8 GB', 'stream': list(found.stream), 'fits': not found.problems,
            'problems': list(found.problems), 'notes': list(found.notes),
            'resources': [verdict._asdict() for verdict in found.verdicts],
            'rows': [row._asdict() for row in found.rows]}


def lines(found):
    """The budget as lines of text: a table, its sums and sources, remarks, and what does not fit."""
    sources = []
    for verdict in found.verdicts:
        yield '%s  (%s %s)' % (verdict.words, verdict.kind, _number(sources, verdict.source))
        for row in found.rows:
            if row.resource == verdict.resource:
                yield '  %-40s %8.1f %-6s %-9s %s' % (row.who[:40], row.amount, row.unit, row.kind,
                                                      _number(sources, row.source))
    yield 'sources'
    for number, source in enumerate(sources, 1):
        yield '  [%d] %s' % (number, source)
    for note in found.notes:
        yield 'note: ' + note
    for verdict in found.verdicts:
        if verdict.state == TIGHT:
            yield 'tight: ' + verdict.words
    for problem in found.problems:
        yield 'DOES NOT FIT: ' + problem


def _number(sources, source):
    """'[3]', the position of the source in the list, appended if it is new."""
    if source not in sources:
        sources.append(source)
    return '[%d]' % (sources.index(source) + 1)
