"""Of boxes that show the same thing, keep the best."""
import cv2
import numpy as np

LARGEST_SIDE = 30000.0
LARGEST_PLACE = 1e9
"""OpenCV 4.1 (JetPack's) rounds boxes to whole numbers and adds two areas in 32 bits: as fine as that allows."""


def nms(xyxy, score, class_id, iou):
    """Indexes (int64, best score first) of the boxes to keep; `xyxy` [n, 4] finite, in any unit.

    Greedy per class: a box goes when its intersection over union with a better one of its class exceeds `iou`.
    OpenCV knows no classes in all the versions used here, so each class is moved to a place of its own.
    Before 4.5.4 it answers [n, 1], and an empty tuple for nothing.
    """
    if not len(score):
        return np.zeros(0, np.int64)
    rects = xyxy.astype(np.float64)
    rects[:, 2:] -= rects[:, :2]
    rects[:, 0] += class_places(xyxy, class_id)
    scale = min(LARGEST_SIDE / max(1e-3, rects[:, 2:].max()), LARGEST_PLACE / max(1e-3, np.abs(rects).max()))
    rects *= scale
    kept = cv2.dnn.NMSBoxes(rects.tolist(), np.asarray(score, np.float32).tolist(), 0.0, float(iou))
    return np.asarray(kept, np.int64).reshape(-1)


def class_places(xyxy, class_id):
    """float64 [n]: how far to the right the boxes of each class go to touch no other class's."""
    rank = np.cumsum(np.bincount(class_id) > 0)[class_id] - 1
    return rank * (float(xyxy.max()) - float(xyxy.min()) + 1.0)
