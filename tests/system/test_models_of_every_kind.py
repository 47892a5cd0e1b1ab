"""Every command takes every kind of model, named from where one stands; what cannot be is said in one sentence."""
import json
import os

import cv2
import numpy as np
import pytest

from edge_app import cli
from edge_app.app import session
from edge_app.app.doctor import engines
from edge_app.config import load

from tests.contract.test_darknet import sees_white
from tests.support import openvino_ir, situations, tiny_onnx
from tests.support.v2_server import V2Server

NAMES = ('blue', 'green', 'red')
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
CONTENT = tiny_onnx.detector('yolov8', (64, 64), metadata={'names': repr(NAMES), 'task': 'detect'})
NOTES = 'stride: 32\ntask: detect\nimgsz: [64, 64]\nnames: {0: blue, 1: green, 2: red}\n'

KINDS = {
    # how a model is named on the command line, in its folder
    'ONNX by a relative path': 'tiny.onnx',
    'ONNX by a path with ./': './tiny.onnx',
    'ONNX with its weights beside it': 'large/tiny.onnx',
    'OpenVINO IR': 'best_openvino_model/best.xml',
    'folder of an OpenVINO export': 'best_openvino_model',
    'Darknet .cfg': 'white.cfg',
    'served model': None,
}
every_kind = pytest.mark.parametrize('kind', sorted(KINDS))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The models, and pictures with a square of each colour, annotated."""
    folder = tmp_path_factory.mktemp('models')
    (folder / 'tiny.onnx').write_bytes(CONTENT)
    with_weights_beside(folder / 'large')
    openvino_ir.export(folder / 'best_openvino_model', 'best', CONTENT, {}, NOTES)
    sees_white(folder, '')
    (folder / 'white.names').write_text('blue\n')
    (folder / 'served.yaml').write_text('names: [blue, green, red]\n')
    images, boxes = [], []
    (folder / 'pictures').mkdir()
    for number, colour in enumerate(COLOURS):
        picture = np.full((64, 64, 3), 114, np.uint8)
        picture[16:24, 8 * number:8 * number + 8] = colour
        cv2.imwrite(str(folder / 'pictures' / ('%d.png' % number)), picture)
        images.append({'id': number + 1, 'file_name': '.\\%d.png' % number})  # as annotated on Windows
        boxes.append({'id': number + 1, 'image_id': number + 1, 'category_id': number + 1, 'iscrowd': 0, 'area': 64,
                      'bbox': [8 * number, 16, 8, 8]})
    stated = {'images': images, 'annotations': boxes,
              'categories': [{'id': number + 1, 'name': name} for number, name in enumerate(NAMES)]}
    (folder / 'boxes.json').write_bytes(b'\xef\xbb\xbf' + json.dumps(stated).encode())  # as Windows writes it
    return folder


def with_weights_beside(folder):
    import onnx
    folder.mkdir()
    model = onnx.load_model_from_string(CONTENT)
    onnx.save_model(model, str(folder / 'tiny.onnx'), save_as_external_data=True, location='tiny.onnx.data')
    assert os.path.getsize(str(folder / 'tiny.onnx.data'))


@pytest.fixture(scope='module')
def address(folder):
    with V2Server(str(folder / 'tiny.onnx')) as server:
        yield server.address


@pytest.fixture
def command(folder, address, capfd, tmp_path, monkeypatch):
    """Runs edge-app in the models' folder: (exit code, stdout, stderr); `KIND` stands for the model of a kind."""
    monkeypatch.chdir(str(folder))
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'data'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def run(kind, *arguments):
        words = [(KINDS[kind] or address) if word == 'KIND' else word for word in arguments]
        code = cli.main(['--log-level', 'error'] + words)
        out, err = capfd.readouterr()
        assert 'Traceback' not in err
        return code, out, err
    return run


def card(kind):
    return ['--card', 'served.yaml'] if kind == 'served model' else []


@pytest.mark.parametrize('kind', [pytest.param(kind, marks=situations.model(what)) for kind, what in (
    ('ONNX by a relative path', 'ONNX by a path relative to where one stands, with every command'),
    ('ONNX by a path with ./', 'ONNX by a path relative to where one stands, with every command'),
    ('ONNX with its weights beside it', 'ONNX with its weights in a file beside it'),
    ('OpenVINO IR', 'OpenVINO IR by its .xml, with every command'),
    ('folder of an OpenVINO export', 'OpenVINO IR by the folder of the export, with every command'),
    ('Darknet .cfg', 'Darknet .cfg and .weights, with every command'),
    ('served model', 'served model by its address, with every command'))])
def test_inspect_and_eval(command, kind, tmp_path):
    code, out, _ = command(kind, 'models', 'inspect', 'KIND', *card(kind))
    assert code == 0 and 'blue' in out and 'class0' not in out
    code, out, _ = command(kind, 'models', 'eval', 'KIND', '--images', 'pictures', '--annotations', 'boxes.json',
                           '--json', str(tmp_path / 'a.json'), *card(kind))
    found = json.loads((tmp_path / 'a.json').read_text())
    assert code == 0 and found['map'] == (0.0 if kind == 'Darknet .cfg' else 1.0)   # that one sees white only
    assert os.path.isabs(found['model']) or found['model'].startswith('http:')
    assert (found['sha256'] is None) == (kind == 'served model')


QUANTISED = 'what is quantised is an ONNX file or a Darknet .cfg; for another format, quantise the model it was made of'
BUILT = 'a plan is built of an ONNX file or a Darknet .cfg'
CONVERTED = "what is converted is Darknet's MODEL.cfg with MODEL.weights beside it"


