"""Golden detections: what every engine on every machine must find with the embedded model in a few drawn pictures.

The pictures are stored too (golden/*.jpg), so that changes of how scenes are drawn have no effect here. A new model
needs new detections: `python -m edge_app.testing.selftest.golden [MODEL...]` finds them with ONNX Runtime in fp32.
"""
import glob
import json
import os
import sys

import cv2

from edge_app.config.schema import Engine as Settings
from edge_app.detectors.model_file import embedded_model
from edge_app.engine.tensorrt.fingerprint import digest_of
from edge_app.inference.load_detector import open_detector

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden')
PATH = os.path.join(FOLDER, 'detections.json')
MARGIN = 0.1
"""A detection less than this above the threshold may be missing elsewhere, because of rounding."""
LEAST_IOU = 0.9
MOST_SCORE = {'fp32': 0.02, 'fp16': 0.05, 'bf16': 0.1}
"""Largest difference of a score, by precision."""


def pictures():
    """{name: uint8 BGR [360, 640, 3]} of scenes the first model was not trained on."""
    return {os.path.basename(path): cv2.imread(path) for path in sorted(glob.glob(os.path.join(FOLDER, '*.jpg')))}


def read(path):
    """{'threshold', 'pictures': {name: [[class, score, left, top, right, bottom], ...]}} of a model; None without."""
    try:
        with open(PATH) as file:
            return json.load(file).get(digest_of(path))
    except FileNotFoundError:
        return None


def found_in(detector, pixels):
    """[[class, score, left, top, right, bottom], ...], best first."""
    seen = detector.find(pixels)
    return [[int(class_id), round(float(score), 4)] + [round(float(side), 2) for side in box]
            for class_id, score, box in zip(seen.class_id, seen.score, seen.xyxy)]


def differences(found, wanted, threshold, precision='fp32'):
    """A sentence for everything that is missing, added or moved."""
    for these, those, words in ((wanted, found, 'not found'), (found, wanted, 'found and not expected')):
        for one in these:
            if one[1] >= threshold + MARGIN and not _matching(one, those, precision):
                yield 'class %d with %.2f at %s: %s' % (one[0], one[1], [round(side) for side in one[2:]], words)


def _matching(one, those, precision):
    return any(other[0] == one[0] and iou(one[2:], other[2:]) >= LEAST_IOU
               and abs(other[1] - one[1]) <= MOST_SCORE.get(precision, MOST_SCORE['bf16']) for other in those)


def iou(one, other):
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both) if areas > both else 0.0


def make(path):
    """What `read` returns for a model."""
    detector, _ = open_detector(Settings(model=path, backend='onnxruntime', batch=1))
    with detector.engine:
        return {'threshold': detector.score,
                'pictures': {name: found_in(detector, pixels) for name, pixels in pictures().items()}}


def main(paths):
    """Write the file."""
    with open(PATH, 'w') as file:
        json.dump({digest_of(path): make(path) for path in [embedded_model()] + paths}, file, sort_keys=True)
        file.write('\n')
    print(PATH)


if __name__ == '__main__':
    main(sys.argv[1:])
