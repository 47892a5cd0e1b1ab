"""A remote engine: the same answers as the model has here, and one clear error for whatever a server does wrong."""
import threading

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.config import load
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import read_card
from edge_app.engine import choose, create, kserve
from edge_app.errors import ConfigError, EngineError
from edge_app.inference.load_detector import open_detector

from tests.support import situations, tiny_onnx
from tests.support.v2_server import V2Server


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(tiny_onnx.detector('yolov8', (64, 32)))
    return str(path)


@pytest.fixture
def server(model):
    with V2Server(model) as serving:
        yield serving


def opened(address):
    engine = create('kserve', address, Settings())
    engine.read()
    engine.load('rgb', scale=1 / 255)
    return engine


def pictures(count):
    return np.random.RandomState(count).randint(0, 256, (count, 32, 64, 3)).astype(np.uint8)


def test_it_answers_as_the_model_does_here(server, model):
    local = create('onnxruntime', model, Settings())
    local.read()
    local.load('rgb', scale=1 / 255)
    with opened(server.address) as remote:
        assert (remote.input_size, remote.outputs, remote.fixed_batch) == (local.input_size, local.outputs, 0)
        for count in (1, 3):
            np.testing.assert_allclose(remote.infer(pictures(count))[0], local.infer(pictures(count))[0], rtol=1e-5,
                                       atol=1e-5)


def test_a_detector_works_with_it(server):
    detector, note = open_detector(Settings(model=server.address))
    with detector.engine:
        frame = np.full((64, 128, 3), 114, np.uint8)
        frame[32:48, 80:96] = (0, 0, 255)
        found = detector.find(frame)
    assert found.class_id.tolist() == [2] and note['backend'] == 'kserve' and note['model'] == server.address
    np.testing.assert_allclose(found.xyxy, [[80, 32, 96, 48]], atol=0.01)


def test_a_fixed_batch_is_run_as_often_as_needed(tmp_path):
    path = tmp_path / 'fixed.onnx'
    path.write_bytes(tiny_onnx.detector('yolov8', (64, 32), batch=2))
    with V2Server(str(path)) as serving, opened(serving.address) as engine:
        assert engine.fixed_batch == 2 and len(engine.infer(pictures(3))[0]) == 3


def test_an_address_is_chosen_by_its_scheme_and_kept_in_a_configuration(tmp_path):
    address = 'http://10.0.0.9:8000/v2/models/yolox/versions/3'
    assert choose(Settings(), address)[0] == 'kserve'
    assert kserve.parse(address) == ('http', '10.0.0.9:8000', 'yolox', '3')
    (tmp_path / 'site.yaml').write_text('cameras: [{name: a, uri: "test://"}]\nengine: {model: "%s"}\n' % address)
    assert load(str(tmp_path / 'site.yaml')).engine.model == address


@pytest.mark.parametrize('address', ['http://host/models/yolox', 'http:///v2/models/x', 'http://host/v2/models/x?y=1',
                                     'http://me:secret@host/v2/models/x', 'ftp://host/v2/models/x'])
def test_another_address_is_told_what_it_should_look_like(address):
    with pytest.raises(ConfigError, match='http://host:8000/v2/models/yolox') as caught:
        create('kserve', address, Settings()).read()
    assert 'secret' not in str(caught.value)


# what a server says of its model

NAMES = ('blue one', 'green', 'red')
FACTS = {'names': dict(enumerate(NAMES)), 'task': 'detect', 'imgsz': [32, 64]}


def telling(**answers):
    """A `spoil` that adds to the server's answers of these kinds; `config` is what Triton's extension answers."""
    def spoil(kind, good):
        if kind == 'unknown' and 'config' in answers:
            return 200, answers['config']
        return dict(good, **answers.get(kind, {}))
    return spoil


TRITON = {'server': {'extensions': ['model_configuration']}}


@pytest.mark.parametrize('answers', [
    pytest.param(dict(TRITON, config={'parameters': {'metadata': {'string_value': repr(FACTS)}}}),
                 marks=situations.model("served by Triton with Ultralytics' metadata in config.pbtxt")),
    pytest.param(dict(TRITON, config={'parameters': {'names': {'string_value': repr(list(NAMES))}}}),
                 marks=situations.model('served by Triton with `names` among the parameters of config.pbtxt')),
    pytest.param({'model': {'parameters': {'names': list(NAMES)}}}, marks=situations.model(
        'served by MLServer with `names` among its parameters')),
    pytest.param({'model': {'rt_info': {'model_info': {'labels': 'blue_one green red'}}}}, marks=situations.model(
        'served by OpenVINO Model Server, which passes rt_info on')),
])
def test_names_that_the_server_tells_are_the_models(server, answers):
    server.spoil = telling(**answers)
    detector, note = open_detector(Settings(model=server.address))
    with detector.engine:
        assert detector.card.names == NAMES and note['said'] == []


@pytest.mark.parametrize('answers', [
    dict(TRITON), dict(TRITON, config=[]), dict(TRITON, config={'parameters': 7}),
    dict(TRITON, config={'parameters': {'metadata': {'string_value': '{' * 3000}, 'x': 3}}),
    {'model': {'parameters': [1], 'rt_info': {'model_info': 7, 'framework': 3}}},
    {'server': {'extensions': 7}}])
def test_a_server_that_tells_nothing_of_use_is_used(server, answers):
    server.spoil = telling(**answers)
    detector, note = open_detector(Settings(model=server.address))
    with detector.engine:
        assert detector.card.names == ('class0', 'class1', 'class2')


