"""A model's card: what has to be known beside its numbers, and where each answer came from."""
import ast
import difflib
import os

import attrs
import yaml

from edge_app.detectors import darknet, yolo, yolox
from edge_app.detectors.coco import COCO80
from edge_app.detectors.model_file import embedded_model  # noqa: F401 the model that comes along is asked for here
from edge_app.errors import ConfigError

LAYOUTS = (yolox.YOLOX, yolo.YOLOV5, yolo.YOLOV8, darknet.DARKNET)
"""Every layout known, tried in this order; one module and one row each."""

SCORE = 0.4
IOU = 0.45
NAMES_CHARACTERS = 100000
FIELDS = ('family', 'names', 'size', 'colour', 'mean', 'scale', 'letterbox', 'grey', 'score', 'iou')
CENTRED = {'centre': True, 'top-left': False, 'stretch': False}


@attrs.frozen(eq=False)
class Card:
    """How to prepare pictures for a model and how to read its answers."""

    layout = attrs.field()
    names = attrs.field()
    """Class names by class_id."""
    size = attrs.field()
    """(width, height) of the network's picture."""
    colour = attrs.field()
    mean = attrs.field()
    scale = attrs.field()
    centred = attrs.field()
    grey = attrs.field()
    score = attrs.field()
    iou = attrs.field()
    stretched = attrs.field(default=False)
    said = attrs.field(default=())
    """What was assumed because nobody stated it, a sentence each."""

    @property
    def preparation(self):
        """Keyword arguments for Engine.load."""
        return {'colour': self.colour, 'mean': self.mean, 'scale': self.scale}


def card_file(model_path):
    """What `<model>.yaml` beside the model states, as a dict; empty without one. ConfigError names every mistake."""
    path = os.path.splitext(model_path)[0] + '.yaml'
    if not os.path.isfile(path):
        return {}
    try:
        with open(path) as stream:
            stated = yaml.safe_load(stream)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError('%s: not readable as YAML: %s' % (path, str(error).splitlines()[0]))
    if not isinstance(stated or {}, dict):
        raise ConfigError('%s: must hold fields (%s), not a %s' % (path, ', '.join(FIELDS), type(stated).__name__))
    problems = list(_problems(stated or {}))
    if problems:
        raise ConfigError(*['%s: %s' % (path, problem) for problem in problems])
    return stated or {}


def _problems(stated):
    for field, value in stated.items():
        if field in CHECKS:
            good, wanted = CHECKS[field]
            if not good(value):
                yield '%s: must be %s, not %r' % (field, wanted, value)
        elif field not in FREE:
            near = difflib.get_close_matches(str(field), FIELDS, 1)
            hint = ', did you mean %r?' % near[0] if near else '; known: ' + ', '.join(FIELDS)
            yield 'unknown field %r%s' % (field, hint)


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _three(value):
    return _number(value) or isinstance(value, list) and len(value) == 3 and all(map(_number, value))


def _share(value):
    return _number(value) and 0 <= value <= 1


CHECKS = {
    'family': (lambda value: isinstance(value, str), 'a text'),
    'names': (lambda value: value == 'coco80' or _names(value) is not None, "a list of texts or 'coco80'"),
    'size': (lambda value: isinstance(value, list) and len(value) == 2
             and all(isinstance(side, int) and 32 <= side <= 4096 for side in value), '[width, height] in pixels'),
    'colour': (lambda value: value in ('bgr', 'rgb'), 'bgr or rgb'),
    'mean': (_three, 'a number or three'),
    'scale': (_three, 'a number or three'),
    'letterbox': (lambda value: isinstance(value, str) and value in CENTRED, 'centre, top-left or stretch'),
    'grey': (lambda value: isinstance(value, int) and 0 <= value <= 255, '0 to 255'),
    'score': (_share, '0 to 1'),
    'iou': (_share, '0 to 1'),
}
FREE = ('description', 'source', 'licence', 'license', 'accuracy')
"""Fields a card may carry for people."""


def read_card(engine, stated):
    """Card of a read Engine (`path`, `outputs`, `input_size`, `metadata`); `stated` is card_file's answer.

    ConfigError when the outputs fit no known layout, or names and outputs disagree.
    """
    said = []
    layout, count = find_layout(engine, stated)
    names = find_names(engine, stated, count, said)
    return Card(layout=layout, names=names, size=tuple(engine.input_size),
                colour=stated.get('colour', layout.colour), mean=stated.get('mean', layout.mean),
                scale=stated.get('scale', layout.scale), grey=stated.get('grey', layout.grey),
                centred=CENTRED[stated['letterbox']] if 'letterbox' in stated else layout.centred,
                stretched=stated['letterbox'] == 'stretch' if 'letterbox' in stated else layout.stretched,
                score=stated.get('score', SCORE), iou=stated.get('iou', IOU), said=tuple(said))


def find_layout(engine, stated):
    """(Layout, number of classes): the family that is stated when the shapes agree, else the one the shapes show."""
    task = engine.metadata.get('task', 'detect')
    if task != 'detect':
        raise ConfigError('%s: made for the task %r; edge-app runs detectors' % (engine.path, task))
    fitting = [(layout, layout.classes(engine.outputs, engine.input_size)) for layout in LAYOUTS]
    family = str(stated.get('family') or engine.metadata.get('family', '')).lower()
    fitting = [(layout, count) for layout, count in fitting if count and (not layout.named or family == layout.name)]
    if not fitting:
        raise ConfigError('%s: %s at a picture of %dx%d fits no detector layout known:%s' % (
            (engine.path, _found(engine)) + tuple(engine.input_size)
            + (''.join('\n  %s: %s' % (layout.name, layout.shape) for layout in LAYOUTS),)))
    named = [row for row in fitting if family in (row[0].name,) + row[0].also]
    if named or not stated.get('family'):
        return (named or fitting)[0]
    raise ConfigError('%s: the card says family %s, but %s looks like %s' % (
        engine.path, stated['family'], _found(engine), ' or '.join(layout.name for layout, _ in fitting)))


def _found(engine):
    return ', '.join('output %r [n%s]' % (name, ''.join(', %d' % side for side in shape))
                     for name, shape in engine.outputs)


def find_names(engine, stated, count, said):
    """Names for `count` classes: the card's, the model's own, COCO's for 80, numbers; the last two are said aloud."""
    for place, value in (('card', stated.get('names')), ('metadata', engine.metadata.get('names'))):
        names = COCO80 if value == 'coco80' else _names(value)
        if names is None:
            continue
        if len(names) != count:
            raise ConfigError('%s: its %s names %d classes, but %s has room for %d'
                              % (engine.path, place, len(names), _found(engine), count))
        return names
    if count == len(COCO80):
        said.append('no class names stated: 80 classes are taken for the 80 of COCO')
        return COCO80
    said.append('no class names stated: they are called class0 to class%d' % (count - 1))
    return tuple('class%d' % number for number in range(count))


def _names(value):
    """Tuple of names from a list, a dict {0: name} or either as Python text (as Ultralytics writes); else None."""
    if isinstance(value, str):
        if len(value) > NAMES_CHARACTERS:
            return None
        try:
            value = ast.literal_eval(value)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return None
    if isinstance(value, dict):
        if sorted(value, key=str) != sorted(range(len(value)), key=str):
            return None
        value = [value[number] for number in range(len(value))]
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(name, str) for name in value):
        return None
    return tuple(name[:100] for name in value)
