"""Families through a real library: files of a few kB from read to boxes in pixels of the frame."""
import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.inference.load_detector import open_detector

from tests.support import tiny_onnx


@pytest.fixture
def opened(tmp_path):
    """Writes a model and its card, and opens them as `analyze` does: (detector, note)."""
    def open_written(content, card='', **settings):
        (tmp_path / 'mine.onnx').write_bytes(content)
        (tmp_path / 'mine.yaml').write_text(card)
        return open_detector(Settings(model=str(tmp_path / 'mine.onnx'), backend='onnxruntime', threads=1, **settings),
                             {})
    return open_written


POSE = {'task': 'pose', 'kpt_shape': '[2, 3]', 'names': "{0: 'blue', 1: 'green', 2: 'red'}"}


def test_a_poses_points_lie_on_its_box_in_the_frame(opened):
    detector, note = opened(tiny_onnx.detector('yolov8', (64, 64), metadata=POSE, points=2))
    assert (note['family'], note['said']) == ('yolov8-pose', [])
    frame = np.full((64, 128, 3), 114, np.uint8)  # halved, 16 rows of padding above: fields of 8 are 16 here
    frame[32:48, 80:96] = 0, 255, 0
    found = detector.find(frame)
    assert found.class_id.tolist() == [1]
    np.testing.assert_allclose(found.xyxy, [[80, 32, 96, 48]], atol=0.01)
    # the second point: 2 to the right of the centre and 4 above it in the network's picture
    np.testing.assert_allclose(found.keypoints, [[[90, 36, 1.0], [92, 32, 0.5]]], atol=0.01)


def test_a_poses_class_filter_and_nms_keep_points_and_boxes_together(opened):
    detector, _ = opened(tiny_onnx.detector('yolov8', (64, 64), metadata=POSE, points=2), classes=['red'])
    frame = np.full((64, 64, 3), 114, np.uint8)
    frame[8:16, 8:16], frame[40:48, 24:32] = (255, 0, 0), (0, 0, 255)
    found = detector.find(frame)
    assert found.class_id.tolist() == [2] and found.keypoints.shape == (1, 2, 3)
    np.testing.assert_allclose(found.keypoints[0, 0], [29, 42, 1.0], atol=0.01)


def test_four_outputs_of_two_types(opened):
    model = tiny_onnx.answering({
        'det_scores': np.array([[0.9, 0.8, 0.7]], np.float32), 'num_dets': np.array([[2]]),
        'det_classes': np.array([[1, 0, 1]]),
        'det_boxes': np.array([[[0, 16, 8, 24], [1, 16, 8, 24], [0, 0, 9, 9]]], np.float32)}, (64, 64))
    detector, note = opened(model, card='names: [a, b]\n')
    assert note['family'] == 'efficientnms'
    found = detector.find(np.zeros((64, 128, 3), np.uint8))
    assert found.class_id.tolist() == [1, 0]
    np.testing.assert_allclose(found.xyxy, [[0, 0, 16, 16], [2, 0, 16, 16]])


def test_a_number_for_a_name_is_said_in_the_note(opened):
    note = opened(tiny_onnx.answering({'output0': np.zeros((1, 300, 6), np.float32)}, (64, 64)))[1]
    assert note['family'] == 'end2end' and '80 of COCO' in note['said'][0]
