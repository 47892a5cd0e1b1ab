"""A plan of faults from a file, or one request, checked as configurations are: all mistakes at once."""
import attrs

from edge_app.config.build import finish, partial
from edge_app.config.load import read_text
from edge_app.config.problems import Problems
from edge_app.config.schema import settings as settings_of
from edge_app.config.yaml_nodes import from_plain, parse
from edge_app.testing.simulator.faults import ALL, FAULTS, Fault, missing

WORDS = "a list: one '- {camera: 1, at_s: 5, for_s: 10, fault: freeze}' for each fault"


def read_plan(path, settings):
    """The faults of a plan's file, for the cameras of `settings`; ConfigError with every mistake in it."""
    root = parse(read_text(path)[0], path)
    problems = Problems(path, root)
    partials = []
    if isinstance(root.value, list):
        partials = [_read(node, (index,), settings, problems) for index, node in enumerate(root.value)]
    else:
        problems.add((), 'must be ' + WORDS)
    problems.raise_if_any()
    return [each for cls, found in partials for each in _each(finish(cls, found), settings)]


def read_request(values, settings):
    """The faults of one request, a dict of plain values; ConfigError with every mistake in it."""
    problems = Problems()
    cls, found = _read(from_plain(values), (), settings, problems)
    problems.raise_if_any()
    return _each(finish(cls, found), settings)


def _read(node, path, settings, problems):
    """(class of the fault, its settings as far as they are given)."""
    values = node.value if isinstance(node.value, dict) else {}
    name = values.get('fault')
    cls = FAULTS.get(str(name.value)) if name else None
    if cls is None and values:
        # its options are not known without its name
        node = attrs.evolve(node, value={key: child for key, child in values.items() if key in settings_of(Fault)})
    found = partial(cls or Fault, node, path, problems)
    _check_place(cls or Fault, found, path, settings, problems)
    if cls:
        _check(cls, found, path, settings, problems)
    return cls, found


def _check_place(cls, found, path, settings, problems):
    if found.camera not in (None, ALL) and found.camera not in settings.numbers:
        problems.add(path + ('camera',), 'there is no camera %d, only %d to %d'
                     % (found.camera, settings.numbers[0], settings.numbers[-1]))
    if cls.momentary and found.for_s is not None:
        problems.add(path + ('for_s',), '%s ends at once: leave for_s out' % found.fault)


def _check(cls, found, path, settings, problems):
    path += ('fault',)
    if cls.own_port and not settings.port_per_camera:
        problems.add(path, '%s closes a port that all cameras share: give each its own, --port-per-camera'
                     % found.fault)
    if cls.drawn and settings.files:
        problems.add(path, '%s is for drawn cameras, these play files' % found.fault)
    lack = missing(cls.needs(found))
    if lack:
        problems.add(path, lack)


def _each(made, settings):
    """The fault for each of its cameras."""
    numbers = settings.numbers if made.camera == ALL else (made.camera,)
    return [attrs.evolve(made, camera=number) for number in numbers]
