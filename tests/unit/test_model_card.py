"""A model's card: what the file beside it, its metadata and its shapes say, in this order."""
import os
import time

import attrs
import pytest

from edge_app.detectors.families import LAYOUTS
from edge_app.detectors.model_card import IOU, SCORE, card_file, read_card
from edge_app.detectors.model_file import EMBEDDED_WARNING, embedded_model, find_model, user_folder
from edge_app.detectors.names import COCO80
from edge_app.engine.metadata import of_yaml
from edge_app.errors import ConfigError, EngineError

YOLOX80 = (('output', (3549, 85)),)


@attrs.define
class Read:
    """An engine that has read a model, as far as a card looks at it."""

    outputs = attrs.field(default=YOLOX80)
    input_size = attrs.field(default=(416, 416))
    metadata = attrs.field(factory=dict)
    path = attrs.field(default='some.onnx')


def stated(tmp_path, text):
    (tmp_path / 'some.yaml').write_text(text)
    return card_file(str(tmp_path / 'some.onnx'))


def problems(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        stated(tmp_path, text)
    return '\n'.join(caught.value.problems)


@pytest.mark.parametrize('text', [
    'a: &a [x,x,x,x,x,x,x,x,x]\n' + ''.join(
        '%s: &%s [%s]\n' % (name, name, ','.join(['*' + before] * 9)) for before, name in zip('abcdefgh', 'bcdefghi'))
    + 'names: *i\n',
    'names: [%s]\n' % ','.join(['a'] * 500000),
    'description: &a %s\nmean: [%s]\n' % ('x' * 500000, ','.join(['*a'] * 10000)),
], ids=['aliases of aliases', 'half a million names', 'a long text again and again'])
def test_a_card_that_is_a_bomb_is_refused_before_it_is_built(tmp_path, text):
    begun = time.process_time()
    found = problems(tmp_path, text)
    assert 'more than 20000 values' in found and len(found) < 300
    (tmp_path / 'metadata.yaml').write_text(text)       # what an export puts beside its model is no more trusted
    with pytest.raises(EngineError, match='more than 20000 values'):
        of_yaml(str(tmp_path / 'metadata.yaml'))
    assert time.process_time() - begun < 5


def test_numbered_names_and_tags(tmp_path):
    assert stated(tmp_path, 'names: {0: cat, 1: dog}\nscale: 0.00392\n') == {
        'names': {0: 'cat', 1: 'dog'}, 'scale': 0.00392}
    assert 'tags are not understood' in problems(tmp_path, 'names: !!python/object/apply:os.system ["true"]')
    os.unlink(str(tmp_path / 'some.yaml'))
    os.mkfifo(str(tmp_path / 'some.yaml'))
    assert card_file(str(tmp_path / 'some.onnx')) == {}


def test_shapes_alone_are_enough():
    card = read_card(Read(), {})
    assert (card.layout.name, card.names, card.size) == ('yolox', COCO80, (416, 416))
    assert (card.score, card.iou, card.colour, card.centred) == (SCORE, IOU, 'bgr', False)
    assert len(card.said) == 1 and '80 of COCO' in card.said[0]


def test_three_anchors_per_cell_are_yolov5():
    assert read_card(Read((('output', (3549 * 3, 85)),)), {}).layout.name == 'yolov5'


def test_other_numbers_of_classes_get_numbers_and_it_is_said():
    card = read_card(Read((('output0', (6, 3549)),)), {})
    assert (card.layout.name, card.names) == ('yolov8', ('class0', 'class1'))
    assert 'class0 to class1' in card.said[0]


@pytest.mark.parametrize('text', ["{0: 'cat', 1: \"dog's\"}", "['cat', \"dog's\"]", "{1: \"dog's\", 0: 'cat'}"])
def test_names_as_ultralytics_writes_them(text):
    card = read_card(Read((('output0', (6, 3549)),), metadata={'names': text}), {})
    assert card.names == ('cat', "dog's") and card.said == ()


@pytest.mark.parametrize('text', ["__import__('os').system('true')", '[' * 5000, "{0: 'a'", '{0: [1], 1: [2]}',
                                  "['" + 'a' * 200000 + "', 'b']", '', '7', 'None', 'data/own.yaml', '[true, false]'])
def test_names_that_are_none_are_not_believed(text):
    card = read_card(Read((('output0', (6, 3549)),), metadata={'names': text}), {})
    assert card.names == ('class0', 'class1')
    stated = text not in ('', '7', 'None')
    assert ('in a notation that is not understood (' + text[:60] in card.said[0]) == stated


def test_names_that_are_not_understood_are_not_cocos():
    card = read_card(Read(metadata={'names': 'data/own.yaml'}), {})
    assert card.names[0] == 'class0' and 'not understood (data/own.yaml)' in card.said[0]


@pytest.mark.parametrize('text', ["{'0': 'a', '1': 'b'}", '{"0": "a", "1": "b"}', '["a", "b"]', 'a, b', 'a;b', 'a\nb',
                                  "{'a': 0, 'b': 1}", "('a', 'b')", '{0: a, 1: b}', '[a, b]', '0: a\n1: b',
                                  '- a\n- b\n'])
@pytest.mark.parametrize('key', ['names', 'class_names', 'labels'])
def test_names_in_other_notations_and_places(text, key):
    card = read_card(Read((('output0', (6, 3549)),), metadata={key: text}), {})
    assert card.names == ('a', 'b') and card.said == ()


def test_numbers_may_be_names():
    assert read_card(Read((('o', (6, 3549)),), metadata={'names': '{0: 0, 1: 1}'}), {}).names == ('0', '1')


def test_gaps_in_names_are_said_or_refused():
    card = read_card(Read((('o', (7, 3549)),), metadata={'names': "{0: 'a', 2: 'c'}"}), {})
    assert card.names == ('a', 'class1', 'c') and 'skips numbers of classes' in card.said[0]
    with pytest.raises(ConfigError, match='go up to class 2 and leave out 0, but .* has room for 2 as yolov8'):
        read_card(Read((('o', (6, 3549)),), metadata={'names': "{1: 'a', 2: 'b'}"}), {})


@pytest.mark.parametrize('code', ['utf-8', 'utf-8-sig', 'utf-16', 'cp1252'])
def test_cards_and_names_as_windows_writes_them(tmp_path, code):
    (tmp_path / 'labels.txt').write_bytes('Fußgänger\r\ncar\r\n\r\n'.encode(code))
    (tmp_path / 'some.yaml').write_bytes('family: yolov8\r\nnames: labels.txt\r\n'.encode(code))
    assert card_file(str(tmp_path / 'some.onnx')) == {'family': 'yolov8', 'names': ['Fußgänger', 'car']}


@pytest.mark.parametrize('content, told', [(None, 'No such file'), (b'', 'a class name in every line'),
                                           (b'a\n\nb\n', 'every line')])
def test_a_file_of_names_that_cannot_be_read(tmp_path, content, told):
    if content is not None:
        (tmp_path / 'labels.txt').write_bytes(content)
    assert told in problems(tmp_path, 'names: labels.txt\n')


def test_names_that_do_not_fit_the_output_are_an_error():
    # a pose model without its task: 1 class and 51 numbers per person look like 52 classes
    with pytest.raises(ConfigError, match='names 1 classes.*room for 52'):
        read_card(Read((('output0', (56, 3549)),), metadata={'names': "{0: 'person'}"}), {})


def test_another_task_is_an_error():
    with pytest.raises(ConfigError, match="task 'pose'"):
        read_card(Read(metadata={'task': 'pose'}), {})


def test_a_classifier_is_told_what_was_found_and_what_is_known():
    with pytest.raises(ConfigError) as caught:
        read_card(Read((('prob', (1000,)),), (224, 224)), {})
    assert "output 'prob' [n, 1000] at a picture of 224x224" in str(caught.value)
    assert all(layout.name in str(caught.value) for layout in LAYOUTS)


def test_the_card_goes_before_metadata_and_defaults(tmp_path):
    text = ('family: yolox\nnames: [a, b]\ncolour: rgb\nscale: 0.5\nmean: [1, 2, 3]\n'
            'letterbox: centre\nscore: 0.2\niou: 0.6\ngrey: 0\n')
    card = read_card(Read((('o', (3549, 7)),), metadata={'names': "['x', 'y']"}), stated(tmp_path, text))
    assert card.names == ('a', 'b')
    assert card.preparation == {'colour': 'rgb', 'mean': [1, 2, 3], 'scale': 0.5}
    assert (card.centred, card.score, card.iou, card.grey) == (True, 0.2, 0.6, 0)


def test_no_card_is_an_empty_one(tmp_path):
    assert card_file(str(tmp_path / 'some.onnx')) == {} == stated(tmp_path, '')


def test_a_sister_family_is_the_same_layout(tmp_path):
    card = read_card(Read((('o', (84, 3549)),)), stated(tmp_path, 'family: YOLO11\nnames: coco80\n'))
    assert (card.layout.name, card.names, card.said) == ('yolov8', COCO80, ())


def test_a_family_the_shapes_deny_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"says family yolov8, but output 'output' \[n, 3549, 85\] looks like yolox"):
        read_card(Read(), stated(tmp_path, 'family: yolov8'))


