"""Model files nobody exported: every one is read or refused with one of our errors."""
import ast
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from edge_app.detectors.model_card import FIELDS, card_file, read_card
from edge_app.detectors.names import literal, names_of
from edge_app.engine.darknet.weights import Header, needed, read_weights
from edge_app.engine.onnx_file import external_data, read_onnx
from edge_app.errors import ConfigError, EdgeAppError, EngineError

from tests.support import darknet_models, tiny_onnx
from tests.support.darknet_models import parse_network
from tests.support.fuzzing import fuzzed, plain_values, spoilt_bytes, spoilt_text

pytestmark = pytest.mark.timeout(3600)

SMALL_CFG = '''[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=4
size=3
stride=2
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[route]
layers=-1,-1
[shortcut]
from=-1
[upsample]
stride=2
[convolutional]
filters=18
size=1
activation=linear
[yolo]
mask=0,1,2
anchors=1,2, 3,4, 5,6
classes=1
scale_x_y=1.05
'''
CFG_PIECES = ('=', ',', '[', ']', '-1', '-99', '0', '1', '65536', '9' * 30, '9' * 5000, '1e999', 'nan', '-', '\n', ';',
              '#', '\u0663', '[yolo]\n', '[route]\nlayers=-1\n', '[convolutional]\n', '[dropout]\n', 'groups=2\n',
              'filters=0\n', 'size=64\n', 'new_coords=1\n', 'batch_normalize=1\n')
NAMES = ('["person", "car"]', "{0: 'person', 1: 'car'}", '(1, 2)', "{'a': [1.5, None, True]}")
ONNX_PIECES = (b'\xff' * 9 + b'\x01', b'\x80', b'\x3a', b'\x08\x05', b'\x7a', b'\x00', b'\xff\xff\xff\xff\x0f',
               b'\x3a\x02\x0a\x00')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('fuzz')


@given(spoilt_text([SMALL_CFG, SMALL_CFG.replace('\n', '\r\n'), darknet_models.yolov3_tiny()], CFG_PIECES))
@fuzzed
def test_darknet_cfg(text):
    try:
        network = parse_network(text, 'some.cfg')
    except EngineError as error:
        assert str(error).startswith('some.cfg')
    else:
        assert network.heads and network.rows > 0 and all(min(layer.shape) > 0 for layer in network.layers)


NETWORK = parse_network(SMALL_CFG)
HEADERS = [Header().pack(), Header(0, 1, 0, 7).pack(), Header(2000, 2000, 0, 7).pack()]
NUMBERS = 4 * sum(needed(layer) for layer in NETWORK.convolutions)
"""Bytes of all weights."""


@given(spoilt_bytes(HEADERS + [header + b'\0' * NUMBERS for header in HEADERS],
                    [b'\0' * 4, b'\xff' * 4, b'\0' * 400, b'\0' * 4000]))
@fuzzed
def test_darknet_weights(folder, content):
    path = folder / 'some.weights'
    path.write_bytes(content)
    try:
        header, numbers = read_weights(str(path), NETWORK)
    except EngineError as error:
        assert str(error).startswith(str(path))
    else:
        assert set(numbers) == {layer.index for layer in NETWORK.convolutions} and header.pack()


@pytest.mark.parametrize('content', [header + b'\0' * NUMBERS for header in HEADERS], ids=['wide', 'narrow', 'large'])
def test_weights_as_they_should_be_are_read(folder, content):
    (folder / 'good.weights').write_bytes(content)
    assert read_weights(str(folder / 'good.weights'), NETWORK)[1]


ONNX = [tiny_onnx.detector('yolox'), tiny_onnx.detector('yolov8', metadata={'names': NAMES[1], 'stride': '32'})]
# the weights, by far the most bytes, are stepped over: what is read stands at both ends
ONNX += [model[:600] for model in ONNX] + [model[-600:] for model in ONNX]


