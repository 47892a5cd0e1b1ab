"""The same promises of every engine that is installed, and ONNX Runtime's own on models it must refuse."""
import contextlib

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.config.schema import settings as settings_of
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import card_file, read_card
from edge_app.engine import BACKENDS, choose, create, installed
from edge_app.engine.base import Engine, Planes, open_size
from edge_app.errors import ConfigError, EngineError, EngineUnavailable
from edge_app.frames import BGR, FrameMeta

from tests.support import nvidia, tiny_onnx

STOOD_IN = {'tensorrt 8': 'tensorrt_8', 'tensorrt 10': 'tensorrt_10'}
"""Backends whose libraries are played by stand-ins: the same code as on a board, without its GPU."""


@pytest.fixture
def written(tmp_path):
    """Writes bytes as a model file and returns its path."""
    def write(content, name='model.onnx'):
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)
    return write


def opened(path, backend='onnxruntime', **settings):
    return create(backend, path, Settings(**dict({'threads': 1}, **settings)))


def read(path, size=None, **settings):
    engine = opened(path, **settings)
    engine.read(size)
    return engine


HERE = sorted(name for name, backend in BACKENDS.items()
              if installed(backend) and (not backend.suffixes or '.onnx' in backend.suffixes))
"""test_torch.py checks the same promises for backends with other files."""


@pytest.fixture(params=HERE + sorted(STOOD_IN))
def engine(request, written):
    with contextlib.ExitStack() as stack:
        name = request.param
        if name in STOOD_IN:
            stack.enter_context(nvidia.standing_in(STOOD_IN[name]))
            name = 'tensorrt'
        made = stack.enter_context(opened(written(tiny_onnx.detector('yolov8')), name))
        made.read()
        made.load(scale=1 / 255, colour='rgb')
        yield made


def pictures(engine, count, seed=0):
    """Noise, each picture of another colour: grey is no class of the tiny models."""
    width, height = engine.input_size
    made = np.random.RandomState(seed).randint(0, 64, (count, height, width, 3)).astype(np.uint8)
    for number, picture in enumerate(made):
        picture[..., number % 3] += 191
    return made


def test_is_an_engine_that_says_what_it_is(engine):
    assert isinstance(engine, Engine) and BACKENDS[engine.backend]
    assert engine.max_batch == 4 and engine.precision == 'fp32'
    assert all(isinstance(side, int) for side in engine.input_size)
    assert [len(output) for output in engine.outputs] == [2]


def test_one_float_row_per_picture(engine):
    for count in range(1, engine.max_batch + 1):
        arrays = engine.infer(pictures(engine, count))
        assert [array.shape for array in arrays] == [(count,) + shape for _, shape in engine.outputs]
        assert all(array.dtype == np.float32 for array in arrays)


def test_a_batch_is_its_pictures_one_by_one(engine):
    batch = pictures(engine, 3)
    together = [array.copy() for array in engine.infer(batch)]
    for row in range(3):
        for array, single in zip(together, engine.infer(batch[row:row + 1])):
            np.testing.assert_allclose(array[row], single[0], rtol=1e-5, atol=1e-5)
    assert any(np.abs(array[0] - array[1]).max() > 0 for array in together)


def test_pictures_are_left_alone_and_answers_repeat(engine):
    batch = pictures(engine, 2)
    before = batch.copy()
    first = [array.copy() for array in engine.infer(batch)]
    engine.infer(pictures(engine, 2, seed=1))
    for one, other in zip(first, engine.infer(batch)):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(batch, before)


def test_a_detector_works_with_it(engine):
    detector = Detector(engine, read_card(engine, {}))
    found = detector.find(pictures(engine, 1)[0])
    assert (found.class_id < len(detector.card.names)).all() and (found.xyxy >= 0).all()


@pytest.mark.parametrize('wrong', [lambda batch: batch.astype(np.float32), lambda batch: batch[0],
                                   lambda batch: batch[:, :-1], lambda batch: batch[:0]])
