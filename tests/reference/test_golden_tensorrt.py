"""Real models through the TensorRT backend on its libraries' stand-ins: the same boxes as by their own code."""
import os

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import card_file, read_card
from edge_app.engine import create
from edge_app.frames import BGR, FrameMeta

from tests.reference.test_golden import DATA, MODELS, PICTURES, check, golden, picture
from tests.support import nvidia


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('personality', nvidia.PERSONALITIES)
def test_golden_detections_in_one_batch(personality, model, tmp_path):
    path = str(tmp_path / (model + '.onnx'))
    os.symlink(os.path.join(DATA, 'models', model + '.onnx'), path)
    with nvidia.standing_in(personality), create('tensorrt', path, Settings()) as engine:
        engine.read(card_file(path).get('size'))
        detector = Detector(engine, read_card(engine, card_file(path)), score=0.4, iou=0.45)
        for slot, name in enumerate(PICTURES):
            pixels = picture(name)
            height, width = pixels.shape[:2]
            detector.prepare(slot, FrameMeta(1, 0, width, height, BGR), np.ascontiguousarray(pixels))
        for found, name in zip(detector.detect(len(PICTURES)), PICTURES):
            check(found, detector.card.names, golden(detector)[name])
