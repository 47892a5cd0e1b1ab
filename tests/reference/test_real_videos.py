"""Real footage through the whole appliance: what comes out are the detections of the model on that very frame."""
import os

import cv2
import numpy as np
import onnxruntime
import pytest

from edge_app.testing.simulator.process import Simulator
from edge_app.transport.bus import Subscriber
from edge_app.transport.ring import Ring, frames_path

from tests.support.running import Running, site

VIDEOS = ('one-by-one-person-detection', 'towncentre_1080p', 'street_cars_vfr', 'cctv_tunnel_a12')
FRAMES = 100
SCORE, IOU = 0.4, 0.45
SIDE = 416


@pytest.fixture(scope='module')
def data():
    return os.environ['EDGE_APP_REFERENCE_DATA']


@pytest.fixture(scope='module')
def seen(data, tmp_path_factory):
    """{camera: [(Result, I420 pixels of the same sequence)]}, FRAMES of each camera."""
    model = os.path.join(data, 'models', 'yolox_nano_416_dynbatch.onnx')
    files = [os.path.join(data, 'videos', name + '.mp4') for name in VIDEOS]
    extra = 'engine: {model: "%s", score: %g, iou: %g}\n' % (model, SCORE, IOU)
    with Simulator(cameras=len(files), files=files, die_with_parent=True) as simulator:
        text = site(simulator.uris, simulator.user, extra).replace('[320, 176]', '[640, 360]')
        with Running(text, tmp_path_factory.mktemp('real'), CAMERA_PASSWORD=simulator.password) as appliance:
            return collect(appliance)


def collect(appliance):
    """What the appliance says of each camera, with the frames still in the rings."""
    names = ['cam%d' % number for number in range(1, len(VIDEOS) + 1)]
    rings = {name: Ring.open(frames_path(appliance.run_dir, name)) for name in names}
    found = {name: [] for name in names}
    inbox = Subscriber(appliance.run_dir, 'test')
    while any(len(pairs) < FRAMES for pairs in found.values()):
        assert inbox.wait(30), 'no result within 30 s: %s' % appliance.text()[-1000:]
        for result in inbox.results():
            pixels = frame_of(rings[result.camera], result.meta)
            if pixels is not None:
                found[result.camera].append((result, pixels))
    inbox.close()
    return found


def frame_of(ring, meta):
    """A copy of the frame with these facts, None when it has been overwritten since."""
    for index in reversed(ring.indexes()):
        read = ring.read(index)
        if read is not None and read[0].sequence == meta.sequence:
            assert read[0] == meta
            return read[1]
    return None


@pytest.fixture(scope='module')
def session(data):
    return onnxruntime.InferenceSession(os.path.join(data, 'models', 'yolox_nano_416.onnx'),
                                        providers=['CPUExecutionProvider'])


def directly(session, pixels):
    """(xyxy, score, class_id) of the model on one I420 frame, written as YOLOX's own demo does it, box by box."""
    picture = cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420)
    height, width = picture.shape[:2]
    scale = min(SIDE / height, SIDE / width)
    canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
    small = cv2.resize(picture, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_LINEAR)
    canvas[:small.shape[0], :small.shape[1]] = small
    rows = session.run(None, {'images': canvas.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
    boxes, scores, classes = [], [], []
    for (x, y, stride), row in zip(cells(), rows):
        best = int(row[5:].argmax())
        if row[4] * row[5 + best] >= SCORE:
            centre = (row[0] + x) * stride, (row[1] + y) * stride
            half = np.exp(row[2]) * stride / 2, np.exp(row[3]) * stride / 2
            boxes.append([centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]])
            scores.append(row[4] * row[5 + best])
            classes.append(best)
    kept = suppressed(boxes, scores, classes)
    limits = np.array([width, height, width, height])
    return [(np.clip(np.array(boxes[one]) / scale, 0, limits), scores[one], classes[one]) for one in kept]


def cells():
    for stride in (8, 16, 32):
        for y in range(SIDE // stride):
            for x in range(SIDE // stride):
                yield x, y, stride


def suppressed(boxes, scores, classes):
    """Indices left by greedy suppression within each class, best first."""
    left, kept = sorted(range(len(boxes)), key=lambda one: -scores[one]), []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [one for one in left if classes[one] != classes[best] or overlap(boxes[one], boxes[best]) <= IOU]
    return kept


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def unlike(result, expected):
    """Sentences about detections that have no partner within 1 px and 0.01; at the threshold one may be missing."""
    mine = list(zip(result.detections.xyxy, result.detections.score, result.detections.class_id))
    for name, these, those in (('appliance', mine, expected), ('model', expected, mine)):
        for box, score, class_id in these:
            partner = any(class_id == other[2] and abs(score - other[1]) <= 0.01 and np.abs(box - other[0]).max() <= 1
                          for other in those)
            if not partner and score > SCORE + 0.01:
                yield 'only the %s: class %d, %.3f, %s' % (name, class_id, score, np.round(box, 1))


@pytest.mark.timeout(300)
@pytest.mark.parametrize('camera', ['cam1', 'cam2', 'cam3', 'cam4'])
def test_detections_are_those_of_the_model_on_the_same_frame(seen, session, camera):
    pairs = seen[camera][:FRAMES]
    assert len(pairs) == FRAMES
    wrong = {result.meta.sequence: found for result, pixels in pairs
             for found in [list(unlike(result, directly(session, pixels)))] if found}
    assert not wrong
    sequences = [result.meta.sequence for result, _ in pairs]
    assert sequences == sorted(set(sequences)), 'out of order, or twice'


@pytest.mark.timeout(300)
def test_something_was_there_to_be_found(seen):
    assert sum(len(result.detections) for pairs in seen.values() for result, _ in pairs) > 4 * FRAMES


@pytest.mark.timeout(300)
@pytest.mark.parametrize('number', range(len(VIDEOS)))
def test_every_frame_is_of_its_own_camera(seen, data, number):
    known = [thumbnails(os.path.join(data, 'videos', name + '.mp4')) for name in VIDEOS]
    for result, pixels in seen['cam%d' % (number + 1)]:
        distances = [np.abs(frames - thumbnail(pixels[:result.meta.height])).mean(axis=1).min() for frames in known]
        assert int(np.argmin(distances)) == number, result.meta


def thumbnail(luma):
    return cv2.resize(luma, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32).reshape(-1)


def thumbnails(path):
    """float32 [n, 576]: every third frame of a file, small and grey."""
    capture, found, more, number = cv2.VideoCapture(path), [], True, 0
    while more:
        more = capture.grab()
        if more and number % 3 == 0:
            found.append(thumbnail(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2GRAY)))
        number += 1
    return np.stack(found)
