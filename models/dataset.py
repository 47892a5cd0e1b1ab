"""Training pictures: drawn scenes on disk as JPEG with their ground truth, and the loader that augments them.

Objects that are more than half hidden, or lower than `MIN_HEIGHT_PX`, are kept as regions to ignore.
"""
import json
import multiprocessing
import os
import sys
from typing import List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import random_scene  # noqa: E402

from edge_app.testing.simulator import scene as scenes  # noqa: E402
from edge_app.testing.simulator.locations import TRAINING_FAMILIES  # noqa: E402

TRAIN_SEEDS = [seed for seed in range(3000) if seed % 5 in (0, 2)]
RANDOM_SCENES_FROM = 1500
"""Seeds from here on show the random scene that only training sees."""
WIDTH, HEIGHT = 640, 384
PICTURE_HEIGHT = 360
CROP = (320, 192)
"""Width and height of a crop; multiples of the coarsest stride."""
PAD_VALUE = 114
MIN_HEIGHT_PX = 16.0
MIN_VISIBLE = 0.5
MIN_TRAINED_PX = 14.0
"""Lower objects are ignored in training: a little below what is evaluated."""
FRAMES_PER_SCENE = 20
FRAME_STEP = 41
"""Pictures of one scene are this far apart, so that they differ."""


class Sample(NamedTuple):
    """A network input (3, height, width) uint8 and its rows of class, x0, y0, x1, y1, counts (0: ignore)."""

    picture: np.ndarray
    rows: np.ndarray


def to_rows(truths) -> np.ndarray:
    """Ground truths as (n, 6) float32: class, xyxy, 1 where the object counts and 0 where it is ignored."""
    rows = [(t.class_id,) + t.xyxy + (float(t.visible >= MIN_VISIBLE and t.xyxy[3] - t.xyxy[1] >= MIN_HEIGHT_PX),)
            for t in truths]
    return np.array(rows, np.float32).reshape(-1, 6)


def render_scene(job: Tuple[int, str]) -> int:
    """Draw the pictures of one seed into a folder; how many."""
    seed, folder = job
    cv2.setNumThreads(1)
    rng = np.random.RandomState(seed)
    families = sorted(TRAINING_FAMILIES)
    family = families[seed % len(families)] if seed < RANDOM_SCENES_FROM else random_scene.NAME
    conditions = scenes.conditions_of(seed)._replace(family=family)
    scene = scenes.Scene(seed, name='cam%d' % rng.randint(1, 99), camera=rng.randint(256), conditions=conditions)
    truth = []
    for i in range(FRAMES_PER_SCENE):
        n = i * FRAME_STEP + int(rng.randint(FRAME_STEP))
        picture = scene.picture(n, 1500000000000 + int(rng.randint(1 << 30)) * 300)
        name = '%06d_%02d.jpg' % (seed, i)
        cv2.imwrite(os.path.join(folder, name), picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.randint(30, 95))])
        truth.append((name, to_rows(scene.boxes(n)).tolist()))
    with open(os.path.join(folder, '%06d.json' % seed), 'w') as file:
        json.dump(truth, file)
    return len(truth)


def render(folder: str, seeds: Sequence[int], workers: int) -> int:
    """Draw all seeds that are not on disk yet; how many pictures were drawn."""
    if not os.path.isdir(folder):
        os.makedirs(folder)
    jobs = [(seed, folder) for seed in seeds if not os.path.exists(os.path.join(folder, '%06d.json' % seed))]
    with multiprocessing.Pool(workers) as pool:
        return sum(pool.imap_unordered(render_scene, jobs))


def list_pictures(folder: str, seeds: Sequence[int]) -> List[Tuple[str, np.ndarray]]:
    """Path and rows of every picture of these seeds that is on disk."""
    found = []
    for seed in seeds:
        path = os.path.join(folder, '%06d.json' % seed)
        if os.path.exists(path):
            with open(path) as file:
                found += [(os.path.join(folder, name), np.array(rows, np.float32).reshape(-1, 6))
                          for name, rows in json.load(file)]
    return found


