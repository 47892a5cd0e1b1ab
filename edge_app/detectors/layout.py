"""What a family of models has in common: how its numbers lie and how its pictures are prepared."""
import attrs
import numpy as np


def cells(size, strides):
    """Cells of the grids of a picture of `size` (width, height) at each stride, summed."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)


@attrs.frozen(eq=False)
class Layout:
    """One row of the table of known layouts (card.LAYOUTS)."""

    name = attrs.field()
    shape = attrs.field()
    """For people: 'output [n, cells, 5 + classes]: ...'."""
    classes = attrs.field()
    """(outputs ((name, shape), ...), size) -> number of classes, or 0 when the shapes are not this layout."""
    decode = attrs.field()
    """(arrays with one row per picture, row, size, score) -> Boxes of that picture above `score`."""
    colour = attrs.field(default='rgb')
    mean = attrs.field(default=(0.0, 0.0, 0.0))
    scale = attrs.field(default=1 / 255)
    centred = attrs.field(default=True)
    grey = attrs.field(default=114)
    also = attrs.field(default=())
    """Other families with the same layout, as files call themselves."""


@attrs.frozen(eq=False)
class Boxes:
    """Candidates in pixels of the network's picture, before NMS."""

    xyxy = attrs.field()
    """float32 [n, 4]."""
    score = attrs.field()
    """float32 [n]."""
    class_id = attrs.field()
    """int64 [n]."""


def corners(cxcywh, score, class_id):
    """Boxes from float32 [n, 4] centres and sizes."""
    half = cxcywh[:, 2:] / 2
    return Boxes(np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1), score, class_id)
