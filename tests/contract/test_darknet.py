"""Darknet networks give the same numbers converted to ONNX, in plain numpy and in OpenCV's own reader of such files."""
import os

import cv2
import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.model_card import card_file, read_card
from edge_app.engine import choose, create
from edge_app.engine.darknet import conversion
from edge_app.engine.darknet.export import onnx_graph
from edge_app.engine.darknet.network import read_network
from edge_app.engine.darknet.weights import Numbers, read_weights
from edge_app.engine.onnx_file import read_onnx
from edge_app.errors import ConfigError, EngineError
from edge_app.inference.load_detector import open_detector

from tests.support import darknet_numpy, nvidia, situations
from tests.support.darknet_models import PUBLISHED, noise, parse_network, random_numbers, write_weights

SIZE = (128, 96)
TOLERANCE = 1e-3
has_reader = pytest.mark.skipif(not hasattr(cv2.dnn, 'readNetFromDarknet'), reason='OpenCV 5 reads no Darknet files')

SMALL = '''[net]
width=64
height=32
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=swish
[convolutional]
groups=4
filters=8
size=3
pad=1
activation=relu
[shortcut]
from=-2
activation=leaky
[maxpool]
size=3
stride=2
[upsample]
stride=2
scale=0.5
[dropout]
[route]
layers=-1,-4
groups=2
group_id=1
[maxpool]
size=2
stride=1
[convolutional]
filters=14
size=1
activation=%s
[yolo]
mask=1,2
anchors=1,2, 30.5,4, 5,60
classes=2
scale_x_y=1.5
new_coords=%d
'''


def written(folder, name, text, seed=0):
    """Path of a `.cfg` with weights of a seed beside it, and what was written: (path, Network, numbers)."""
    path = os.path.join(str(folder), name + '.cfg')
    with open(path, 'w') as stream:
        stream.write(text)
    network = read_network(path)
    numbers = random_numbers(network, seed)
    write_weights(path[:-4] + '.weights', network, numbers)
    return path, network, numbers


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return written(tmp_path, 'small', SMALL % ('linear', 0))[0]


def planes_of_rows(rows, head):
    """[anchors, 5 + classes, height, width] of the rows of one head."""
    _, height, width = head.shape
    return rows.reshape(height, width, len(head.anchors), -1).transpose(2, 3, 0, 1)


def run_onnx(network, numbers, picture, folder):
    """(rows, planes before decoding of each head) by ONNX Runtime."""
    path = os.path.join(str(folder), 'all.onnx')
    graph = onnx_graph(network, numbers)
    for head in network.heads:
        graph.output('layer%d' % head.sources[0], ['batch'] + list(head.shape))
    with open(path, 'wb') as stream:
        graph.write(stream, {})
    engine = create('onnxruntime', path, Settings(threads=1))
    engine.read()
    rows, *planes = engine._call(picture[None])
    os.unlink(path)
    return rows[0], [one[0] for one in planes]


NEW_COORDS = '''[net]
width=128
height=96
[convolutional]
size=8
stride=8
filters=14
activation=logistic
[yolo]
mask=0,1
anchors=10,13, 116.5,90
num=2
classes=2
new_coords=1
scale_x_y=2.0
thresh=0
'''
"""The heads of YOLOv4-CSP and of YOLOv7's Darknet files."""


@has_reader
@pytest.mark.parametrize('name', sorted(PUBLISHED) + ['new_coords'])
def test_published_networks_give_what_opencv_gives(tmp_path, name):
    path, network, _ = written(tmp_path, name, PUBLISHED[name][0](SIZE) if name in PUBLISHED else NEW_COORDS)
    _, numbers = read_weights(path[:-4] + '.weights', network)
    picture = noise(SIZE)
    rows, planes = run_onnx(network, numbers, picture, tmp_path)
    net = cv2.dnn.readNetFromDarknet(path, path[:-4] + '.weights')
    net.setInput(picture[None])
    before = ['logistic_%d' % head.index if head.new_coords else 'conv_%d' % head.sources[0] for head in network.heads]
    for ours, theirs in zip(planes, net.forward(before)):
        assert np.abs(theirs).max() > 0.5
        np.testing.assert_allclose(ours, theirs[0], atol=TOLERANCE)
    net.setInput(picture[None] + 0)
    theirs = np.concatenate(net.forward(['yolo_%d' % head.index for head in network.heads]))
    rows[:, :4] /= SIZE * 2  # OpenCV's boxes are shares of the picture, its classes' scores times objectness
    rows[:, 5:] *= rows[:, 4:5]
    if network.heads[0].new_coords:  # OpenCV 4.6 forgets to write their objectness; it is in the classes' scores
        rows[:, 4] = theirs[:, 4]
    np.testing.assert_allclose(rows, theirs, atol=TOLERANCE, rtol=TOLERANCE)
    os.unlink(path[:-4] + '.weights')  # pytest keeps the last three folders, and this is up to 250 MB


