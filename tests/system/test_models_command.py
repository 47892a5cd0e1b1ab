"""`edge-app models`: what it says of models, and one clear line for whatever cannot be."""
import json
import sys

import attrs
import cv2
import numpy as np
import pytest

from edge_app import cli
from edge_app.commands.models import evaluation
from edge_app.detectors.detector import Detector
from edge_app.detectors.families import LAYOUTS
from edge_app.detectors.model_card import card_file, read_card
from edge_app.detectors.model_file import embedded_model
from edge_app.detectors.yolo import YOLOV6
from edge_app.detectors.yolox import YOLOX
from edge_app.testing.bench import accuracy

from tests.support import situations, tiny_onnx
from tests.support.models_read import Answering, Read


@pytest.fixture
def models(capfd, tmp_path, monkeypatch):
    """Runs `edge-app models` in a folder of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'data'))

    def run(*arguments):
        code = cli.main(['--log-level', 'error', 'models'] + list(arguments))
        return (code,) + tuple(capfd.readouterr())
    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(tiny_onnx.detector('yolov8', (64, 64), metadata={'names': "['blue', 'green', 'red']"}))
    return str(path)


COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


@pytest.fixture
def annotated(tmp_path):
    """(folder, annotations): three pictures of 64 x 64 with one square of 8 each, of another class each."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    images, boxes = [], []
    for number, colour in enumerate(COLOURS):
        picture = np.full((64, 64, 3), 114, np.uint8)
        picture[16:24, 8 * number:8 * number + 8] = colour
        cv2.imwrite(str(folder / ('%d.png' % number)), picture)
        images.append({'id': number + 1, 'file_name': '%d.png' % number})
        boxes.append({'id': number + 1, 'image_id': number + 1, 'category_id': 10 + number, 'iscrowd': 0, 'area': 64,
                      'bbox': [8 * number, 16, 8, 8]})
    stated = {'images': images, 'annotations': boxes,
              'categories': [{'id': 10 + number, 'name': name} for number, name in enumerate(('blue', 'green', 'RED'))]}
    (tmp_path / 'boxes.json').write_text(json.dumps(stated))
    return str(folder), str(tmp_path / 'boxes.json')


def test_list_shows_what_is_here_and_what_can_be_had(models, model, tmp_path):
    folder = tmp_path / 'data' / 'edge-app' / 'models'
    folder.mkdir(parents=True)
    (folder / 'mine.onnx').write_bytes(tiny_onnx.detector('yolox'))
    (folder / 'mine.yaml').write_text('licence: our own\n')
    (folder / 'broken.onnx').write_bytes(b'no')
    code, out, _ = models('list', '--json', 'list.json')
    listed = json.loads((tmp_path / 'list.json').read_text())
    here = {row['name']: row for row in listed['here']}
    assert code == 0 and here['drawn_scenes']['licence'] == card_file(embedded_model())['license']
    assert (here['mine']['family'], here['mine']['size'], here['mine']['classes']) == ('yolox', '64x32', '3')
    assert here['mine']['licence'] == 'our own' and 'text, not a model' in here['broken']['family']
    assert 'yolox_nano' in out and {row['checksum'] for row in listed['to_get']} == {'pinned', 'unpinned'}


def test_inspect_says_what_a_model_is(models, model, tmp_path):
    code, out, _ = models('inspect', model, '--json', 'what.json')
    found = json.loads((tmp_path / 'what.json').read_text())
    assert code == 0 and 'yolov8' in out and 'blue, green, red' in out
    assert (found['family'], found['classes'], found['names']) == ('yolov8', 3, ['blue', 'green', 'red'])
    assert found['input']['size'] == [64, 64] and found['input']['batch'] == 'any' and found['card'] is None
    assert found['backends']['onnxruntime'] == 'yes' and found['backends']['openvino'] == 'yes'
    assert len(found['sha256']) == 64 and found['outputs'] == [{'name': 'output', 'shape': [7, 84]}]


@pytest.mark.parametrize('content, code, words', [
    (b'no', 1, 'not a model'), (b'', 1, 'not a model'), (tiny_onnx.classifier(), 2, 'fits no known detector layout'),
    (tiny_onnx.classifier(task='classify'), 2, "the task 'classify'")])
def test_what_is_no_detector_is_one_clear_line(models, tmp_path, content, code, words):
    (tmp_path / 'other.onnx').write_bytes(content)
    got, out, err = models('inspect', 'other.onnx')
    assert got == code and words in err and 'Traceback' not in err and out == ''


def test_a_list_of_names_of_the_wrong_length_is_named(models, model, tmp_path):
    (tmp_path / 'tiny.yaml').write_text('names: [one, two]\n')
    code, _, err = models('inspect', model)
    assert code == 2 and '2 classes' in err and 'room for 3' in err


def test_eval_counts_as_coco_does(models, model, annotated, tmp_path):
    folder, boxes = annotated
    code, out, _ = models('eval', model, '--images', folder, '--annotations', boxes, '--json', 'a.json')
    found = json.loads((tmp_path / 'a.json').read_text())
    assert code == 0 and 'mAP 1.0000' in out
    assert (found['map'], found['map50'], found['precision'], found['images'], found['boxes']) == (1.0, 1.0, 'fp32', 3,
                                                                                                   3)
    rules = found['settings']
    assert (rules['score'], rules['iou'], rules['every_class'], rules['most_boxes']) == (0.001, 0.7, True, 300)
    assert rules['letterbox'] == 'centre' and rules['family'] == 'yolov8'


