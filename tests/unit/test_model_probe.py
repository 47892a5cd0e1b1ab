"""The model is looked at before anything starts, in a process of its own, once per file."""
import os
import signal

import attrs
import pytest

from edge_app.app import model_probe
from edge_app.config.schema import Engine
from edge_app.errors import ConfigError
from edge_app.supervision import child

from tests.support import tiny_onnx


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'squares.onnx'
    path.write_bytes(tiny_onnx.detector('yolox'))
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """Every process that loads a model, for real."""
    started, spawn = [], child.spawn
    monkeypatch.setattr(child, 'spawn', lambda *arguments: started.append(spawn(*arguments)) or started[-1])
    return started


def test_a_usable_model_is_probed_once(model, asked, tmp_path):
    for _ in range(2):
        model_probe.probe_model(Engine(model=model), str(tmp_path / 'cache'))
    assert len(asked) == 1


def test_a_changed_file_is_probed_again(model, asked, tmp_path):
    model_probe.probe_model(Engine(model=model), str(tmp_path / 'cache'))
    with open(model, 'wb') as stream:
        stream.write(b'no model')
    with pytest.raises(ConfigError) as caught:
        model_probe.probe_model(Engine(model=model), str(tmp_path / 'cache'))
    assert 'squares.onnx' in str(caught.value) and len(asked) == 2


def test_a_class_the_model_does_not_know_is_an_error(model, tmp_path):
    with pytest.raises(ConfigError) as caught:
        model_probe.probe_model(Engine(model=model, classes=('unicorn',)), str(tmp_path / 'cache'))
    assert str(caught.value).startswith("engine.classes: the model has no class 'unicorn'")


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(model, asked, tmp_path):
    (tmp_path / 'file').write_text('')
    for _ in range(2):
        model_probe.probe_model(Engine(model=model), os.path.join(str(tmp_path), 'file', 'cache'))
    assert len(asked) == 2


def test_the_caller_need_not_wait(model, asked, tmp_path):
    check = model_probe.ModelProbe(Engine(model=model), str(tmp_path / 'cache'))
    asked[0].send(signal.SIGSTOP)
    assert not check.over() and not check.over()
    check.close()
    assert asked[0].poll() == -signal.SIGKILL
    assert not os.path.exists(str(tmp_path / 'cache')), 'nothing is known of it'


@pytest.mark.parametrize('engine', [Engine(), Engine(enabled=False, model='gone.onnx'), Engine(backend='fake')])
def test_without_a_configured_model_nothing_is_probed(engine, asked):
    model_probe.probe_model(attrs.evolve(engine))
    assert not asked