@pytest.mark.parametrize('activation, new_coords', [('linear', 0), ('logistic', 1)])
def test_every_kind_of_layer_gives_what_plain_numpy_gives(tmp_path, activation, new_coords):
    _, network, numbers = written(tmp_path, 'small', SMALL % (activation, new_coords))
    picture = noise(network.size, 3)
    expected = darknet_numpy.run(network, numbers, picture)
    rows, planes = run_onnx(network, numbers, picture, tmp_path)
    head = network.heads[0]
    np.testing.assert_allclose(planes[0], expected[head.index], atol=1e-5)
    np.testing.assert_allclose(planes_of_rows(rows, head), decoded(expected[head.index], head, network.size), atol=1e-4)


def decoded(planes, head, size):
    """The formulas of yolo_layer.c, cell by cell."""
    _, height, width = head.shape
    values = planes.reshape(len(head.anchors), -1, height, width).astype(float)
    sure = values if head.new_coords else 1 / (1 + np.exp(-values))
    result = sure.copy()
    for number, anchor in enumerate(head.anchors):
        for y in range(height):
            for x in range(width):
                at = number, slice(None), y, x
                spread = head.scale_x_y
                centre = np.array([x, y]) + sure[at][:2] * spread - 0.5 * (spread - 1)
                result[at][:2] = centre / (width, height) * size
                times = (2 * values[at][2:4]) ** 2 if head.new_coords else np.exp(values[at][2:4])
                result[at][2:4] = times * anchor
    return result


# the file that is written

@pytest.mark.parametrize('name', sorted(PUBLISHED) + ['small'])
def test_the_graph_is_good_onnx_of_the_shapes_the_cfg_says(tmp_path, name):
    onnx = pytest.importorskip('onnx')
    text = SMALL % ('linear', 0) if name == 'small' else PUBLISHED[name][0](SIZE)
    network = parse_network(text)
    path = os.path.join(str(tmp_path), 'model.onnx')
    with open(path, 'wb') as stream:
        onnx_graph(network, Zeros(network)).write(stream, {'family': 'darknet'})
    model = onnx.load(path)
    onnx.checker.check_model(model, True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    shapes = {value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)[1:]
              for value in list(inferred.graph.value_info) + list(inferred.graph.output)}
    checked = [layer for layer in network.layers if 'layer%d' % layer.index in shapes]
    assert len(checked) > len(network.layers) / 2
    assert all(shapes['layer%d' % layer.index] == layer.shape for layer in checked)
    assert shapes['output'] == (network.rows, 5 + network.classes)
    os.unlink(path)


class Zeros:
    """Weights that are all 0, made when they are asked for."""

    def __init__(self, network):
        self.layers = network.layers

    def __getitem__(self, index):
        layer = self.layers[index]
        return Numbers(np.zeros(layer.filters, np.float32), None, None, None, np.zeros(layer.kernel, np.float32))


def test_the_file_says_what_it_is(small):
    facts = read_onnx(conversion.onnx_of(small))
    assert facts.opset <= 13 and facts.metadata == {'family': 'darknet', 'task': 'detect'}
    assert [(port.name, port.shape) for port in facts.inputs] == [('images', ('batch', 3, 32, 64))]
    assert [(port.name, port.shape) for port in facts.outputs] == [('output', ('batch', 2 * 16 * 32, 7))]
    assert not {node.operation for node in facts.nodes} & {'NonMaxSuppression', 'If', 'Loop', 'Shape', 'NonZero', 'Mod'}