def test_anything_else_than_pictures_is_refused(engine, wrong):
    with pytest.raises(EngineError, match='must be uint8'):
        engine.infer(wrong(pictures(engine, 2)))


def test_closed_is_closed_and_may_be_loaded_again(engine):
    batch = pictures(engine, 1)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match='not loaded'):
        engine.infer(batch)
    engine.load()
    assert len(engine.infer(batch)[0]) == 1


# the table

def test_auto_takes_what_reads_the_file_and_says_why():
    name, why = choose(Settings(), 'some.onnx')
    assert name == 'onnxruntime' and '.onnx' in why
    assert choose(Settings(backend='fake'), 'some.onnx') == ('fake', 'set by engine.backend')


def test_the_configuration_offers_the_backends_of_the_table():
    assert set(settings_of(Settings)['backend'].metadata['kind'].choices) == {'auto'} | set(BACKENDS)


def test_unknown_backends_and_files_are_told_the_known(monkeypatch):
    with pytest.raises(ConfigError, match=r"no backend reads '.dat' files .*\.onnx"):
        choose(Settings(), 'some.dat')
    monkeypatch.delitem(BACKENDS, 'fake')
    with pytest.raises(ConfigError, match="unknown backend 'fake'; known: .*onnxruntime"):
        choose(Settings(backend='fake'), 'some.onnx')


def test_a_missing_library_says_what_to_install(monkeypatch):
    for name, backend in list(BACKENDS.items()):
        if '.onnx' in backend.suffixes:
            monkeypatch.setitem(BACKENDS, name, backend._replace(needs=('no_such_module',)))
    with pytest.raises(EngineUnavailable, match='pip install onnxruntime'):
        choose(Settings(), 'some.onnx')
    monkeypatch.setitem(BACKENDS, 'gone', BACKENDS['onnxruntime']._replace(target='edge_app.engine.gone:Gone'))
    with pytest.raises(EngineUnavailable, match='pip install onnxruntime') as caught:
        create('gone', 'some.onnx', Settings())
    assert caught.value.exit_code == 3


# what preparation makes of a picture

def test_planes_are_in_order_and_scaled():
    picture = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    np.testing.assert_array_equal(Planes()(picture)[0, 0], picture[0, :, :, 0])
    got = Planes('rgb', mean=(1, 2, 3), scale=(1, 0.5, 0.25))(picture)
    for plane, (channel, mean, scale) in enumerate([(2, 1, 1), (1, 2, 0.5), (0, 3, 0.25)]):
        np.testing.assert_allclose(got[0, plane], (picture[0, :, :, channel].astype(float) - mean) * scale, rtol=1e-6)


def test_onnxruntime_gets_what_the_card_says(written):
    engine = read(written(tiny_onnx.identity()))
    engine.load('rgb', scale=1 / 255)
    picture = np.random.RandomState(0).randint(0, 256, (2, 2, 4, 3)).astype(np.uint8)
    np.testing.assert_allclose(engine.infer(picture)[0], picture[..., ::-1].transpose(0, 3, 1, 2) / 255.0, rtol=1e-6)


# ONNX Runtime's models

@pytest.mark.parametrize('layout', ['yolox', 'yolov5', 'yolov8'])
@pytest.mark.parametrize('class_id, colour', [(0, (255, 0, 0)), (1, (0, 255, 0)), (2, (0, 0, 255))])
def test_a_square_is_found_where_it_is_with_its_class(written, layout, class_id, colour):
    engine = read(written(tiny_onnx.detector(layout, (64, 32))))
    detector = Detector(engine, read_card(engine, {}))
    assert detector.card.layout.name == layout
    frame = np.full((64, 128, 3), 114, np.uint8)  # twice the network's size: fields of 8 are 16 here
    frame[32:48, 80:96] = colour
    found = detector.find(frame)
    assert found.class_id.tolist() == [class_id]
    np.testing.assert_allclose(found.xyxy, [[80, 32, 96, 48]], atol=0.01)
    assert found.score[0] == pytest.approx(1.0, abs=0.01)


