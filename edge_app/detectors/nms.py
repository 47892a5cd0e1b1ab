"""Of boxes that show the same thing, keep the best."""
import cv2
import numpy as np


def nms(xyxy, score, class_id, iou):
    """Indexes (int64, best score first) of the boxes to keep.

    Greedy per class: a box goes when its intersection over union with a better one of its class exceeds `iou`.
    OpenCV knows no classes in all the versions used here, so each class is moved to a place of its own.
    Before 4.5.4 it answers [n, 1], and an empty tuple for nothing.
    """
    if not len(score):
        return np.zeros(0, np.int64)
    boxes = xyxy.astype(np.float64)
    span = boxes.max() - boxes.min() + 1.0
    boxes += (class_id * span)[:, None]
    boxes[:, 2:] -= boxes[:, :2]
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), np.asarray(score, np.float32).tolist(), 0.0, float(iou))
    return np.asarray(kept, np.int64).reshape(-1)
