"""Fixtures of several system tests."""
import pytest

from edge_app.testing.bench import capacity, pipeline

from tests.bench import latency, reconnect
from tests.bench.peers import measure
from tests.support import tiny_onnx

SETTLE_S = 0.5


@pytest.fixture
def quick_bench(tmp_path_factory, monkeypatch):
    """Benchmarks that hardly settle, for figures do not count here; their clips are drawn once for a run of tests."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.getbasetemp() / 'clips'))
    for module in (capacity, latency, measure, pipeline, reconnect):
        monkeypatch.setattr(module, 'SETTLE_S', SETTLE_S)


@pytest.fixture
def model(tmp_path):
    """Path of a tiny model."""
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(tiny_onnx.detector('yolox', (64, 64)))
    return str(path)