def test_each_picture_of_a_batch_gets_its_own_boxes_in_its_own_pixels(written):
    engine = read(written(tiny_onnx.detector('yolov8', (64, 64))))
    detector = Detector(engine, read_card(engine, {}), classes=['class2', 1])
    for slot, (scale, colour) in enumerate([(1, (0, 0, 255)), (2, (0, 255, 0)), (1, (255, 0, 0))]):
        frame = np.full((32 * scale, 64 * scale, 3), 114, np.uint8)  # centred: 16 rows of padding above
        frame[:8 * scale, :8 * scale] = colour
        detector.prepare(slot, FrameMeta(1, 0, 64 * scale, 32 * scale, BGR), frame)
    red, green, blue = detector.detect(3)
    assert (red.class_id.tolist(), green.class_id.tolist(), len(blue)) == ([2], [1], 0)
    assert red.xyxy.tolist() == [[0, 0, 8, 8]] and green.xyxy.tolist() == [[0, 0, 16, 16]]


@pytest.mark.parametrize('batch', [1, 3])
def test_a_fixed_batch_is_run_as_often_as_needed(written, batch):
    fixed = read(written(tiny_onnx.detector('yolox', batch=batch)))
    free = read(written(tiny_onnx.detector('yolox'), 'free.onnx'))
    assert (fixed.fixed_batch, free.fixed_batch) == (batch, 0)
    for engine in (fixed, free):
        engine.load()
    pixels = pictures(free, 4)
    np.testing.assert_array_equal(fixed.infer(pixels)[0], free.infer(pixels)[0])


def test_open_shapes_are_found_out_by_running(written):
    path = written(tiny_onnx.detector('yolov5', (96, 64), declared=False, open_size=True))
    engine = read(path, size=(96, 64))
    assert engine.input_size == (96, 64) and read_card(engine, {}).layout.name == 'yolov5'


def test_the_size_left_open_comes_from_the_card_or_metadata():
    assert open_size([416, 224], {'imgsz': '[640, 640]'}) == (416, 224)
    assert open_size(None, {'imgsz': '[384, 640]'}) == (640, 384)
    assert open_size(None, {'imgsz': '320'}) == (320, 320)
    for text in ('', '[', '[1]', '[0, 0]', '"a"', '[1e9, 4]', 'None'):
        assert open_size(None, {'imgsz': text}) == (640, 640)


def test_metadata_is_read(written, tmp_path):
    path = written(tiny_onnx.detector('yolox', metadata={'names': "{0: 'a', 1: 'b', 2: 'c'}", 'family': 'yolox'}))
    engine = read(path)
    assert read_card(engine, card_file(path)).names == ('a', 'b', 'c')


@pytest.mark.parametrize('content', [b'', b'not a model', tiny_onnx.detector('yolox')[:-200], b'\x00' * 5000])
def test_a_file_that_is_no_model_is_named(written, content):
    path = written(content)
    with pytest.raises(EngineError, match='model.onnx: .*not a model'):
        read(path)


def test_a_model_that_takes_no_pictures_is_told_what_it_takes(written):
    shape = tiny_onnx.value_info('images', ['batch', 7])
    node = tiny_onnx.node('Identity', ['images'], ['output'])
    path = written(tiny_onnx.model([node], [], [shape], [tiny_onnx.value_info('output', ['batch', 7])], {}))
    with pytest.raises(EngineError, match=r"takes images float32 \['batch', 7\]; it must have one image input"):
        read(path)


def test_a_classifier_is_refused_with_the_known_layouts(written):
    engine = read(written(tiny_onnx.classifier()))
    message = r"output 'prob' \[n, 3\] at a picture of 32x32 fits no known detector layout"
    with pytest.raises(ConfigError, match=message):
        read_card(engine, {})
