"""YOLOX as Megvii exports it: the head's raw numbers, objectness and classes already between 0 and 1."""
from functools import lru_cache

import numpy as np

from edge_app.detectors.layout import Boxes, Layout, cells
from edge_app.detectors.yolo import classes_v6, decode_v5, decode_v5_every

STRIDES = (8, 16, 32)


@lru_cache(maxsize=8)
def grid(size):
    """(float32 [cells, 2] cell columns and rows, float32 [cells, 1] strides) in the order of the output's rows.

    Formula and order: YOLOX demo/ONNXRuntime, demo_postprocess.
    """
    columns, strides = [], []
    for stride in STRIDES:
        across, down = size[0] // stride, size[1] // stride
        x, y = np.meshgrid(np.arange(across), np.arange(down))
        columns.append(np.stack([x, y], axis=2).reshape(-1, 2))
        strides.append(np.full((across * down, 1), stride))
    return np.concatenate(columns).astype(np.float32), np.concatenate(strides).astype(np.float32)


def classes(outputs, size):
    """One output [cells, 5 + classes]."""
    shapes = [shape for _, shape in outputs]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][0] == cells(size, STRIDES):
        return max(0, shapes[0][1] - 5)
    return 0


def decode_all(arrays, count, size, score):
    """Boxes above `score` (objectness x best class) of the first `count` pictures; centres and sizes are in cells.

    One pass over all of them: behind an inference each step finds the processor's caches full of something else, and
    the first of several takes four times as long as the next.
    """
    cells_of_one = arrays[0].shape[1]
    rows = arrays[0][:count].reshape(count * cells_of_one, -1)
    likely = np.flatnonzero(rows[:, 4] > score)  # no class can lift the product above its objectness
    values = rows[likely]
    class_id = values[:, 5:].argmax(axis=1)
    best = values[:, 4] * values[np.arange(len(values)), 5 + class_id]
    sure = np.flatnonzero(best > score)
    values, picture = values[sure], likely[sure] // cells_of_one
    columns, strides = grid(tuple(size))
    cell = likely[sure] - picture * cells_of_one
    centre = (values[:, :2] + columns[cell]) * strides[cell]
    with np.errstate(over='ignore'):  # a model decoded in its graph: the detector says so
        half = np.exp(values[:, 2:4]) * (strides[cell] / 2)
    return Boxes(np.concatenate([centre - half, centre + half], axis=1), best[sure], class_id[sure], picture=picture)


def decode(arrays, row, size, score):
    """The same of picture `row` alone."""
    return decode_all([arrays[0][row:row + 1]], 1, size, score)


YOLOX = Layout('yolox', 'one output [n, cells, 5 + classes], the raw head: a row per cell of strides 8, 16, 32',
               classes, decode, decode_all=decode_all, colour='bgr', scale=1.0, centred=False)
YOLOX_DECODED = Layout('yolox-decoded', 'the same decoded in the graph (tools/export_onnx.py --decode_in_inference), '
                       'of models that say `decoded: true`', classes_v6, decode_v5,
                       multi_label_decode=decode_v5_every, boxes='cxcywh', colour='bgr',
                       scale=1.0, centred=False, named=True)
