"""YOLOX's raw head against the formula written out cell by cell."""
import math

import numpy as np
import pytest

from edge_app.detectors.yolox import YOLOX, classes, decode

from tests.support.tiny_onnx import grids

SIZES = [(416, 416), (640, 384), (64, 32)]


def raw(size, classes=3, seed=0):
    random = np.random.RandomState(seed)
    rows = random.uniform(-1, 1, (2, len(grids(size)), 5 + classes)).astype(np.float32)
    rows[..., 4:] = random.uniform(0, 1, rows[..., 4:].shape) ** 2
    return rows


def reference(rows, size, score):
    found = []
    for values, (column, row, stride) in zip(rows.tolist(), grids(size).tolist()):
        best = max(values[5:])
        if values[4] * best > score:
            x, y = (values[0] + column) * stride, (values[1] + row) * stride
            w, h = math.exp(values[2]) * stride, math.exp(values[3]) * stride
            found.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, values[4] * best, values[5:].index(best)])
    return np.array(found)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('row', [0, 1])
def test_decodes_as_written_out(size, row):
    arrays = [raw(size)]
    expected = reference(arrays[0][row], size, 0.4)
    got = decode(arrays, row, size, 0.4)
    assert len(expected) > 3
    np.testing.assert_allclose(got.xyxy, expected[:, :4], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(got.score, expected[:, 4], rtol=1e-5)
    assert got.class_id.tolist() == expected[:, 5].astype(int).tolist()


def test_nothing_above_the_threshold_is_no_box():
    got = decode([raw((64, 32))], 0, (64, 32), 1.0)
    assert got.xyxy.shape == (0, 4) and got.score.shape == (0,) and got.class_id.shape == (0,)


@pytest.mark.parametrize('shape, size, expected', [
    ((3549, 85), (416, 416), 80), ((5040, 11), (640, 384), 6), ((10647, 85), (416, 416), 0),
    ((84, 3549), (416, 416), 0), ((1000,), (224, 224), 0), ((3549, 5), (416, 416), 0)])
def test_recognised_by_one_row_per_cell(shape, size, expected):
    assert classes((('output', shape),), size) == expected


def test_pictures_stay_as_they_are():
    assert (YOLOX.colour, YOLOX.scale, YOLOX.centred, YOLOX.grey) == ('bgr', 1.0, False, 114)
