"""EfficientDet: anchors and offsets written out one by one, and the graph that ends in detections."""
import math

import numpy as np
import pytest

from edge_app.detectors.detector import Detector
from edge_app.detectors.efficientdet import anchors
from edge_app.detectors.model_card import read_card
from edge_app.detectors.names import COCO90
from edge_app.engine.base import Planes

from tests.support import situations
from tests.support.models_read import Answering, Read

SIZES = [(128, 128), (256, 128), (128, 384)]


def written_out(size, anchor_scale=4.0):
    """[(centre x, centre y, width, height)]: level, row, column, scale, ratio, each a loop."""
    found = []
    for stride in (8, 16, 32, 64, 128):
        for row in range(size[1] // stride):
            for column in range(size[0] // stride):
                for octave in range(3):
                    for wide, high in ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4)):
                        side = anchor_scale * stride * 2 ** (octave / 3)
                        found.append(((column + 0.5) * stride, (row + 0.5) * stride, side * wide, side * high))
    return found


def heads(size, classes, seed=0):
    """(regression, classification) float32 of two pictures."""
    random = np.random.RandomState(seed)
    count = len(written_out(size))
    return (random.uniform(-1, 1, (2, count, 4)).astype(np.float32),
            (random.uniform(0, 1, (2, count, classes)) ** 4).astype(np.float32))


def reference(regression, classification, score, anchor_scale=4.0, size=(128, 128)):
    found = []
    for (x, y, w, h), (dy, dx, dh, dw), scores in zip(written_out(size, anchor_scale), regression.tolist(),
                                                      classification.tolist()):
        if max(scores) > score:
            x, y, w, h = x + dx * w, y + dy * h, w * math.exp(dw), h * math.exp(dh)
            found.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, max(scores), scores.index(max(scores))])
    return found


@pytest.mark.parametrize('size', SIZES)
def test_anchors_stand_as_written_out(size):
    np.testing.assert_allclose(anchors(size), written_out(size), rtol=1e-5)
    assert anchors(size) is anchors(size)


def outputs_in(order, regression, classification, size):
    """(outputs, arrays) as the PyTorch port exports them: features and anchors beside the heads, in `order`."""
    count = regression.shape[1]
    made = {'regression': regression, 'classification': classification,
            'anchors': np.zeros((1, count, 4), np.float32)}
    features = [('p%d' % level, np.zeros((2, 4, size[1] >> level, size[0] >> level), np.float32)) for level in (3, 4)]
    parts = features + [(name, made[name]) for name in order]
    return tuple((name, array.shape[1:]) for name, array in parts), [array for _, array in parts]


@situations.model('EfficientDet of the PyTorch port, features and anchors beside its heads')
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('order',
                         [('regression', 'classification', 'anchors'), ('anchors', 'classification', 'regression')])
@pytest.mark.parametrize('classes', [90, 4, 2])
def test_heads_decode_as_written_out(size, order, classes):
    regression, classification = heads(size, classes)
    outputs, arrays = outputs_in(order, regression, classification, size)
    card = read_card(Read(outputs, size), {})
    assert (card.layout.name, len(card.names)) == ('efficientdet', classes)
    assert classes != 90 or card.names == COCO90
    for row in (0, 1):
        expected = reference(regression[row], classification[row], 0.9, size=size)
        got = card.layout.decode(arrays, row, size, 0.9)
        assert len(expected) > 3
        np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected, rtol=1e-4, atol=1e-2)


def test_outputs_without_names_come_as_the_port_returns_them():
    regression, classification = heads((128, 128), 3)
    outputs = (('1234', regression.shape[1:]), ('1240', classification.shape[1:]))
    card = read_card(Read(outputs, (128, 128)), {'anchor_scale': 5})
    got = card.layout.decode([regression, classification], 0, (128, 128), 0.9)
    expected = reference(regression[0], classification[0], 0.9, anchor_scale=5.0)
    np.testing.assert_allclose(got.xyxy, [one[:4] for one in expected], rtol=1e-4, atol=1e-2)


def test_pictures_lose_imagenets_mean_and_padding_becomes_nothing():
    regression, classification = heads((128, 128), 2)
    model = Answering([regression, classification], Read((('a', regression.shape[1:]), ('b', classification.shape[1:])),
                                                         (128, 128)))
    detector = Detector(model, read_card(model, {}))
    detector.place(np.full((32, 128, 3), 255, np.uint8))
    planes = Planes(*model.preparation)(detector.batch)[0]
    expected = [(1 - mean) / deviation for mean, deviation in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    np.testing.assert_allclose(planes[:, 0, 0], expected, rtol=1e-4)  # red first, top left
    assert np.abs(planes[:, 32:]).max() < 0.01


def detections(size, seed=0):
    """float32 [2, 20, 7]: picture, top, left, bottom, right, score, class from 1, the last rows nothing."""
    random = np.random.RandomState(seed)
    out = np.zeros((2, 20, 7), np.float32)
    corner = random.uniform(0, 100, (2, 15, 2))
    out[:, :15, 1:3], out[:, :15, 3:5] = corner, corner + random.uniform(5, 50, (2, 15, 2))
    out[:, :15, 5] = random.uniform(0, 1, (2, 15))
    out[:, :15, 6] = random.randint(1, 91, (2, 15))
    out[1, :, 0] = 1
    return out


@situations.model('EfficientDet of automl by tf2onnx, [n, detections, 7]')
@pytest.mark.parametrize('order', [None, 'xywh'])
def test_detections_of_the_tensorflow_graph(order):
    arrays = [detections((128, 128))]
    card = read_card(Read((('detections:0', (20, 7)),), (128, 128)), {'boxes': order} if order else {})
    assert (card.layout.name, card.names) == ('efficientdet-tf', COCO90) and card.layout.has_nms
    for row in (0, 1):
        expected = []
        for _, a, b, c, d, score, number in arrays[0][row].tolist():
            if score > 0.5:
                expected.append(([a, b, a + c, b + d] if order else [b, a, d, c]) + [score, number - 1])
        got = card.layout.decode(arrays, row, (128, 128), 0.5)
        assert len(expected) > 3
        np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected, rtol=1e-5)


def test_the_numbers_of_cocos_categories():
    assert len(COCO90) == 90
    # instances_val2017.json: id 1, 13, 27, 44, 67, 82, 90
    assert [COCO90[number - 1] for number in (1, 13, 27, 44, 67, 82, 90)] == [
        'person', 'stop sign', 'backpack', 'bottle', 'dining table', 'refrigerator', 'toothbrush']
