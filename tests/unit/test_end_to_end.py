"""Outputs that are final boxes: their formats row by row, and no NMS over them."""
import itertools

import numpy as np
import pytest

from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import read_card
from edge_app.detectors.names import COCO80
from edge_app.errors import ConfigError

from tests.support import situations
from tests.support.models_read import Answering, Read

SIZES = [(64, 64), (128, 96)]


def rows(size, count=30, more=0, seed=0):
    """float32 [2, count, 6 + more] as YOLOv10 and YOLO26 write them, best first, the last third padding."""
    random = np.random.RandomState(seed)
    out = np.zeros((2, count, 6 + more), np.float32)
    kept = count * 2 // 3
    corner = random.uniform(0, size, (2, kept, 2))
    out[:, :kept, :2] = corner
    out[:, :kept, 2:4] = corner + random.uniform(2, 20, (2, kept, 2))
    out[:, :kept, 4] = np.sort(random.uniform(0, 1, (2, kept)))[:, ::-1]
    out[:, :kept, 5] = random.randint(0, 80, (2, kept))
    out[:, :kept, 6:] = random.uniform(0, 64, (2, kept, more))
    return out


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('more', [0, 6])
def test_rows_are_taken_as_they_are(size, more):
    arrays = [rows(size, more=more)]
    facts = {'task': 'pose', 'kpt_shape': '[2, 3]'} if more else {}
    card = read_card(Read((('output0', arrays[0].shape[1:]),), size, facts), {})
    assert (card.layout.name, card.names) == ('end2end', COCO80) and card.layout.has_nms
    assert any('no number of classes shown' in sentence and '80 of COCO' in sentence for sentence in card.said)
    for row in (0, 1):
        expected = [values for values in arrays[0][row].tolist() if values[4] > 0.3]
        got = card.layout.decode(arrays, row, size, 0.3)
        assert 3 < len(expected) < 20
        np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), [one[:6] for one in expected])
        if more:
            np.testing.assert_allclose(got.keypoints.reshape(len(expected), 6), [one[6:] for one in expected])
        else:
            assert got.keypoints is None


@situations.model('YOLO26-seg, [n, 300, 6 + masks] and prototypes: the boxes')
def test_a_segmenting_one_gives_its_boxes():
    arrays = [rows((64, 64), more=32), np.zeros((2, 32, 16, 16), np.float32)]
    outputs = tuple((name, array.shape[1:]) for name, array in zip(('output0', 'output1'), arrays))
    card = read_card(Read(outputs, (64, 64), {'task': 'segment'}), {'names': 'coco80'})
    assert (card.layout.name, len(card.said)) == ('end2end', 1) and 'masks are not' in card.said[0]
    got = card.layout.decode(arrays, 1, (64, 64), 0.3)
    expected = [values[:6] for values in arrays[0][1].tolist() if values[4] > 0.3]
    np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected)


def corners(order, box, size):
    a, b, c, d = box
    return {'xyxy': [a, b, c, d], 'yxyx': [b, a, d, c], 'xywh': [a, b, a + c, b + d],
            'cxcywh': [a - c / 2, b - d / 2, a + c / 2, b + d / 2]}[order]


@situations.model('final boxes in any order and unit, `boxes` and `normalised` in the card')
@pytest.mark.parametrize('order', ['xyxy', 'yxyx', 'xywh', 'cxcywh'])
@pytest.mark.parametrize('normalised', [False, True])
def test_the_card_says_how_boxes_are_written(order, normalised):
    size = (128, 96)
    arrays = [rows(size)]
    card = read_card(Read((('o', (30, 6)),), size), {'boxes': order, 'normalised': normalised})
    got = card.layout.decode(arrays, 0, size, 0.3)
    expected = [corners(order, values[:4], size) for values in arrays[0][0].tolist() if values[4] > 0.3]
    if normalised:
        expected = [[box[0] * 128, box[1] * 96, box[2] * 128, box[3] * 96] for box in expected]
    np.testing.assert_allclose(got.xyxy, expected, rtol=1e-5, atol=1e-3)


def nms_outputs(size, count=12, seed=0):
    """{name: array} as EfficientNMS_TRT gives them: numbers beyond num_detections are leftovers, not zero."""
    random = np.random.RandomState(seed)
    corner = random.uniform(0, size, (2, count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(2, 20, (2, count, 2))], axis=2)
    return {'num_detections': np.array([[7], [5]], np.float32), 'detection_boxes': boxes.astype(np.float32),
            'detection_scores': random.uniform(0.1, 1, (2, count)).astype(np.float32),
            'detection_classes': random.randint(0, 80, (2, count)).astype(np.float32)}


SHORT = {'num_detections': 'num_dets', 'detection_boxes': 'det_boxes', 'detection_scores': 'det_scores',
         'detection_classes': 'det_classes'}


@pytest.mark.parametrize('order', list(itertools.permutations(range(4)))[::5])
@pytest.mark.parametrize('short', [False, True])
def test_the_plugins_outputs_in_any_order(order, short):
    size, made = (128, 96), nms_outputs((128, 96))
    names = [sorted(made)[number] for number in order]
    arrays = [made[name] for name in names]
    outputs = tuple((SHORT[name] if short else name, array.shape[1:]) for name, array in zip(names, arrays))
    card = read_card(Read(outputs, size), {'names': ['a', 'b', 'c']})
    assert (card.layout.name, card.names) == ('efficientnms', ('a', 'b', 'c'))
    for row in (0, 1):
        expected = []
        for number in range(int(made['num_detections'][row, 0])):
            if made['detection_scores'][row, number] > 0.4:
                expected.append(made['detection_boxes'][row, number].tolist()
                                + [made['detection_scores'][row, number], made['detection_classes'][row, number]])
        got = card.layout.decode(arrays, row, size, 0.4)
        assert len(expected) > 1
        np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected)


@pytest.mark.parametrize('change',
                         [{'detection_boxes': (12, 5)}, {'detection_scores': (11,)}, {'num_detections': (3,)}])
def test_outputs_that_do_not_belong_together_are_no_such_model(change):
    outputs = dict({name: array.shape[1:] for name, array in nms_outputs((64, 64)).items()}, **change)
    with pytest.raises(ConfigError, match='fits no known detector layout'):
        read_card(Read(tuple(outputs.items()), (64, 64)), {})


def test_no_nms_over_final_boxes_and_classes_beyond_the_names_stay():
    out = np.zeros((1, 5, 6), np.float32)
    out[0, :3] = [[10, 10, 30, 30, 0.6, 0], [10, 10, 30, 31, 0.9, 0], [40, 40, 50, 50, 0.7, 7]]
    out[0, 3] = [1, 1, 9, 9, 0.8, -1]  # padding of some exporters
    model = Answering([out], Read((('o', (5, 6)),), (64, 64)))
    detector = Detector(model, read_card(model, {'names': ['a', 'b']}))
    found = detector.find(np.zeros((64, 64, 3), np.uint8))
    assert found.class_id.tolist() == [0, 7, 0] and found.score.tolist() == pytest.approx([0.9, 0.7, 0.6])
    only = Detector(model, read_card(model, {'names': ['a', 'b']}), classes=['a'])
    assert only.find(np.zeros((64, 64, 3), np.uint8)).class_id.tolist() == [0, 0]


def test_an_iou_that_does_nothing_is_said():
    card = read_card(Read((('o', (300, 6)),), (64, 64)), {'iou': 0.3, 'names': ['a']})
    assert any('it is ignored' in sentence for sentence in card.said)