@given(spoilt_bytes(ONNX, ONNX_PIECES))
@fuzzed
def test_onnx(folder, content):
    path = folder / 'some.onnx'
    path.write_bytes(content)
    try:
        model = read_onnx(str(path))
    except EngineError as error:
        assert str(error).startswith(str(path))
    else:
        assert all(isinstance(text, str) for pair in model.metadata.items() for text in pair)
    try:
        beside = external_data(str(path))
    except EngineError as error:
        assert str(error).startswith(str(path))
    else:
        assert all(isinstance(name, str) and end >= 0 for name, end in beside.items())


def nested(kinds, depth):
    """A message within a message, field by field of `kinds`, `depth` times around."""
    content = b''
    for _ in range(depth):
        for kind in kinds:
            content = tiny_onnx.field(kind, content)
    return content


@pytest.mark.parametrize('depth', [10, 400, 3000])
def test_onnx_nested_without_end(folder, depth):
    """graph > node > attribute > graph ..., a few bytes for each level."""
    path = folder / 'deep.onnx'
    path.write_bytes(tiny_onnx.field(8, b'\x10\x0b') + tiny_onnx.field(7, nested((6, 5, 1), depth)))
    assert external_data(str(path)) == {}
    assert read_onnx(str(path)).opset == 11


@given(spoilt_text(NAMES, [
    '[', '(', '{', '}', "'", '"', ',', ':', '-', '+', '1j', '\\', '\\d', '{[]: 1}', '{{}}', '9' * 5000, '(' * 200,
    '-' * 2000, '\0', 'f""', '...', '__import__("os")']) | some.builds(repr, plain_values))
@fuzzed
def test_names_in_metadata(text):
    value = literal(text)
    names = names_of(text)
    assert names is None or all(name is None or len(name) <= 100 for name in names)
    assert value is None or repr(ast.literal_eval(text)) == repr(value)


class Read:
    """As much of an Engine that has read a model as the card looks at."""

    def __init__(self, metadata, outputs):
        self.path, self.metadata, self.outputs = 'some.onnx', metadata, outputs
        self.input_size, self.max_batch = (64, 32), 4


SHAPES = some.lists(some.integers(-2, 9000) | some.sampled_from([4, 6, 7, 8, 84, 85, 100, 168]), max_size=3).map(tuple)
METADATA = some.dictionaries(some.sampled_from(['names', 'family', 'task', 'stride', 'kpt_shape', 'imgsz', 'anchors',
                                                'reg_max']),
                             spoilt_text(NAMES + ('detect', 'pose', 'segment', '[17, 3]', '32', 'yolox')), max_size=4)


@given(METADATA, some.lists(some.tuples(some.text(max_size=5), SHAPES), max_size=4))
@fuzzed
def test_metadata_and_outputs(metadata, outputs):
    try:
        card = read_card(Read(metadata, tuple(outputs)), {})
    except ConfigError as error:
        assert str(error)
    else:
        assert card.names and card.layout


@given(spoilt_text(['family: yolox\nnames: [person, car]\nsize: [416, 416]\nmean: [1, 2, 3]\nscore: 0.4\ngrey: 114\n',
                    'names: coco80\nletterbox: centre\nkpt_shape: [17, 3]\nreg_max: 16\n'],
                   [': ', '\n', '[', '{', '&a ', '*a', '0x_', '!!python/name:os ', '.inf', '9' * 400, '[' * 500,
                    '2001-02-30', '\t', '"', '\ud800', '=', '<<: '])
       | some.builds(lambda field, value: '%s: %s' % (field, json.dumps(value)), some.sampled_from(FIELDS),
                     some.recursive(some.none() | some.integers() | some.text(max_size=9) | some.booleans(),
                                    lambda inner: some.lists(inner, max_size=3))))
@fuzzed
def test_a_card(folder, text):
    (folder / 'some.yaml').write_bytes(text.encode('utf-8', 'surrogatepass'))
    try:
        stated = card_file(str(folder / 'some.onnx'))
    except ConfigError as error:
        assert str(folder / 'some.yaml') in str(error)
        return
    assert isinstance(stated, dict) and yaml.safe_dump(stated)
    try:
        read_card(Read({}, (('out', (168, 8)),)), stated)
    except EdgeAppError as error:
        assert str(error)
