"""A real Darknet model gives the boxes of OpenCV's own Darknet reader, where EDGE_APP_REFERENCE_DATA is."""
import os

import cv2
import numpy as np
import pytest

from edge_app.config import Engine
from edge_app.inference.load_detector import open_detector
from tests.reference.test_accuracy import evaluated

DATA = os.environ.get('EDGE_APP_REFERENCE_DATA')
pytestmark = pytest.mark.skipif(not hasattr(cv2.dnn, 'readNetFromDarknet'), reason='OpenCV 5 reads no Darknet files')
MODEL = os.path.join(DATA or '', 'models', 'yolo-fastest-1.1')
PICTURES = {'bus.jpg': {'bus', 'person'}, 'zidane.jpg': {'person'}, 'dog.jpg': {'dog', 'bicycle', 'car'}}
SCORE, IOU = 0.3, 0.45


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        found, note = open_detector(Engine(model=MODEL + '.cfg', backend='onnxruntime', score=SCORE, iou=IOU))
    assert note['family'] == 'darknet'
    with found.engine:
        yield found


@pytest.fixture(scope='module')
def opencv():
    """OpenCV's network; its own threshold, 0.2 unless the .cfg says otherwise, taken out of the way."""
    with open(MODEL + '.cfg') as stream:
        text = stream.read().replace('[yolo]', '[yolo]\nthresh=0')
    return cv2.dnn.readNetFromDarknet(np.frombuffer(text.encode(), np.uint8), np.fromfile(MODEL + '.weights', np.uint8))


def overlap(one, others):
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / ((one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared)


def boxes_of(opencv, picture):
    """[n, 6] of corners in pixels, score and class: its rows, a class each, greedy NMS per class written out."""
    height, width = picture.shape[:2]
    opencv.setInput(cv2.dnn.blobFromImage(picture, 1 / 255.0, (320, 320), swapRB=True, crop=False))
    rows = np.concatenate(opencv.forward(opencv.getUnconnectedOutLayersNames()))
    best = rows[:, 5:].max(axis=1)
    rows, best = rows[best > SCORE], best[best > SCORE]
    centre, half = rows[:, :2] * (width, height), rows[:, 2:4] * (width, height) / 2
    corners = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, (width, height) * 2)
    left = np.column_stack([corners, best, rows[:, 5:].argmax(axis=1)])
    left = left[np.argsort(-left[:, 4])]
    kept = []
    while len(left):
        kept.append(left[0])
        same = (overlap(left[0, :4], left[:, :4]) > IOU) & (left[:, 5] == left[0, 5])
        left = left[~same]
    return np.array(kept)


@pytest.mark.parametrize('name', sorted(PICTURES))
def test_boxes_are_opencvs(detector, opencv, name):
    picture = cv2.imread(os.path.join(DATA, 'images', name))
    found, expected = detector.find(picture), boxes_of(opencv, picture)
    assert {detector.card.names[number] for number in found.class_id} >= PICTURES[name]
    assert len(found) == len(expected)
    for box in expected:
        same = np.flatnonzero(found.class_id == box[5])
        near = same[overlap(box[:4], found.xyxy[same]) >= 0.99]
        assert len(near) == 1, (box, found)
        assert abs(found.score[near[0]] - box[4]) <= 0.01


@pytest.mark.timeout(400)
def test_the_known_accuracy_comes_out(tmp_path, monkeypatch):
    """Known with OpenCV's own threshold, 0.2 where the .cfg gives none; without it COCO's count is higher."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    known = evaluated(tmp_path, 'yolo-fastest-1.1.cfg', '--backend', 'onnxruntime', '--score', '0.2')
    assert abs(known['map'] - 0.1303) <= 0.01 and abs(known['map50'] - 0.2784) <= 0.01
    free = evaluated(tmp_path, 'yolo-fastest-1.1.cfg', '--backend', 'onnxruntime')
    assert free['map'] > known['map'] and free['map50'] > known['map50']
