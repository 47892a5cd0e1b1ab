"""Frames in, boxes out: an engine with a card, and one batch of memory that is used over and over."""
import numpy as np

from edge_app.detections import Detections
from edge_app.detectors.letterbox import Letterbox
from edge_app.detectors.nms import nms
from edge_app.errors import ConfigError
from edge_app.frames import BGR, FrameMeta


def class_filter(wanted, names):
    """bool [classes] of those to keep: `wanted` holds names or numbers; None keeps all. ConfigError for an unknown."""
    if wanted is None:
        return np.ones(len(names), bool)
    keep = np.zeros(len(names), bool)
    for one in wanted:
        number = names.index(one) if one in names else one
        if isinstance(number, str) or not 0 <= number < len(names):
            raise ConfigError('engine.classes: the model knows no %r; it knows %s' % (one, ', '.join(names)[:500]))
        keep[number] = True
    return keep


class Detector:
    """Prepares frames in slots of a batch and finds what is in them."""

    def __init__(self, engine, card, score=None, iou=None, classes=None, every_class=False):
        """`engine` must have been read; it is loaded here, with the card's preparation.

        `score`, `iou` and `classes` (names or numbers) go before the card's. `every_class`: one place may be of several
        classes, as accuracy is measured.
        """
        self.engine = engine
        self.card = card
        self.score = card.score if score is None else score
        self.iou = card.iou if iou is None else iou
        self.keep = class_filter(classes, card.names)
        self.decode = card.layout.every if every_class and card.layout.every else card.layout.decode
        width, height = card.size
        self.batch = np.empty((engine.max_batch, height, width, 3), np.uint8)
        self.letterbox = Letterbox(self.batch, card.centred, card.grey, card.stretched)
        engine.load(**card.preparation)

    def warm_up(self):
        """Run once on grey: the first run of a full batch is the slowest, and a model that cannot run fails here."""
        self.batch[:] = self.card.grey
        self.engine.infer(self.batch)

    def prepare(self, slot, meta, pixels):
        """Letterbox one frame, I420 or BGR as `meta` says, into slot 0 .. engine.max_batch - 1."""
        self.letterbox.draw(slot, meta, pixels)

    def detect(self, count):
        """Detections of the first `count` slots, each in pixels of its own frame."""
        arrays = self.engine.infer(self.batch[:count])
        return [self._boxes(arrays, row) for row in range(count)]

    def find(self, picture):
        """Detections in one BGR picture [height, width, 3]."""
        self.place(picture)
        return self.detect(1)[0]

    def place(self, picture, slot=0):
        """Letterbox one BGR picture [height, width, 3] into a slot."""
        height, width = picture.shape[:2]
        self.prepare(slot, FrameMeta(0, 0, width, height, BGR), picture)

    def _boxes(self, arrays, row):
        found = self.decode(arrays, row, self.card.size, self.score)
        good = np.flatnonzero(self.keep[found.class_id] & np.isfinite(found.xyxy).all(axis=1))
        kept = good[nms(found.xyxy[good], found.score[good], found.class_id[good], self.iou)]
        xyxy = self.letterbox.places[row].to_frame(found.xyxy[kept])
        return Detections(xyxy, found.score[kept].astype(np.float32), found.class_id[kept].astype(np.int64))
