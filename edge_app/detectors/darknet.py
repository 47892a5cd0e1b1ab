"""Darknet's detectors as engine/darknet writes them: YOLOv5's rows, pictures stretched to the network's size."""
from edge_app.detectors import yolo
from edge_app.detectors.layout import Layout


def classes(outputs, size):
    """One output [boxes, 5 + classes]; how many boxes depends on the model's anchors."""
    shapes = [shape for _, shape in outputs]
    return max(0, shapes[0][1] - 5) if len(shapes) == 1 and len(shapes[0]) == 2 else 0


DARKNET = Layout('darknet', 'one output [n, boxes, 5 + classes]: centre, size, objectness, classes; of models that say '
                 'so', classes, yolo.decode_v5, every=yolo.decode_v5_every, stretched=True, named=True)