def test_darknets_layout_must_be_named(tmp_path):
    rows = (('output', (1501, 85)),)
    with pytest.raises(ConfigError, match='fits no known detector layout'):
        read_card(Read(rows, (320, 320)), {})
    for metadata, text in (({'family': 'darknet'}, ''), ({}, 'family: darknet')):
        card = read_card(Read(rows, (320, 320), metadata), stated(tmp_path, text))
        assert (card.layout.name, card.stretched, card.colour, len(card.names)) == ('darknet', True, 'rgb', 80)


def test_the_card_may_say_that_pictures_are_stretched(tmp_path):
    assert read_card(Read(), stated(tmp_path, 'letterbox: stretch')).stretched
    assert not read_card(Read(), stated(tmp_path, 'letterbox: centre')).stretched
    assert "letterbox: must be centre, top-left or stretch, not [1]" in problems(tmp_path, 'letterbox: [1]')


def test_every_mistake_of_a_card_is_told_at_once(tmp_path):
    text = problems(tmp_path, 'scor: 0.5\niou: 7\nsize: 416\nletterbox: left\nnames: 5\n')
    assert "unknown field 'scor', did you mean 'score'?" in text
    for field in ('iou', 'size', 'letterbox', 'names'):
        assert '%s: must be' % field in text
    assert str(tmp_path / 'some.yaml') in text


