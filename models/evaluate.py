#!/usr/bin/env python3
"""Measure precision and recall of an ONNX detector on drawn scenes it has never seen, through real H.264.

    python models/evaluate.py --onnx models/drawn_scenes.onnx --card models/drawn_scenes.yaml

Each clip is drawn, encoded by x264 (zerolatency, key frame each second) and decoded again by ffmpeg; every
fifth picture is judged at IoU 0.5. An object counts if at least half of it can be seen and it is at least
16 pixels high; other objects are ignored: a detection that covers one (IoU 0.5 or more) is neither true nor false.
"""

import argparse
import subprocess
import sys
import time
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
import onnxruntime
import pictures

from edge_app.testing.simulator.locations import EVALUATION_FAMILIES, TRAINING_FAMILIES
from edge_app.testing.simulator.scene import CLASSES, Conditions, Scene

FPS, FRAMES, EVERY = 15, 60, 5
WEATHER = (
    ('day', False, 0.0),
    ('overcast', False, 0.0),
    ('dusk', False, 0.0),
    ('day', False, 4.0),
    ('overcast', True, 0.0),
    ('dusk', True, 3.0),
)
PRESETS = ('veryfast', 'ultrafast')
SWEEP = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
FIRST_SEED = {'tuning': 800000, 'seeds': 900000, 'backdrops': 950000}
"""Seeds of each set; training uses seeds below 100000. Only `backdrops` uses the families kept for evaluation."""
STRIDES = (8, 16, 32)
ENCODE = (
    '-f rawvideo -pix_fmt bgr24 -s {size} -r {fps} -i - -pix_fmt yuv420p -c:v libx264 -tune zerolatency '
    '-preset {preset} -b:v {kbit}k -maxrate {kbit}k -bufsize {kbit}k -g {fps} -f h264 -'
)
DECODE = '-f h264 -i - -pix_fmt bgr24 -f rawvideo -'


class Judged(NamedTuple):
    """Detections of one picture (n, 6: class, score, xyxy) and its truth rows (m, 6: class, xyxy, counts)."""

    found: np.ndarray
    rows: np.ndarray


def clip(seed: int, family: str, index: int, kbit: int) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Decoded pictures and truth rows of one clip, as a list of (picture, rows)."""
    light, rain, noise = WEATHER[index % len(WEATHER)]
    scene = Scene(seed, fps=FPS, name='eval%d' % index, camera=index, conditions=Conditions(family, light, rain, noise))
    first = (seed * 131) % 5000
    raw = b''.join(scene.picture(first + i, 1700000000000 + (seed * FRAMES + i) * 66).tobytes() for i in range(FRAMES))
    size = '%dx%d' % scene.size
    coded = _pipe(ENCODE.format(size=size, fps=FPS, preset=PRESETS[index // len(WEATHER) % 2], kbit=kbit), raw)
    plain = _pipe(DECODE, coded)
    decoded = np.frombuffer(plain, np.uint8).reshape(-1, scene.size[1], scene.size[0], 3)
    if len(decoded) != FRAMES:
        raise RuntimeError('ffmpeg gave %d of %d pictures back' % (len(decoded), FRAMES))
    return [(decoded[i], pictures.rows_of(scene.boxes(first + i))) for i in range(EVERY - 1, FRAMES, EVERY)]


def _pipe(arguments: str, given: bytes) -> bytes:
    command = ['ffmpeg', '-loglevel', 'error'] + arguments.split()
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout


def decode(output: np.ndarray, score: float, iou: float) -> np.ndarray:
    """Detections (n, 6: class, score, xyxy) from one picture's raw rows (5040, 11); the best class of each cell."""
    cells, strides = _grid()
    every = output[:, 4:5] * output[:, 5:]
    classes = every.argmax(axis=1)
    scores = every[np.arange(len(every)), classes]
    rows = np.flatnonzero(scores >= score)
    centre = (output[rows, :2] + cells[rows]) * strides[rows]
    half = np.exp(output[rows, 2:4]) * strides[rows] / 2
    limit = [pictures.WIDTH, pictures.PICTURE_HEIGHT] * 2
    boxes = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, limit)
    table = np.concatenate([classes[rows, None], scores[rows, None], boxes], axis=1)
    return table[suppress(table, iou)]


def _grid():
    cells, strides = [], []
    for stride in STRIDES:
        ys, xs = np.mgrid[: pictures.HEIGHT // stride, : pictures.WIDTH // stride]
        cells.append(np.stack([xs, ys], axis=2).reshape(-1, 2))
        strides.append(np.full((cells[-1].shape[0], 1), stride))
    return np.concatenate(cells), np.concatenate(strides)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU (n, m) of xyxy boxes."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
    return shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9)


def suppress(table: np.ndarray, iou: float) -> List[int]:
    """Rows that survive class-wise NMS, best first."""
    kept = []  # type: List[int]
    order = np.argsort(-table[:, 1], kind='stable')
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        same = table[order, 0] == table[first, 0]
        close = overlaps(table[first : first + 1, 2:], table[order, 2:])[0] > iou
        order = order[~(same & close)]
    return kept


def count(judged: Judged, score: float, totals: np.ndarray) -> None:
    """Add one picture's true, false and missed objects per class to totals (classes, 3)."""
    found = judged.found[judged.found[:, 1] >= score]
    wanted, ignored = judged.rows[judged.rows[:, 5] > 0], judged.rows[judged.rows[:, 5] == 0]
    for class_id in range(len(CLASSES)):
        mine, theirs = found[found[:, 0] == class_id], wanted[wanted[:, 0] == class_id]
        table, taken = overlaps(mine[:, 2:], theirs[:, 1:5]), np.zeros(len(theirs), bool)
        spare = overlaps(mine[:, 2:], ignored[:, 1:5]).max(axis=1) if len(ignored) else np.zeros(len(mine))
        for row, near in zip(table, spare):
            free = np.where(taken, 0, row)
            if len(free) and free.max() >= 0.5:
                taken[free.argmax()] = True
                totals[class_id, 0] += 1
            elif near < 0.5:
                totals[class_id, 1] += 1
        totals[class_id, 2] += (~taken).sum()


