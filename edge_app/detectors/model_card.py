"""A model's card: how to prepare its pictures and read its outputs."""
import difflib
import os
import reprlib

import attrs

from edge_app.config.yaml_nodes import MAX_BYTES, plain
from edge_app.detectors.families import find_layout, found
from edge_app.detectors.layout import ORDERS
from edge_app.detectors.names import SETS, find_names, literal, names_in, names_of
from edge_app.errors import ConfigError
from edge_app.files import read_text

SCORE = 0.4
IOU = 0.45
FIELDS = ('family', 'names', 'size', 'colour', 'mean', 'scale', 'letterbox', 'grey', 'score', 'iou', 'decoded', 'boxes',
          'normalised', 'kpt_shape', 'anchor_scale', 'reg_max')
FILES_OF_NAMES = ('.txt', '.names')
EXPORTED = ('names', 'kpt_shape')
"""What is used of the metadata that an export puts where a card would be."""
CENTRED = {'centre': True, 'top-left': False, 'stretch': False}


@attrs.frozen(eq=False)
class ModelCard:
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
    """What was assumed because it is stated nowhere, a sentence each."""

    @property
    def preparation(self):
        """Keyword arguments for Engine.load."""
        return {'colour': self.colour, 'mean': self.mean, 'scale': self.scale}


def card_of(settings, path):
    """The card of the model `path`: the file that `engine.card` names, otherwise as card_file."""
    if settings.card and not os.path.isfile(settings.card):
        raise ConfigError('engine.card: no file %s' % settings.card)
    return _stated(settings.card) if settings.card else card_file(path)


def card_file(model_path):
    """The fields of `<model>.yaml` beside the model; an empty dict without one. ConfigError names every mistake."""
    path = os.path.splitext(model_path)[0] + '.yaml'
    return _stated(path) if os.path.isfile(path) else {}


def _stated(path):
    try:
        text = read_text(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError('%s: %s' % (path, error.strerror))
    if len(text) > MAX_BYTES:
        raise ConfigError('%s: larger than 1 MB; a card is a few kB' % path)
    stated = plain(text, path)    # bounded: aliases in a few lines may stand for gigabytes
    if not isinstance(stated or {}, dict):
        raise ConfigError('%s: must hold fields (%s), not a %s' % (path, ', '.join(FIELDS), type(stated).__name__))
    stated = stated or {}
    if 'stride' in stated:  # not ours: YOLOv5's export calls its metadata as the model
        stated = {field: value for field, value in stated.items() if field in EXPORTED}
    if isinstance(stated.get('names'), str) and stated['names'].lower().endswith(FILES_OF_NAMES):
        try:
            stated['names'] = names_in(os.path.join(os.path.dirname(path), stated['names']))
        except ConfigError as error:
            raise ConfigError('%s: names: %s' % (path, error))
    problems = list(_problems(stated))
    if problems:
        raise ConfigError(*['%s: %s' % (path, problem) for problem in problems])
    return stated


def _problems(stated):
    for field, value in stated.items():
        if field in CHECKS:
            good, wanted = CHECKS[field]
            if not good(value):
                yield '%s: must be %s, not %s' % (field, wanted, reprlib.repr(value))
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
    'names': (lambda value: isinstance(value, str) and value in SETS or names_of(value) is not None,
              'a list of texts, a file (.txt, .names) with one a line, ' + ' or '.join(sorted(SETS))),
    'size': (lambda value: isinstance(value, list) and len(value) == 2
             and all(isinstance(side, int) and 32 <= side <= 4096 for side in value), '[width, height] in pixels'),
    'colour': (lambda value: value in ('bgr', 'rgb'), 'bgr or rgb'),
    'mean': (_three, 'a number or three'),
    'scale': (_three, 'a number or three'),
    'letterbox': (lambda value: isinstance(value, str) and value in CENTRED, 'centre, top-left or stretch'),
    'grey': (lambda value: isinstance(value, int) and 0 <= value <= 255, '0 to 255'),
    'score': (_share, '0 to 1'),
    'iou': (_share, '0 to 1'),
    'decoded': (lambda value: isinstance(value, bool), 'true or false'),
    'boxes': (lambda value: isinstance(value, str) and value in ORDERS, ' or '.join(sorted(ORDERS))),
    'normalised': (lambda value: isinstance(value, bool), 'true or false'),
    'kpt_shape': (lambda value: isinstance(value, list) and len(value) == 2, '[points, 2 or 3]'),
    'anchor_scale': (lambda value: _number(value) and value > 0, 'a number above 0'),
    'reg_max': (lambda value: isinstance(value, int) and 1 <= value <= 64, '1 to 64'),
}
FREE = ('description', 'source', 'licence', 'license', 'accuracy')
"""Fields a card may carry for people."""


def read_card(engine, stated):
    """ModelCard of a read Engine (`path`, `outputs`, `input_size`, `metadata`); `stated` is card_file's answer.

    ConfigError when the outputs fit no known layout, or names and outputs disagree.
    """
    said = []
    layout, count = find_layout(engine, stated, said)
    names = find_names(engine, stated, layout, count, found(engine), said)
    sides = literal(str(engine.metadata.get('imgsz', '')))  # height, width
    if isinstance(sides, (list, tuple)) and 'size' not in stated and tuple(sides) != tuple(engine.input_size)[::-1]:
        said.append('its metadata state pictures of %s (height, width), but it takes %dx%d: are they those of another '
                    'model?' % ((list(sides),) + tuple(engine.input_size)))
    if layout.has_nms and 'iou' in stated:
        said.append('the card states iou, but NMS is inside the model: it is ignored')
    placing = dict(_placing(engine.metadata), **stated)
    return ModelCard(layout=layout, names=names, size=tuple(engine.input_size),
                     colour=stated.get('colour', layout.colour), mean=stated.get('mean', layout.mean),
                     scale=stated.get('scale', layout.scale), grey=placing.get('grey', layout.grey),
                     centred=CENTRED[placing['letterbox']] if 'letterbox' in placing else layout.centred,
                     stretched=placing['letterbox'] == 'stretch' if 'letterbox' in placing else layout.stretched,
                     score=stated.get('score', SCORE), iou=stated.get('iou', IOU), said=tuple(said))


def _placing(metadata):
    """What a model itself says of how pictures are fitted: Darknet's [net], OpenVINO's rt_info."""
    grey = metadata.get('grey', '')
    return dict([('letterbox', metadata['letterbox'])] if metadata.get('letterbox') in CENTRED else [],
                **({'grey': int(grey)} if grey.isdigit() and int(grey) < 256 else {}))