@every_kind
def test_quantize_convert_and_build(command, kind, tmp_path):
    source = kind.startswith('ONNX') or kind == 'Darknet .cfg'
    target = str(tmp_path / 'made.onnx')
    code, _, err = command(kind, 'models', 'quantize', 'KIND', '--images', 'pictures', '--output', target)
    assert (code, os.path.isfile(target)) == (0, True) if source else code == 2 and QUANTISED in err
    code, _, err = command(kind, 'models', 'convert', 'KIND', '--output', str(tmp_path / 'own.onnx'))
    assert code == 0 if kind == 'Darknet .cfg' else code == 2 and CONVERTED in err
    code, _, err = command(kind, 'models', 'build', 'KIND')
    assert code == 3 and 'apt install python3-libnvinfer' in err if source else code == 2 and BUILT in err


@pytest.mark.parametrize('kind, backend', [('folder of an OpenVINO export', 'openvino'), ('served model', 'kserve')])
def test_bench(command, kind, backend):
    code, out, _ = command(kind, 'models', 'bench', '--model', 'KIND', '--batch', '1', '--seconds', '0.05',
                           '--backends', backend)
    assert code == 0 and len(out.splitlines()) == 2


@pytest.mark.parametrize('kind', ['ONNX by a relative path', 'folder of an OpenVINO export', 'Darknet .cfg',
                                  'served model'])
def test_check_doctor_and_run(command, kind, folder, address, tmp_path, monkeypatch):
    """Paths of a configuration are relative to it."""
    name = KINDS[kind] or address
    engine = 'engine: {model: "%s", %s}' % (name, 'card: served.yaml, classes: [red]' if kind == 'served model' else '')
    (folder / 'site.yaml').write_text('cameras: [{name: a, uri: "test://"}]\n%s\n' % engine)
    monkeypatch.chdir(str(tmp_path))
    assert command(kind, 'check', str(folder / 'site.yaml'))[0] == 0
    assert [finding.level for finding in engines(load(str(folder / 'site.yaml')))] == ['good', 'good']
    monkeypatch.chdir(str(folder))
    started = []
    monkeypatch.setattr(session, 'run', lambda config, *rest, **more: started.append(config.engine.model) or 0)
    assert command(kind, 'run', 'test://', '--model', 'KIND')[0] == 0
    expected = (str(folder / 'best_openvino_model' / 'best.xml') if kind == 'folder of an OpenVINO export' else
                address if kind == 'served model' else os.path.abspath(name))
    assert started == [expected]


def test_list_knows_all_kinds(command, tmp_path):
    place = tmp_path / 'data' / 'edge-app' / 'models'
    place.mkdir(parents=True)
    for name in ('tiny.onnx', 'white.cfg', 'white.weights', 'white.names', 'best_openvino_model'):
        os.symlink(os.path.abspath(name), str(place / name))
    header = json.dumps({'names': {'0': 'helmet'}, 'imgsz': [32, 64]}).encode()
    (place / 'best.engine').write_bytes(len(header).to_bytes(4, 'little') + header + b'ptrt' + bytes(100))
    (place / 'pointer.onnx').write_bytes(b'version https://git-lfs.github.com/spec/v1\n')
    code, _, _ = command('OpenVINO IR', 'models', 'list', '--json', str(tmp_path / 'list.json'))
    here = {os.path.basename(row['path']): row for row in json.loads((tmp_path / 'list.json').read_text())['here']}
    found = {name: (here[name]['family'], here[name]['size'], here[name]['classes'])
             for name in ('tiny.onnx', 'white.cfg', 'best.xml', 'best.engine')}
    assert code == 0 and found == {'tiny.onnx': ('yolov8', '64x64', '3'), 'white.cfg': ('darknet', '64x64', '1'),
                                   'best.xml': ('?', '64x64', '3'), 'best.engine': ('?', '64x32', '1')}
    assert 'is a Git LFS pointer' in here['pointer.onnx']['family']


@pytest.mark.parametrize('names, words', [
    pytest.param(('saved_model.pb', 'variables'), 'saved_model.pb, variables', marks=situations.model(
        'folder of a TensorFlow SavedModel', situations.REFUSED, 'is a folder with no model in it but')),
    pytest.param(('a.onnx', 'b.xml'), 'a.onnx, b.xml', marks=situations.model(
        'folder with several models', situations.REFUSED, 'is a folder with the models'))])
def test_a_folder_without_its_one_model_is_told_what_is_in_it(command, tmp_path, situation, names, words):
    for name in names:
        (tmp_path / name).write_bytes(b'')
    code, _, err = command('OpenVINO IR', 'models', 'inspect', str(tmp_path))
    assert code == 2 and situation.sentence in err and words in err and 'name one model file' in err


@pytest.mark.parametrize('words', [('quantize', 'tiny.onnx', '--images', 'pictures'), ('convert', 'white.cfg')])
def test_an_output_that_cannot_be_written_is_said_before_the_work(command, words):
    code, _, err = command('OpenVINO IR', 'models', *words, '--output', 'no/such/folder.onnx')
    assert code == 2 and 'no/such is no folder that can be written; name a file in another one' in err


def test_a_report_that_cannot_be_written_is_said_before_the_work(command):
    code, out, err = command('OpenVINO IR', 'models', 'inspect', 'KIND', '--json', 'no/such/folder.json')
    assert code == 2 and 'no folder' in err and out == ''
