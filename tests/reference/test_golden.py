"""Real models on real pictures against detections by their own code, where EDGE_APP_REFERENCE_DATA is."""
import json
import os

import cv2
import numpy as np
import pytest

from edge_app.config import Engine
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import card_file, read_card
from edge_app.engine import create
from edge_app.frames import BGR, FrameMeta

DATA = os.environ.get('EDGE_APP_REFERENCE_DATA')
pytestmark = pytest.mark.skipif(not DATA, reason='EDGE_APP_REFERENCE_DATA names no folder of reference models')
MODELS = ('yolox_nano_416', 'yolox_nano_416_dynbatch', 'yolov5n_640_dynbatch', 'yolov8n_640_dynbatch')
PICTURES = ('bus.jpg', 'zidane.jpg', 'dog.jpg')
PIXELS = 1.0
SCORE = 0.01


@pytest.fixture(scope='module', params=MODELS)
def detector(request):
    path = os.path.join(DATA, 'models', request.param + '.onnx')
    engine = create('onnxruntime', path, Engine())
    stated = card_file(path)
    engine.read(stated.get('size'))
    with engine:
        yield Detector(engine, read_card(engine, stated), score=0.4, iou=0.45)


def golden(detector):
    with open(os.path.join(DATA, 'models', 'golden_detections.json')) as stream:
        known = json.load(stream)
    name = os.path.splitext(os.path.basename(detector.engine.path))[0]
    return known.get(name) or known[name.replace('_dynbatch', '')]


def picture(name):
    return cv2.imread(os.path.join(DATA, 'images', name))


def check(found, names, expected):
    """Every box known is found once, and no other."""
    assert len(found) == len(expected)
    for box in expected:
        off = np.abs(found.xyxy - np.array(box['xyxy'])).max(axis=1)
        same = [number for number in np.flatnonzero(off <= PIXELS) if names[found.class_id[number]] == box['cls']]
        assert len(same) == 1, (box, found)
        assert abs(found.score[same[0]] - box['score']) <= SCORE


@pytest.mark.parametrize('name', PICTURES)
def test_golden_detections(detector, name):
    check(detector.find(picture(name)), detector.card.names, golden(detector)[name])


def test_the_same_in_one_batch(detector):
    for slot, name in enumerate(PICTURES):
        pixels = picture(name)
        height, width = pixels.shape[:2]
        detector.prepare(slot, FrameMeta(1, 0, width, height, BGR), pixels)
    for found, name in zip(detector.detect(len(PICTURES)), PICTURES):
        check(found, detector.card.names, golden(detector)[name])
