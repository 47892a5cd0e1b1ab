"""Run the detector alone, on one picture.

    python detect_picture.py street.jpg --model yolox_nano.onnx
"""
import argparse
import sys

import cv2

from edge_app.config.schema import Engine
from edge_app.inference.load_detector import open_detector


def main(arguments=None):
    """Print one line per detection: label, score, left, top, right, bottom in pixels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('picture')
    parser.add_argument('--model', help='an ONNX detector; default: your newest, otherwise the bundled demo model')
    parser.add_argument('--score', type=float)
    options = parser.parse_args(arguments)
    picture = cv2.imread(options.picture)
    if picture is None:
        sys.exit('%s: no picture OpenCV can read' % options.picture)
    detector, _ = open_detector(Engine(model=options.model, score=options.score))
    with detector.engine:
        found = detector.find(picture)
    for index, (box, score) in enumerate(zip(found.xyxy, found.score)):
        print('%-12s %.2f  %s' % (found.label(index), score, ' '.join('%.0f' % edge for edge in box)))


if __name__ == '__main__':
    main()
