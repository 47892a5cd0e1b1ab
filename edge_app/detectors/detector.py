"""Frames in, boxes out: an engine with a card, and one batch of memory that is used over and over."""
import logging

import numpy as np

from edge_app.detections import Detections
from edge_app.detectors.layout import concatenate
from edge_app.detectors.letterbox import Letterbox
from edge_app.detectors.nms import nms
from edge_app.errors import ConfigError
from edge_app.frames import BGR, FrameMeta

log = logging.getLogger(__name__)

FAR_PX = 1e6
"""An edge farther out means that outputs are misread: infinite, not a number, or an exponential of a size."""


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
            raise ConfigError('engine.classes: the model has no class %r; it has %s' % (one, ', '.join(names)[:500]))
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
        self.set_thresholds(score, iou, classes)
        self.decode = every_class and card.layout.multi_label_decode or card.layout.decode
        self.warned = False
        width, height = card.size
        self.batch = np.empty((engine.max_batch, height, width, 3), np.uint8)
        self.letterbox = Letterbox(self.batch, card.centred, card.grey, card.stretched)
        engine.load(**card.preparation)

    def set_thresholds(self, score=None, iou=None, classes=None):
        """From the next picture on; None: the card's. ConfigError, and all as before, for an unknown class."""
        self.keep = class_filter(classes, self.card.names)
        self.score = self.card.score if score is None else score
        self.iou = self.card.iou if iou is None else iou

    def warm_up(self):
        """Run on grey, so that a model that cannot run fails here and all memory is allocated now.

        Runs every batch size that engines prepare for (the largest, its halves, one): each allocates at its first run.
        """
        self.batch[:] = self.card.grey
        count = len(self.batch)
        while count:
            self.engine.infer(self.batch[:count])
            count //= 2

    def prepare(self, slot, meta, pixels):
        """Letterbox one frame, I420 or BGR as `meta` says, into slot 0 .. engine.max_batch - 1."""
        rows = self.letterbox.draw(slot, meta, pixels)
        self.engine.prepare(slot, self.batch[slot], rows)

    def detect(self, count):
        """Detections of the first `count` slots, each in pixels of its own frame."""
        arrays = self.engine.infer(self.batch[:count], prepared=True)
        found = self._best(self._candidates(arrays, count))
        return [self._in_frame(found.select(found.picture == row) if count > 1 else found, row) for row in range(count)]

    def find(self, picture):
        """Detections in one BGR picture [height, width, 3]."""
        self.place(picture)
        return self.detect(1)[0]

    def place(self, picture, slot=0):
        """Letterbox one BGR picture [height, width, 3] into a slot."""
        height, width = picture.shape[:2]
        self.prepare(slot, FrameMeta(0, 0, width, height, BGR), picture)

    def _candidates(self, arrays, count):
        """All boxes of all pictures that may stay."""
        layout = self.card.layout
        if layout.decode_all and self.decode is layout.decode:
            found = layout.decode_all(arrays, count, self.card.size, self.score)
        else:
            found = concatenate([self.decode(arrays, row, self.card.size, self.score) for row in range(count)])
        likely = (np.abs(found.xyxy) < FAR_PX).all(axis=1)
        if not likely.all():
            self._warn(len(likely) - int(likely.sum()))
        return found.select(likely & self.keep[np.minimum(found.class_id, len(self.keep) - 1)])

    def _best(self, found):
        """The boxes to keep, best first; a class of one picture is not that of another."""
        if self.card.layout.has_nms:
            return found.select(np.argsort(-found.score, kind='stable'))
        apart = found.class_id + found.picture * (len(self.keep) + int(found.class_id.max(initial=0)))
        return found.select(nms(found.xyxy, found.score, apart, self.iou))

    def _in_frame(self, found, row):
        """Detections of one picture, in pixels of its frame."""
        place = self.letterbox.places[row]
        points = None if found.keypoints is None else place.points_to_frame(found.keypoints)
        return Detections(place.to_frame(found.xyxy), found.score.astype(np.float32), found.class_id.astype(np.int64),
                          points)

    def _warn(self, count):
        """Warn once about boxes out of all bounds: dropped silently they would look like an empty street."""
        if not self.warned:
            self.warned = True
            log.warning('%s: %d boxes out of all bounds dropped: are its outputs those of %s? (`family` in the card, '
                        'or `decoded: true` for YOLOX decoded in its graph)', self.engine.path, count,
                        self.card.layout.name)
