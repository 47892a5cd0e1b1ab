"""Whether a model that takes several pictures at once keeps them apart: some only ever look at the first."""
import cv2
import numpy as np

SENTENCE = ('a batch of several pictures gives other numbers than each of them alone (exported with NMS or a reshape '
            'for one picture?): it runs one by one')
NOISE = 1e-5
"""What another order of additions may change, as a share of the numbers' mean."""
ROUNDING = 0.05
"""What half precision and quantisation may change. Two pictures differ by as much or more (YOLOX, YOLOv5, YOLOv8)."""


def pattern(shape):
    """uint8 [height, width, 3] of coloured fields, the same each time."""
    fields = np.random.RandomState(14).randint(0, 256, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(fields, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)


def copied(arrays):
    """The arrays of `Engine.infer`, which are the engine's memory, as one's own."""
    return [np.array(array) for array in arrays]


def kept_apart(arrays, alone, count, final):
    """True when each row of `arrays`, those of a batch, is what its picture gives alone.

    `alone`: the arrays of single pictures, which fill the batch by turns. `final` boxes may come in another order.
    """
    return all(_same(array[row], alone[row % len(alone)][number][0], alone[(row + 1) % len(alone)][number][0], final)
               for number, array in enumerate(arrays) for row in range(min(count, len(array))))


def _same(row, own, other, final):
    if final and row.ndim:
        most = max(len(row), len(own), len(other))  # a graph may answer as many rows as there are boxes
        row, own, other = (np.sort(np.pad(one, [(0, most - len(one))] + [(0, 0)] * (one.ndim - 1), 'constant'), axis=0)
                           for one in (row, own, other))
    if not own.size:
        return True
    off, apart, size = np.abs(row - own).mean(), np.abs(own - other).mean(), np.abs(own).mean()
    return bool(off <= NOISE * (size + 1) or off < min(ROUNDING * size, apart / 4))
