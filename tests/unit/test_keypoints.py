"""Poses: YOLOv8's columns with points, against the format written out; kept through NMS, letterbox and messages."""
import numpy as np
import pytest

from edge_app.detections import Detections, Result
from edge_app.detectors.detector import Detector
from edge_app.detectors.letterbox import letterbox_transform
from edge_app.detectors.model_card import read_card
from edge_app.errors import ConfigError
from edge_app.frames import BGR, FrameMeta

from tests.support import situations
from tests.support.models_read import Answering, Read, cells

SIZES = [(64, 64), (128, 64), (64, 96)]


def columns(size, classes, points, seed=0):
    """float32 [2, 4 + classes + points x numbers, cells]."""
    random = np.random.RandomState(seed)
    count = cells(size, (8, 16, 32))
    out = random.uniform(0, 1, (2, 4 + classes + points[0] * points[1], count)) ** 3
    out[:, 2:4] = 5 + 200 * out[:, 2:4]
    return out.astype(np.float32)


def reference(columns, classes, points, score):
    """[(corners, score, class, [(x, y, visibility)])], one place at a time, one point at a time."""
    found = []
    for values in columns.T.tolist():
        best = max(values[4:4 + classes])
        if best <= score:
            continue
        x, y, w, h = values[:4]
        rest, joints = values[4 + classes:], []
        for number in range(points[0]):
            joint = rest[number * points[1]:(number + 1) * points[1]]
            joints.append(joint if points[1] == 3 else joint + [1.0])
        found.append(([x - w / 2, y - h / 2, x + w / 2, y + h / 2], best, values[4:4 + classes].index(best), joints))
    return found


@situations.model('YOLOv8-pose and its successors, by the kpt_shape in their metadata')
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('classes, points', [(1, (17, 3)), (3, (4, 2)), (2, (1, 3))])
def test_decodes_as_written_out(size, classes, points):
    arrays = [columns(size, classes, points)]
    model = Read((('output0', arrays[0].shape[1:]),), size, {'task': 'pose', 'kpt_shape': str(list(points))})
    card = read_card(model, {})
    assert (card.layout.name, len(card.names)) == ('yolov8-pose', classes)
    for row in (0, 1):
        expected = reference(arrays[0][row], classes, points, 0.5)
        got = card.layout.decode(arrays, row, size, 0.5)
        assert len(expected) > 3
        np.testing.assert_allclose(got.xyxy, [one[0] for one in expected], rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(got.score, [one[1] for one in expected])
        assert got.class_id.tolist() == [one[2] for one in expected]
        np.testing.assert_allclose(got.keypoints, [one[3] for one in expected])
        assert got.keypoints.dtype == np.float32


@situations.model('YOLOv8-pose that has lost its metadata, `kpt_shape` in the card')
def test_a_card_may_state_the_points():
    model = Read((('output0', (56, 84)),), (64, 64))
    card = read_card(model, {'kpt_shape': [17, 3], 'names': ['person']})
    assert (card.layout.name, card.names) == ('yolov8-pose', ('person',))


@pytest.mark.parametrize('value', ['[17]', '17', '[0, 3]', '[17, 4]', "['a', 3]", '__import__("os")', '[100000, 3]'])
def test_points_that_cannot_be_are_told(value):
    with pytest.raises(ConfigError, match='some.onnx: kpt_shape: must be'):
        read_card(Read((('output0', (56, 84)),), (64, 64), {'task': 'pose', 'kpt_shape': value}), {})


def test_a_pose_model_without_its_points_is_told_what_to_state():
    with pytest.raises(ConfigError, match=r"task 'pose'.*kpt_shape: \[points, 3\]"):
        read_card(Read((('output0', (56, 84)),), (64, 64), {'task': 'pose'}), {})


def test_points_follow_their_box_through_nms_and_letterbox():
    size, points = (64, 64), (3, 3)
    rows = np.zeros((1, 4 + 2 + 9, 84), np.float32)
    # three boxes of one class at one place, the second best; a weak one far away
    rows[0, :4, 5:8] = np.array([[20, 30, 10, 10]]).T
    rows[0, 4, 5:8] = 0.7, 0.9, 0.8
    rows[0, 6:, 6] = [20, 30, 0.5, 22, 33, 1.0, -9, 70, 0.25]
    rows[0, 6:, 7] = 99
    rows[0, :4, 40], rows[0, 5, 40] = [50, 40, 6, 6], 0.6
    rows[0, 6:, 40] = [50, 40, 0.1] * 3
    model = Answering([rows], Read((('o', rows.shape[1:]),), size, {'kpt_shape': str(list(points)), 'task': 'pose'}))
    detector = Detector(model, read_card(model, {}))
    found = detector.find(np.zeros((64, 128, 3), np.uint8))  # halved, 16 rows of padding above
    assert found.score.tolist() == pytest.approx([0.9, 0.6]) and found.class_id.tolist() == [0, 1]
    np.testing.assert_allclose(found.xyxy, [[30, 18, 50, 38], [94, 42, 106, 54]])
    # -9 lies left of the frame, 70 below it
    np.testing.assert_allclose(found.keypoints, [[[40, 28, 0.5], [44, 34, 1], [0, 64, 0.25]], [[100, 48, 0.1]] * 3])


def test_stretched_pictures_have_two_ratios():
    where = letterbox_transform((320, 100), (64, 50), centred=False, stretched=True)
    np.testing.assert_allclose(where.points_to_frame(np.array([[[32, 25, 0.5]]], np.float32)), [[[160, 50, 0.5]]])


def result(found):
    return Result('gate', FrameMeta(7, 123, 640, 360, BGR), found, 456)


def test_messages_carry_points():
    points = np.random.RandomState(0).uniform(0, 600, (2, 17, 3)).astype(np.float32)
    found = Detections(np.ones((2, 4), np.float32), np.ones(2, np.float32), np.arange(2), points)
    back = Result.unpack(result(found).pack()).detections
    np.testing.assert_allclose(back.keypoints, points, atol=0.006)
    assert back.keypoints.dtype == np.float32 and back.class_id.tolist() == [0, 1]


def test_messages_without_points_say_nothing_of_them():
    for found in (Detections.empty(),
                  Detections(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, int))):
        data = result(found).pack()
        assert b'keypoints' not in data and Result.unpack(data).detections.keypoints is None


@pytest.mark.parametrize('points', ['[[1,2]]', '[[[1,2]]]', '[]', '"a"', '[[[1,2,3]],[[1,2,3]]]'])
def test_points_that_do_not_fit_are_no_result(points):
    data = result(Detections(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, int))).pack()
    with pytest.raises(ValueError, match='not a result'):
        Result.unpack(data[:-1] + b',"keypoints":' + points.encode() + b'}')


def test_scaled_boxes_take_their_points_along():
    found = Detections(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, int),
                       np.array([[[10, 20, 0.5]]], np.float32)).scaled(2, 3)
    assert found.xyxy.tolist() == [[2, 3, 2, 3]] and found.keypoints.tolist() == [[[20, 60, 0.5]]]