def judge(session, name: str, clips: int, kbit: int) -> Dict[str, List[Judged]]:
    """Run a set of clips; the judged pictures by family and weather."""
    families = sorted(EVALUATION_FAMILIES if name == 'backdrops' else TRAINING_FAMILIES)
    found = {}  # type: Dict[str, List[Judged]]
    for i in range(clips):
        family = families[i % len(families)]
        index = i // len(families) + i % len(families)
        light, rain, noise = WEATHER[index % len(WEATHER)]
        key = '%s, %s%s%s' % (family, light, ' rain' if rain else '', ' noise' if noise else '')
        for picture, rows in clip(FIRST_SEED[name] + i, family, index, kbit):
            fed = pictures.letterbox(picture)[None].astype(np.float32)
            output = session.run(None, {'images': fed})[0][0]
            found.setdefault(key, []).append(Judged(decode(output, 0.1, 0.45), rows))
    return found


def figures(judged: Sequence[Judged], score: float) -> np.ndarray:
    """Precision, recall and number of objects per class, (classes, 3)."""
    totals = np.zeros((len(CLASSES), 3))
    for one in judged:
        count(one, score, totals)
    true, false, missed = totals.T
    return np.stack([true / np.maximum(true + false, 1), true / np.maximum(true + missed, 1), true + missed], axis=1)


def report(name: str, judged: Dict[str, List[Judged]], score: float) -> np.ndarray:
    """Print and return the figures of one set."""
    table = figures([one for group in judged.values() for one in group], score)
    print('%s, score %.2f' % (name, score))
    for label, row in zip(CLASSES, table):
        print('  %-8s precision %.3f  recall %.3f  objects %d' % ((label,) + tuple(row)))
    return table


def details(judged: Dict[str, List[Judged]], score: float) -> None:
    """Print the figures of all classes together for each family and weather."""
    for key in sorted(judged):
        totals = np.zeros((len(CLASSES), 3))
        for one in judged[key]:
            count(one, score, totals)
        true, false, missed = totals.sum(axis=0)
        print(
            '    %-28s precision %.3f  recall %.3f  objects %d'
            % (key, true / max(true + false, 1), true / max(true + missed, 1), true + missed)
        )


def speed(session) -> float:
    """Milliseconds per picture, median of 60 runs at batch 1."""
    fed, times = np.zeros((1, 3, pictures.HEIGHT, pictures.WIDTH), np.float32), []
    for _ in range(60):
        began = time.perf_counter()
        session.run(None, {'images': fed})
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1000)


CARD = """# The model that comes along for the drawn scenes. Written by models/evaluate.py, its figures with it.
family: yolox
names: {names}
size: [640, 384]
colour: bgr
letterbox: top-left
grey: 114
score: {score}
iou: 0.45
description: >
  Small anchor-free detector, trained from nothing on the drawn scenes of the camera simulator; not meant for real
  pictures. Input images, float32 [batch, 3, 384, 640], BGR 0..255. Output output, float32 [batch, 5040, 11]: cx, cy,
  log w, log h per cell of strides 8, 16, 32, objectness, 6 class scores.
source: models/train.py
license: Apache-2.0
accuracy:
  how: >
    IoU 0.5; objects at least half visible and 16 px high; {clips} clips per set, {pictures} pictures of 640x360 out of
    {fps} fps through x264 zerolatency, {kbit} kbit/s; others are ignored
  inference_ms: {ms}
"""


def write_card(path: str, tables: Dict[str, np.ndarray], score: float, clips: int, kbit: int, ms: float) -> None:
    """Write the model's card with the measured figures."""
    names = '{%s}' % ', '.join('%d: %s' % pair for pair in enumerate(CLASSES))
    text = CARD.format(
        names=names, score=score, clips=clips, pictures=clips * FRAMES // EVERY, fps=FPS, kbit=kbit, ms=round(ms, 1)
    )
    titles = {'seeds': 'unseen_seeds', 'backdrops': 'unseen_backdrops'}
    for name, table in tables.items():
        text += "  %s:\n" % titles[name]
        for label, row in zip(CLASSES, table):
            text += "    %s: {precision: %.3f, recall: %.3f, objects: %d}\n" % ((label,) + tuple(row))
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
    made.add_argument('--sets', nargs='+', choices=sorted(FIRST_SEED), default=['seeds', 'backdrops'])
    made.add_argument('--sweep', action='store_true', help='try several score thresholds (with --sets tuning)')
    made.add_argument('--details', action='store_true', help='figures for each family and weather too')
    return made


def main() -> int:
    """Measure, print, and write the card if asked."""
    args = parser().parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(args.onnx, options, providers=['CPUExecutionProvider'])
    tables = {}
    for name in args.sets:
        judged = judge(session, name, args.clips, args.kbit)
        for score in SWEEP if args.sweep else (args.score,):
            tables[name] = report(name, judged, score)
        if args.details:
            details(judged, args.score)
    ms = speed(session)
    print('inference %.1f ms per picture' % ms)
    if args.card:
        write_card(args.card, tables, args.score, args.clips, args.kbit, ms)
    return 0


if __name__ == '__main__':
    sys.exit(main())
