"""`edge-app bench engine`: real rows of real engines, each in a process of its own."""
import json

import numpy as np
import pytest

from edge_app import cli
from edge_app.testing.bench import engine as measuring

from tests.support import tiny_onnx


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(tiny_onnx.detector('yolox', (64, 64)))
    return str(path)


@pytest.mark.parametrize('command', [('bench', 'engine'), ('models', 'bench')])
def test_every_engine_is_measured_beside_its_bare_library(model, tmp_path, capfd, command):
    file = str(tmp_path / 'rows.json')
    assert cli.main(list(command) + ['--model', model, '--backends', 'onnxruntime,openvino', '--batch', '1,2',
                                     '--seconds', '0.1', '--json', file]) == 0
    with open(file) as stream:
        found = json.load(stream)
    assert [(row['backend'], row['batch']) for row in found['rows']] == [
        ('onnxruntime', 1), ('onnxruntime', 2), ('openvino', 1), ('openvino', 2)]
    for row in found['rows']:
        assert row['precision'] == 'fp32' and row['turns'] >= measuring.FEWEST_TURNS and row['pss_mb'] > 10
        middle = row['ms_per_picture']
        assert 0 < middle['min'] <= middle['p25'] <= middle['median'] <= middle['p75']
        assert row['pictures_per_s'] == pytest.approx(1000 / middle['median'], rel=0.01)
        assert row['ratio']['median'] == pytest.approx(middle['median'] / row['bare_ms_per_picture']['median'],
                                                       rel=0.05)
    assert found['machine']['cores'] >= 1 and 'onnxruntime' in capfd.readouterr().out


def test_a_backend_that_cannot_is_named_before_anything_runs(model, capfd):
    assert cli.main(['bench', 'engine', '--model', model, '--backends', 'onnxruntime,nonsense']) == 2
    assert '--backends: nonsense' in capfd.readouterr().err
    assert cli.main(['bench', 'engine', '--model', model, '--batch', '0']) == 2


def test_a_row_that_fails_says_so_and_the_others_are_measured(model, capfd):
    code = cli.main(['bench', 'engine', '--model', model, '--backends', 'openvino,onnxruntime', '--batch', '1',
                     '--precision', 'int8', '--seconds', '0.1'])
    out = capfd.readouterr().out
    assert code == 1 and 'holds no quantised weights' in out and 'onnxruntime' in out


def test_turns_alternate_and_figures_are_per_picture():
    order = []
    turns = measuring.take_turns(lambda: order.append('ours'), lambda: order.append('bare'), 0)
    assert len(turns) == measuring.FEWEST_TURNS and order[2:6] == ['ours', 'bare', 'bare', 'ours']
    found = measuring.figures(np.array([[[0.2, 0.1], [0.1, 0.05]]] * 3), 4)
    assert found['ms_per_picture']['median'] == 50 and found['pictures_per_s'] == 20
    assert found['ratio'] == {'median': 2.0, 'p25': 2.0, 'p75': 2.0} and found['cpu_ratio']['median'] == 2.0
    assert measuring.figures(np.array([[[0.2, 0.1], [np.nan, np.nan]]]), 1)['ratio'] is None
