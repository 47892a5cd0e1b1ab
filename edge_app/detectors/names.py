"""Class names of a model: from its card, its own, COCO's, or numbers."""
import ast
import json
import re

from edge_app.config.yaml_nodes import plain
from edge_app.detectors.layout import UNTOLD
from edge_app.errors import ConfigError
from edge_app.files import read_text

COCO80 = tuple('''
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush'''.replace('\n', ' ').strip().split(', '))

_NEVER_ANNOTATED = {12: 'street sign', 26: 'hat', 29: 'shoe', 30: 'eye glasses', 45: 'plate', 66: 'mirror',
                    68: 'window', 69: 'desk', 71: 'door', 83: 'blender'}
"""Numbers the data set kept free (Lin et al. 2014, appendix)."""
_annotated = iter(COCO80)
COCO90 = tuple(_NEVER_ANNOTATED.get(number) or next(_annotated) for number in range(1, 91))
"""By COCO's category id less one, as EfficientDet numbers them."""

CHARACTERS = 100000
"""Longer texts are no list of names, and reading them as Python costs."""

MOST_CLASSES = 10000
"""A number of a class beyond this is none."""

SETS = {'coco80': COCO80, 'coco90': COCO90}
"""Lists a card may name in one word."""

ASSUMED = {len(names): (names, 'COCO') for names in SETS.values()}

KEYS = ('names', 'class_names', 'classes', 'labels')
"""Where exporters write them into a model's metadata."""

NOTHING = ('None', 'null', '{}', '[]', '')


def find_names(engine, stated, layout, count, found, said):
    """Names of `count` classes (UNTOLD: as many as are stated, else as `layout` assumes).

    The card's, the model's own, COCO's for 80 and 90, numbers; what was assumed is added to `said`. `found` describes
    the outputs for ConfigError, raised when another number of names is stated.
    """
    texts = [engine.metadata[key] for key in KEYS if engine.metadata.get(key)]
    for place, values in (('card', [stated.get('names')]), ('metadata', texts)):
        for value in values:
            names = SETS.get(value) if isinstance(value, str) and value in SETS else names_of(value)
            if names is not None:
                _check(engine, place, names, layout, count, found)
                if None in names:
                    said.append('its %s skips numbers of classes: they are called class%d and so on'
                                % (place, names.index(None)))
                return tuple(name or 'class%d' % number for number, name in enumerate(names))
    told = next((text for text in texts if text.strip() not in NOTHING and not text.strip().isdigit()), None)
    return _assumed(layout.default_class_count if count == UNTOLD else count, count == UNTOLD, told, said)


def stated_count(facts):
    """How many classes the names of `facts` (card and metadata) speak of, 0 where they do not."""
    for value in (facts.get(key) for key in KEYS):
        names = SETS.get(value) if isinstance(value, str) and value in SETS else names_of(value)
        if names:
            return len(names)
    return 0


def _check(engine, place, names, layout, count, found):
    if count in (UNTOLD, len(names)):
        return
    if None in names:
        raise ConfigError('%s: the names of its %s go up to class %d and leave out %d, but %s has room for %d as %s; '
                          'list %d `names` in a card beside the model' % (
                              engine.path, place, len(names) - 1, names.index(None), found, count, layout.name, count))
    fix = ('correct `names` in the card' if place == 'card' else 'state the right `names` in a card beside the model')
    if count > len(names):
        fix += ', or `kpt_shape: [points, 3]` if the %d numbers left over are keypoints' % (count - len(names))
    raise ConfigError('%s: its %s names %d classes, but %s has room for %d as %s; %s'
                      % (engine.path, place, len(names), found, count, layout.name, fix))


def _assumed(count, unknown, told, said):
    """COCO's names only where none are stated: names that cannot be read are not COCO's."""
    if told:
        said.append('its metadata state names in a notation that is not understood (%.60s): classes are called class0 '
                    'to class%d; list `names` in the card' % (told, count - 1))
    elif count in ASSUMED:
        said.append('no class names stated%s: %d classes are taken for the %d of COCO; `names` in the card settles it'
                    % (' and no number of classes shown' if unknown else '', count, count))
        return ASSUMED[count][0]
    else:
        said.append('no class names found: they are called class0 to class%d; set `names` in the card' % (count - 1))
    return tuple('class%d' % number for number in range(count))


def names_of(value):
    """Tuple of names from a list, a dict {0: name}, either as Python, JSON or YAML, or a list with commas; else None.

    Keys may be texts and leave numbers out, whose names are None then.
    """
    value = _read(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        value = _by_number(value)
    if not isinstance(value, (list, tuple)) or not any(name is not None for name in value):
        return None
    if not all(name is None or isinstance(name, (str, int)) and not isinstance(name, bool) for name in value):
        return None
    return tuple(name if name is None else str(name)[:100] for name in value)


def _by_number(names):
    """A list of the names of {number: name} or {name: number}, None for numbers left out; None for any other dict."""
    if all(type(number) is int for number in names.values()) and not all(str(key).isdigit() for key in names):
        names = {number: name for name, number in names.items()}
    try:
        numbered = {int(number): name for number, name in names.items()}
    except (TypeError, ValueError):
        return None
    if len(numbered) != len(names) or not numbered or not 0 <= min(numbered) <= max(numbered) < MOST_CLASSES:
        return None
    return [numbered.get(number) for number in range(max(numbered) + 1)]


def _read(text):
    """The value of a text of names in any of the notations exporters use."""
    value = literal(text)
    for read in (json.loads, lambda text: plain(text, 'names')):
        if value is None and len(text) <= CHARACTERS:
            try:
                value = read(text)
            except (ValueError, RecursionError, ConfigError):
                pass
    if not isinstance(value, (dict, list, tuple)) and '[' not in text and '{' not in text:
        parts = [part.strip() for part in re.split('[,;\n]', text)]
        value = parts if len(parts) > 1 and all(parts) else None
    return value


def names_in(path):
    """Names of a text file, one a line, as any editor saves it. ConfigError for one that cannot be read."""
    try:
        text = read_text(path, CHARACTERS).rstrip()
    except (OSError, ValueError) as error:
        raise ConfigError('%s: %s' % (path, error))
    lines = [line.strip() for line in text.split('\n')]
    if not all(lines) or len(text) > CHARACTERS:
        raise ConfigError('%s: must hold a class name in every line' % path)
    return lines


def literal(text):
    """The value of a Python literal as metadata holds it, None for anything else."""
    if len(text) > CHARACTERS:
        return None
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        return None
