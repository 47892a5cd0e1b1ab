"""Accuracy of a model: mAP over annotated pictures, as COCO defines it (computed by pycocotools)."""
import contextlib
import io
import json
import os
from typing import NamedTuple

import cv2

from edge_app.clock import now_ns
from edge_app.errors import ConfigError, EngineUnavailable
from edge_app.files import read_text

LARGEST = 1 << 30
MOST_BOXES = 300
COUNTED = 100
"""Most boxes of one class and picture that COCO's definition counts (COCOeval's maxDets)."""


class Rules(NamedTuple):
    """What counts as a detection when a model is measured."""

    score: float
    iou: float
    """Of NMS; None where it is inside the model."""
    every_class: bool
    """A place may be of several classes (multi-label), not of its best only."""


RULES = {
    # as the families publish their figures: YOLOX tools/eval.py, YOLOv5 val.py, Ultralytics val, Darknet detector map
    'yolox': Rules(0.01, 0.65, False),
    'yolov5': Rules(0.001, 0.6, True),
    'yolov8': Rules(0.001, 0.7, True),
    'darknet': Rules(0.001, 0.45, True),
}
USUAL = Rules(0.001, 0.65, True)

SAME = {'aeroplane': 'airplane', 'motorbike': 'motorcycle', 'sofa': 'couch', 'tvmonitor': 'tv',
        'pottedplant': 'potted plant', 'diningtable': 'dining table'}
"""VOC's words, which Darknet's coco.names uses, for COCO's."""

FIGURES = ('map', 'map50', 'map75', 'map_small', 'map_medium', 'map_large')
"""The first six of COCOeval.stats."""


class Annotations:
    """Pictures of a folder with a COCO JSON that says what is in them. ConfigError for anything that does not fit."""

    def __init__(self, folder, path):
        try:
            from pycocotools.coco import COCO
        except ImportError as error:
            raise EngineUnavailable("measuring accuracy needs pycocotools (%s): pip install 'edge_app[eval]'" % error)
        self.folder = folder
        self.path = path
        try:
            stated = json.loads(read_text(path, LARGEST))
            with contextlib.redirect_stdout(io.StringIO()):
                self.coco = COCO()
                self.coco.dataset = stated
                self.coco.createIndex()
            self.pictures = [(one['id'], self._file(one['file_name'])) for one in stated['images']]
            self.categories = {_plain(one['name']): one['id'] for one in stated['categories']}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError('%s: not annotations in COCO format (%s: %s)' % (path, type(error).__name__, error))
        self._check()

    def _file(self, name):
        """A picture's file name, also as Windows writes paths."""
        other = name.replace('\\', '/')
        return other if os.path.isfile(os.path.join(self.folder, other)) else name

    def _check(self):
        if not self.pictures or not self.coco.anns:
            raise ConfigError('%s: holds no pictures or no boxes' % self.path)
        missing = [name for _, name in self.pictures if not os.path.isfile(os.path.join(self.folder, name))]
        if missing:
            raise ConfigError('%s: %d of its %d pictures are not in %s, the first is %s'
                              % (self.path, len(missing), len(self.pictures), self.folder, missing[0]))

    def ids(self, names):
        """Category id of each class name, None for one the annotations do not know; ConfigError when they know none."""
        known = [self.categories.get(_plain(name)) for name in names]
        if not any(one is not None for one in known):
            raise ConfigError('%s: its categories (%s) are none of the model\'s classes (%s)'
                              % (self.path, ', '.join(sorted(self.categories))[:200], ', '.join(names)[:200]))
        return known

    def missing(self, ids):
        """Names of annotated categories that are none of `ids`: their boxes cannot be found, and count as missed."""
        used = {one['category_id'] for one in self.coco.anns.values()}
        return sorted(name for name, number in self.categories.items() if number in used.difference(ids))

    def score(self, found):
        """{figure: value} of detections as COCO's result format has them; 0 everywhere without any."""
        from pycocotools.cocoeval import COCOeval
        if not found:
            return dict.fromkeys(FIGURES, 0.0)
        with contextlib.redirect_stdout(io.StringIO()):
            counting = COCOeval(self.coco, self.coco.loadRes(found), 'bbox')
            counting.evaluate()
            counting.accumulate()
            counting.summarize()
        return {name: round(float(value), 6) for name, value in zip(FIGURES, counting.stats)}


def _plain(name):
    name = name.strip().lower()
    return SAME.get(name, name)


def rules_for(card, score=None, iou=None):
    """Rules of the card's family, with what was asked for instead, as far as the model leaves a choice."""
    rules = RULES.get(card.layout.name, USUAL)
    return Rules(rules.score if score is None else score,
                 None if card.layout.has_nms else rules.iou if iou is None else iou,
                 rules.every_class and card.layout.multi_label_decode is not None)


def measure(detector, annotations, rules, on_picture=None):
    """{figure: value} of a Detector over Annotations, with how it was measured."""
    detector.score, detector.iou = rules.score, detector.iou if rules.iou is None else rules.iou
    if rules.every_class:
        detector.decode = detector.card.layout.multi_label_decode
    ids = annotations.ids(detector.card.names)
    found, spent_ns, beyond = [], 0, 0
    for number, (image_id, name) in enumerate(annotations.pictures):
        picture = read_picture(os.path.join(annotations.folder, name))
        started_ns = now_ns()
        boxes = detector.find(picture)
        spent_ns += now_ns() - started_ns
        beyond += int((boxes.class_id >= len(ids)).sum())
        found += list(_rows(image_id, boxes, ids))
        if on_picture:
            on_picture(number + 1, len(annotations.pictures))
    figures = annotations.score(found)
    figures.update(images=len(annotations.pictures), boxes=len(annotations.coco.anns), detections=len(found),
                   classes=len(ids), unnamed=beyond,
                   missing=annotations.missing(ids),
                   ms_per_picture=round(spent_ns / 1e6 / len(annotations.pictures), 2),
                   settings=dict(rules._asdict(), most_boxes=MOST_BOXES, counted_boxes=COUNTED,
                                 size=list(detector.card.size),
                                 letterbox=_fitting(detector.card), family=detector.card.layout.name))
    return figures


def read_picture(path):
    """BGR picture of a file; ConfigError when it is none."""
    picture = cv2.imread(path)
    if picture is None:
        raise ConfigError('%s: not a picture OpenCV can read' % path)
    return picture


def _fitting(card):
    if card.stretched:
        return 'stretch'
    return 'centre' if card.centred else 'top-left'


def _rows(image_id, boxes, ids):
    """COCO results of one picture: the best boxes, as left, top, width, height."""
    for (left, top, right, bottom), score, class_id in list(zip(
            boxes.xyxy.tolist(), boxes.score.tolist(), boxes.class_id.tolist()))[:MOST_BOXES]:
        if class_id < len(ids) and ids[class_id] is not None:
            yield {'image_id': image_id, 'category_id': ids[class_id], 'score': score,
                   'bbox': [left, top, right - left, bottom - top]}
