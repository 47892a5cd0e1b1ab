"""NanoDet's distributions summed one by one, around points in corners (Plus) or in the middle of cells."""
import math

import numpy as np
import pytest

from edge_app.detectors.model_card import read_card

from tests.support import situations
from tests.support.models_read import Read, cells

SIZES = [(64, 64), (160, 96), (416, 416)]


def rows(count, classes, bins, seed=0):
    random = np.random.RandomState(seed)
    out = random.uniform(-3, 3, (2, count, classes + 4 * bins))
    out[..., :classes] = random.uniform(0, 1, (2, count, classes)) ** 4
    return out.astype(np.float32)


def expectation(numbers):
    """Of softmax over 0, 1, 2, ..."""
    weights = [math.exp(number) for number in numbers]
    return sum(place * weight for place, weight in enumerate(weights)) / sum(weights)


def reference(values, size, strides, offset, classes, bins, score):
    found, place = [], 0
    for stride in strides:
        for row in range(math.ceil(size[1] / stride)):
            for column in range(math.ceil(size[0] / stride)):
                scores, sides = values[place][:classes].tolist(), values[place][classes:].tolist()
                place += 1
                if max(scores) <= score:
                    continue
                x, y = (column + offset) * stride, (row + offset) * stride
                left, top, right, bottom = [expectation(sides[side * bins:(side + 1) * bins]) * stride
                                            for side in range(4)]
                box = [x - left, y - top, x + right, y + bottom]
                box = [min(max(edge, 0), size[number % 2]) for number, edge in enumerate(box)]
                found.append(box + [max(scores), scores.index(max(scores))])
    assert place == len(values)
    return found


def same(got, expected):
    assert len(expected) > 2
    np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected, rtol=1e-4, atol=1e-3)


@situations.model('NanoDet-Plus')
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('classes, reg_max', [(80, 7), (3, 10)])
def test_plus_decodes_as_written_out(size, classes, reg_max):
    strides = (8, 16, 32, 64)
    arrays = [rows(cells(size, strides), classes, reg_max + 1)]
    stated = {} if reg_max == 7 else {'reg_max': reg_max}
    card = read_card(Read((('output', arrays[0].shape[1:]),), size), stated)
    assert (card.layout.name, len(card.names)) == ('nanodet-plus', classes)
    for row in (0, 1):
        expected = reference(arrays[0][row], size, strides, 0, classes, reg_max + 1, 0.9)
        same(card.layout.decode(arrays, row, size, 0.9), expected)


@situations.model('NanoDet-m, one output, `family: nanodet-m` in the card')
def test_the_older_one_has_to_be_named():
    size, strides = (320, 320), (8, 16, 32)
    arrays = [rows(2100, 80, 8)]
    card = read_card(Read((('output', (2100, 112)),), size), {'family': 'nanodet-m', 'names': 'coco80'})
    assert (card.layout.name, card.said) == ('nanodet-m', ())
    same(card.layout.decode(arrays, 1, size, 0.9), reference(arrays[0][1], size, strides, 0.5, 80, 8, 0.9))


@situations.model('NanoDet, two outputs for each stride')
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('named, turned', [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize('classes', [3, 32])
def test_two_outputs_for_each_stride(size, named, turned, classes):
    if classes == 32 and not named:
        return  # as many classes as numbers of a distribution: only names tell which is which
    strides = (8, 16, 32)
    whole = rows(cells(size, strides), classes, 8)
    parts, start = [], 0
    for stride in strides:
        end = start + cells(size, (stride,))
        parts.append(('cls_pred_stride_%d' % stride if named else 'a%d' % stride, whole[:, start:end, :classes]))
        parts.append(('dis_pred_stride_%d' % stride if named else 'b%d' % stride, whole[:, start:end, classes:]))
        start = end
    parts = sorted(parts)[::-1] if turned else parts
    card = read_card(Read(tuple((name, array.shape[1:]) for name, array in parts), size), {})
    assert (card.layout.name, len(card.names)) == ('nanodet', classes)
    got = card.layout.decode([array for _, array in parts], 1, size, 0.9)
    same(got, reference(whole[1], size, strides, 0.5, classes, 8, 0.9))


def test_pictures_are_normalised_blue_first():
    plus = read_card(Read((('output', (cells((64, 64), (8, 16, 32, 64)), 35)),), (64, 64)), {})
    assert plus.preparation == {'colour': 'bgr', 'mean': (103.53, 116.28, 123.675),
                                'scale': (1 / 57.375, 1 / 57.12, 1 / 58.395)}
    assert plus.stretched
    older = read_card(Read((('output', (84, 35)),), (64, 64)), {'family': 'nanodet-m'})
    assert (older.stretched, older.centred, older.grey) == (False, True, 0)
