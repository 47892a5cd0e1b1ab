"""What a family of models has in common: the layout of its outputs and the preparation of its pictures."""
from functools import partial

import attrs
import numpy as np

from edge_app.errors import ConfigError

UNTOLD = -1
"""`Layout.classes` for outputs of its layout that do not show the number of classes."""

MASKS_ASIDE = 'a segmentation model: its boxes are used, its masks are not; one without masks is faster'


ORDERS = {
    'xyxy': np.eye(4),
    'yxyx': np.eye(4)[[1, 0, 3, 2]],
    'xywh': np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]]),
    'cxcywh': np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-.5, 0, .5, 0], [0, -.5, 0, .5]]),
}
"""What the four numbers of a box may be, as the card's `boxes` says: each a matrix to multiply rows of them with."""

MISREAD = 1 << 20
"""Class of a box whose class number is none, such as 0.3."""


def cells(size, strides):
    """Cells of the grids of a picture of `size` (width, height) at each stride, summed."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)


def stated_number(facts, key, default, least, most):
    """A number of a card or of a model's metadata (text), as the type of `default`. ConfigError if invalid."""
    try:
        value = type(default)(facts.get(key, default))
    except (TypeError, ValueError, OverflowError):
        value = None
    if value is None or not least <= value <= most:
        raise ConfigError('%s: must be %s to %s, not %.100r; state it in a card beside the model' % (
            key, least, most, facts[key]))
    return value


@attrs.frozen(eq=False)
class Layout:
    """One row of the table of known layouts (families.LAYOUTS)."""

    name = attrs.field()
    shape = attrs.field()
    """For people: 'output [n, cells, 5 + classes]: ...'."""
    classes = attrs.field()
    """(outputs ((name, shape), ...), size) -> number of classes, UNTOLD, or 0 when the shapes are not this layout."""
    decode = attrs.field()
    """(arrays with one row per picture, row, size, score) -> Boxes of that picture above `score`."""
    decode_all = attrs.field(default=None)
    """Like `decode` with a number of pictures for `row`: the Boxes of all of them at once, `picture` filled in."""
    colour = attrs.field(default='rgb')
    mean = attrs.field(default=(0.0, 0.0, 0.0))
    scale = attrs.field(default=1 / 255)
    centred = attrs.field(default=True)
    grey = attrs.field(default=114)
    stretched = attrs.field(default=False)
    """Pictures are not letterboxed: both sides are scaled to the network's, each by its own ratio."""
    multi_label_decode = attrs.field(default=None)
    """Like `decode`, but a box for every class above `score` where `decode` has one per place: how mAP is measured."""
    named = attrs.field(default=False)
    """Shapes alone do not show this layout: the card or the model's metadata must name it."""
    task = attrs.field(default='detect')
    """What Ultralytics' metadata calls the task of such models."""
    fit = attrs.field(default=None)
    """(layout, engine that has read a model, facts) -> the layout for this model, or None when it is not of it.

    For what shapes alone do not show; `facts` are the model's metadata and its card in one dict. ConfigError for facts
    that cannot be."""
    boxes = attrs.field(default='')
    """In which of ORDERS the outputs hold boxes, and `decode` returns them until `in_pixels`; '' where it computes
    corners from raw numbers."""
    normalised = attrs.field(default=False)
    """Likewise: they are fractions of the network's picture."""
    has_nms = attrs.field(default=False)
    """Its boxes are final: NMS, or something that makes it unnecessary, is inside the model."""
    default_class_count = attrs.field(default=80)
    """How many classes are assumed where neither shapes nor card nor metadata tell."""
    notice = attrs.field(default='')
    """A sentence for the user about models of this layout."""
    also = attrs.field(default=())
    """Other families with the same layout, as files call themselves."""

    def is_named(self, facts):
        """True when a card or metadata call this layout's family by one of its names."""
        family = str(facts.get('family') or '').lower()
        if facts.get('decoded') is True and family in ('', 'yolox'):
            family = 'yolox-decoded'
        return family in (self.name,) + self.also

    def in_pixels(self, stated, said):
        """The layout whose `decode` returns corners in pixels, of boxes as a card's `boxes` and `normalised` say."""
        if not self.boxes:
            said.extend('the card states %s, but %s computes its boxes itself: it is ignored' % (key, self.name)
                        for key in ('boxes', 'normalised') if key in stated)
            return self
        order, normalised = stated.get('boxes', self.boxes), stated.get('normalised', self.normalised)
        if order == 'xyxy' and not normalised:
            return self
        decode, every = (one and partial(_in_pixels, one, ORDERS[order].astype(np.float32), normalised)
                         for one in (self.decode, self.multi_label_decode))
        return attrs.evolve(self, decode=decode, multi_label_decode=every)


