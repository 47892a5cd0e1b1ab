"""Boxes and the scores of every class in two outputs: a head's places, or the queries of a transformer."""
from functools import partial

import attrs
import numpy as np

from edge_app.detectors.efficientdet import IMAGENET_MEAN, IMAGENET_SCALE
from edge_app.detectors.end_to_end import decode_rows
from edge_app.detectors.layout import UNTOLD, Boxes, Layout, best_of_rows, class_numbers
from edge_app.detectors.names import stated_count
from edge_app.detectors.yolo import places


def parts(outputs):
    """(number of the output of boxes [rows, 4], of scores [rows, classes] or the other way round); None without."""
    shapes = [shape for _, shape in outputs]
    if [len(shape) for shape in shapes] != [2, 2] or not set(shapes[0]) & set(shapes[1]):
        return None
    boxes = sorted((not any(word in name.lower() for word in ('box', 'det')), number)
                   for number, (name, shape) in enumerate(outputs) if shape[1] == 4)
    return (boxes[0][1], 1 - boxes[0][1]) if boxes and shapes[boxes[0][1]][0] in shapes[1 - boxes[0][1]] else None


def classes(outputs, size, spare=0):
    """[rows, 4] and [rows, classes + spare] or the other way round."""
    where = parts(outputs)
    if not where:
        return 0
    (rows, _), scores = (outputs[number][1] for number in where)
    return max(0, scores[scores[0] == rows] - spare)


def fit_places(layout, engine, facts):
    """The layout for a row for each place of a head."""
    where = parts(engine.outputs)
    if not where or engine.outputs[where[0]][1][0] not in places(engine.input_size) and not layout.is_named(facts):
        return None
    return attrs.evolve(layout, decode=partial(decode, where=where))


def decode(arrays, row, size, score, where, scores_of=lambda values: values):
    """Boxes of the rows whose best class is above `score`; `scores_of` makes scores from what the model gives."""
    boxes, scores = (arrays[number][row] for number in where)
    scores = scores if len(scores) == len(boxes) else scores.T
    sure, best, class_id = best_of_rows(scores_of(scores), score)
    return Boxes(boxes[sure], best, class_id)


def sigmoid(values):
    """Scores of logits; of a graph that holds the sigmoid already, the values."""
    if not len(values) or values.min() >= 0 and values.max() <= 1:
        return values
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))


def softmax(values):
    """Scores of logits whose last one stands for no object."""
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return shares[:, :-1] / shares.sum(axis=1, keepdims=True)


def without_last(values):
    """Scores of logits of which the last belongs to no class (RF-DETR, docs/learn/export.md)."""
    return sigmoid(values)[:, :-1]


def fit_rtdetr(layout, engine, facts):
    """The layout for Ultralytics' one output, or for logits and boxes as Hugging Face names them.

    Ultralytics nn/modules/head.py, RTDETRDecoder: since 8.4 rows of score and class, and `head` in the metadata; before
    a score for each class.
    """
    where, shapes = parts(engine.outputs), [shape for _, shape in engine.outputs]
    if where:
        return attrs.evolve(layout, decode=partial(decode, where=where, scores_of=sigmoid))
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    wide, known = shapes[0][1], stated_count(facts)
    if wide == 6 and (facts.get('head') or known != 2):
        return attrs.evolve(layout, decode=decode_rows, classes=lambda outputs, size: UNTOLD)
    return attrs.evolve(layout, decode=decode_scored, classes=lambda outputs, size: max(0, wide - 4))


def decode_scored(arrays, row, size, score):
    """Boxes of rows of four numbers and a score for each class."""
    rows = arrays[0][row]
    sure, best, class_id = best_of_rows(rows[:, 4:], score)
    return Boxes(rows[sure, :4], best, class_id)


def fit_rfdetr(layout, engine, facts):
    """The layout for outputs `dets` and `labels`; one class less than logits unless as many names are stated."""
    where, named = parts(engine.outputs), sorted(name.lower() for name, _ in engine.outputs) == ['dets', 'labels']
    if not where or not named and not layout.is_named(facts):
        return None
    whole = stated_count(facts) == classes(engine.outputs, None)
    return attrs.evolve(layout, classes=partial(classes, spare=0 if whole else 1),
                        decode=partial(decode, where=where, scores_of=sigmoid if whole else without_last))


def fit_detr(layout, engine, facts):
    """The layout for logits and boxes."""
    where = parts(engine.outputs)
    return where and attrs.evolve(layout, decode=partial(decode, where=where, scores_of=softmax))


