"""Which family: what shapes show, what only a card or metadata can tell, and what is said when neither does."""
import logging
import os

import numpy as np
import pytest

import edge_app
from edge_app.detectors.detector import Detector
from edge_app.detectors.families import LAYOUTS
from edge_app.detectors.model_card import card_file, read_card
from edge_app.errors import ConfigError

from tests.support.models_read import Answering, Read


def chosen(shapes, size=(640, 640), metadata=None, **stated):
    outputs = tuple(('output%d' % number, shape) for number, shape in enumerate(shapes))
    return read_card(Read(outputs, size, metadata or {}), stated)


@pytest.mark.parametrize('shapes, stated, family', [
    ([(8400, 85)], {}, 'yolox'),
    ([(8400, 85)], {'family': 'yolox', 'decoded': True}, 'yolox-decoded'),
    ([(8400, 85)], {'decoded': True}, 'yolox-decoded'),
    ([(8400, 85)], {'decoded': False}, 'yolox'),
    ([(8400, 85)], {'family': 'yolox-decoded'}, 'yolox-decoded'),
    ([(8400, 85)], {'family': 'YOLOv6'}, 'yolov6'),
    ([(25200, 85)], {'family': 'yolov7'}, 'yolov5'),
    ([(84, 8400)], {'family': 'yolov9'}, 'yolov8'),
    ([(300, 6)], {'family': 'yolov10'}, 'end2end'),
    ([(300, 6)], {'family': 'yolo26'}, 'end2end'),
    ([(0, 6)], {}, 'end2end'),
    ([(100, 7)], {}, 'efficientdet-tf'),
    ([(8500, 112)], {}, 'nanodet-plus'),
    ([(49104, 4), (49104, 90)], {}, None), ([(76725, 4), (76725, 90)], {}, 'efficientdet'),
    ([(116, 8400), (32, 160, 160)], {}, 'yolov8-seg'), ([(25200, 117), (32, 160, 160)], {}, 'yolov5-seg')])
def test_families_at_640(shapes, stated, family):
    if family is None:  # the anchors of 512 at 640
        with pytest.raises(ConfigError, match='fits no known detector layout'):
            chosen(shapes, **stated)
    else:
        assert chosen(shapes, **stated).layout.name == family


def test_metadata_may_name_a_family_too():
    assert chosen([(8400, 85)], metadata={'family': 'yolov6'}).layout.name == 'yolov6'


def test_shapes_of_two_families_are_said_aloud():
    # at 160 x 160 there are 525 cells: 525 rows of 6 numbers are YOLOX of one class, or 525 final boxes
    card = chosen([(525, 6)], (160, 160))
    assert card.layout.name == 'yolox'
    assert any('may be yolox or end2end and is taken for the first; `family`' in sentence for sentence in card.said)
    card = chosen([(525, 6)], (160, 160), family='yolov10', names=['a'])
    assert (card.layout.name, card.said) == ('end2end', ())


def test_yolox_decoded_rows_are_already_pixels():
    rows = np.random.RandomState(0).uniform(0, 1, (2, 84, 8)).astype(np.float32)
    rows[..., :4] *= 60
    card = chosen([(84, 8)], (64, 64), decoded=True)
    expected = []
    for x, y, w, h, sure, *scores in rows[1].tolist():
        if sure * max(scores) > 0.5:
            expected.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, sure * max(scores), scores.index(max(scores))])
    got = card.layout.decode([rows], 1, (64, 64), 0.5)
    assert len(expected) > 3
    np.testing.assert_allclose(np.column_stack([got.xyxy, got.score, got.class_id]), expected, rtol=1e-5, atol=1e-4)
    assert (card.colour, card.scale, card.centred) == ('bgr', 1.0, False)
    assert chosen([(84, 8)], (64, 64), family='yolov6').preparation == {'colour': 'rgb', 'mean': (0, 0, 0),
                                                                        'scale': 1 / 255}


@pytest.mark.parametrize('size_px', [20, 300])
def test_decoded_boxes_read_as_raw_are_told_once(caplog, size_px):
    rows = np.full((1, 84, 8), 0.9, np.float32)
    rows[..., :4] = size_px
    model = Answering([rows], Read((('output', (84, 8)),), (64, 64)))
    detector = Detector(model, read_card(model, {'names': ['a', 'b', 'c']}))
    with caplog.at_level(logging.WARNING), np.errstate(all='raise'):
        for _ in range(3):
            assert len(detector.find(np.zeros((64, 64, 3), np.uint8))) == 0
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1 and '84 boxes out of all bounds' in told[0] and 'decoded: true' in told[0]


@pytest.mark.parametrize('shapes, metadata, told', [
    ([(1000,)], {}, 'a classifier?'),
    ([(1000,)], {'task': 'classify'}, "made for the task 'classify'; edge-app runs models for detect, pose, segment"),
    ([(20, 8400)], {'task': 'obb'}, "made for the task 'obb'"),
    ([(21, 640, 640)], {}, 'a segmentation or depth model?'),
    ([(3, 80, 80, 85), (3, 40, 40, 85), (3, 20, 20, 85)], {}, 'export it with its decoding'),
    ([(123, 45)], {}, r"output 'output0' \[n, 123, 45\] at a picture of 640x640")])
def test_what_fits_nothing_is_told_what_it_seems_to_be(shapes, metadata, told):
    with pytest.raises(ConfigError, match=told) as caught:
        chosen(shapes, metadata=metadata)
    if 'task' not in metadata:
        assert all('\n  %s: ' % layout.name in str(caught.value) for layout in LAYOUTS)
        assert '`family` in a card beside the model' in str(caught.value)


def test_wrong_names_are_told_with_the_way_out():
    with pytest.raises(ConfigError,
                       match=r'its card names 3 classes, but .* has room for 80 as yolov8; correct `names`'):
        chosen([(84, 8400)], names=['a', 'b', 'c'])
    with pytest.raises(ConfigError,
                       match=r'metadata names 1 classes.*kpt_shape: \[points, 3\]. if the 51 numbers left'):
        chosen([(56, 8400)], metadata={'names': "{0: 'person'}"})
    with pytest.raises(ConfigError, match='says family nanodet, but .* looks like yolov8; correct or remove `family`'):
        chosen([(84, 8400)], family='nanodet')


@pytest.mark.parametrize('text, told', [
    ('decoded: maybe', 'decoded: must be true or false'), ('boxes: xxyy', 'boxes: must be cxcywh or'),
    ('normalised: 3', 'normalised: must be'), ('kpt_shape: 17', 'kpt_shape: must be'),
    ('anchor_scale: -1', 'anchor_scale: must be'), ('reg_max: 0', 'reg_max: must be'),
    ('names: coco', 'names: must be a list of texts, a file .*, coco80 or coco90')])
def test_fields_of_cards_are_checked(tmp_path, text, told):
    (tmp_path / 'some.yaml').write_text(text)
    with pytest.raises(ConfigError, match=told):
        card_file(str(tmp_path / 'some.onnx'))


def test_every_layout_has_a_name_of_its_own_and_a_line_in_the_guide():
    names = [name for layout in LAYOUTS for name in (layout.name,) + layout.also]
    assert len(set(names)) == len(names)
    with open(os.path.join(os.path.dirname(edge_app.__file__), 'docs', 'models.md')) as guide:
        text = guide.read()
    assert [name for name in names if '`%s`' % name not in text] == []