@attrs.frozen(eq=False)
class Boxes:
    """Candidates in pixels of the network's picture, before NMS."""

    xyxy = attrs.field()
    """float32 [n, 4]."""
    score = attrs.field()
    """float32 [n]."""
    class_id = attrs.field()
    """int64 [n]."""
    keypoints = attrs.field(default=None)
    """float32 [n, points, 3]: x, y, visibility; None of models without."""
    picture = attrs.field(default=None)
    """int64 [n]: which picture of the batch; None where they are all of one."""

    def __len__(self):
        return len(self.score)

    def select(self, which):
        """Those of a mask or of numbers."""
        points, picture = (None if one is None else one[which] for one in (self.keypoints, self.picture))
        return Boxes(self.xyxy[which], self.score[which], self.class_id[which], points, picture)


def _in_pixels(decode, order, normalised, arrays, row, size, score):
    """Boxes of `decode` as corners in pixels: `order` is one of ORDERS."""
    found = decode(arrays, row, size, score)
    xyxy, points = found.xyxy.dot(order), found.keypoints
    if normalised:
        xyxy = xyxy * np.array(tuple(size) * 2, np.float32)
        points = None if points is None else points * np.array(tuple(size) + (1,), np.float32)
    return attrs.evolve(found, xyxy=xyxy, keypoints=points)


def class_numbers(values):
    """int64 of class numbers as a model writes them; MISREAD for those that are none."""
    whole = (values == np.floor(values)) & (np.abs(values) < MISREAD)
    return np.where(whole, values, MISREAD).astype(np.int64)


def corners(cxcywh, score, class_id, keypoints=None):
    """Boxes from float32 [n, 4] centres and sizes."""
    half = cxcywh[:, 2:] / 2
    return Boxes(np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1), score, class_id, keypoints)


def concatenate(pictures):
    """The Boxes of several pictures, one Boxes each, as one."""
    fields = [[getattr(found, name) for found in pictures] for name in ('xyxy', 'score', 'class_id', 'keypoints')]
    return Boxes(*[None if arrays[0] is None else np.concatenate(arrays) for arrays in fields],
                 picture=np.repeat(np.arange(len(pictures)), [len(found) for found in pictures]))


def best_of_columns(scores, score):
    """(places, best score, its class) of those columns of float32 [classes, places] that hold one above `score`.

    Flags first: comparing is an eighth of the maximum over all columns under numpy 1.19, and few columns are left.
    """
    places = np.flatnonzero((scores > score).any(axis=0))
    few = scores[:, places]
    class_id = few.argmax(axis=0)
    return places, few[class_id, np.arange(len(places))], class_id


def best_of_rows(scores, score):
    """(places, best score, its class) of those rows of float32 [places, classes] that hold one above `score`."""
    above = np.flatnonzero((scores > score).reshape(-1)) // max(1, scores.shape[1])
    places = above[np.concatenate([[True], above[1:] > above[:-1]])] if len(above) else above
    few = scores[places]
    class_id = few.argmax(axis=1)
    return places, few[np.arange(len(places)), class_id], class_id
