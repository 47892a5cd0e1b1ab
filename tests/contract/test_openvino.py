"""OpenVINO's own: the precision asked for and no other, any number of pictures."""
import os

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import card_file, read_card
from edge_app.engine import create, openvino
from edge_app.engine.openvino import HINTS, batch_sizes, portions
from edge_app.errors import ConfigError, EngineError

from tests.support import openvino_ir, situations, tiny_onnx


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


# what an IR says of itself

NAMES = ('helmet', 'no helmet', 'safety vest')
NOTES = 'description: Ultralytics YOLO11n model\nstride: 32\ntask: %s\nbatch: 1\nimgsz:\n- 64\n- 64\nnames:\n%s'
YAML_NAMES = ''.join('  %d: %s\n' % pair for pair in enumerate(NAMES))
LABELS = {'model_type': 'YOLO', 'labels': 'helmet no_helmet safety_vest', 'resize_type': 'fit_to_window_letterbox'}
CONTENT = tiny_onnx.detector('yolov8', (64, 64))


def card_of(path):
    with read(path) as engine:
        return read_card(engine, card_file(path))


@pytest.mark.parametrize('info, notes', [
    pytest.param({'model_info': LABELS}, NOTES % ('detect', YAML_NAMES), marks=situations.model(
        "OpenVINO IR of `yolo export format=openvino`: names in metadata.yaml and rt_info")),
    pytest.param({'model_info': LABELS}, None, marks=situations.model(
        'OpenVINO IR without its metadata.yaml: names in rt_info')),
    pytest.param({'framework': {'names': repr(dict(enumerate(NAMES))), 'task': 'detect'}}, None, marks=situations.model(
        "OpenVINO IR converted from Ultralytics' ONNX by ovc: names in rt_info's framework")),
    pytest.param({}, '\ufeff' + (NOTES % ('detect', YAML_NAMES)).replace('\n', '\r\n'), marks=situations.model(
        'OpenVINO IR whose metadata.yaml was saved on Windows (BOM, CRLF)')),
])
def test_names_of_an_ir_are_its_own(tmp_path, info, notes):
    card = card_of(openvino_ir.export(tmp_path, 'best', CONTENT, info, notes))
    assert (card.names, card.said, card.layout.name) == (NAMES, (), 'yolov8')
    assert card.centred and not card.stretched and card.grey == 114


@situations.model("YOLOv5's export to OpenVINO: metadata in best.yaml, where a card would be")
def test_the_metadata_of_yolov5_is_no_bad_card(tmp_path):
    path = openvino_ir.export(tmp_path, 'best', CONTENT)
    (tmp_path / 'best.yaml').write_text('names: %r\nstride: 32\n' % dict(enumerate(NAMES)))
    assert card_of(path).names == NAMES


@pytest.mark.parametrize('kind, stretched', [('standard', True), ('fit_to_window', False)])
@situations.model("OpenVINO IR whose rt_info asks for stretched pictures, or ones at the top left (model API)")
def test_pictures_are_fitted_as_the_ir_says(tmp_path, kind, stretched):
    card = card_of(openvino_ir.export(tmp_path, 'best', CONTENT, {'model_info': {'resize_type': kind}}))
    assert (card.stretched, card.centred) == (stretched, False)


@situations.model('OpenVINO IR of an oriented-box model', situations.REFUSED,
                  "made for the task 'obb'; edge-app runs models for")
def test_a_task_of_an_ir_that_is_not_ours_is_refused(tmp_path, situation):
    path = openvino_ir.export(tmp_path, 'best', CONTENT, {}, NOTES % ('obb', YAML_NAMES))
    with pytest.raises(ConfigError) as caught:
        card_of(path)
    assert situation.sentence in str(caught.value)


@situations.model('OpenVINO IR beside the metadata.yaml of another model', situations.REFUSED,
                  'one of them is of another model; put those of one export together (names of your own go into a '
                  'card)')
def test_metadata_of_another_model_is_not_believed(tmp_path, situation):
    path = openvino_ir.export(tmp_path, 'best', CONTENT, {'model_info': LABELS}, NOTES % (
        'detect', '  0: person\n  1: car\n  2: dog\n'))
    with pytest.raises(EngineError) as caught:
        read(path)
    assert situation.sentence in str(caught.value) and 'metadata.yaml says {0:' in str(caught.value)


def cut(path):
    with open(path, 'r+b') as stream:
        stream.truncate(stream.seek(0, os.SEEK_END) - 100)


def lengthened(path):
    with open(path, 'ab') as stream:
        stream.write(b'\0' * 100)


def pointed(path):
    with open(path, 'wb') as stream:
        stream.write(b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n')


@pytest.mark.parametrize('spoil, suffix', [
    pytest.param(os.unlink, '.bin', marks=situations.model(
        "OpenVINO's .xml without its .bin", situations.REFUSED, 'its weights are missing: no file')),
    pytest.param(cut, '.bin', marks=situations.model(
        'OpenVINO IR whose .bin was cut off', situations.REFUSED, 'its weights are cut off or of another model')),
    pytest.param(lengthened, '.bin', marks=situations.model(
        "OpenVINO's .xml with the .bin of another model (FP16 with FP32)", situations.REFUSED,
        'put the files of one export together')),
    pytest.param(pointed, '.bin', marks=situations.model(
        'OpenVINO IR whose .bin is a Git LFS pointer', situations.REFUSED, 'best.bin: is a Git LFS pointer')),
    pytest.param(cut, '.xml', marks=situations.model(
        "OpenVINO's .xml that was cut off", situations.REFUSED,
        "not a model in OpenVINO's format: its XML is damaged or cut off")),
])
def test_parts_of_an_ir_that_do_not_fit_are_named(tmp_path, situation, spoil, suffix):
    path = openvino_ir.export(tmp_path, 'best', CONTENT)
    spoil(path[:-4] + suffix)
    with pytest.raises(EngineError) as caught:
        read(path)
    assert situation.sentence in str(caught.value)


@situations.model('XML that is no OpenVINO IR (annotations of VOC)', situations.REFUSED,
                  "not a model in OpenVINO's format: XML of something else")
def test_other_xml_is_named(tmp_path, situation):
    (tmp_path / 'best.xml').write_text('<annotation><folder>x</folder></annotation>')
    with pytest.raises(EngineError) as caught:
        read(str(tmp_path / 'best.xml'))
    assert situation.sentence in str(caught.value)


def test_a_large_ir_is_judged_with_its_weights(tmp_path, monkeypatch):
    """The .xml alone is small: that of a large model was compiled for every batch size."""
    path = openvino_ir.export(tmp_path, 'best', tiny_onnx.detector('yolov8', (64, 64)))
    monkeypatch.setattr(openvino, 'LARGE_BYTES', os.path.getsize(path) + 1)
    with read(path, batch=4) as engine:
        engine.load()
        assert sorted(engine.requests) == [1, 4]


def test_what_the_library_says_is_shown_whole(tmp_path):
    """It is several lines, of which another one tells the reason in each version."""
    path = openvino_ir.export(tmp_path, 'best', CONTENT)
    with open(path) as stream:
        text = stream.read()
    with open(path, 'w') as stream:
        stream.write(text.replace('type="Concat"', 'type="NoSuchStep"'))
    with pytest.raises(RuntimeError) as said:
        openvino.Core().read_model(path)
    with pytest.raises(EngineError, match='not a model OpenVINO .* can read: ') as caught:
        read(path)
    assert len(str(said.value).splitlines()) > 1 and ' '.join(str(said.value).split()) in str(caught.value)


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
