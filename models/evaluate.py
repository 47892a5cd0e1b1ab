#!/usr/bin/env python3
"""Measure precision, recall and latency of an ONNX detector on drawn scenes it has never seen, through real H.264.

    python models/evaluate.py --onnx models/drawn_scenes.onnx --card models/drawn_scenes.yaml
    python models/evaluate.py --onnx models/drawn_scenes.onnx --sets --against yolox_nano.onnx     # latency alone

Each clip is drawn, encoded by x264 (zerolatency, key frame each second) and decoded again by ffmpeg; every fifth
picture is evaluated at IoU 0.5. An object counts if at least half of it is visible and it is at least 16 pixels high;
other objects are ignored: a detection that covers one (IoU 0.5 or more) is neither true nor false.
"""
import argparse
import subprocess
import sys
import time
from typing import Dict, List, NamedTuple, Sequence, Tuple

import dataset
import numpy as np
import onnxruntime

from edge_app.testing.simulator.locations import EVALUATION_FAMILIES, TRAINING_FAMILIES
from edge_app.testing.simulator.scene import CLASSES, Conditions, Scene

FPS, FRAMES, EVERY = 15, 60, 5
CONDITIONS = (
    ('day', False, 0.0),
    ('overcast', False, 0.0),
    ('dusk', False, 0.0),
    ('day', False, 4.0),
    ('overcast', True, 0.0),
    ('dusk', True, 3.0),
)
"""Light, rain, sensor noise."""
PRESETS = ('veryfast', 'ultrafast')
SWEEP = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
FIRST_SEED = {'tuning': 800000, 'seeds': 900000, 'backdrops': 950000}
"""Seeds of each set; training uses seeds below 3000. Only `backdrops` uses the families kept for evaluation."""
MIN_SCORE, NMS_IOU, MATCH_IOU = 0.1, 0.45, 0.5
ROUNDS, WARMUP = 200, 10
"""Timed runs of each model, after some that are not counted."""
STRIDES = (8, 16, 32)
ENCODE = (
    '-f rawvideo -pix_fmt bgr24 -s {size} -r {fps} -i - -pix_fmt yuv420p -c:v libx264 -tune zerolatency '
    '-preset {preset} -b:v {kbit}k -maxrate {kbit}k -bufsize {kbit}k -g {fps} -f h264 -'
)
DECODE = '-f h264 -i - -pix_fmt bgr24 -f rawvideo -'


class Evaluated(NamedTuple):
    """Detections of one picture (n, 6: class, score, xyxy) and its ground truth (m, 6: class, xyxy, counts)."""

    detections: np.ndarray
    truths: np.ndarray


def clip(seed: int, family: str, index: int, kbit: int) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Decoded pictures and ground truth of one clip, as a list of (picture, rows)."""
    light, rain, noise = CONDITIONS[index % len(CONDITIONS)]
    scene = Scene(seed, fps=FPS, name='eval%d' % index, camera=index, conditions=Conditions(family, light, rain, noise))
    first = (seed * 131) % 5000
    raw = b''.join(scene.picture(first + i, 1700000000000 + (seed * FRAMES + i) * 66).tobytes() for i in range(FRAMES))
    size = '%dx%d' % scene.size
    preset = PRESETS[index // len(CONDITIONS) % 2]
    coded = _ffmpeg(ENCODE.format(size=size, fps=FPS, preset=preset, kbit=kbit), raw)
    decoded = np.frombuffer(_ffmpeg(DECODE, coded), np.uint8).reshape(-1, scene.size[1], scene.size[0], 3)
    if len(decoded) != FRAMES:
        raise RuntimeError('ffmpeg returned %d of %d pictures' % (len(decoded), FRAMES))
    return [(decoded[i], dataset.to_rows(scene.boxes(first + i))) for i in range(EVERY - 1, FRAMES, EVERY)]


def _ffmpeg(arguments: str, data: bytes) -> bytes:
    command = ['ffmpeg', '-loglevel', 'error'] + arguments.split()
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def decode(output: np.ndarray) -> np.ndarray:
    """Detections (n, 6: class, score, xyxy) from one picture's output (5040, 11); one class per cell, after NMS."""
    cells, strides = _grid()
    products = output[:, 4:5] * output[:, 5:]
    classes = products.argmax(axis=1)
    scores = products[np.arange(len(products)), classes]
    rows = np.flatnonzero(scores >= MIN_SCORE)
    center = (output[rows, :2] + cells[rows]) * strides[rows]
    half = np.exp(output[rows, 2:4]) * strides[rows] / 2
    limit = [dataset.WIDTH, dataset.PICTURE_HEIGHT] * 2
    boxes = np.clip(np.concatenate([center - half, center + half], axis=1), 0, limit)
    detections = np.concatenate([classes[rows, None], scores[rows, None], boxes], axis=1)
    return detections[nms(detections)]


