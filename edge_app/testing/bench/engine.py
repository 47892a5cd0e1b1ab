"""Speed of an engine: frames in, boxes out, beside the bare library on the same pictures.

Each row is measured in a process of its own, so that its memory is its own. Appliance and bare library alternate, so
that other load on the machine falls on both.
"""
import time

import numpy as np

from edge_app.config.schema import Engine as Settings
from edge_app.detectors.letterbox import single_thread
from edge_app.detectors.model_file import find_model
from edge_app.engine import BACKENDS, reads, suffix_of, unavailable_reason
from edge_app.errors import ConfigError
from edge_app.frames import I420, FrameMeta
from edge_app.inference.load_detector import open_detector
from edge_app.supervision.process_usage import pss_mb
from edge_app.testing.harness.children import run_job, serve_once
from edge_app.testing.harness.statistics import machine
from edge_app.testing.simulator.scene import Scene

FRAME = (640, 360)
FEWEST_TURNS = 5
CHILD_S = 900.0


def backends(wanted, model):
    """Names to measure: all that work here and read the file, or those named. ConfigError for one that cannot."""
    suffix = suffix_of(model)
    able = {name: unavailable_reason(backend) for name, backend in BACKENDS.items()
            if backend.suffixes and reads(backend, suffix)}
    if wanted == 'all':
        return [name for name, reason in able.items() if not reason]
    names = [name.strip() for name in wanted.split(',')]
    wrong = ['%s: %s' % (name, able.get(name, 'no backend that reads %s files' % suffix))
             for name in names if able.get(name, 'unknown')]
    if wrong:
        raise ConfigError(*['--backends: %s' % problem for problem in wrong])
    return names


def measure_all(model, names, batches, precision, threads, seconds, echo=lambda line: None):
    """{machine, model, rows}: a row per backend and batch; one that fails has an `error`."""
    path, rows = find_model(model)[0], []
    for name in names:
        for batch in batches:
            found, _, _ = run_job(__name__, {'model': path, 'backend': name, 'batch': batch, 'precision': precision,
                                             'threads': threads, 'seconds': seconds}, CHILD_S)
            rows.append(dict(found, backend=name, batch=batch))
            echo(sentence(rows[-1]))
    return {'machine': machine(), 'model': path, 'frame': list(FRAME), 'rows': rows}


def row(model, backend, batch, precision, threads, seconds):
    """One row."""
    single_thread()
    started = time.perf_counter()
    detector, note = open_detector(Settings(model=model, backend=backend, batch=batch, precision=precision,
                                            threads=threads))
    load_s = time.perf_counter() - started
    with detector.engine:
        ours = DetectorLoop(detector, batch)
        ours()
        bare = detector.engine.raw_runner(detector.batch[:batch])
        return dict(figures(take_turns(ours, bare, seconds), batch), precision=note['precision'],
                    load_s=round(load_s, 2), pss_mb=round(pss_mb() or 0, 1))


class DetectorLoop:
    """Frames into slots, inference, boxes out of it: one batch per call."""

    def __init__(self, detector, count):
        self.detector = detector
        self.frames = [(FrameMeta(1, 0, FRAME[0], FRAME[1], I420), frame(seed)) for seed in range(count)]

    def __call__(self):
        for slot, (meta, pixels) in enumerate(self.frames):
            self.detector.prepare(slot, meta, pixels)
        return self.detector.detect(len(self.frames))


def frame(seed):
    """I420 pixels of a drawn street."""
    import cv2
    return cv2.cvtColor(Scene(seed, FRAME, 25, 'bench', 1).picture(100, 4000), cv2.COLOR_BGR2YUV_I420)


def take_turns(ours, bare, seconds):
    """float64 [turns, 2, 2]: ours and bare, each in seconds of the clock and of the processor; bare may be None."""
    turns, deadline = [], time.perf_counter() + seconds
    for work in (ours, bare or ours):
        work()
    while len(turns) < FEWEST_TURNS or time.perf_counter() < deadline:
        turn = [None, None]
        for which in ((0, 1), (1, 0))[len(turns) % 2]:
            turn[which] = timed((ours, bare)[which]) if (ours, bare)[which] else (np.nan, np.nan)
        turns.append(turn)
    return np.array(turns)


def timed(work):
    """(seconds of the clock, seconds of the processor) of one call."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def figures(turns, batch):
    """Medians with their spread, per picture."""
    ours, bare = (turns[:, which] * 1000 / batch for which in (0, 1))
    found = {'turns': len(turns), 'ms_per_picture': spread(ours[:, 0]), 'cpu_ms_per_picture': spread(ours[:, 1]),
             'pictures_per_s': round(1000 / float(np.median(ours[:, 0])), 2), 'bare_ms_per_picture': None,
             'ratio': None,
             'cpu_ratio': None, 'bare_cpu_ms_per_picture': None}
    if not np.isnan(bare).any():
        found.update(bare_ms_per_picture=spread(bare[:, 0]), bare_cpu_ms_per_picture=spread(bare[:, 1]),
                     ratio=ratio(ours[:, 0], bare[:, 0]), cpu_ratio=ratio(ours[:, 1], bare[:, 1]))
    return found


def spread(values):
    """Median, quartiles, least."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return {'median': round(float(middle), 3), 'p25': round(float(low), 3), 'p75': round(float(high), 3),
            'min': round(float(values.min()), 3)}


def ratio(ours, bare):
    """Of the medians, with the quartiles of the turns' own ratios."""
    low, high = np.percentile(ours / bare, (25, 75))
    return {'median': round(float(np.median(ours) / np.median(bare)), 4), 'p25': round(float(low), 4),
            'p75': round(float(high), 4)}


def sentence(found):
    """One row of the table on the terminal."""
    if 'error' in found:
        return '%-12s %5d  %s' % (found['backend'], found['batch'], found['error'])
    compared = ('%8.2f %6.3f' % (found['bare_ms_per_picture']['median'], found['ratio']['median'])
                if found['ratio'] else '       -      -')
    return '%-12s %5d  %-9s %8.2f %8.1f %s %8.0f %6d' % (
        found['backend'], found['batch'], found['precision'], found['ms_per_picture']['median'],
        found['pictures_per_s'], compared, found['pss_mb'], found['turns'])


HEADING = '%-12s %5s  %-9s %8s %8s %8s %6s %8s %6s' % ('backend', 'batch', 'precision', 'ms/pic', 'pic/s', 'bare ms',
                                                       'ratio', 'PSS MB', 'turns')


if __name__ == '__main__':
    serve_once(row)
