"""YOLOv5 and YOLOv8 layouts: which column is what, and which shape is whose."""
import numpy as np
import pytest

from edge_app.detectors.yolo import DARKNET, YOLOV5, YOLOV8, classes_v5, classes_v8


def columns(anchors, classes, seed=0):
    """float32 [4 + classes, anchors] as YOLOv8 writes it."""
    random = np.random.RandomState(seed)
    out = random.uniform(0, 1, (4 + classes, anchors)) ** 3
    out[:2] *= 640
    out[2:4] = 5 + 200 * out[2:4]
    return out.astype(np.float32)


def reference(columns, score):
    """[n, 6] of the corners, score and class, one anchor at a time."""
    found = []
    for values in columns.T.tolist():
        x, y, w, h = values[:4]
        best = max(values[4:])
        if best > score:
            found.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, best, values[4:].index(best)])
    return np.array(found)


def check(got, expected):
    assert len(expected) > 3
    np.testing.assert_allclose(got.xyxy, expected[:, :4], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(got.score, expected[:, 4], rtol=1e-5)
    assert got.class_id.tolist() == expected[:, 5].astype(int).tolist()


def test_v8_decodes_as_written_out():
    rows = np.stack([columns(84, 3, seed) for seed in (1, 2)])
    for row in (0, 1):
        check(YOLOV8.in_pixels({}, []).decode([rows], row, (64, 64), 0.4), reference(rows[row], 0.4))


def test_v5_multiplies_with_objectness():
    plain = columns(252, 3)
    objectness = np.random.RandomState(9).uniform(0.5, 1, 252).astype(np.float32)
    rows = np.concatenate([plain[:4], objectness[None], plain[4:]]).T[None]
    plain[4:] *= objectness
    check(YOLOV5.in_pixels({}, []).decode([rows], 0, (64, 64), 0.3), reference(plain, 0.3))


@pytest.mark.parametrize('layout', [YOLOV5, YOLOV8, DARKNET])
def test_every_class_above_the_threshold_may_be_a_box(layout):
    plain = columns(84, 3)
    rows = plain[None] if layout is YOLOV8 else np.insert(plain, 4, 1, axis=0).T[None]
    got = layout.in_pixels({}, []).multi_label_decode([rows], 0, (64, 64), 0.3)
    found = {(box, class_id): plain[4 + class_id, box] for box in range(84) for class_id in range(3)
             if plain[4 + class_id, box] > 0.3}
    assert len(got.score) == len(found) > (plain[4:].max(axis=0) > 0.3).sum()
    for (box, class_id), score in found.items():
        x, y, w, h = plain[:4, box]
        same = np.flatnonzero((got.class_id == class_id) & np.isclose(got.score, score, rtol=1e-5))
        np.testing.assert_allclose(got.xyxy[same[0]], [x - w / 2, y - h / 2, x + w / 2, y + h / 2], rtol=1e-5,
                                   atol=1e-3)


@pytest.mark.parametrize('layout, shape', [(YOLOV5, (1, 252, 8)), (YOLOV8, (1, 7, 84))])
def test_nothing_above_the_threshold_is_no_box(layout, shape):
    got = layout.in_pixels({}, []).decode([np.zeros(shape, np.float32)], 0, (64, 64), 0.1)
    assert got.xyxy.shape == (0, 4) and got.score.shape == (0,) and got.class_id.shape == (0,)


@pytest.mark.parametrize('shapes, size, expected', [
    ([(25200, 85)], (640, 640), (80, 0)), ([(15120, 11)], (640, 384), (6, 0)), ([(84, 8400)], (640, 640), (0, 80)),
    ([(10, 5040)], (640, 384), (0, 6)), ([(102000, 85)], (1280, 1280), (80, 0)), ([(84, 34000)], (1280, 1280), (0, 80)),
    ([(8400, 85)], (640, 640), (0, 0)), ([(25200, 85), (3, 80, 80, 85)], (640, 640), (80, 0)),
    ([(116, 8400), (32, 160, 160)], (640, 640), (0, 0)), ([(1000,)], (224, 224), (0, 0))])
def test_recognised_by_shape(shapes, size, expected):
    outputs = tuple(('output%d' % number, shape) for number, shape in enumerate(shapes))
    assert (classes_v5(outputs, size), classes_v8(outputs, size)) == expected


@pytest.mark.parametrize('layout', [YOLOV5, YOLOV8])
def test_pictures_are_centred_red_first_and_0_to_1(layout):
    assert (layout.colour, layout.scale, layout.centred, layout.grey) == ('rgb', 1 / 255, True, 114)