@pytest.mark.parametrize('text', ['- a\n- b\n', 'a: [', '!!python/object:os.system {}'])
def test_a_card_that_is_no_card(tmp_path, text):
    assert 'some.yaml' in problems(tmp_path, text)


def test_the_configured_model_goes_first(tmp_path):
    (tmp_path / 'mine.onnx').write_bytes(b'')
    assert find_model(str(tmp_path / 'mine.onnx')) == (str(tmp_path / 'mine.onnx'), 'set by engine.model', '')
    with pytest.raises(ConfigError, match='no file .*other.onnx'):
        find_model(str(tmp_path / 'other.onnx'))


def test_the_users_newest_model_goes_before_the_one_that_comes_along(tmp_path):
    environ = {'XDG_DATA_HOME': str(tmp_path)}
    folder = tmp_path / 'edge-app' / 'models'
    assert user_folder(environ) == str(folder)
    folder.mkdir(parents=True)
    for age, name in ((300, 'a.onnx'), (100, 'b.onnx'), (200, 'c.onnx')):
        (folder / name).write_bytes(b'')
        os.utime(str(folder / name), (1e9 - age, 1e9 - age))
    path, why, warning = find_model(None, environ)
    assert (path, warning) == (str(folder / 'b.onnx'), '') and 'newest' in why


def test_the_model_that_comes_along_is_used_with_a_warning(tmp_path, monkeypatch):
    inside = tmp_path / 'edge_app' / 'models'
    inside.mkdir(parents=True)
    (inside / 'drawn_scenes.onnx').write_bytes(b'')
    monkeypatch.setattr('edge_app.detectors.model_file.PACKAGE', str(tmp_path / 'edge_app'))
    assert embedded_model() == str(inside / 'drawn_scenes.onnx')
    assert find_model(None, {'XDG_DATA_HOME': str(tmp_path)})[::2] == (embedded_model(), EMBEDDED_WARNING)
    assert find_model(embedded_model())[2] == EMBEDDED_WARNING, 'named by hand it sees no more'


def test_in_a_checkout_it_lies_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr('edge_app.detectors.model_file.PACKAGE', str(tmp_path / 'edge_app'))
    assert embedded_model() is None
    with pytest.raises(ConfigError, match='engine.model: not set'):
        find_model(None, {'XDG_DATA_HOME': str(tmp_path)})
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models' / 'drawn_scenes.onnx').write_bytes(b'')
    assert embedded_model() == str(tmp_path / 'models' / 'drawn_scenes.onnx')


def test_a_size_in_the_metadata_that_the_model_denies_is_said():
    names = ['class %d' % number for number in range(80)]
    assert read_card(Read(metadata={'imgsz': '[416, 416]'}), {'names': names}).said == ()
    card = read_card(Read(metadata={'imgsz': '[640, 640]'}), {'names': names})
    assert 'pictures of [640, 640] (height, width), but it takes 416x416' in card.said[0]