def rows_of(outputs):
    """(number of the output [detections, 5], of the classes [detections]); None unless these are the two."""
    shapes = [shape for _, shape in outputs]
    numbers = sorted(range(len(shapes)), key=lambda number: len(shapes[number]), reverse=True)
    if sorted(map(len, shapes)) != [1, 2] or shapes[numbers[0]] != shapes[numbers[1]] + (5,):
        return None
    return tuple(numbers)


def fit_scored(layout, engine, facts):
    """The layout for these outputs in any order."""
    where = rows_of(engine.outputs)
    return where and attrs.evolve(layout, decode=partial(decode_labelled, where=where))


def decode_labelled(arrays, row, size, score, where):
    """Boxes of rows of corners and score, and their classes beside them (mmdet core/export/onnx_helper.py)."""
    rows, labels = arrays[where[0]][row], arrays[where[1]][row]
    sure = np.flatnonzero((rows[:, 4] > score) & (labels > -0.5))
    return Boxes(rows[sure, :4], rows[sure, 4], class_numbers(labels[sure]))


YOLO_NAS = Layout('yolo-nas', 'outputs [n, cells, 4] and [n, cells, classes] or [n, classes, cells]: corners, scores',
                  classes, None, fit=fit_places, boxes='xyxy', also=('pp-yoloe', 'ppyoloe'),
                  notice='boxes and scores apart: pictures are prepared as for YOLO-NAS (RGB from 0 to 1); where '
                         'others are meant, `family: damo-yolo`, or `colour`, `mean` and `scale` in the card settle it')
DAMO_YOLO = attrs.evolve(YOLO_NAS, name='damo-yolo', shape='the same for RGB from 0 to 255, of models that say so',
                         scale=1.0, named=True, notice='', also=())
RT_DETR = Layout('rtdetr', 'one output [n, queries, 6] or [n, queries, 4 + classes], or logits [n, queries, classes] '
                 'and boxes [n, queries, 4], of models that say so: centre and size from 0 to 1', classes, None,
                 fit=fit_rtdetr, boxes='cxcywh', normalised=True, stretched=True, has_nms=True, named=True,
                 also=('rt-detr', 'rtdetrv2', 'd-fine', 'dfine', 'deim'))
RF_DETR = Layout('rfdetr', 'outputs dets [n, queries, 4] and labels [n, queries, classes + 1]: centre and size from 0 '
                 'to 1, logits', classes, None, fit=fit_rfdetr, boxes='cxcywh', normalised=True, stretched=True,
                 has_nms=True, mean=IMAGENET_MEAN, scale=IMAGENET_SCALE, also=('rf-detr',))
DETR = Layout('detr', 'logits [n, queries, classes + 1], the last for none, and boxes [n, queries, 4], of models that '
              'say so', partial(classes, spare=1), None, fit=fit_detr, boxes='cxcywh', normalised=True, stretched=True,
              has_nms=True, mean=IMAGENET_MEAN, scale=IMAGENET_SCALE, named=True, also=('yolos',))
MMDETECTION = Layout('mmdetection', 'outputs [n, detections, 5] and [n, detections]: corners and score, class',
                     lambda outputs, size: UNTOLD if rows_of(outputs) else 0, None, fit=fit_scored, boxes='xyxy',
                     has_nms=True, mean=IMAGENET_MEAN, scale=IMAGENET_SCALE, also=('mmdet', 'rtmdet'))


def classes_detected(outputs, size):
    """One output [1, detections, 7]."""
    return UNTOLD if len(outputs) == 1 and len(outputs[0][1]) == 3 and outputs[0][1][::2] == (1, 7) else 0


def decode_detected(arrays, row, size, score):
    """Boxes of rows picture, class from 1, score, corners; after the last comes a row of picture -1 (OpenVINO)."""
    rows = arrays[0][row, 0]
    rows = rows[np.cumsum(rows[:, 0] < 0) == 0]
    rows = rows[(rows[:, 2] > score) & (rows[:, 1] > 0.5) & (rows[:, 0] == row)]
    return Boxes(rows[:, 3:], rows[:, 2], class_numbers(rows[:, 1] - 1))


DETECTION_OUTPUT = Layout('detection-output', 'one output [n, 1, detections, 7]: picture, class from 1, score, corners '
                          'from 0 to 1 (Caffe, Open Model Zoo)', classes_detected, decode_detected, boxes='xyxy',
                          normalised=True, has_nms=True, default_class_count=1, colour='bgr', scale=1.0, stretched=True,
                          also=('caffe-ssd',))
