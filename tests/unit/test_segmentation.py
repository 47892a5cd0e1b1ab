"""Segmentation models give their boxes, and say that masks are left aside."""
import numpy as np
import pytest

from edge_app.detectors.model_card import read_card

from tests.support import situations
from tests.support.models_read import Read, cells

SIZES = [(64, 64), (128, 64)]
MASKS = 32


def written(family, size, classes, seed=0):
    """(places x numbers float32 of one picture, the outputs' arrays) with 32 mask coefficients behind the classes."""
    random = np.random.RandomState(seed)
    first = 5 if family == 'yolov5-seg' else 4
    count = cells(size, (8, 16, 32)) * (3 if first == 5 else 1)
    rows = random.uniform(0, 1, (count, first + classes + MASKS)).astype(np.float32)
    rows[:, -MASKS:] *= 9  # a coefficient taken for a class would win
    rows[:, :4] = 10 + 30 * rows[:, :4]
    prototypes = np.zeros((1, MASKS, size[1] // 4, size[0] // 4), np.float32)
    return rows, [(rows if first == 5 else rows.T)[None], prototypes]


@situations.model('YOLOv5-seg, YOLOv8-seg and their successors: the boxes', situations.WORKS,
                  'a segmentation model: its boxes are used, its masks are not')
@pytest.mark.parametrize('family', ['yolov5-seg', 'yolov8-seg'])
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize('task', ['segment', None])
def test_boxes_without_masks(situation, family, size, turned, task):
    rows, arrays = written(family, size, 3)
    names = ['output0', 'output1']
    if turned:
        arrays, names = arrays[::-1], names[::-1]
    outputs = tuple((name, array.shape[1:]) for name, array in zip(names, arrays))
    card = read_card(Read(outputs, size, {'task': task} if task else {}), {})
    assert (card.layout.name, len(card.names)) == (family, 3)
    assert [sentence for sentence in card.said if situation.sentence in sentence]
    expected = []
    for values in rows.tolist():
        scores = [values[4] * one for one in values[5:8]] if family == 'yolov5-seg' else values[4:7]
        if max(scores) > 0.6:
            x, y, w, h = values[:4]
            expected.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, max(scores), scores.index(max(scores))])
    got = card.layout.decode(arrays, 0, size, 0.6)
    assert len(expected) > 3
    np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected, rtol=1e-5)