def letterbox(picture: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The picture at the top left of a padded canvas, (3, height, width) uint8."""
    canvas = np.full((height, width, 3), PAD_VALUE, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))


def load(entry: Tuple[str, np.ndarray], rng: np.random.RandomState, scale: float = 1.0) -> Sample:
    """One picture, mirrored, zoomed and recoloured at random; `scale` shrinks picture and canvas alike."""
    picture, rows = _read(entry, rng)
    zoom = float(np.exp(rng.uniform(np.log(0.75), np.log(1.5)))) if rng.rand() < 0.6 else 1.0
    if zoom * scale != 1.0:
        size = int(WIDTH * scale), int(PICTURE_HEIGHT * scale)
        corner = [rng.uniform(0, 1) * (1 - zoom) * side for side in size]
        picture, rows = _transform(picture, rows, corner, size, zoom * scale, MIN_TRAINED_PX if scale == 1.0 else 10)
    return Sample(letterbox(_recolour(picture, rng), int(HEIGHT * scale), int(WIDTH * scale)), rows)


def load_crops(entry: Tuple[str, np.ndarray], rng: np.random.RandomState, count: int) -> List[Sample]:
    """`count` crops of one picture, each around an object, small ones more often than large ones."""
    picture, rows = _read(entry, rng)
    picture, crops = _recolour(picture, rng), []
    heights = (rows[:, 4] - rows[:, 2])[rows[:, 5] > 0]
    share = np.clip(30.0 / np.maximum(heights, 1), 0.1, 2.0) ** 2
    for _ in range(count):
        zoom = float(np.exp(rng.uniform(np.log(0.75), np.log(1.35)))) if rng.rand() < 0.7 else 1.0
        center = rng.uniform(0, [WIDTH, PICTURE_HEIGHT])
        if len(heights):
            box = rows[rows[:, 5] > 0][rng.choice(len(heights), p=share / share.sum()), 1:5]
            center = (box[:2] + box[2:]) / 2
        corner = [float(np.clip(rng.uniform(0.1, 0.9) * side - zoom * at, min(side - zoom * whole, 0), 0))
                  for side, at, whole in zip(CROP, center, (WIDTH, PICTURE_HEIGHT))]
        crop, visible = _transform(picture, rows, corner, CROP, zoom, MIN_TRAINED_PX)
        crops.append(Sample(np.ascontiguousarray(crop.transpose(2, 0, 1)), visible))
    return crops


def _read(entry: Tuple[str, np.ndarray], rng: np.random.RandomState) -> Tuple[np.ndarray, np.ndarray]:
    """Picture and rows from the disk, mirrored half of the time."""
    path, rows = entry
    picture, rows = cv2.imread(path), rows.copy()
    if rng.rand() < 0.5:
        picture = picture[:, ::-1]
        rows[:, [1, 3]] = WIDTH - rows[:, [3, 1]]
    return picture, rows


def _transform(picture: np.ndarray, rows: np.ndarray, corner: Sequence[float], size: Tuple[int, int], factor: float,
               min_height: float) -> Tuple[np.ndarray, np.ndarray]:
    """Scale by `factor` and move by `corner`; an object that loses 40 % of its area or gets too small is ignored."""
    if factor < 0.9:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / factor)
    if factor == 1.0:
        corner = [round(at) for at in corner]
    matrix = np.array([[factor, 0, corner[0]], [0, factor, corner[1]]])
    picture = cv2.warpAffine(picture, matrix, size, borderValue=(PAD_VALUE,) * 3)
    boxes = rows[:, 1:5] * factor + np.array(list(corner) * 2, np.float32)
    clipped = np.clip(boxes, 0, list(size) * 2)
    before, after = [np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=1) for b in (boxes, clipped)]
    counts = rows[:, 5] * (after > 0.6 * before) * (clipped[:, 3] - clipped[:, 1] >= min_height)
    rows = np.concatenate([rows[:, :1], clipped, counts[:, None]], axis=1).astype(np.float32)
    return picture, rows[after > 4]


def _recolour(picture: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    picture = np.ascontiguousarray(picture)
    table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-12, 12), 0, 255).astype(np.uint8)
    picture = cv2.LUT(picture, table.reshape(1, 256, 3))
    if rng.rand() < 0.25:
        picture = cv2.GaussianBlur(picture, (3, 3), rng.uniform(0.3, 0.9))
    return picture
