"""NMS by OpenCV keeps what ten plain lines keep."""
import numpy as np
import pytest

from edge_app.detectors.nms import MANY, nms


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def reference(xyxy, score, class_id, iou):
    kept = []
    for one in np.argsort(-score, kind='stable'):
        if all(class_id[one] != class_id[other] or overlap(xyxy[one], xyxy[other]) <= iou for other in kept):
            kept.append(int(one))
    return kept


def random_boxes(seed, count, classes):
    random = np.random.RandomState(seed)
    corner = random.uniform(-20, 300, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(10, 200, (count, 2))], axis=1).astype(np.float32)
    return boxes, random.permutation(count).astype(np.float32) / count * 0.9 + 0.05, random.randint(0, classes, count)


def clear_cut(iou, xyxy, score, class_id):
    """The boxes without those nearer to the threshold than OpenCV 4.1 can tell, which rounds them."""
    near = {second for first in range(len(xyxy)) for second in range(first)
            if abs(overlap(xyxy[first], xyxy[second]) - iou) < 1e-3 and class_id[first] == class_id[second]}
    kept = [number for number in range(len(xyxy)) if number not in near]
    return xyxy[kept], score[kept], class_id[kept]


@pytest.mark.parametrize('iou', [0.3, 0.45, 0.65])
@pytest.mark.parametrize('classes', [1, 3, 80])
@pytest.mark.parametrize('seed', range(5))
def test_equals_the_reference(seed, classes, iou):
    boxes = clear_cut(iou, *random_boxes(seed, 120, classes))
    kept = nms(*boxes, iou=iou)
    assert kept.tolist() == reference(*boxes, iou=iou)
    assert 0 < len(kept) < len(boxes[0]) > 60 or classes == 80


@pytest.mark.parametrize('classes', [1, 3, 40])
@pytest.mark.parametrize('iou', [0.3, 0.65])
def test_many_boxes_are_no_other_matter(monkeypatch, classes, iou):
    monkeypatch.setattr('edge_app.detectors.nms.MANY', 50)
    boxes = clear_cut(iou, *random_boxes(7, 120, classes))
    assert len(boxes[0]) > 50
    assert nms(*boxes, iou=iou).tolist() == reference(*boxes, iou=iou)


def test_many_boxes_of_one_place_leave_one():
    boxes = np.array([[10, 10, 50, 50]] * (MANY + 1), np.float32)
    assert nms(boxes, np.linspace(0.1, 0.9, len(boxes)), np.zeros(len(boxes), int), 0.45).tolist() == [MANY]


def test_the_same_box_of_two_classes_stays_twice():
    box = np.array([[10, 10, 50, 50]] * 3, np.float32)
    kept = nms(box, np.array([0.5, 0.9, 0.7], np.float32), np.array([0, 1, 0]), 0.45)
    assert kept.tolist() == [1, 2]


def test_small_boxes_of_many_classes_do_not_meet():
    corner = np.random.RandomState(0).uniform(0, 4000, (300, 2))
    boxes = np.repeat(np.concatenate([corner, corner + 0.5], axis=1), 2, axis=0).astype(np.float32)
    kept = nms(boxes, np.linspace(0.9, 0.1, 600).astype(np.float32), np.repeat(np.arange(300), 2), 0.45)
    assert sorted(kept.tolist()) == list(range(0, 600, 2))


def test_nothing_gives_nothing():
    kept = nms(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), 0.45)
    assert kept.dtype == np.int64 and kept.shape == (0,)


def test_one_box_stays():
    assert nms(np.array([[1, 2, 3, 4]], np.float32), np.array([0.01]), np.array([7]), 0.45).tolist() == [0]
