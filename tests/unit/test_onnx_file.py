"""Reading an ONNX file's facts without the onnx package, compared with what ONNX Runtime reads."""
import numpy as np
import onnxruntime
import pytest

from edge_app.detectors.model_file import embedded_model
from edge_app.engine.onnx_file import read_onnx
from edge_app.errors import EngineError

from tests.support import tiny_onnx


def written(folder, content):
    path = folder / 'model.onnx'
    path.write_bytes(content)
    return str(path)


def declared(puts):
    return [(put.name, [side if isinstance(side, int) else (side or '') for side in put.shape]) for put in puts]


def check(path):
    """Our answers are ONNX Runtime's."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    model = read_onnx(path)
    assert declared(model.inputs) == declared(session.get_inputs())
    assert declared(model.outputs) == declared(session.get_outputs())
    assert model.metadata == dict(session.get_modelmeta().custom_metadata_map)
    return model


@pytest.mark.parametrize('options', [{}, {'batch': 3}, {'open_size': True},
                                     {'metadata': {'names': "{0: 'Ä'}", 'imgsz': '[32, 64]'}}])
def test_it_reads_what_onnxruntime_reads(tmp_path, options):
    model = check(written(tmp_path, tiny_onnx.detector('yolov8', **options)))
    assert model.opset == 11 and model.inputs[0].dtype is np.float32
    assert [node.operation for node in model.nodes][:3] == ['AveragePool', 'Reshape', 'AveragePool']


def test_the_model_that_comes_along():
    model = check(embedded_model())
    assert model.opset <= 13, 'a TX2 could not read it'


def test_weights_listed_as_inputs_are_none(tmp_path):
    """As exporters did before IR version 4."""
    weights = tiny_onnx.tensor('w', np.zeros(3, np.float32))
    content = tiny_onnx.model([tiny_onnx.node('Add', ['images', 'w'], ['output'])], [weights],
                              [tiny_onnx.value_info('images', [1, 3]), tiny_onnx.value_info('w', [3])],
                              [tiny_onnx.value_info('output', [1, 3])], {})
    assert [port.name for port in read_onnx(written(tmp_path, content)).inputs] == ['images']


WHOLE = tiny_onnx.detector('yolox')


@pytest.mark.parametrize('content', [b'', b'not a model', WHOLE[:-200], WHOLE[:100], b'\x00' * 5000, b'\xff' * 50,
                                     b'\x0b' * 9])
def test_what_is_no_model_is_named(tmp_path, content):
    with pytest.raises(EngineError, match='model.onnx: not a model in ONNX format: .'):
        read_onnx(written(tmp_path, content))


def test_any_truncation_is_noticed_or_harmless(tmp_path):
    for length in range(0, len(WHOLE), 37):
        try:
            assert read_onnx(written(tmp_path, WHOLE[:length])).opset
        except EngineError:
            pass


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(EngineError, match='missing.onnx: cannot be read: No such file'):
        read_onnx(str(tmp_path / 'missing.onnx'))
