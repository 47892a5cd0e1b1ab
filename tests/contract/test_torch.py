"""PyTorch as an engine, torch2trt on a stand-in: the promises of every engine, and the same boxes as ONNX Runtime."""
import importlib
import os
import sys
import warnings

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import read_card
from edge_app.engine import create
from edge_app.errors import ConfigError, EngineError, EngineUnavailable

from tests.contract.test_darknet import SIZE, SMALL, decoded, planes_of_rows, written
# collected here once more, for the engines of this file
from tests.contract.test_engine import (pictures, test_a_batch_is_its_pictures_one_by_one,  # noqa: F401
                                        test_a_detector_works_with_it, test_anything_else_than_pictures_is_refused,
                                        test_closed_is_closed_and_may_be_loaded_again,
                                        test_is_an_engine_that_says_what_it_is, test_one_float_row_per_picture,
                                        test_pictures_are_left_alone_and_answers_repeat)
from tests.support import darknet_numpy
from tests.support.darknet_models import PUBLISHED, noise

torch = pytest.importorskip('torch')
STANDIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'standins', 'torch2trt')


class Squares(torch.nn.Module):
    """YOLOv8's layout for a 64 x 32 picture: a column per cell, its class as sure as the cell is red, green, blue."""

    def forward(self, x):
        cells = torch.cat([torch.nn.functional.avg_pool2d(x, stride).flatten(2) for stride in (8, 16, 32)], 2)
        return torch.cat([torch.ones_like(cells[:, :1]).expand(-1, 4, -1) * 16, cells], 1)


def script(folder, notes='', module=None, batch=1):
    """Path of a TorchScript file."""
    path = os.path.join(str(folder), 'model.torchscript')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)  # torch would rather have torch.export
        traced = torch.jit.trace(module or Squares(), torch.zeros(batch, 3, 32, 64))
    traced.save(path, _extra_files={'config.txt': notes} if notes else {})
    return path


SCRIPT_NOTES = '{"imgsz": [32, 64], "names": {"0": "red", "1": "green", "2": "blue"}, "task": "detect"}'


@pytest.fixture
def torch2trt(monkeypatch):
    """The stand-in, on the processor; afterwards nothing is left of it."""
    monkeypatch.syspath_prepend(STANDIN)
    importlib.invalidate_caches()
    from edge_app.engine.torch import to_tensorrt
    monkeypatch.setattr(to_tensorrt.Torch2Trt, '_choose_device', lambda self: torch.device('cpu'))
    yield sys.modules['torch2trt']
    for name in ('torch2trt', 'edge_app.engine.torch.to_tensorrt'):
        del sys.modules[name]
    del sys.modules['edge_app.engine.torch'].to_tensorrt


@pytest.fixture(params=['torch of a cfg', 'torch of a script', 'torch2trt'])
def engine(request, tmp_path):
    name = request.param.split()[0]
    if name == 'torch2trt':
        request.getfixturevalue('torch2trt')
    path = script(tmp_path, SCRIPT_NOTES) if request.param.endswith('script') else small(tmp_path)[0]
    with create(name, path, Settings(threads=1)) as made:
        made.read()
        made.load(scale=1 / 255, colour='rgb')
        yield made


def small(folder, activation='linear', new_coords=0):
    return written(folder, 'small', SMALL % (activation, new_coords))


# Darknet

