"""Pictures handed over one by one, only where they changed, give what the whole batch gives at once."""
import cv2
import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import read_card
from edge_app.engine import create
from edge_app.engine.base import Planes
from edge_app.frames import I420, FrameMeta

from tests.support import tiny_onnx

SIZE = (64, 64)


@pytest.fixture(params=['onnxruntime', 'openvino'])
def detector(request, tmp_path):
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(tiny_onnx.detector('yolox', SIZE))
    with create(request.param, str(path), Settings(threads=1, batch=3)) as engine:
        engine.read()
        yield Detector(engine, read_card(engine, {}))


def frame(seed, size):
    """I420 pixels with squares of the model's three colours."""
    picture = np.full((size[1], size[0], 3), 114, np.uint8)
    random = np.random.RandomState(seed)
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        x, y = random.randint(0, size[0] // 16) * 16, random.randint(0, size[1] // 16) * 16
        picture[y:y + 16, x:x + 16] = colour
    return FrameMeta(1, 0, size[0], size[1], I420), cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)


def outputs(detector, count, prepared):
    return detector.engine.infer(detector.batch[:count], prepared)[0].copy()


def test_every_change_of_size_and_order_gives_what_the_whole_batch_gives(detector):
    rounds = ([(128, 64), (128, 128), (64, 128)], [(128, 64), (128, 64), (64, 128)], [(128, 128)],
              [(128, 64), (128, 64)])
    for number, sizes in enumerate(rounds):
        for slot, size in enumerate(sizes):
            detector.prepare(slot, *frame(10 * number + slot, size))
        prepared = outputs(detector, len(sizes), True)
        assert prepared.max() > 0.5, 'nothing is in these pictures'
        np.testing.assert_array_equal(prepared, outputs(detector, len(sizes), False))
        # what ran in between must not be taken for the slots' own
        detector.engine.infer(np.full((3,) + detector.batch.shape[1:], 9, np.uint8))
        np.testing.assert_array_equal(prepared, outputs(detector, len(sizes), True))


def test_a_batch_is_decoded_as_its_pictures_are_one_by_one(detector):
    for slot in range(3):
        detector.prepare(slot, *frame(slot, (128, 64)))
    batch = detector.detect(3)
    for slot in range(3):
        detector.prepare(0, *frame(slot, (128, 64)))
        alone = detector.detect(1)[0]
        assert len(alone) == 3
        for one, other in ((batch[slot].xyxy, alone.xyxy), (batch[slot].score, alone.score)):
            np.testing.assert_allclose(one, other, atol=1e-3)
        assert batch[slot].class_id.tolist() == alone.class_id.tolist()


def test_rows_alone_are_believed_only_of_a_picture_that_was_put_there():
    planes, picture = Planes(), np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    assert planes.prepared(1) is None
    planes.put(0, picture, slice(2, 4), room=2)  # nothing there yet: all of it
    np.testing.assert_array_equal(planes.prepared(1)[0], picture.transpose(2, 0, 1))
    assert planes.prepared(2) is None
    changed = picture + 1
    planes.put(0, changed, slice(2, 4), room=2)
    np.testing.assert_array_equal(planes.prepared(1)[0, :, 2:4], changed.transpose(2, 0, 1)[:, 2:4])
    np.testing.assert_array_equal(planes.prepared(1)[0, :, 4:], picture.transpose(2, 0, 1)[:, 4:])