def test_converted_once(small):
    path = conversion.onnx_of(small)
    before = os.stat(path)
    assert conversion.onnx_of(small) == path and os.stat(path).st_mtime_ns == before.st_mtime_ns
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_other_weights_or_names_are_another_file(small):
    paths = {conversion.onnx_of(small)}
    written(os.path.dirname(small), 'small', SMALL % ('linear', 0), seed=1)
    paths.add(conversion.onnx_of(small))
    with open(small[:-4] + '.names', 'w') as stream:
        stream.write('cat\ndog\n')
    paths.add(conversion.onnx_of(small))
    assert len(paths) == 3
    assert read_onnx(conversion.onnx_of(small)).metadata['names'] == "['cat', 'dog']"


def test_a_cache_that_cannot_be_written(small, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(EngineError, match='cannot be written: Not a directory; make room there or set XDG_CACHE_HOME'):
        conversion.onnx_of(small)


def test_weights_that_are_missing(small):
    os.unlink(small[:-4] + '.weights')
    with pytest.raises(ConfigError, match='small.cfg needs its weights beside it: no file .*small.weights'):
        conversion.onnx_of(small)


def test_names_that_do_not_fit(small):
    with open(small[:-4] + '.names', 'w') as stream:
        stream.write('cat\n')
    with pytest.raises(ConfigError, match='small.names: holds 1 names, but .*small.cfg has 2 classes'):
        conversion.onnx_of(small)


def test_converted_to_a_file_of_ones_own(small, tmp_path):
    conversion.convert(small, str(tmp_path / 'own.onnx'))
    with open(str(tmp_path / 'own.onnx'), 'rb') as own, open(conversion.onnx_of(small), 'rb') as kept:
        assert own.read() == kept.read()


# as a model of the appliance

def test_a_cfg_is_a_model(small):
    detector, note = open_detector(Settings(model=small, backend='onnxruntime', threads=1))
    assert (note['family'], note['classes'], note['size']) == ('darknet', 2, [64, 32]) and note['model'] == small
    assert detector.card.stretched and detector.card.colour == 'rgb'
    assert 'class0 to class1' in note['said'][0]


def test_any_batch_is_its_pictures_one_by_one(small):
    engine = create('onnxruntime', small, Settings(threads=1))
    engine.read()
    assert engine.fixed_batch == 0
    engine.load(**read_card(engine, card_file(small)).preparation)
    batch = np.random.RandomState(0).randint(0, 256, (3, 32, 64, 3)).astype(np.uint8)
    together = engine.infer(batch)[0].copy()
    for row in range(3):
        np.testing.assert_allclose(together[row], engine.infer(batch[row:row + 1])[0][0], atol=1e-4)


@pytest.mark.parametrize('personality', nvidia.PERSONALITIES)
def test_tensorrts_stand_in_takes_the_graph_and_gives_the_same(small, personality):
    batch = np.random.RandomState(0).randint(0, 256, (3, 32, 64, 3)).astype(np.uint8)
    answers = []
    with nvidia.standing_in(personality):
        for backend in ('tensorrt', 'onnxruntime'):
            with create(backend, small, Settings(threads=1)) as engine:
                engine.read()
                engine.load('rgb', scale=1 / 255)
                answers.append(engine.infer(batch)[0].copy())
            engine = None
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5, atol=1e-4)


def test_the_cards_file_lies_beside_the_cfg(small):
    with open(small[:-4] + '.yaml', 'w') as stream:
        stream.write('names: [cat, dog]\nscore: 0.25\nletterbox: top-left\n')
    detector, note = open_detector(Settings(model=small, backend='onnxruntime', threads=1))
    assert (detector.card.names, note['score'], note['said']) == (('cat', 'dog'), 0.25, [])
    assert not detector.card.stretched and not detector.card.centred


SEEN = '''[net]
batch=64
subdivisions=8
width=64
height=64
channels=3
momentum=0.949
%s
[convolutional]
filters=18
size=1
stride=8
pad=1
activation=linear
[yolo]
mask=0,1,2
anchors=8,8, 8,8, 8,8
classes=1
num=3
'''


