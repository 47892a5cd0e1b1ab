"""OpenVINO's own: the precision asked for and no other, any number of pictures."""
import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import read_card
from edge_app.engine import create
from edge_app.engine.openvino import HINTS, batch_sizes, portions
from edge_app.errors import ConfigError, EngineError

from tests.support import tiny_onnx


def read(path, size=None, backend='openvino', **settings):
    engine = create(backend, path, Settings(**dict({'threads': 1}, **settings)))
    engine.read(size)
    return engine


@pytest.fixture
def written(tmp_path):
    """Writes bytes as a model file and returns its path."""
    def write(content, name='model.onnx'):
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)
    return write


def pictures(count, width=64, height=32):
    return np.random.RandomState(count).randint(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize('colour', ['bgr', 'rgb'])
def test_pixels_are_prepared_as_the_card_says(written, colour):
    engine = read(written(tiny_onnx.mixture(np.eye(3))))
    engine.load(colour, mean=(1, 2, 3), scale=(1, 0.5, 0.25))
    batch = pictures(2, 4, 2)
    ordered = batch if colour == 'bgr' else batch[..., ::-1]
    expected = ((ordered.astype(float) - (1, 2, 3)) * (1, 0.5, 0.25)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(engine.infer(batch)[0], expected, rtol=1e-5, atol=1e-4)


def test_any_number_of_pictures_is_made_of_the_sizes_compiled():
    assert batch_sizes(4, large=False) == [4, 2, 1] and batch_sizes(6, large=False) == [6, 3, 1]
    assert batch_sizes(8, large=True) == [8, 1] and batch_sizes(1, large=True) == [1]
    assert portions(7, [4, 2, 1]) == [4, 2, 1] and portions(9, [4, 1]) == [4, 4, 1]


@pytest.mark.parametrize('count', range(1, 12))
def test_every_number_of_pictures_answers_as_each_alone(written, count):
    engine = read(written(tiny_onnx.detector('yolox')), batch=5)
    engine.load()
    batch = pictures(count)
    together = engine.infer(batch)[0].copy()
    assert len(together) == count
    for row in range(count):
        np.testing.assert_allclose(together[row], engine.infer(batch[row:row + 1])[0][0], atol=1e-5)


@pytest.mark.parametrize('batch', [1, 3])
def test_a_fixed_batch_is_run_as_often_as_needed(written, batch):
    engine = read(written(tiny_onnx.detector('yolox', batch=batch)))
    engine.load()
    other = read(written(tiny_onnx.detector('yolox'), 'other.onnx'), backend='onnxruntime')
    other.load()
    np.testing.assert_allclose(engine.infer(pictures(4))[0], other.infer(pictures(4))[0], atol=1e-4)


def test_open_shapes_are_taken_from_the_card(written):
    engine = read(written(tiny_onnx.detector('yolov5', (96, 64), declared=False, open_size=True)), (96, 64))
    assert engine.input_size == (96, 64) and read_card(engine, {}).layout.name == 'yolov5'


def test_metadata_is_read(written):
    engine = read(written(tiny_onnx.detector('yolox', metadata={'names': "['a', 'b', 'c']"})))
    assert read_card(engine, {}).names == ('a', 'b', 'c')


@pytest.mark.parametrize('layout', ['yolox', 'yolov5', 'yolov8'])
def test_a_square_is_found_where_it_is(written, layout):
    engine = read(written(tiny_onnx.detector(layout, (64, 32))))
    frame = np.full((64, 128, 3), 114, np.uint8)
    frame[32:48, 80:96] = (0, 0, 255)
    found = Detector(engine, read_card(engine, {})).find(frame)
    assert found.class_id.tolist() == [2]
    np.testing.assert_allclose(found.xyxy, [[80, 32, 96, 48]], atol=0.01)


# precision

def test_it_computes_in_fp32_unless_told(written):
    """A sum that bfloat16, which OpenVINO takes by itself where it can, would round away."""
    assert Settings().precision == 'fp32'
    engine = read(written(tiny_onnx.mixture([[1.001] * 3])))
    engine.load()
    assert engine.precision == 'fp32'
    np.testing.assert_allclose(engine.infer(np.full((1, 2, 4, 3), 200, np.uint8))[0], 3 * 200 * 1.001, rtol=1e-5)


def test_every_precision_is_either_had_or_refused_by_name(written):
    path = written(tiny_onnx.mixture([[1.001] * 3]))
    able = read(path).core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    for precision in HINTS:
        if precision.upper() in able:
            assert read(path, precision=precision).precision == precision
            continue
        with pytest.raises(EngineError,
                           match='engine.precision %s: OpenVINO .* on this processor.*use fp32' % precision):
            read(path, precision=precision)


def test_int8_wants_a_quantised_model(written):
    with pytest.raises(EngineError, match='engine.precision int8: .*holds no quantised weights.*models quantize'):
        read(written(tiny_onnx.detector('yolox')), precision='int8')


# what it must refuse

@pytest.mark.parametrize('content', [b'', b'not a model', tiny_onnx.detector('yolox')[:-200], b'\x00' * 5000])
def test_a_file_that_is_no_model_is_named(written, content):
    with pytest.raises(EngineError, match='model.onnx: .*not a model'):
        read(written(content))


def test_a_model_that_takes_no_pictures_is_told_what_it_takes(written):
    shape = tiny_onnx.value_info('images', ['batch', 7])
    node = tiny_onnx.node('Identity', ['images'], ['output'])
    path = written(tiny_onnx.model([node], [], [shape], [tiny_onnx.value_info('output', ['batch', 7])], {}))
    with pytest.raises(EngineError, match=r'takes images float32 .*7.*; it must have one image input'):
        read(path)


def test_a_classifier_is_refused_with_the_known_layouts(written):
    message = r"output 'prob' \[n, 3\] at a picture of 32x32 fits no known detector layout"
    with pytest.raises(ConfigError, match=message):
        read_card(read(written(tiny_onnx.classifier())), {})
