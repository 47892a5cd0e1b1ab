"""Models whose outputs are final boxes: NMS is inside, or the network was trained to need none."""
from functools import partial

import attrs
import numpy as np

from edge_app.detectors.keypoints import keypoints, shape_of
from edge_app.detectors.layout import MASKS_ASIDE, UNTOLD, Boxes, Layout

ORDERS = {
    'xyxy': np.eye(4),
    'yxyx': np.eye(4)[[1, 0, 3, 2]],
    'xywh': np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]]),
    'cxcywh': np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-.5, 0, .5, 0], [0, -.5, 0, .5]]),
}
"""What the four numbers of a box may be, as the card's `boxes` says: each a matrix to multiply rows of them with."""

WORDS = {'count': ('num',), 'boxes': ('box',), 'scores': ('score', 'conf'), 'classes': ('class', 'label', 'cls')}
"""What the names of separate outputs hold: num_detections or num_dets, detection_boxes or det_boxes, and so on."""


def pixels(boxes, size, order='xyxy', normalised=False):
    """float32 [n, 4] corners in pixels of a picture of `size` from boxes in one of ORDERS, 0 to 1 if `normalised`."""
    corners = boxes @ ORDERS[order].astype(np.float32)
    return corners * np.array(size * 2, np.float32) if normalised else corners


def coding(layout_order, facts):
    """Keyword arguments for `pixels` as the card's `boxes` and `normalised` say."""
    return {'order': facts.get('boxes', layout_order), 'normalised': bool(facts.get('normalised', False))}


def sure_rows(scores, class_id, score):
    """Numbers of the rows to keep: `score` exceeded, and no padding, which has class -1 or score 0."""
    return np.flatnonzero((scores > score) & (class_id > -0.5))


# one output of rows

def fit_rows(layout, engine, facts):
    """The layout with the card's coding and keypoints."""
    points = shape_of(facts) or (0, 3)
    numbers = 6 + points[0] * points[1]
    notice = MASKS_ASIDE if len(engine.outputs) == 2 else ''
    return attrs.evolve(layout, notice=notice, classes=partial(classes_rows, numbers=numbers),
                        decode=partial(decode_rows, points=points, **coding('xyxy', facts)))


def classes_rows(outputs, size, numbers=6):
    """One output [detections, 6 + keypoints], or with masks the prototypes behind it: [detections, 6 + masks]."""
    shapes = sorted((shape for _, shape in outputs), key=len)
    if [len(shape) for shape in shapes] == [2, 3]:
        numbers += shapes.pop()[0]
    return UNTOLD if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == numbers else 0


def decode_rows(arrays, row, size, score, points=(0, 3), **coded):
    """Boxes of rows x1, y1, x2, y2, score, class, keypoints: docs.ultralytics.com/guides/end2end-detection."""
    rows = min(arrays, key=lambda array: array.ndim)[row]
    rows = rows[sure_rows(rows[:, 4], rows[:, 5], score)]
    found = keypoints(rows[:, 6:6 + points[0] * points[1]], points) if points[0] else None
    return Boxes(pixels(rows[:, :4], size, **coded), rows[:, 4], rows[:, 5].astype(np.int64), found)


END_TO_END = Layout('end2end', 'one output [n, detections, 6]: corners, score, class', classes_rows, decode_rows,
                    fit=fit_rows, has_nms=True, also=('yolov10', 'yolo26', 'yolov26'))


# four outputs

def roles(outputs):
    """{'count', 'boxes', 'scores', 'classes': number of the output}, by names and shapes; None unless all fit."""
    found = {}
    for number, (name, shape) in enumerate(outputs):
        for role in [role for role, words in WORDS.items() if any(word in name.lower() for word in words)]:
            if (role == 'boxes') == (len(shape) == 2) and (role != 'count' or shape in ((), (1,))):
                found.setdefault(role, number)
                break
    if len(outputs) != 4 or len(found) != 4 or len(set(found.values())) != 4:
        return None
    boxes, scores = outputs[found['boxes']][1], outputs[found['scores']][1]
    return found if boxes[1] == 4 and scores == boxes[:1] == outputs[found['classes']][1] else None


def fit_nms(layout, engine, facts):
    """The layout for the order of these outputs."""
    where = roles(engine.outputs)
    return where and attrs.evolve(layout, decode=partial(decode_nms, where=where, **coding('xyxy', facts)))


def classes_nms(outputs, size):
    """How many boxes there are, [detections, 4] boxes, [detections] scores and classes."""
    return UNTOLD if roles(outputs) else 0


def decode_nms(arrays, row, size, score, where, **coded):
    """Boxes of EfficientNMS_TRT: the first `count` of each output (TensorRT plugin/efficientNMSPlugin/README)."""
    count = int(arrays[where['count']][row].reshape(-1)[0])
    scores, class_id = arrays[where['scores']][row][:count], arrays[where['classes']][row][:count]
    sure = sure_rows(scores, class_id, score)
    boxes = pixels(arrays[where['boxes']][row][sure], size, **coded)
    return Boxes(boxes, scores[sure], class_id[sure].astype(np.int64))


EFFICIENT_NMS = Layout('efficientnms', 'outputs num_detections [n, 1], detection_boxes [n, detections, 4], '
                       'detection_scores and detection_classes [n, detections], in any order', classes_nms, decode_nms,
                       fit=fit_nms, has_nms=True, also=('yolov6-end2end', 'yolov7-end2end'))
