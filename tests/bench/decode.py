"""How long boxes take from a YOLOv8 output of 84 x 8400 numbers to the best of each object, beside what others do.

Candidates are laid out as networks give them: several places see the same object, with boxes and scores that differ a
little. Everything runs on one core; ways take turns, so that a noisy machine is noisy for all of them.
"""
import importlib.util
from typing import NamedTuple

import click
import cv2
import numpy as np

from edge_app.clock import now_ns
from edge_app.commands.bench.options import as_json, write
from edge_app.detectors.nms import nms
from edge_app.detectors.yolo import YOLOV8
from edge_app.testing.bench.report import ReportPart

from tests.bench import run

SIZE = (640, 640)
PLACES = 8400
CLASSES = 80
SCORE, IOU = 0.25, 0.45
CANDIDATES = (5, 20)
OBJECTS = 100
TITLE = 'Decoding and NMS of one picture of a YOLOv8, one core'


class Timing(NamedTuple):
    """One way over one output."""

    way: str
    candidates: int
    """Places above the threshold for each object."""
    boxes: int
    least_ms: float
    median_ms: float


def output(candidates, objects=OBJECTS, seed=0):
    """float32 [1, 84, 8400] with `objects` that `candidates` places each see, every class faintly elsewhere."""
    random = np.random.RandomState(seed)
    columns = random.uniform(0, 0.05, (4 + CLASSES, PLACES)).astype(np.float32)
    columns[:4] = random.uniform(10, 600, (4, PLACES))
    places = random.permutation(PLACES)[:objects * candidates]
    centre, extent = random.uniform(40, 600, (2, objects)), random.uniform(20, 120, (2, objects))
    class_id = np.repeat(random.randint(0, CLASSES, objects), candidates)
    centre, extent = np.repeat(centre, candidates, axis=1), np.repeat(extent, candidates, axis=1)
    columns[:2, places] = centre + random.uniform(-0.06, 0.06, centre.shape) * extent
    columns[2:4, places] = extent * random.uniform(0.9, 1.1, extent.shape)
    columns[4 + class_id, places] = random.uniform(0.3, 0.95, len(places))
    return columns[None]


IN_PIXELS = YOLOV8.in_pixels({}, [])


def ours(array):
    """As the appliance does: detectors/yolo.py and detectors/nms.py."""
    found = IN_PIXELS.decode([array], 0, SIZE, SCORE)
    kept = nms(found.xyxy, found.score, found.class_id, IOU)
    return found.xyxy[kept], found.score[kept], found.class_id[kept]


def usual(array):
    """(corners, score, class) as most Python code decodes it: turned to a row per place, best class, threshold."""
    rows = array[0].T
    scores, class_id = rows[:, 4:].max(axis=1), rows[:, 4:].argmax(axis=1)
    sure = scores > SCORE
    rows = rows[sure]
    half = rows[:, 2:4] / 2
    return np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1), scores[sure], class_id[sure]


def opencv(array):
    """The usual way with OpenCV's NMS by class: NMSBoxesBatched of 4.7 and later."""
    xyxy, score, class_id = usual(array)
    rects = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxesBatched(rects.tolist(), score.tolist(), class_id.tolist(), 0.0, IOU), int)
    return xyxy[kept], score[kept], class_id[kept]


def supervision(array):
    """The usual way with supervision's Detections.with_nms, plain numpy."""
    from supervision import Detections
    xyxy, score, class_id = usual(array)
    found = Detections(xyxy=xyxy, confidence=score, class_id=class_id).with_nms(threshold=IOU)
    return found.xyxy, found.confidence, found.class_id


WAYS = {'edge-app': ours, 'opencv': opencv, 'supervision': supervision}


def missing():
    """{way: why it cannot be measured here}."""
    found = {}
    if not hasattr(cv2.dnn, 'NMSBoxesBatched'):
        found['opencv'] = 'OpenCV %s has no NMSBoxesBatched' % cv2.__version__
    if importlib.util.find_spec('supervision') is None:
        found['supervision'] = 'not installed (pip install supervision)'
    return found


def measure(repeats=100, candidates=CANDIDATES):
    """[Timing] of every way that works here, for each number of candidates."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return [timing for number in candidates for timing in _timings(output(number), number, repeats)]
    finally:
        cv2.setNumThreads(threads)


def _timings(array, candidates, repeats):
    ways = {way: run for way, run in WAYS.items() if way not in missing()}
    boxes = {way: len(run(array)[1]) for way, run in ways.items()}  # the first run is the slowest and is not counted
    spent_ns = {way: [] for way in ways}
    for _ in range(repeats):
        for way, function in ways.items():
            started_ns = now_ns()
            function(array)
            spent_ns[way].append(now_ns() - started_ns)
    return [Timing(way, candidates, boxes[way], round(min(spent) / 1e6, 3), round(float(np.median(spent)) / 1e6, 3))
            for way, spent in spent_ns.items()]


def report(repeats=100):
    """What `python -m tests.bench.decode --json` writes, a dict; `lines` makes text of it."""
    return {'title': TITLE, 'objects': OBJECTS, 'repeats': repeats, 'numpy': np.__version__, 'opencv': cv2.__version__,
            'timings': [timing._asdict() for timing in measure(repeats)], 'missing': missing()}


def lines(reported):
    """Lines of a `report` for people."""
    yield '%s (%d objects, numpy %s, OpenCV %s, %d repeats)' % (
        reported['title'], reported['objects'], reported['numpy'], reported['opencv'], reported['repeats'])
    for one in reported['timings']:
        yield '  %2d candidates each   %-12s %8.3f ms at least, %8.3f ms median   %4d boxes' % (
            one['candidates'], one['way'], one['least_ms'], one['median_ms'], one['boxes'])
    for way, why in reported['missing'].items():
        yield '  %-12s not measured: %s' % (way, why)


def part(share=1.0):
    """Of the report of all benchmarks."""
    return ReportPart('decode', 'Decoding and NMS', lambda: report(int(100 * share)), lines)


@click.command('decode')
@click.option('--repeats', type=click.IntRange(1), default=100, show_default=True, help='Runs of each implementation.')
@as_json('file')
def decode(repeats, file):
    """Time decoding and NMS of one 84 x 8400 output, beside OpenCV and supervision where they are installed."""
    found = report(repeats)
    for line in lines(found):
        click.echo(line)
    write(file, found)


if __name__ == '__main__':
    run(decode)