@pytest.mark.parametrize('activation, new_coords', [('linear', 0), ('logistic', 1)])
@pytest.mark.parametrize('name', ['torch', 'torch2trt'])
def test_every_kind_of_layer_gives_what_plain_numpy_gives(tmp_path, request, name, activation, new_coords):
    if name == 'torch2trt':
        request.getfixturevalue('torch2trt')
    path, network, numbers = small(tmp_path, activation, new_coords)
    with create(name, path, Settings(threads=1, batch=1)) as engine:
        engine.read()
        engine.load('rgb', scale=1 / 255)
        rows = engine.infer(pictures(engine, 1, seed=3))[0][0]
        picture = pictures(engine, 1, seed=3)[0, ..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
    head = network.heads[0]
    expected = decoded(darknet_numpy.run(network, numbers, picture)[head.index], head, network.size)
    np.testing.assert_allclose(planes_of_rows(rows, head), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_published_networks_give_the_numbers_of_onnx_runtime(tmp_path, monkeypatch, name):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    path = written(tmp_path, name, PUBLISHED[name][0](SIZE))[0]
    batch = (noise(SIZE).transpose(1, 2, 0)[None] * 255).astype(np.uint8)
    rows = []
    for backend in ('torch', 'onnxruntime'):
        with create(backend, path, Settings(threads=1, batch=1)) as engine:
            engine.read()
            engine.load('rgb', scale=1 / 255)
            rows.append(engine.infer(batch)[0].copy())
            os.unlink(engine.path) if backend == 'onnxruntime' else None
    os.unlink(path[:-4] + '.weights')
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_torch2trt_has_a_converter_for_everything(tmp_path, torch2trt, name):
    path, network, _ = written(tmp_path, name, thin(PUBLISHED[name][0](SIZE)))
    with create('torch2trt', path, Settings(threads=1, batch=2)) as engine:
        engine.read()
        engine.load()
    calls = torch2trt.CONVERTED[-1]
    assert [name for name, _ in calls].count('forward') == len(network.convolutions)
    assert all(shape[0] == 2 for _, shape in calls)


def thin(text):
    """The same network with an eighth of the filters, but as many as the heads need."""
    lines = []
    for line in text.split('\n'):
        key, _, value = line.partition('=')
        lines.append('filters=%d' % (int(value) // 8) if key == 'filters' and int(value) != 27 else line)
    return '\n'.join(lines)


def test_torch2trt_is_told_precision_and_batch(tmp_path, torch2trt, monkeypatch):
    told = {}

    def build(module, inputs, **options):
        told.update(options, shape=tuple(inputs[0].shape))
        return torch2trt.torch2trt(module, inputs, **options)

    from edge_app.engine.torch import to_tensorrt
    monkeypatch.setattr(to_tensorrt, 'torch2trt', build)
    lines = []
    with create('torch2trt', small(tmp_path)[0], Settings(batch=3)) as engine:
        engine.on_progress = lines.append
        engine.read()
        assert engine.fixed_batch == 3
        engine.load()
        assert len(engine.infer(pictures(engine, 4))[0]) == 4
    assert (told['max_batch_size'], told['shape'], told['fp16_mode']) == (3, (3, 3, 32, 64), False)
    assert lines and 'building a TensorRT engine of' in lines[0]


def test_torch2trt_without_a_gpu_says_so(tmp_path, torch2trt, monkeypatch):
    monkeypatch.undo()
    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    sys.path.insert(0, STANDIN)
    try:
        with pytest.raises(EngineUnavailable, match='torch2trt needs an NVIDIA GPU .* Use engine.backend torch'):
            create('torch2trt', small(tmp_path)[0], Settings()).read()
    finally:
        sys.path.remove(STANDIN)


def test_torch2trt_that_is_not_installed_says_how(tmp_path):
    with pytest.raises(EngineUnavailable, match='torch2trt 0.4 or later .* beside torch and TensorRT'):
        create('torch2trt', small(tmp_path)[0], Settings())


def test_a_function_without_converter_is_an_engine_error(tmp_path, torch2trt, monkeypatch):
    monkeypatch.setitem(torch2trt.CONVERTERS, torch.nn.Conv2d, ())
    with create('torch2trt', small(tmp_path)[0], Settings()) as engine:
        engine.read()
        with pytest.raises(EngineError, match='torch2trt could not build an engine: .* without a converter'):
            engine.load()


def test_weights_that_are_missing_are_named(tmp_path):
    path = small(tmp_path)[0]
    os.unlink(path[:-4] + '.weights')
    with pytest.raises(ConfigError, match='needs its weights beside it'):
        create('torch', path, Settings()).read()


# TorchScript

def test_a_script_is_a_model_with_its_own_notes(tmp_path):
    with create('torch', script(tmp_path, SCRIPT_NOTES), Settings(threads=1)) as engine:
        engine.read()
        card = read_card(engine, {})
        assert (card.layout.name, card.names, card.size, card.said) == ('yolov8', ('red', 'green', 'blue'), (64, 32),
                                                                        ())
        picture = np.full((32, 64, 3), 114, np.uint8)
        picture[:16, 16:32] = 0, 255, 0
        detector = Detector(engine, card, score=0.9)
        assert set(detector.find(picture).class_id.tolist()) == {1}


def test_a_script_without_notes_takes_the_cards_size(tmp_path):
    with create('torch', script(tmp_path), Settings(threads=1)) as engine:
        engine.read((64, 32))
        assert engine.input_size == (64, 32) and engine.outputs == (('output0', (7, 32 + 8 + 2)),)


class Several(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3)), (x, x)


def test_only_tensors_of_an_answer_are_outputs(tmp_path):
    with create('torch', script(tmp_path, module=Several()), Settings(threads=1)) as engine:
        engine.read((64, 32))
        assert engine.outputs == (('output0', (3,)),)


class Trap:
    """A pickle that would run something when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ('trapped',)


def test_a_checkpoint_is_refused_and_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in ({}, {'_use_new_zipfile_serialization': False}):
        torch.save({'model': Trap()}, 'model.pt', **options)
        with pytest.raises(EngineError, match='model.pt: is not TorchScript but a checkpoint'):
            create('torch', 'model.pt', Settings()).read()
    assert not os.path.exists('trapped')


@pytest.mark.parametrize('content', [b'', b'no', b'PK\3\4' + b'\0' * 100])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    (tmp_path / 'model.pt').write_bytes(content)
    with pytest.raises(EngineError, match='model.pt: is (empty|text|damaged or cut off)'):
        create('torch', str(tmp_path / 'model.pt'), Settings()).read()


class OneBatch(Squares):
    """A trace that holds the number of pictures it was made with, as Ultralytics' does."""

    def forward(self, x):
        return super().forward(x).reshape(int(x.shape[0]), 7, -1)


@pytest.mark.parametrize('module, fixed', [(Squares, 0), (OneBatch, 2)])
def test_a_script_of_a_fixed_batch_is_run_as_often_as_needed(tmp_path, module, fixed):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the tracer tells that it holds the number
        path = script(tmp_path, '{"imgsz": [32, 64], "batch": 2}', module(), batch=2)
    with create('torch', path, Settings(threads=1)) as engine:
        engine.read()
        assert engine.fixed_batch == fixed
        engine.load()
        batch = pictures(engine, 3)
        together = engine.infer(batch)[0]
        assert together.shape == (3, 7, 42)
        np.testing.assert_allclose(together[2, 4:, 0], batch[2, :8, :8].mean(axis=(0, 1)), rtol=1e-4)


def test_a_script_of_another_size_says_what_failed(tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 64, 4))
    with pytest.raises(EngineError, match='failed on 1 pictures of 640x640'):
        create('torch', script(tmp_path, module=module), Settings()).read()
