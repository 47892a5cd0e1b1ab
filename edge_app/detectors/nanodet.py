"""NanoDet and NanoDet-Plus: no anchors, and each side of a box a distribution over 0 .. reg_max cells."""
from functools import lru_cache, partial

import attrs
import numpy as np

from edge_app.detectors.layout import Boxes, Layout, best_of_rows, stated_number

REG_MAX = 7
MEAN = (103.53, 116.28, 123.675)
SCALE = (1 / 57.375, 1 / 57.12, 1 / 58.395)


def rows_of(size, stride):
    """Cells of one stride; a last one that is cut off counts."""
    return -(-size[0] // stride) * -(-size[1] // stride)


@lru_cache(maxsize=8)
def centres(size, strides, offset):
    """float32 [cells, 3]: x, y and stride in pixels; NanoDet's points are the cells' centres, Plus' their corners.

    RangiLyu/nanodet nanodet/model/head: gfl_head.py, get_single_level_center_point; nanodet_plus_head.py,
    get_single_level_center_priors.
    """
    levels = []
    for stride in strides:
        x, y = np.meshgrid(np.arange(-(-size[0] // stride)), np.arange(-(-size[1] // stride)))
        places = (np.stack([x, y], axis=2).reshape(-1, 2) + offset) * stride
        levels.append(np.concatenate([places, np.full((len(places), 1), stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


def distances(values, bins):
    """float32 [n, 4] cells to the left, top, right, bottom: the expectation of softmax over each side's `bins` numbers.

    Li et al. 2020, Generalized Focal Loss, formula 5; gfl_head.py, Integral.
    """
    sides = values.reshape(len(values), 4, bins)
    shares = np.exp(sides - sides.max(axis=2, keepdims=True))
    return (shares @ np.arange(bins, dtype=np.float32)) / shares.sum(axis=2)


def boxes_at(places, values, scored, size, strides, offset, bins):
    """Boxes around the points of `places`, cut off at the picture's edges as distance2bbox does.

    `scored`: their scores and classes.
    """
    points = centres(tuple(size), strides, offset)[places]
    far = distances(values, bins) * points[:, 2:]
    limit = np.array(size, np.float32)
    near = np.clip(points[:, :2] - far[:, :2], 0, limit)
    return Boxes(np.concatenate([near, np.clip(points[:, :2] + far[:, 2:], 0, limit)], axis=1), *scored)


# one output

def fit(layout, engine, facts, strides, offset):
    """The layout with the card's `reg_max`."""
    bins = stated_number(facts, 'reg_max', REG_MAX, 1, 64) + 1
    return attrs.evolve(layout, classes=partial(classes, strides=strides, bins=bins),
                        decode=partial(decode, strides=strides, offset=offset, bins=bins))


def classes(outputs, size, strides=(8, 16, 32, 64), bins=REG_MAX + 1):
    """One output [cells, classes + 4 x (reg_max + 1)]."""
    shapes = [shape for _, shape in outputs]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][0] == sum(rows_of(size, stride) for stride in strides):
        return max(0, shapes[0][1] - 4 * bins)
    return 0


def decode(arrays, row, size, score, strides, offset, bins):
    """Boxes of rows of classes, already between 0 and 1, and four distributions."""
    rows = arrays[0][row]
    places, best, class_id = best_of_rows(rows[:, :-4 * bins], score)
    return boxes_at(places, rows[places, -4 * bins:], (best, class_id), size, strides, offset, bins)


# two outputs for each stride

def pairs(outputs, size, bins):
    """((classes' output, distributions' output), ...) of strides 8, 16, 32..., in any order; None unless all fit."""
    found = []
    for stride in (8, 16, 32, 64, 128)[:len(outputs) // 2]:
        level = [(number, name, shape) for number, (name, shape) in enumerate(outputs)
                 if len(shape) == 2 and shape[0] == rows_of(size, stride)]
        sides = sorted(('cls' in name.lower(), number) for number, name, shape in level if shape[1] == 4 * bins)
        if len(level) != 2 or not sides:
            return None
        found.append((sum(number for number, _, _ in level) - sides[0][1], sides[0][1]))
    counts = {outputs[pair[0]][1][1] for pair in found}
    return tuple(found) if len(found) > 1 and 2 * len(found) == len(outputs) and len(counts) == 1 else None


def fit_pairs(layout, engine, facts):
    """The layout for these outputs, with the card's `reg_max`."""
    bins = stated_number(facts, 'reg_max', REG_MAX, 1, 64) + 1
    found = pairs(engine.outputs, engine.input_size, bins)
    return found and attrs.evolve(layout, classes=partial(classes_pairs, bins=bins),
                                  decode=partial(decode_pairs, found=found, bins=bins))


def classes_pairs(outputs, size, bins=REG_MAX + 1):
    """For each stride [cells, classes] and [cells, 4 x (reg_max + 1)]."""
    found = pairs(outputs, size, bins)
    return outputs[found[0][0]][1][1] if found else 0


def decode_pairs(arrays, row, size, score, found, bins):
    """The strides' outputs one behind the other, then as one."""
    scores, sides = [np.concatenate([arrays[number][row] for number in numbers]) for numbers in zip(*found)]
    places, best, class_id = best_of_rows(scores, score)
    strides = tuple(8 << level for level in range(len(found)))
    return boxes_at(places, sides[places], (best, class_id), size, strides, 0.5, bins)


NANODET_PLUS = Layout('nanodet-plus', 'one output [n, cells of strides 8 to 64, classes + 32]: classes, four '
                      'distributions of 8 numbers (reg_max 7)', classes, None, colour='bgr', mean=MEAN, scale=SCALE,
                      stretched=True, fit=partial(fit, strides=(8, 16, 32, 64), offset=0))
NANODET_M = Layout('nanodet-m', 'one output [n, cells, classes + 32], of models that say so',
                   partial(classes, strides=(8, 16, 32)), None, colour='bgr', mean=MEAN, scale=SCALE, grey=0,
                   named=True, fit=partial(fit, strides=(8, 16, 32), offset=0.5))
NANODET = Layout('nanodet', 'for each stride from 8 on outputs [n, cells, classes] and [n, cells, 32]', classes_pairs,
                 None, colour='bgr', mean=MEAN, scale=SCALE, grey=0, fit=fit_pairs)
