"""Models whose outputs are final boxes: NMS is inside, or the network was trained to need none."""
from functools import partial

import attrs
import numpy as np

from edge_app.detectors.keypoints import keypoints, shape_of
from edge_app.detectors.layout import MASKS_ASIDE, UNTOLD, Boxes, Layout, class_numbers
from edge_app.detectors.yolo import places

WORDS = {'count': ('num',), 'boxes': ('box',), 'scores': ('score', 'conf'), 'classes': ('class', 'label', 'cls')}
"""What the names of separate outputs hold: num_detections or num_dets, detection_boxes or det_boxes, and so on."""
TFLITE = 'tflite_detection_postprocess'
"""Names of boxes, classes, scores and their number in TFLite: this, and with :1 to :3 behind it."""
ASIDE = ('raw', 'multiclass', 'anchor', 'mask', 'keypoint')
""" ...and those of outputs that are not wanted."""


def sure_rows(scores, class_id, score):
    """Numbers of the rows to keep: `score` exceeded, and no padding, which has class -1 or score 0."""
    return np.flatnonzero((scores > score) & (class_id > -0.5))


# one output of rows

def fit_rows(layout, engine, facts):
    """The layout with the card's keypoints; as many rows as a head has places are not final: NMS follows."""
    points = shape_of(facts) or (0, 3)
    if facts.get('task') == 'pose' and not points[0]:
        return None
    numbers = 6 + points[0] * points[1]
    notice = MASKS_ASIDE if len(engine.outputs) == 2 else ''
    final = not any(shape[0] in places(engine.input_size) for _, shape in engine.outputs if len(shape) == 2)
    return attrs.evolve(layout, notice=notice, classes=partial(classes_rows, numbers=numbers), has_nms=final,
                        decode=partial(decode_rows, points=points))


def classes_rows(outputs, size, numbers=6):
    """One output [detections, 6 + keypoints], or with masks the prototypes behind it: [detections, 6 + masks]."""
    shapes = sorted((shape for _, shape in outputs), key=len)
    if [len(shape) for shape in shapes] == [2, 3]:
        numbers += shapes.pop()[0]
    return UNTOLD if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == numbers else 0


def decode_rows(arrays, row, size, score, points=(0, 3)):
    """Boxes of rows x1, y1, x2, y2, score, class, keypoints: docs.ultralytics.com/guides/end2end-detection."""
    rows = min(arrays, key=lambda array: array.ndim)[row]
    rows = rows[sure_rows(rows[:, 4], rows[:, 5], score)]
    found = keypoints(rows[:, 6:6 + points[0] * points[1]], points) if points[0] else None
    return Boxes(rows[:, :4], rows[:, 4], class_numbers(rows[:, 5]), found)


END_TO_END = Layout('end2end', 'one output [n, detections, 6]: corners, score, class; with a row for every cell NMS '
                    'follows', classes_rows, decode_rows, fit=fit_rows, boxes='xyxy', has_nms=True,
                    also=('yolov10', 'yolo26', 'yolov26', 'deepstream'))


# outputs apart

def roles(outputs):
    """{'boxes', 'scores', 'classes', perhaps 'count': number of the output}, by names and shapes; None unless all fit.

    Those beside them (raw_detection_boxes, detection_multiclass_scores of TensorFlow) are ignored.
    """
    found = {}
    if len(outputs) == 4 and all(TFLITE in name.lower() for name, _ in outputs):
        found = dict(zip(('boxes', 'classes', 'scores', 'count'), sorted(range(4), key=lambda number: outputs[number])))
    for number, (name, shape) in enumerate(outputs):
        name = name.lower()
        for role in [role for role, words in WORDS.items() if any(word in name for word in words)]:
            if (role == 'boxes') == (len(shape) == 2 and shape[1] == 4) and not any(word in name for word in ASIDE):
                found.setdefault(role, number)
                break
    if not {'boxes', 'scores', 'classes'} <= set(found) or len(outputs) > len(found) and 'count' not in found:
        return None
    boxes, scores, classes = (outputs[found[role]][1] for role in ('boxes', 'scores', 'classes'))
    count = outputs[found['count']][1] if 'count' in found else ()
    rows = boxes[:1]
    apart = all(shape in (rows, rows + (1,)) for shape in (scores, classes))
    return found if apart and boxes == rows + (4,) and count in ((), (1,)) else None


def is_tensorflow(outputs, where):
    """True of the outputs of TensorFlow's Object Detection API: a number for each picture, not a row of one."""
    return 'count' in where and not outputs[where['count']][1] and 'detection' in outputs[where['boxes']][0].lower()


def fit_nms(layout, engine, facts):
    """The layout for the order of these outputs; as many rows as a head has places are not final: NMS follows."""
    where = roles(engine.outputs)
    if not where or is_tensorflow(engine.outputs, where) and not layout.is_named(facts):
        return None
    final = engine.outputs[where['boxes']][1][0] not in places(engine.input_size)
    return attrs.evolve(layout, has_nms=final, decode=partial(decode_nms, where=where))


def fit_tensorflow(layout, engine, facts):
    """The layout for the order of these outputs."""
    where = roles(engine.outputs)
    if not where or not is_tensorflow(engine.outputs, where):
        return None
    first = 0 if TFLITE in engine.outputs[0][0].lower() else 1
    return attrs.evolve(layout, decode=partial(decode_nms, where=where, first=first))


def classes_nms(outputs, size):
    """How many boxes there are, [detections, 4] boxes, [detections] scores and classes."""
    return UNTOLD if roles(outputs) else 0


def decode_nms(arrays, row, size, score, where, first=0):
    """Boxes of EfficientNMS_TRT: the first `count` of each output (TensorRT plugin/efficientNMSPlugin/README).

    `first`: number of the first class.
    """
    count = None
    if 'count' in where:
        stated = np.nan_to_num(arrays[where['count']][row]).reshape(-1)[0]
        count = int(np.clip(stated, 0, arrays[where['scores']].shape[1]))
    boxes, scores, classes = (arrays[where[role]][row][:count] for role in ('boxes', 'scores', 'classes'))
    scores, classes = scores.reshape(-1), classes.reshape(-1) - first
    sure = sure_rows(scores, classes, score)
    return Boxes(boxes[sure], scores[sure], class_numbers(classes[sure]))


EFFICIENT_NMS = Layout('efficientnms', 'outputs num_detections [n, 1], detection_boxes [n, detections, 4], '
                       'detection_scores and detection_classes [n, detections], in any order; or the last three alone',
                       classes_nms, decode_nms, fit=fit_nms, boxes='xyxy', has_nms=True,
                       also=('yolov6-end2end', 'yolov7-end2end'))
TENSORFLOW = Layout('tensorflow', 'outputs num_detections [n], detection_boxes [n, detections, 4] as top, left, '
                    'bottom, right from 0 to 1, detection_scores and detection_classes from 1', classes_nms, decode_nms,
                    fit=fit_tensorflow, boxes='yxyx', normalised=True, has_nms=True, default_class_count=90, scale=1.0,
                    stretched=True, also=('ssd', 'tf-ssd'))
