"""Poses: boxes with the points of a body, as Ultralytics exports them; kpt_shape is (points, numbers per point)."""
from functools import partial

import attrs
import numpy as np

from edge_app.detectors.layout import Boxes, Layout, best_of_columns
from edge_app.detectors.names import literal
from edge_app.detectors.yolo import anchors
from edge_app.errors import ConfigError

MOST_POINTS = 1000


def shape_of(facts):
    """(points, numbers per point: 2 or 3) of `kpt_shape` in card or metadata, None without. ConfigError if invalid."""
    value = facts.get('kpt_shape')
    if value is None:
        return None
    shape = literal(value) if isinstance(value, str) else value
    if not (isinstance(shape, (list, tuple)) and len(shape) == 2 and isinstance(shape[0], int)
            and 1 <= shape[0] <= MOST_POINTS and shape[1] in (2, 3)):
        raise ConfigError('kpt_shape: must be [points, 2 or 3], not %.100r; set it in the model\'s card' % (value,))
    return int(shape[0]), int(shape[1])


def keypoints(values, shape):
    """float32 [n, points, 3] of rows of numbers; points without a visibility are visible."""
    points = values.reshape((len(values),) + shape)
    if shape[1] == 3:
        return points
    return np.concatenate([points, np.ones(points.shape[:2] + (1,), np.float32)], axis=2)


def fit(layout, engine, facts):
    """The layout for a model that says how many keypoints it has."""
    shape = shape_of(facts)
    return shape and attrs.evolve(layout, classes=partial(classes, points=shape), decode=partial(decode, points=shape))


def classes(outputs, size, points=(0, 0)):
    """One output [4 + classes + points x numbers, cells]: a column per cell."""
    shapes = [shape for _, shape in outputs]
    if points[0] and len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] in anchors(size, 1):
        return max(0, shapes[0][0] - 4 - points[0] * points[1])
    return 0


def decode(arrays, row, size, score, points):
    """Boxes of columns cx, cy, w, h, classes, keypoints; the graph has made pixels and visibilities of the points.

    Ultralytics nn/modules/head.py, Pose.kpts_decode.
    """
    columns = arrays[0][row]
    first = len(columns) - points[0] * points[1]
    places, best, class_id = best_of_columns(columns[4:first], score)
    return Boxes(columns[:4, places].T, best, class_id, keypoints(columns[first:, places].T, points))


POSE = Layout('yolov8-pose', 'one output [n, 4 + classes + points x 3, cells] of a model with kpt_shape: centre, size, '
              'classes, points', classes, decode, task='pose', fit=fit, boxes='cxcywh',
              also=('yolo11-pose', 'yolov11-pose', 'yolo12-pose', 'yolov12-pose'))
