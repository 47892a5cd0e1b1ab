"""What no box, score or class can be, which shows that a model's outputs mean something else than they are read as."""
import numpy as np

from edge_app.detectors.layout import MISREAD
from edge_app.errors import ConfigError

FAR = 20
"""An edge farther out than so many times the picture's size: infinite, not a number, or an exponential of a size."""
HIGHEST_SCORE = 1.05
"""Room for what quantisation rounds."""
MOST = 0.9
"""Of the places of a head, whatever the picture; final boxes are few, there it is half of them."""
SURE = 0.5
PLACES = 20

WRONG = (
    ('scores beyond 1', '`family` in the card; logits need their sigmoid in the graph, keypoints `kpt_shape`'),
    ('classes that are no whole numbers', '`family` in the card'),
    ('boxes out of all bounds', '`family` in the card, `decoded: true` for YOLOX decoded in its graph'),
    ('boxes below a pixel', '`normalised: true` in the card if they are fractions of the picture'),
    ('boxes whose right or lower edge comes first', '`boxes` in the card: cxcywh, xywh or yxyx'),
)
"""What may be wrong with a box, and what would settle it."""


def is_fine(found, size):
    """True when none of the Boxes needs a closer look by `wrong_of`: a quarter of its time, for each batch."""
    return not len(found) or bool(
        np.abs(found.xyxy).max() < FAR * max(size) and (found.xyxy[:, 2:] - found.xyxy[:, :2]).min() >= 1
        and found.score.max() <= HIGHEST_SCORE and found.class_id.max() < MISREAD)


def wrong_of(found, size):
    """bool [5, n]: what of WRONG is the matter with each of the Boxes, in a picture of `size`."""
    with np.errstate(invalid='ignore'):
        sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
        far = ~(np.abs(found.xyxy) < FAR * max(size)).all(axis=1)
        small = ~far & (np.abs(sides).max(axis=1, initial=0) < 1)
        return np.stack([~(found.score <= HIGHEST_SCORE), found.class_id >= MISREAD, far, small,
                         ~far & ~small & (sides < -0.5).any(axis=1)])


def check_boxes(path, outputs, layout, found, size):
    """ConfigError when the Boxes of a first run, all that the outputs hold, show that they are no such boxes.

    `outputs` describes them for people.
    """
    highest = float(found.score.max(initial=0))
    surest = found.select((found.score > 0) & ~(found.score < highest / 2))  # others may lie anywhere
    wrong = wrong_of(surest, size).mean(axis=1) if len(surest) else np.zeros(len(WRONG))
    limits = [0, 0.5] + [0.5 if layout.has_nms else MOST] * 3
    for (what, fix), share, limit in zip(WRONG, wrong, limits):
        if share > limit:
            what += ' (up to %.3g)' % highest if 'score' in what else ''
            raise ConfigError('%s: read as %s, %s gives %s: state %s' % (path, layout.name, outputs, what, fix))
    if not layout.has_nms and float(found.score.min(initial=0)) < -0.05:
        raise ConfigError('%s: read as %s, %s gives scores below 0 (down to %.3g): logits need their sigmoid in the '
                          'graph' % (path, layout.name, outputs, float(found.score.min())))


def check_blank(path, outputs, layout, found):
    """ConfigError when most places of a head are sure of an object in a picture of one grey."""
    if not layout.has_nms and len(found) > PLACES and (found.score > SURE).mean() > MOST:
        raise ConfigError('%s: read as %s, %s sees objects everywhere in a blank picture (scores up to %.3g): its last '
                          'numbers are no scores (the angle of oriented boxes?); state `family` in the card'
                          % (path, layout.name, outputs, float(found.score.max())))


def check_columns(path, outputs, layout, arrays):
    """ConfigError for rows with a class number where a score should be, or the other way round.

    Of the first class, 0, no box would ever be found.
    """
    column = {'end2end': 5, 'efficientdet-tf': 6}.get(layout.name)
    rows = min(arrays, key=lambda array: array.ndim)
    classes = rows[..., column][rows.any(axis=-1)] if column else np.zeros(0)
    if len(classes) and (classes != np.round(classes)).mean() > 0.5:
        raise ConfigError('%s: read as %s, %s has no whole number as number %d of a row, where the class should be: '
                          'export it with the score before the class, or state another `family` in a card beside the '
                          'model' % (path, layout.name, outputs, column + 1))
    if layout.name in ('yolox', 'yolov5', 'yolov6', 'yolox-decoded') and arrays[0].shape[2:] == (6,):
        fourth, last = arrays[0][..., 4], arrays[0][..., 5]
        if fourth.any() and (last == np.round(last)).all():
            raise ConfigError('%s: read as %s of one class, the last number of each row of %s is whole: rows of '
                              'corners, score and class, as DeepStream\'s exports hold? state `family: deepstream` in '
                              'a card beside the model' % (path, layout.name, outputs))
