"""EfficientDet: the raw heads of the PyTorch port with their anchors, and the TensorFlow graph with NMS inside."""
from functools import lru_cache, partial

import attrs
import numpy as np

from edge_app.detectors.end_to_end import sure_rows
from edge_app.detectors.layout import UNTOLD, Boxes, Layout, best_of_rows, cells, class_numbers, corners, stated_number

STRIDES = (8, 16, 32, 64, 128)
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
RATIOS = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4))
"""Width and height of an anchor's three forms."""
PER_CELL = len(SCALES) * len(RATIOS)
ANCHOR_SCALE = 4.0
"""Side of the smallest square anchor in cells: 4, of D7 5 (zylo117/Yet-Another-EfficientDet-Pytorch backbone.py)."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
MEAN_GREY = (104, 116, 124)
"""Padding is 0 once the mean is subtracted: in BGR, the mean."""


@lru_cache(maxsize=4)
def anchors(size, anchor_scale=ANCHOR_SCALE):
    """float32 [anchors, 4] centres and sizes in pixels: level, row, column, scale, ratio.

    zylo117/Yet-Another-EfficientDet-Pytorch efficientdet/utils.py, Anchors; google/automl efficientdet/anchors.py.
    """
    forms = (np.array(SCALES)[:, None, None] * np.array(RATIOS)).reshape(-1, 2) * anchor_scale
    levels = []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(stride / 2, size[0], stride), np.arange(stride / 2, size[1], stride))
        centres = np.stack([x, y], axis=2).reshape(-1, 1, 2)
        level = np.concatenate(np.broadcast_arrays(centres, forms * stride), axis=2)
        levels.append(level.reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def roles(outputs, size):
    """(number of the regression's output, of the classification's) among features and anchors, or None."""
    count = PER_CELL * cells(size, STRIDES)
    if any(side % STRIDES[-1] for side in size):
        return None
    heads = [(number, name.lower(), shape[1]) for number, (name, shape) in enumerate(outputs)
             if len(shape) == 2 and shape[0] == count and 'anchor' not in name.lower()]
    boxes = sorted((('reg' not in name and 'box' not in name, number) for number, name, wide in heads if wide == 4))
    scores = [number for number, name, _ in heads if boxes and number != boxes[0][1]]
    return (boxes[0][1], scores[0]) if boxes and scores else None


def fit(layout, engine, facts):
    """The layout for the order of these outputs, with the card's `anchor_scale`."""
    where = roles(engine.outputs, engine.input_size)
    scale = stated_number(facts, 'anchor_scale', float(ANCHOR_SCALE), 0.01, 1000)
    return where and attrs.evolve(layout, decode=partial(decode, where=where, anchor_scale=scale))


def classes(outputs, size):
    """Regression [anchors, 4] and classification [anchors, classes]; features and anchors beside them are ignored."""
    where = roles(outputs, size)
    return outputs[where[1]][1][1] if where else 0


def decode(arrays, row, size, score, where=(0, 1), anchor_scale=ANCHOR_SCALE):
    """Boxes from dy, dx, dh, dw: offsets in sizes of the anchor, logarithms of its growth (BBoxTransform there)."""
    regression, classification = arrays[where[0]][row], arrays[where[1]][row]
    places, best, class_id = best_of_rows(classification, score)
    moved, near = regression[places], anchors(tuple(size), anchor_scale)[places]
    extent = np.exp(moved[:, 3:1:-1]) * near[:, 2:]
    return corners(np.concatenate([near[:, :2] + moved[:, 1::-1] * near[:, 2:], extent], axis=1), best, class_id)


EFFICIENTDET = Layout('efficientdet', 'outputs regression [n, anchors, 4] and classification [n, anchors, classes], '
                      'nine anchors per cell of strides 8 to 128', classes, decode, fit=fit, mean=IMAGENET_MEAN,
                      scale=IMAGENET_SCALE, centred=False, grey=MEAN_GREY)


def classes_detections(outputs, size):
    """One output [detections, 7]."""
    return UNTOLD if len(outputs) == 1 and len(outputs[0][1]) == 2 and outputs[0][1][1] == 7 else 0


def decode_detections(arrays, row, size, score):
    """Boxes of rows picture, top, left, bottom, right, score, class from 1.

    google/automl efficientdet/inference.py, det_post_process; `boxes: xywh` for its legacy form (keras/postprocess.py,
    generate_detections).
    """
    rows = arrays[0][row]
    rows = rows[sure_rows(rows[:, 5], rows[:, 6] - 1, score)]
    return Boxes(rows[:, 1:5], rows[:, 5], class_numbers(rows[:, 6] - 1))


DETECTIONS = Layout('efficientdet-tf', 'one output [n, detections, 7]: picture, top, left, bottom, right, score, class '
                    'from 1', classes_detections, decode_detections, boxes='yxyx', has_nms=True, default_class_count=90,
                    mean=IMAGENET_MEAN, scale=IMAGENET_SCALE, centred=False, grey=MEAN_GREY)
