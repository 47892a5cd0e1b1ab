"""Run the detector alone, on one picture.

    python detect_picture.py street.jpg --model yolox_nano.onnx
"""
import argparse
import sys

try:
    import cv2
    import numpy as np

    from edge_app.config.schema import Engine
    from edge_app.errors import EdgeAppError
    from edge_app.inference.load_detector import open_detector
except ImportError as missing:
    sys.exit('detect_picture: %s; run it with the Python of edge-app, .venv/bin/python' % missing)


def read_picture(path):
    """BGR array [height, width, 3] of a picture; ValueError when OpenCV cannot read it, OSError without a file."""
    with open(path, 'rb') as file:
        picture = cv2.imdecode(np.frombuffer(file.read() or b'-', np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError('%s: no picture OpenCV can read' % path)
    return picture


def main(arguments=None):
    """Print one line per detection: label, score, left, top, right, bottom in pixels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('picture')
    parser.add_argument('--model', help='an ONNX detector; default: your newest, otherwise the bundled demo model')
    parser.add_argument('--score', type=float)
    options = parser.parse_args(arguments)
    picture = read_picture(options.picture)
    detector, _ = open_detector(Engine(model=options.model, score=options.score))
    with detector.engine:
        found = detector.find(picture)
    names = dict(enumerate(detector.card.names))
    for box, score, class_id in zip(found.xyxy, found.score, found.class_id):
        label = names.get(int(class_id), 'class %d' % class_id)
        print('%-12s %.2f  %s' % (label, score, ' '.join('%.0f' % edge for edge in box)))


if __name__ == '__main__':
    try:
        main()
    except (EdgeAppError, OSError, ValueError) as error:
        sys.exit('detect_picture: %s' % error)
    except KeyboardInterrupt:
        sys.exit(130)