def test_eval_of_a_model_that_is_wrong_is_low(models, annotated, tmp_path):
    folder, boxes = annotated
    (tmp_path / 'wrong.onnx').write_bytes(tiny_onnx.detector('yolov8', (64, 64), metadata={
        'names': "['green', 'red', 'blue']"}))
    assert models('eval', 'wrong.onnx', '--images', folder, '--annotations', boxes, '--json', 'a.json')[0] == 0
    assert json.loads((tmp_path / 'a.json').read_text())['map'] < 0.4


def test_eval_says_what_it_computes(models, annotated, tmp_path):
    """A pose model has one class a place; COCO counts 100 boxes of a class; what cannot be found counts as missed."""
    folder, boxes = annotated
    (tmp_path / 'pose.onnx').write_bytes(tiny_onnx.detector('yolov8', (64, 64), points=2, metadata={
        'names': "['blue', 'green', 'none of these']", 'task': 'pose', 'kpt_shape': '[2, 3]'}))
    code, out, _ = models('eval', 'pose.onnx', '--images', folder, '--annotations', boxes, '--json', 'a.json')
    found = json.loads((tmp_path / 'a.json').read_text())
    assert code == 0 and found['map'] == pytest.approx(2 / 3, abs=1e-3) and found['missing'] == ['red']
    assert not found['settings']['every_class'] and 'the best class of a place' in out
    assert 'the best 300 boxes (100 of a class)' in out
    assert 'no classes of the model, so all of theirs count as missed: red' in out


@situations.model('NMS inside, and boxes of classes beyond the names: left out of the accuracy, and said')
def test_boxes_of_classes_beyond_the_names_are_left_out_and_said(annotated):
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, :2] = (0, 16, 8, 24, .9, 0), (30, 30, 60, 60, .8, 84)
    engine = Answering([rows], Read((('output0', (300, 6)),), metadata={'names': "['blue', 'green', 'red']"}))
    detector = Detector(engine, read_card(engine, {}))
    rules = accuracy.rules_for(detector.card, iou=0.3)
    found = accuracy.measure(detector, accuracy.Annotations(*annotated), rules)
    assert (found['unnamed'], found['classes'], found['settings']['iou']) == (3, 3, None)
    assert found['detections'] == 3 and found['map'] == pytest.approx(1 / 3, abs=1e-3)   # in one of three pictures
    said = evaluation.sentence(dict(found, precision='fp32', backend='none'))
    assert 'NMS inside the model' in said and 'left out: 3 boxes of classes beyond the 3 names of the model' in said


@pytest.mark.parametrize('change, words', [
    (lambda stated: stated.pop('categories'), 'not annotations in COCO format'),
    (lambda stated: stated['annotations'].clear(), 'holds no pictures or no boxes'),
    (lambda stated: stated['images'][0].update(file_name='gone.png'), '1 of its 3 pictures are not in'),
    (lambda stated: [one.update(name='other') for one in stated['categories']], "none of the model's classes"),
])
def test_annotations_that_do_not_fit_are_named(models, model, annotated, tmp_path, change, words):
    folder, boxes = annotated
    stated = json.loads((tmp_path / 'boxes.json').read_text())
    change(stated)
    (tmp_path / 'boxes.json').write_text(json.dumps(stated))
    code, _, err = models('eval', model, '--images', folder, '--annotations', boxes)
    assert code == 2 and words in err and 'Traceback' not in err


def test_without_pycocotools_what_to_install_is_said(models, model, annotated, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycocotools.coco', None)
    code, _, err = models('eval', model, '--images', annotated[0], '--annotations', annotated[1])
    assert code == 3 and "pip install 'edge_app[eval]'" in err


def test_thresholds_follow_the_family_and_the_options(annotated):
    def rules(layout, **options):
        return accuracy.rules_for(attrs.make_class('Card', ['layout'])(layout), **options)

    assert rules(YOLOX) == (0.01, 0.65, False)
    assert rules(YOLOX, score=0.2, iou=0.5) == (0.2, 0.5, False)
    assert rules(YOLOV6) == accuracy.USUAL


def test_what_a_family_cannot_do_is_not_said():
    """No NMS of ours where it is inside the model, one class a place where the layout knows no more."""
    for layout in LAYOUTS:
        rules = accuracy.rules_for(attrs.make_class('Card', ['layout'])(layout), iou=0.5)
        assert rules.iou == (None if layout.has_nms else 0.5)
        assert not rules.every_class or layout.multi_label_decode


def test_quantize_refuses_what_it_cannot(models, model, annotated, monkeypatch):
    folder, _ = annotated
    code, _, err = models('quantize', model, '--images', folder, '--output', model)
    assert code == 2 and 'another file' in err
    code, _, err = models('quantize', model, '--images', '.')
    assert code == 2 and 'no pictures' in err
    monkeypatch.setitem(sys.modules, 'onnx', None)
    code, _, err = models('quantize', model, '--images', folder)
    assert code == 3 and "pip install 'edge_app[quantize]'" in err


def test_convert_wants_a_darknet_model(models, model):
    code, _, err = models('convert', model)
    assert code == 2 and 'MODEL.cfg' in err
