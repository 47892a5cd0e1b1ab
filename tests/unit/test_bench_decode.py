"""The decoder's benchmark measures what it says: all ways find the same boxes, the report says what was left out."""
import json
import sys
import types

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edge_app.cli import cli
from edge_app.testing.bench import decode


@pytest.mark.parametrize('candidates', decode.CANDIDATES)
def test_every_object_is_seen_as_often_as_it_says(candidates):
    columns = decode.output(candidates)[0]
    assert columns.shape == (84, 8400) and columns.dtype == np.float32
    assert int((columns[4:].max(axis=0) > decode.SCORE).sum()) == 100 * candidates
    assert 60 <= len(decode.ours(columns[None])[1]) <= 100  # objects of one class may lie over each other


def plain(xyxy, score, class_id):
    """NMS one box at a time, as supervision's with_nms answers it."""
    kept = []
    for one in np.argsort(-score):
        wide = np.minimum(xyxy[kept, 2], xyxy[one, 2]) - np.maximum(xyxy[kept, 0], xyxy[one, 0])
        high = np.minimum(xyxy[kept, 3], xyxy[one, 3]) - np.maximum(xyxy[kept, 1], xyxy[one, 1])
        both = np.clip(wide, 0, None) * np.clip(high, 0, None)
        area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
        if not ((both / (area[kept] + area[one] - both) > decode.IOU) & (class_id[kept] == class_id[one])).any():
            kept.append(int(one))
    return kept


class Detections:
    """What is used of supervision.Detections."""

    def __init__(self, xyxy, confidence, class_id):
        self.xyxy, self.confidence, self.class_id = xyxy, confidence, class_id

    def with_nms(self, threshold):
        kept = plain(self.xyxy, self.confidence, self.class_id)
        return Detections(self.xyxy[kept], self.confidence[kept], self.class_id[kept])


def batched(rects, scores, class_ids, score, iou):
    """OpenCV's, for versions without."""
    rects = np.array(rects)
    xyxy = np.concatenate([rects[:, :2], rects[:, :2] + rects[:, 2:]], axis=1)
    return plain(xyxy, np.array(scores), np.array(class_ids))


def test_all_ways_find_the_same_boxes(monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', types.SimpleNamespace(Detections=Detections))
    if not hasattr(cv2.dnn, 'NMSBoxesBatched'):
        monkeypatch.setattr(cv2.dnn, 'NMSBoxesBatched', batched, raising=False)
    array = decode.output(5)
    for way in (decode.opencv, decode.supervision):
        for got, expected in zip(way(array), decode.ours(array)):
            order = np.argsort(-way(array)[1], kind='stable')
            np.testing.assert_allclose(got[order], expected, rtol=1e-5)


def test_the_report_is_json_and_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(decode, 'missing', lambda: {'opencv': 'too old', 'supervision': 'not installed'})
    reported = json.loads(json.dumps(decode.report(repeats=3)))
    assert [(one['way'], one['candidates']) for one in reported['timings']] == [('edge-app', 5), ('edge-app', 20)]
    assert all(0 < one['least_ms'] <= one['median_ms'] for one in reported['timings'])
    text = '\n'.join(decode.lines(reported))
    assert 'opencv       not measured: too old' in text and '20 candidates each   edge-app' in text


def test_the_command_says_and_writes_it(tmp_path):
    path = tmp_path / 'decode.json'
    outcome = CliRunner().invoke(cli, ['bench', 'decode', '--repeats', '2', '--json', str(path)])
    assert outcome.exit_code == 0, outcome.output
    assert 'edge-app' in outcome.output and json.loads(path.read_text())['repeats'] == 2
