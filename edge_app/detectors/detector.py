"""Frames in, boxes out: an engine with a card, and one batch of memory that is used over and over."""
import logging

import numpy as np

from edge_app.detections import Detections
from edge_app.detectors import batching, sanity
from edge_app.detectors.families import found as described
from edge_app.detectors.layout import concatenate
from edge_app.detectors.letterbox import Letterbox
from edge_app.detectors.nms import nms
from edge_app.errors import ConfigError, EngineError
from edge_app.frames import BGR, FrameMeta

log = logging.getLogger(__name__)


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
        self.said = list(card.said)
        """What was assumed about the model and what showed at its first run, a sentence each."""
        self.warned = set()
        self.one_by_one = False
        self.unproven = False
        width, height = card.size
        self.batch = np.empty((engine.max_batch, height, width, 3), np.uint8)
        self.letterbox = Letterbox(self.batch, card.centred, card.grey, card.stretched)
        declared = engine.fixed_batch
        engine.load(**card.preparation)
        if engine.fixed_batch == 1 != declared:
            self.said.append(batching.SENTENCE)

    def set_thresholds(self, score=None, iou=None, classes=None):
        """From the next picture on; None: the card's. ConfigError, and all as before, for an unknown class."""
        self.keep = class_filter(classes, self.card.names)
        self.score = self.card.score if score is None else score
        self.iou = self.card.iou if iou is None else iou

    def warm_up(self):
        """First runs, so that a model that cannot run fails here and all memory is allocated now.

        Runs every batch size that engines prepare for (the largest, its halves, one): each allocates at its first run.
        ConfigError when the numbers it gives cannot be what they are read as. A model that does not keep the pictures
        of a batch apart runs one by one from now on.
        """
        self.batch[:] = self.card.grey
        self.batch[1::2] = batching.pattern(self.batch.shape[1:])
        alone = [batching.copied(self.engine.infer(self.batch[slot:slot + 1])) for slot in range(len(self.batch[:2]))]
        self._check(alone)
        sizes = [len(self.batch)]
        while sizes[-1] > 1:
            sizes.append(sizes[-1] // 2)
        kept = [self._keeps_apart(count, alone) for count in sizes if count > 1]
        self.one_by_one = not all(kept)
        if self.one_by_one:
            self.said.append(batching.SENTENCE)
        elif kept and self.card.layout.has_nms and not len(self._decoded(self.card.layout.decode, alone[1], 1, 0)):
            self.one_by_one = self.unproven = True

    def _keeps_apart(self, count, alone):
        """Whether the first `count` pictures give together what they give alone, as batching.kept_apart has them."""
        try:
            arrays = self.engine.infer(self.batch[:count])
            self._decoded(self.card.layout.decode, arrays, count, self.score)
        except (EngineError, IndexError, ValueError) as error:  # it cannot run, or answers rows for fewer pictures
            log.info('%s: a batch of %d: %s', self.engine.path, count, error)
            return False
        return batching.kept_apart(arrays, alone, count, self.card.layout.has_nms)

    def _check(self, runs):
        """ConfigError when what single pictures gave, the first blank, cannot be what it is read as."""
        layout, facts = self.card.layout, (self.engine.path, described(self.engine), self.card.layout)
        everything = [self._decoded(layout.decode, arrays, 1, 0 if layout.has_nms else -np.inf) for arrays in runs]
        sanity.check_blank(*facts + (everything[0],))
        for arrays, found in zip(runs, everything):
            sanity.check_columns(*facts + (arrays,))
            sanity.check_boxes(*facts + (found, self.card.size))

    def prepare(self, slot, meta, pixels):
        """Letterbox one frame, I420 or BGR as `meta` says, into slot 0 .. engine.max_batch - 1."""
        rows = self.letterbox.draw(slot, meta, pixels)
        self.engine.prepare(slot, self.batch[slot], rows)

    def detect(self, count):
        """Detections of the first `count` slots, each in pixels of its own frame."""
        arrays = self._infer(count)
        found = self._best(self._candidates(arrays, count))
        if self.unproven and count > 1 and (found.picture > 0).any():
            self._prove(arrays, count)
        return [self._in_frame(found.select(found.picture == row) if count > 1 else found, row) for row in range(count)]

    def _infer(self, count):
        if not self.one_by_one or count == 1:
            return self.engine.infer(self.batch[:count], prepared=True)
        runs = [batching.copied(self.engine.infer(self.batch[slot:slot + 1])) for slot in range(count)]
        return [np.concatenate(arrays) for arrays in zip(*runs)]

    def _prove(self, arrays, count):
        """The first boxes of a model with NMS inside, of pictures one by one: does it find them in a batch as well?"""
        alone = [[array[slot:slot + 1] for array in arrays] for slot in range(count)]
        self.unproven = False
        self.one_by_one = not self._keeps_apart(count, alone)
        if self.one_by_one:
            log.warning('%s: %s', self.engine.path, batching.SENTENCE)

    def find(self, picture):
        """Detections in one BGR picture [height, width, 3]."""
        self.place(picture)
        return self.detect(1)[0]

    def place(self, picture, slot=0):
        """Letterbox one BGR picture [height, width, 3] into a slot."""
        height, width = picture.shape[:2]
        self.prepare(slot, FrameMeta(0, 0, width, height, BGR), picture)

    def _decoded(self, decode, arrays, count, score):
        """All boxes above `score`."""
        layout = self.card.layout
        with np.errstate(all='ignore'):
            if layout.decode_all and decode is layout.decode:
                return layout.decode_all(arrays, count, self.card.size, score)
            return concatenate([decode(arrays, row, self.card.size, score) for row in range(count)])

    def _candidates(self, arrays, count):
        """All boxes of all pictures that may stay."""
        found = self._decoded(self.decode, arrays, count, self.score)
        if not sanity.is_fine(found, self.card.size):
            wrong = sanity.wrong_of(found, self.card.size)
            self._warn(wrong)
            found = found.select(~wrong.any(axis=0))
        highest = int(found.class_id.max(initial=0))
        if highest >= len(self.card.names):
            self._warn_once('names', 'finds class %d, but has %d names: correct `names` in the card'
                            % (highest, len(self.card.names)))
        return found.select(self.keep[np.minimum(found.class_id, len(self.keep) - 1)])

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
                          points, self.card.names)

    def _warn(self, wrong):
        """Warn once of each kind of box that cannot be: dropped silently they would look like an empty street."""
        for (what, fix), mask in zip(sanity.WRONG, wrong):
            if mask.any():
                self._warn_once(what, '%d %s dropped: are its outputs those of %s? (%s)'
                                % (mask.sum(), what, self.card.layout.name, fix))

    def _warn_once(self, what, sentence):
        if what not in self.warned:
            self.warned.add(what)
            log.warning('%s: %s', self.engine.path, sentence)