@situations.model('served on another machine, named by `engine.card`')
def test_a_card_states_what_a_server_does_not(server, tmp_path):
    (tmp_path / 'served.yaml').write_text('names: [a, b, c]\nscore: 0.2\n')
    engine = 'engine: {model: "%s", card: served.yaml}' % server.address
    (tmp_path / 'site.yaml').write_text('cameras: [{name: a, uri: "test://"}]\n%s\n' % engine)
    detector, note = open_detector(load(str(tmp_path / 'site.yaml')).engine)
    with detector.engine:
        assert (detector.card.names, note['score'], note['said']) == (('a', 'b', 'c'), 0.2, [])


@situations.model('served, and of a task that is not detection', situations.REFUSED,
                  "made for the task 'classify'; edge-app runs models for")
def test_a_task_that_is_not_ours_is_refused(server, situation):
    server.spoil = telling(model={'parameters': {'task': 'classify'}})
    with pytest.raises(ConfigError) as caught:
        open_detector(Settings(model=server.address))
    assert situation.sentence in str(caught.value)


@pytest.mark.parametrize('address', ['grpc://me:secret@host:8001/yolo', 's3://models/best.onnx', 'file:///best.onnx'])
def test_an_address_of_another_kind_is_told_what_it_should_look_like(address):
    with pytest.raises(ConfigError, match='is not the address of a served model; write http://host:8000') as caught:
        open_detector(Settings(model=address))
    assert 'secret' not in str(caught.value)


def test_a_missing_card_is_named_with_its_line(tmp_path):
    (tmp_path / 'site.yaml').write_text('cameras: [{name: a, uri: "test://"}]\nengine:\n  card: gone.yaml\n')
    with pytest.raises(ConfigError, match=r'engine.card: no such file: .*gone.yaml.*site.yaml:3'):
        load(str(tmp_path / 'site.yaml'))


def refused(address, words):
    engine = create('kserve', address, Settings())
    with pytest.raises(EngineError, match=words) as caught:
        engine.read()
    engine.close()
    assert str(caught.value).startswith(address) and '\n' not in str(caught.value) and len(str(caught.value)) < 700


def test_a_server_that_is_away_is_said(server):
    refused('http://127.0.0.1:1/v2/models/tiny', 'the server does not describe the model .*; is it running')
    refused('http://no-such-host.invalid/v2/models/tiny', 'the server does not describe the model')
    refused(server.address + 'er', 'no such model')


@pytest.mark.parametrize('answer', [
    b'\x00\xffnonsense', b'', b'HTTP/1.1 200 OK\r\n\r\n', '', 'nonsense', '<html>hello</html>',
    '[]', '{}', 'null', (500, 'broken'), (503, {'error': 'loading'}),
    {'inputs': 7, 'outputs': []}, {'inputs': [{}], 'outputs': []},
    {'inputs': [{'name': 'x', 'datatype': 'FP32', 'shape': 'wide'}], 'outputs': []},
    {'inputs': [{'name': 'x', 'datatype': 'FP32', 'shape': [1, 7]}], 'outputs': []},
    {'inputs': [{'name': 'x', 'datatype': 'FP32', 'shape': [1, 3, 90000, 90000]}],
     'outputs': []},
    {'inputs': [{'name': 'x', 'datatype': 'FP32', 'shape': [10 ** 9, 3, 64, 64]}],
     'outputs': []},
    {'inputs': [{'name': 'x', 'datatype': 'BYTES', 'shape': [1, 3, 4, 4]}],
     'outputs': []}])
def test_nonsense_instead_of_a_description_is_one_error(server, answer):
    server.spoil = lambda kind, good: answer if kind == 'model' else good
    refused(server.address, '.')


@pytest.mark.parametrize('answer', [
    b'\x00\xffnonsense', b'', '', 'nonsense', '{}', '[]', (500, 'broken'), {'outputs': 3},
    {'outputs': []}, {'outputs': [{'name': 'output'}]},
    {'outputs': [{'name': 'output', 'datatype': 'FP32', 'shape': [1, 9],
                  'data': [1.0]}]},
    {'outputs': [{'name': 'output', 'datatype': 'FP32', 'shape': [5, 1],
                  'data': [1.0] * 5}]},
    {'outputs': [{'name': 'output', 'datatype': 'BYTES', 'shape': [1],
                  'data': ['x']}]}])
def test_nonsense_instead_of_an_answer_is_one_error_then_and_later(server, answer):
    engine = opened(server.address)
    server.spoil = lambda kind, good: answer if kind == 'infer' else good
    with engine, pytest.raises(EngineError) as caught:
        engine.infer(pictures(1))
    assert '\n' not in str(caught.value) and server.address in str(caught.value)
    refused(server.address, '.')


def test_other_shapes_than_before_are_an_error(server):
    engine = opened(server.address)
    detector = Detector(engine, read_card(engine, {}))

    def narrower(kind, answer):
        if kind == 'infer':
            rows = answer['outputs'][0]
            rows['shape'][2] -= 1
            rows['data'] = rows['data'][:int(np.prod(rows['shape']))]
        return answer
    server.spoil = narrower
    with engine, pytest.raises(EngineError, match='and not with .* as before'):
        detector.find(pictures(1)[0])


def test_a_server_that_goes_away_or_hangs_is_an_error_and_may_come_back(server, monkeypatch):
    monkeypatch.setattr(kserve, 'ANSWER_S', 0.5)
    engine = opened(server.address)
    hanging = threading.Event()
    server.spoil = lambda kind, good: hanging.wait(5) and good or good
    with pytest.raises(EngineError, match='does not infer'):
        engine.infer(pictures(1))
    hanging.set()
    server.spoil = lambda kind, good: good
    assert len(engine.infer(pictures(1))[0]) == 1
    engine.close()
