"""Every engine that works here: the model loaded or built, and its detections compared with the golden ones."""
import json

from edge_app.clock import now_ns
from edge_app.config.schema import Engine as Settings
from edge_app.detectors.model_file import embedded_model
from edge_app.engine import BACKENDS, reads, unavailable_reason
from edge_app.errors import EngineError
from edge_app.testing.harness.children import run_job, serve_once
from edge_app.testing.selftest import golden
from edge_app.testing.selftest.outcome import ABSENT, FAILED, Outcome, judged

BUILD_S = 1800.0
"""TensorRT may take this long to build a plan on the slowest board."""
BOARD_BACKEND = 'tensorrt'
HALVED = ('tensorrt',)
"""Backends that are tried in fp16 too."""
REPEATS = 20


def check(on_jetson):
    """Outcomes of all backends that can read the embedded model."""
    path = embedded_model()
    if path is None:
        yield Outcome('engine', 'model', FAILED, 'the embedded model is missing: reinstall edge-app')
        return
    if golden.read(path) is None:
        yield Outcome('engine', 'golden detections', FAILED, 'there are none for the embedded model; '
                      'in a checkout: python -m edge_app.testing.selftest.golden')
    for name, backend in BACKENDS.items():
        if not backend.suffixes or not reads(backend, '.onnx'):
            continue
        reason = unavailable_reason(backend)
        if reason:
            state = FAILED if on_jetson and name == BOARD_BACKEND else ABSENT
            yield Outcome('engine', name, state, reason)
            continue
        for precision in ('fp32',) + (('fp16',) if name in HALVED else ()):
            yield judged('engine', '%s %s' % (name, precision),
                         run_job(__name__, {'backend': name, 'precision': precision, 'model': path}, BUILD_S),
                         '{agreeing} of {pictures} pictures as expected, {boxes} boxes; ready after {load_s:.1f} s, '
                         '{picture_ms:.1f} ms a picture ({precision})')


# -- in the child ---------------------------------------------------------------------------------------------------

def compare(backend, precision, model):
    """The detections of a backend beside the golden ones."""
    from edge_app.inference.load_detector import open_detector
    started_ns = now_ns()
    detector, note = open_detector(Settings(model=model, backend=backend, precision=precision, batch=1))
    load_s = (now_ns() - started_ns) / 1e9
    kept = golden.read(model)
    if kept is None:
        raise EngineError('there are no golden detections for %s' % model)
    with detector.engine:
        troubles, boxes = {}, 0
        for name, pixels in golden.pictures().items():
            found = golden.found_in(detector, pixels)
            boxes += len(found)
            trouble = list(golden.differences(found, kept['pictures'][name], kept['threshold'], note['precision']))
            if trouble:
                troubles[name] = trouble
        spent_ms = time_of(detector, pixels)
    count = len(kept['pictures'])
    wrong = '%d of %d pictures differ: %s' % (len(troubles), count, json.dumps(troubles)[:600]) if troubles else ''
    return {'pictures': count, 'agreeing': count - len(troubles), 'boxes': boxes, 'load_s': round(load_s, 2),
            'picture_ms': spent_ms, 'precision': note['precision'], 'why': note['why'], 'wrong': wrong}


def time_of(detector, pixels):
    """Median milliseconds of a picture from pixels to boxes."""
    spent = []
    for _ in range(REPEATS):
        started_ns = now_ns()
        detector.find(pixels)
        spent.append((now_ns() - started_ns) / 1e6)
    return round(sorted(spent)[REPEATS // 2], 2)


if __name__ == '__main__':
    serve_once(compare)
