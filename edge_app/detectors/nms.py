"""Of boxes that show the same thing, keep the best."""
import cv2
import numpy as np

LARGEST_SIDE = 30000.0
LARGEST_PLACE = 1e9
"""OpenCV 4.1 (JetPack's) rounds boxes to whole numbers and adds two areas in 32 bits: as fine as that allows."""
MANY = 400
"""Boxes from which on those beside the best of their class are sorted out first: OpenCV takes a list, one by one."""


def nms(xyxy, score, class_id, iou):
    """Indexes (int64, best score first) of the boxes to keep; `xyxy` [n, 4] finite, in any unit.

    Greedy per class: a box goes when its intersection over union with a better one of its class exceeds `iou`.
    """
    if not len(score):
        return np.zeros(0, np.int64)
    rank = np.cumsum(np.bincount(class_id) > 0)[class_id] - 1
    rects = xyxy.astype(np.float64)
    rects[:, 2:] -= rects[:, :2]
    if len(score) <= MANY:
        return _greedy(rects, score, rank, iou)
    best, rest = _without_the_best(rects, score, rank, iou)
    kept = np.concatenate([best, rest[_greedy(rects[rest], score[rest], rank[rest], iou)]])
    return kept[np.argsort(-score[kept], kind='stable')]


def _without_the_best(rects, score, rank, iou):
    """(the best of each class, which stay whatever the others are; the boxes that do not go for one of these)."""
    best = np.zeros(rank.max() + 1, np.int64)
    order = np.argsort(score, kind='stable')
    best[rank[order]] = order  # of several for one place the last is kept
    near = rects[best][rank]
    both = np.minimum(rects[:, :2] + rects[:, 2:], near[:, :2] + near[:, 2:]) - np.maximum(rects[:, :2], near[:, :2])
    both = np.clip(both, 0, None).prod(axis=1)
    free = both <= iou * (rects[:, 2] * rects[:, 3] + near[:, 2] * near[:, 3] - both)
    free[best] = False
    return best, np.flatnonzero(free)


def _greedy(rects, score, rank, iou):
    """Indexes of the float64 rects (left, top, width, height) that stay, best first.

    OpenCV knows no classes in all the versions used here, so each class is moved to a place of its own.
    Before 4.5.4 it answers [n, 1], and an empty tuple for nothing.
    """
    if not len(score):
        return np.zeros(0, np.int64)
    rects = rects.copy()
    left, right = rects[:, :2].min(), (rects[:, :2] + rects[:, 2:]).max()
    rects[:, 0] += rank * (right - left + 1.0)
    rects *= min(LARGEST_SIDE / max(1e-3, rects[:, 2:].max()), LARGEST_PLACE / max(1e-3, np.abs(rects).max()))
    kept = cv2.dnn.NMSBoxes(rects.tolist(), np.asarray(score, np.float32).tolist(), 0.0, float(iou))
    return np.asarray(kept, np.int64).reshape(-1)
