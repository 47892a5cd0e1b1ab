"""YOLOv5 to v12 as Ultralytics and others export them, and Darknet: decoded boxes in pixels of the model's picture."""
from functools import partial

import attrs
import numpy as np

from edge_app.detectors.layout import Boxes, Layout, best_of_columns, cells
from edge_app.detectors.names import stated_count

STRIDES = (4, 8, 16, 32, 64, 128)
"""Grids of heads, two or more in a row: usually 8 to 32, with 64 P6 models, with 4 P2 ones, tiny ones 16 and 32."""
RUNS = [STRIDES[first:end] for first in range(3) for end in range(first + 2, len(STRIDES) + 1)]


def anchors(size, per_cell):
    """How many places an output may have at a picture of `size`, one number for each set of strides."""
    return [per_cell * cells(size, strides) for strides in RUNS]


def places(size):
    """The same for one anchor in a cell and for three."""
    return anchors(size, 1) + anchors(size, 3)


def classes_v5(outputs, size):
    """First output [3 x cells, 5 + classes]: three anchors per cell tell it from YOLOX.

    More are older heads, [3, height, width, 5 + classes]; with a masks' prototypes it is no such model.
    """
    shape = outputs[0][1] if outputs else ()
    if len(shape) == 2 and shape[0] in anchors(size, 3) and all(len(other) != 3 for _, other in outputs):
        return max(0, shape[1] - 5)
    return 0


def classes_v6(outputs, size):
    """One output [cells, 5 + classes]: a row per cell, as YOLOX has it, but decoded."""
    shapes = [shape for _, shape in outputs]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][0] in anchors(size, 1):
        return max(0, shapes[0][1] - 5)
    return 0


def classes_v8(outputs, size):
    """One output [4 + classes, cells]: a column per cell."""
    shapes = [shape for _, shape in outputs]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] in anchors(size, 1):
        return max(0, shapes[0][0] - 4)
    return 0


def classes_darknet(outputs, size):
    """One output [boxes, 5 + classes] as engine/darknet writes it; how many boxes depends on the model's anchors."""
    shapes = [shape for _, shape in outputs]
    return max(0, shapes[0][1] - 5) if len(shapes) == 1 and len(shapes[0]) == 2 else 0


def fit_v8(layout, engine, facts):
    """The layout where the family or the class names tell which side is which: any grids, a row for each cell too."""
    shape = engine.outputs[0][1] if len(engine.outputs) == 1 else ()
    if len(shape) != 2 or shape[1] in anchors(engine.input_size, 1):
        return layout
    wide = 4 + stated_count(facts)
    if shape[0] == wide > 4 or layout.is_named(facts) and 4 < shape[0] < shape[1]:
        return attrs.evolve(layout, classes=lambda outputs, size: shape[0] - 4)
    if shape[0] in anchors(engine.input_size, 1) and shape[1] == wide > 4:
        decode, every = partial(turned, layout.decode), partial(turned, layout.multi_label_decode)
        return attrs.evolve(layout, classes=lambda outputs, size: shape[1] - 4, decode=decode, multi_label_decode=every)
    return layout


def turned(decode, arrays, row, size, score):
    """Boxes of an output [cells, 4 + classes], which has a row where others have a column."""
    return decode([arrays[0].transpose(0, 2, 1)], row, size, score)


def decode_v5(arrays, row, size, score):
    """Boxes of rows cx, cy, w, h, objectness, classes; score is objectness x best class."""
    return boxes_of_rows(arrays[0][row], score)


def boxes_of_rows(rows, score):
    """Boxes of such rows of one picture."""
    values = rows[rows[:, 4] > score]  # no class can lift the product above its objectness
    class_id = values[:, 5:].argmax(axis=1)
    best = values[:, 4] * values[np.arange(len(values)), 5 + class_id]
    sure = best > score
    return Boxes(values[sure, :4], best[sure], class_id[sure])


def decode_v5_every(arrays, row, size, score):
    """The same rows with a box for every class above `score`, as Darknet itself and accuracy measurements use."""
    rows = arrays[0][row]
    values = rows[rows[:, 4] > score]
    scores = values[:, 4:5] * values[:, 5:]
    box, class_id = np.nonzero(scores > score)
    return Boxes(values[box, :4], scores[box, class_id], class_id)


def decode_v8(arrays, row, size, score):
    """Boxes of columns cx, cy, w, h, classes; score is the best class."""
    columns = arrays[0][row]
    places, best, class_id = best_of_columns(columns[4:], score)
    return Boxes(columns[:4, places].T, best, class_id)


def decode_v8_every(arrays, row, size, score):
    """The same columns with a box for every class above `score`."""
    columns = arrays[0][row]
    class_id, box = np.nonzero(columns[4:] > score)
    return Boxes(columns[:4, box].T, columns[4 + class_id, box], class_id)


YOLOV5 = Layout('yolov5', 'first output [n, 3 x cells, 5 + classes]: centre, size, objectness, classes',
                classes_v5, decode_v5, multi_label_decode=decode_v5_every, boxes='cxcywh', also=('yolov7',))
YOLOV6 = Layout('yolov6', 'one output [n, cells, 5 + classes], decoded: centre, size, objectness (1), classes; of '
                'models that say so', classes_v6, decode_v5, multi_label_decode=decode_v5_every, boxes='cxcywh',
                named=True)
YOLOV8 = Layout('yolov8', 'one output [n, 4 + classes, cells]: centre, size, classes', classes_v8, decode_v8,
                multi_label_decode=decode_v8_every, fit=fit_v8, boxes='cxcywh',
                also=('yolov9', 'yolov11', 'yolo11', 'yolov12', 'yolo12'))
DARKNET = Layout('darknet', 'one output [n, boxes, 5 + classes]: centre, size, objectness, classes; of models that say '
                 'so', classes_darknet, decode_v5, multi_label_decode=decode_v5_every, boxes='cxcywh', stretched=True,
                 named=True)
