"""The remote engine against a real MLServer on the loopback."""
import json
import os
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.engine import create
from edge_app.errors import EngineError

from tests.support import sources, tiny_onnx
from tests.support.running import free_port
from tests.support.waiting import until

SIZE = (64, 32)
START = 'from mlserver.cli import main; main()'


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).getcode() == 200
    except OSError:
        return False


@pytest.fixture
def serving(tmp_path):
    """(MLServer's process, address of its model, path of that model)."""
    pytest.importorskip('mlserver', reason='MLServer needs Python 3.9 or later')
    model = tmp_path / 'tiny.onnx'
    model.write_bytes(tiny_onnx.detector('yolov8', SIZE))
    cells = sum((SIZE[0] // stride) * (SIZE[1] // stride) for stride in tiny_onnx.STRIDES)
    ports = [free_port() for _ in range(3)]
    (tmp_path / 'settings.json').write_text(json.dumps({
        'host': '127.0.0.1', 'http_port': ports[0], 'grpc_port': ports[1], 'metrics_port': ports[2],
        'parallel_workers': 0, 'debug': False}))
    (tmp_path / 'model-settings.json').write_text(json.dumps({
        'name': 'tiny', 'implementation': 'tests.standins.mlserver_runtime.Runtime', 'parameters': {'uri': str(model)},
        'inputs': [{'name': 'images', 'datatype': 'FP32', 'shape': [-1, 3, SIZE[1], SIZE[0]]}],
        'outputs': [{'name': 'output', 'datatype': 'FP32', 'shape': [-1, 7, cells]}]}))
    with open(str(tmp_path / 'log'), 'wb') as log:
        process = subprocess.Popen([sys.executable, '-c', START, 'start', str(tmp_path)], stdout=log, stderr=log,
                                   env=dict(os.environ, PYTHONPATH=sources.ROOT), cwd=str(tmp_path))
    address = 'http://127.0.0.1:%d/v2/models/tiny' % ports[0]
    try:
        until(lambda: process.poll() is not None or answers(address + '/ready'), 60, 'MLServer ready')
        assert process.poll() is None, (tmp_path / 'log').read_text()[-2000:]
        yield process, address, str(model)
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(180)
def test_a_real_server_answers_as_the_model_does_here_and_its_end_is_one_error(serving):
    process, address, path = serving
    local, remote = create('onnxruntime', path, Settings()), create('kserve', address, Settings())
    for engine in (local, remote):
        engine.read()
        engine.load('rgb', scale=1 / 255)
    assert (remote.input_size, remote.outputs) == (local.input_size, local.outputs)
    for count in (1, 4):
        batch = np.random.RandomState(count).randint(0, 256, (count, SIZE[1], SIZE[0], 3)).astype(np.uint8)
        np.testing.assert_allclose(remote.infer(batch)[0], local.infer(batch)[0], rtol=1e-5, atol=1e-5)
    process.kill()
    process.wait()
    with pytest.raises(EngineError, match='the server does not infer'):
        remote.infer(batch)
    remote.close()
    local.close()
