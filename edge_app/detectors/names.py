"""Class names of a model: from its card, its own, COCO's, or numbers."""
import ast

from edge_app.detectors.layout import UNTOLD
from edge_app.errors import ConfigError

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

SETS = {'coco80': COCO80, 'coco90': COCO90}
"""Lists a card may name in one word."""

ASSUMED = {len(names): (names, 'COCO') for names in SETS.values()}


def find_names(engine, stated, layout, count, found, said):
    """Names of `count` classes (UNTOLD: as many as are stated, else as `layout` assumes).

    The card's, the model's own, COCO's for 80 and 90, numbers; the last two are added to `said`. `found` describes the
    outputs for ConfigError, raised when another number of names is stated.
    """
    for place, value in (('card', stated.get('names')), ('metadata', engine.metadata.get('names'))):
        names = SETS.get(value) if isinstance(value, str) and value in SETS else names_of(value)
        if names is not None:
            _check(engine, place, names, layout, count, found)
            return names
    return _assumed(layout.default_class_count if count == UNTOLD else count, count == UNTOLD, said)


def _check(engine, place, names, layout, count, found):
    if count in (UNTOLD, len(names)):
        return
    fix = ('correct `names` in the card' if place == 'card' else 'state the right `names` in a card beside the model')
    if count > len(names):
        fix += ', or `kpt_shape: [points, 3]` if the %d numbers left over are keypoints' % (count - len(names))
    raise ConfigError('%s: its %s names %d classes, but %s has room for %d as %s; %s'
                      % (engine.path, place, len(names), found, count, layout.name, fix))


def _assumed(count, unknown, said):
    if count in ASSUMED:
        said.append('no class names stated%s: %d classes are taken for the %d of COCO; `names` in the card settles it'
                    % (' and no number of classes shown' if unknown else '', count, count))
        return ASSUMED[count][0]
    said.append('no class names found: they are called class0 to class%d; set `names` in the card' % (count - 1))
    return tuple('class%d' % number for number in range(count))


def names_of(value):
    """Tuple of names from a list, a dict {0: name} or either as Python text (as Ultralytics writes); else None."""
    value = literal(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        if sorted(value, key=str) != sorted(range(len(value)), key=str):
            return None
        value = [value[number] for number in range(len(value))]
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(name, str) for name in value):
        return None
    return tuple(name[:100] for name in value)


def literal(text):
    """The value of a Python literal as metadata holds it, None for anything else."""
    if len(text) > CHARACTERS:
        return None
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        return None
