"""Multiply-adds of real models against what their authors publish."""
import os

import pytest

from edge_app.engine.onnx_work import multiply_adds

DATA = os.environ.get('EDGE_APP_REFERENCE_DATA')
pytestmark = pytest.mark.skipif(not DATA, reason='EDGE_APP_REFERENCE_DATA names no folder of reference models')


@pytest.mark.parametrize('name, size, gflop', [
    ('yolox_nano_416', 416, 1.08), ('yolov5n_640_dynbatch', 640, 4.5), ('yolov8n_640_dynbatch', 640, 8.7)])
def test_published_work(name, size, gflop):
    """Two operations each, as the README of each family counts."""
    counted = multiply_adds(os.path.join(DATA, 'models', name + '.onnx'), (size, size))
    assert 2 * counted / 1e9 == pytest.approx(gflop, rel=0.05)