def sees_white(folder, option):
    """Path of a network that finds a box of 8 x 8 in every white cell of 8 x 8."""
    path = os.path.join(str(folder), 'white.cfg')
    with open(path, 'w') as stream:
        stream.write(SEEN % option)
    network = read_network(path)
    kernels = np.zeros((3, 6, 3), np.float32)
    biases = np.zeros((3, 6), np.float32)
    kernels[0, 4:], biases[0, 4:], biases[1:, 4:] = 20, -50, -50   # three channels of 1 give 10, of grey -20
    numbers = {0: Numbers(biases.reshape(-1), None, None, None, kernels.reshape(18, 3, 1, 1))}
    write_weights(path[:-4] + '.weights', network, numbers)
    return path


@pytest.mark.parametrize('option, box', [
    pytest.param('', [32, 8, 48, 16], marks=situations.model('Darknet .cfg and .weights: pictures stretched')),
    pytest.param('letter_box=1', [32, 0, 48, 16], marks=situations.model(
        "Darknet .cfg with letter_box=1 in [net] (scaled YOLOv4 of AlexeyAB): letterboxed"))])
def test_pictures_are_fitted_as_the_net_section_says(tmp_path, monkeypatch, option, box):
    """A frame of twice the width: stretched, a cell of the network is 16 x 8 pixels of it, letterboxed 16 x 16."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    detector, _ = open_detector(Settings(model=sees_white(tmp_path, option), backend='onnxruntime', threads=1))
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[box[1]:box[3], box[0]:box[2]] = 255
    assert np.round(detector.find(frame).xyxy).tolist() == [box]
    assert (detector.card.stretched, detector.card.grey) == ((False, 127) if option else (True, 114))


@pytest.mark.parametrize('encoding', [
    pytest.param('utf-8-sig', marks=situations.model('Darknet .cfg and .names saved on Windows (BOM, CRLF)')),
    pytest.param('utf-16', marks=situations.model('Darknet .cfg and .names saved as UTF-16 by Notepad')),
    'cp1252'])
def test_texts_as_windows_writes_them(tmp_path, monkeypatch, encoding):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = sees_white(tmp_path, '# f\xfcr den Hof')
    (tmp_path / 'white.cfg').write_bytes((SEEN % '# f\xfcr den Hof').replace('\n', '\r\n').encode(encoding))
    (tmp_path / 'white.names').write_bytes('Fu\xdfg\xe4nger\r\n'.encode(encoding))
    (tmp_path / 'white.yaml').write_bytes('score: 0.25\r\n'.encode(encoding))
    detector, note = open_detector(Settings(model=path, backend='onnxruntime', threads=1))
    assert (detector.card.names, note['score']) == (('Fu\xdfg\xe4nger',), 0.25)


@situations.model('Darknet .cfg beside a .names of another name (obj.names)')
def test_the_only_names_in_the_folder_are_used_where_their_number_is_right(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = sees_white(tmp_path, '')
    for text, expected in (('helmet\n', ('helmet',)), ('cat\ndog\n', ('class0',))):
        (tmp_path / 'obj.names').write_text(text)
        detector, _ = open_detector(Settings(model=path, backend='onnxruntime', threads=1))
        assert detector.card.names == expected


@pytest.mark.parametrize('content', [
    pytest.param(b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n', marks=situations.model(
        'Darknet .weights that are a Git LFS pointer', situations.REFUSED, 'white.weights: is a Git LFS pointer')),
    pytest.param(b'<html><head><title>Google Drive - Virus scan warning</title></head></html>', marks=situations.model(
        'Darknet .weights that are a web page (Google Drive)', situations.REFUSED,
        'white.weights: is a web page, not the file itself')),
    pytest.param(None, marks=situations.model(
        'Darknet .cfg beside .weights of another name, as training leaves them', situations.REFUSED,
        'white.weights; if they are in white_best.weights, give it that name'))])
def test_what_lies_there_instead_of_weights_is_named(tmp_path, monkeypatch, situation, content):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = sees_white(tmp_path, '')
    os.unlink(path[:-4] + '.weights')
    (tmp_path / 'white_best.weights').write_bytes(b'')
    if content is not None:
        (tmp_path / 'white.weights').write_bytes(content)
    with pytest.raises((ConfigError, EngineError)) as caught:
        create('onnxruntime', path, Settings())
    assert situation.sentence in str(caught.value)


def test_auto_runs_a_cfg():
    name, why = choose(Settings(), 'some.cfg')
    assert name == 'onnxruntime' and '.cfg' in why
