"""Frames in, boxes out: an engine with a card, and one batch of memory that is used over and over."""
import logging

import numpy as np

from edge_app.detections import Detections
from edge_app.detectors.letterbox import Letterbox
from edge_app.detectors.nms import nms
from edge_app.errors import ConfigError
from edge_app.frames import BGR, FrameMeta

log = logging.getLogger(__name__)

FAR_PX = 1e6
"""No edge of a box lies so far out, unless numbers are read as what they are not: infinite, none at all, or e to the size."""


def class_filter(wanted, names):
    """bool [classes + 1] of those to keep, the last for any class beyond the names.

    `wanted` holds names or numbers; None keeps all. ConfigError for an unknown.
    """
    if wanted is None:
        return np.ones(len(names) + 1, bool)
    keep = np.zeros(len(names) + 1, bool)
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
        self.warned = False
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
        likely = (np.abs(found.xyxy) < FAR_PX).all(axis=1)
        if not likely.all():
            self._warn(len(likely) - int(likely.sum()))
        good = np.flatnonzero(likely & self.keep[np.minimum(found.class_id, len(self.keep) - 1)])
        kept = good[self._best(found.xyxy[good], found.score[good], found.class_id[good])]
        place = self.letterbox.places[row]
        points = None if found.keypoints is None else place.points_to_frame(found.keypoints[kept])
        return Detections(place.to_frame(found.xyxy[kept]), found.score[kept].astype(np.float32),
                          found.class_id[kept].astype(np.int64), points)

    def _best(self, xyxy, score, class_id):
        """Numbers of the boxes to keep, best first."""
        if self.card.layout.final:
            return np.argsort(-score, kind='stable')
        return nms(xyxy, score, class_id, self.iou)

    def _warn(self, count):
        """Once, of boxes beyond all bounds: dropping them in silence would look like an empty street."""
        if not self.warned:
            self.warned = True
            log.warning('%s: %d boxes beyond all bounds are dropped: are its outputs those of %s? (`family` in the card, '
                        'or `decoded: true` for YOLOX decoded in its graph)', self.engine.path, count,
                        self.card.layout.name)