def _grid():
    cells, strides = [], []
    for stride in STRIDES:
        ys, xs = np.mgrid[:dataset.HEIGHT // stride, :dataset.WIDTH // stride]
        cells.append(np.stack([xs, ys], axis=2).reshape(-1, 2))
        strides.append(np.full((cells[-1].shape[0], 1), stride))
    return np.concatenate(cells), np.concatenate(strides)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU (n, m) of xyxy boxes."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.maximum(high - low, 0).prod(axis=2)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
    return intersection / (areas[0][:, None] + areas[1][None] - intersection + 1e-9)


def nms(detections: np.ndarray) -> List[int]:
    """Rows that survive class-wise non-maximum suppression, best first."""
    kept = []  # type: List[int]
    order = np.argsort(-detections[:, 1], kind='stable')
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        same = detections[order, 0] == detections[first, 0]
        close = box_iou(detections[first:first + 1, 2:], detections[order, 2:])[0] > NMS_IOU
        order = order[~(same & close)]
    return kept


def count(one: Evaluated, score: float, totals: np.ndarray) -> None:
    """Add one picture's true positives, false positives and false negatives per class to totals (classes, 3)."""
    detections = one.detections[one.detections[:, 1] >= score]
    counting, ignored = one.truths[one.truths[:, 5] > 0], one.truths[one.truths[:, 5] == 0]
    for class_id in range(len(CLASSES)):
        found, wanted = detections[detections[:, 0] == class_id], counting[counting[:, 0] == class_id]
        table, matched = box_iou(found[:, 2:], wanted[:, 1:5]), np.zeros(len(wanted), bool)
        on_ignored = box_iou(found[:, 2:], ignored[:, 1:5]).max(axis=1) if len(ignored) else np.zeros(len(found))
        for ious, ignored_iou in zip(table, on_ignored):
            free = np.where(matched, 0, ious)
            if len(free) and free.max() >= MATCH_IOU:
                matched[free.argmax()] = True
                totals[class_id, 0] += 1
            elif ignored_iou < MATCH_IOU:
                totals[class_id, 1] += 1
        totals[class_id, 2] += (~matched).sum()


def evaluate(session, name: str, clips: int, kbit: int) -> Dict[str, List[Evaluated]]:
    """Run a set of clips; the evaluated pictures by family and conditions."""
    families = sorted(EVALUATION_FAMILIES if name == 'backdrops' else TRAINING_FAMILIES)
    evaluated = {}  # type: Dict[str, List[Evaluated]]
    for i in range(clips):
        family = families[i % len(families)]
        index = i // len(families) + i % len(families)
        light, rain, noise = CONDITIONS[index % len(CONDITIONS)]
        key = '%s, %s%s%s' % (family, light, ' rain' if rain else '', ' noise' if noise else '')
        for picture, rows in clip(FIRST_SEED[name] + i, family, index, kbit):
            images = dataset.letterbox(picture)[None].astype(np.float32)
            output = session.run(None, {'images': images})[0][0]
            evaluated.setdefault(key, []).append(Evaluated(decode(output), rows))
    return evaluated


def figures(evaluated: Sequence[Evaluated], score: float) -> np.ndarray:
    """Precision, recall and number of objects per class, (classes, 3)."""
    totals = np.zeros((len(CLASSES), 3))
    for one in evaluated:
        count(one, score, totals)
    true, false, missed = totals.T
    return np.stack([true / np.maximum(true + false, 1), true / np.maximum(true + missed, 1), true + missed], axis=1)


def report(name: str, evaluated: Dict[str, List[Evaluated]], score: float) -> np.ndarray:
    """Print and return the figures of one set."""
    table = figures([one for group in evaluated.values() for one in group], score)
    print('%s, score %.2f' % (name, score))
    for label, row in zip(CLASSES, table):
        print('  %-8s precision %.3f  recall %.3f  objects %d' % ((label,) + tuple(row)))
    return table


def details(evaluated: Dict[str, List[Evaluated]], score: float) -> None:
    """Print the figures of all classes together for each family and conditions."""
    for key in sorted(evaluated):
        totals = np.zeros((len(CLASSES), 3))
        for one in evaluated[key]:
            count(one, score, totals)
        true, false, missed = totals.sum(axis=0)
        print('    %-28s precision %.3f  recall %.3f  objects %d'
              % (key, true / max(true + false, 1), true / max(true + missed, 1), true + missed))


def open_session(path: str):
    """An ONNX Runtime session of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def latencies(sessions: Sequence) -> np.ndarray:
    """Milliseconds of CPU time per picture (ROUNDS, sessions) at batch 1, the models by turns.

    CPU time leaves out what other programs take; without any it is the time on the clock, for there is one thread.
    """
    feeds = []
    for session in sessions:
        images = session.get_inputs()[0]
        shape = [side if isinstance(side, int) else 1 for side in images.shape]
        feeds.append({images.name: np.random.RandomState(0).uniform(0, 255, shape).astype(np.float32)})
    times = np.zeros((WARMUP + ROUNDS, len(sessions)))
    for row in times:
        for i, (session, feed) in enumerate(zip(sessions, feeds)):
            began = time.thread_time()
            session.run(None, feed)
            row[i] = (time.thread_time() - began) * 1000
    return times[WARMUP:]


def report_latency(session, against: str) -> float:
    """Print and return the median milliseconds per picture on one core; `against`: path of a model to compare with."""
    times = latencies([session] + ([open_session(against)] if against else []))
    median = np.median(times, axis=0)
    print('%.1f ms per picture on one core' % median[0])
    if against:
        low, high = np.percentile(times[:, 0] / times[:, 1], [5, 95])
        print('%.3f of the %.1f ms of %s; %.3f to %.3f in nine of ten pairs'
              % (median[0] / median[1], median[1], against, low, high))
    return float(median[0])


CARD = """# The embedded model, for drawn scenes. Written by models/evaluate.py together with its figures.
family: yolox
names: {names}
size: [640, 384]
colour: bgr
letterbox: top-left
grey: 114
score: {score}
iou: 0.45
description: >
  Small anchor-free detector, trained only on the drawn scenes of the camera simulator; not meant for real pictures.
  Input images, float32 [batch, 3, 384, 640], BGR 0..255. Output output, float32 [batch, 5040, 11]: cx, cy, log w,
  log h per cell of strides 8, 16, 32, objectness, 6 class scores.
source: models/train.py
license: Apache-2.0
accuracy:
  how: >
    IoU 0.5; objects at least half visible and 16 px high, others are ignored; {clips} clips per set, {pictures}
    pictures of 640x360 out of {fps} fps through x264 zerolatency, {kbit} kbit/s
  inference_ms: {ms}
"""


def write_card(path: str, tables: Dict[str, np.ndarray], score: float, clips: int, kbit: int, ms: float) -> None:
    """Write the model's card with the measured figures."""
    names = '{%s}' % ', '.join('%d: %s' % pair for pair in enumerate(CLASSES))
    text = CARD.format(names=names, score=score, clips=clips, pictures=clips * FRAMES // EVERY, fps=FPS, kbit=kbit,
                       ms=round(ms, 1))
    titles = {'seeds': 'unseen_seeds', 'backdrops': 'unseen_backdrops', 'tuning': 'tuning'}
    for name, table in tables.items():
        text += '  %s:\n' % titles[name]
        for label, row in zip(CLASSES, table):
            text += '    %s: {precision: %.3f, recall: %.3f, objects: %d}\n' % ((label,) + tuple(row))
    with open(path, 'w') as file:
        file.write(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--onnx', required=True)
    made.add_argument('--card', help='file to write the figures to')
    made.add_argument('--clips', type=int, default=48, help='clips per set')
    made.add_argument('--kbit', type=int, default=1200, help='bit rate of the clips')
    made.add_argument('--score', type=float, default=0.4)
    made.add_argument('--sets', nargs='*', choices=sorted(FIRST_SEED), default=['seeds', 'backdrops'])
    made.add_argument('--sweep', action='store_true', help='try several score thresholds (with --sets tuning)')
    made.add_argument('--details', action='store_true', help='figures for each family and conditions too')
    made.add_argument('--against', metavar='ONNX', help='compare the latency with this model')
    return made


def main() -> int:
    """Measure, print, and write the card if asked."""
    args = parser().parse_args()
    session = open_session(args.onnx)
    tables = {}
    for name in args.sets:
        evaluated = evaluate(session, name, args.clips, args.kbit)
        for score in SWEEP if args.sweep else (args.score,):
            tables[name] = report(name, evaluated, score)
        if args.details:
            details(evaluated, args.score)
    ms = report_latency(session, args.against)
    if args.card:
        write_card(args.card, tables, args.score, args.clips, args.kbit, ms)
    return 0


if __name__ == '__main__':
    sys.exit(main())
