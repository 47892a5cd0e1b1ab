"""The boxes of segmentation models; masks are ignored, and the user is told so."""
from edge_app.detectors.layout import MASKS_ASIDE, Boxes, Layout, best_of_columns
from edge_app.detectors.yolo import anchors, boxes_of_rows


def _parts(outputs):
    """(shape of the rows, number of masks) of two outputs, in any order: rows, and the masks' prototypes; else None."""
    shapes = sorted((shape for _, shape in outputs), key=len)
    return (shapes[0], shapes[1][0]) if [len(shape) for shape in shapes] == [2, 3] else None


def classes_v5(outputs, size):
    """[3 x cells, 5 + classes + masks] and prototypes [masks, height, width]."""
    parts = _parts(outputs)
    return max(0, parts[0][1] - 5 - parts[1]) if parts and parts[0][0] in anchors(size, 3) else 0


def classes_v8(outputs, size):
    """[4 + classes + masks, cells] and prototypes [masks, height, width]."""
    parts = _parts(outputs)
    return max(0, parts[0][0] - 4 - parts[1]) if parts and parts[0][1] in anchors(size, 1) else 0


def _rows(arrays, row):
    """(rows or columns of one picture, number of masks)."""
    flat, prototypes = sorted(arrays, key=lambda array: array.ndim)
    return flat[row], prototypes.shape[1]


def decode_v5(arrays, row, size, score):
    """YOLOv5's rows without the last numbers, the masks' coefficients."""
    rows, masks = _rows(arrays, row)
    return boxes_of_rows(rows[:, :-masks], score)


def decode_v8(arrays, row, size, score):
    """YOLOv8's columns without the last numbers, the masks' coefficients."""
    columns, masks = _rows(arrays, row)
    places, best, class_id = best_of_columns(columns[4:-masks], score)
    return Boxes(columns[:4, places].T, best, class_id)


SEGMENT_V5 = Layout('yolov5-seg', 'outputs [n, 3 x cells, 5 + classes + masks] and [n, masks, height, width]: the '
                    'boxes', classes_v5, decode_v5, boxes='cxcywh', task='segment', notice=MASKS_ASIDE,
                    also=('yolov7-seg',))
SEGMENT_V8 = Layout('yolov8-seg', 'outputs [n, 4 + classes + masks, cells] and [n, masks, height, width]: the boxes',
                    classes_v8, decode_v8, boxes='cxcywh', task='segment', notice=MASKS_ASIDE,
                    also=('yolov9-seg', 'yolo11-seg', 'yolov11-seg', 'yolo12-seg', 'yolov12-seg'))
