"""The static part of a scene, painted once: sky, ground, buildings, street objects, parked vehicles.

Static objects keep a mask: a picture is made by drawing moving objects from far to near and laying the static ones
that are nearer over them again.
"""
from typing import NamedTuple, Tuple

import cv2
import numpy as np

from edge_app.testing.simulator import locations, people, vehicles
from edge_app.testing.simulator.painter import Painter
from edge_app.testing.simulator.view import SHIFT, PinholeCamera, Pose, extent, fixed, gather, moved, paint, stamp
from edge_app.testing.simulator.weather import Light, light_of

KINDS = {'person': people.Person, 'bicycle': people.Bicycle, 'car': vehicles.Car, 'bus': vehicles.Bus,
         'truck': vehicles.Truck, 'dog': people.Dog}

SIDE_LIMIT_PX = 4000
"""Nothing is drawn larger than this; it bounds the memory of a mask."""


class Standing(NamedTuple):
    """One static object: distance, mask of its pixels (h, w) uint8 within `box` x0, y0, x1, y1.

    `class_id` is -1 for scenery. `area` counts all pixels of an object, also those outside the picture.
    """

    z: float
    box: Tuple[int, int, int, int]
    mask: np.ndarray
    class_id: int = -1
    area: int = 0


class Background(NamedTuple):
    """The painted picture (h, w, 3), what stands in it from far to near, and the lanes of traffic."""

    picture: np.ndarray
    view: PinholeCamera
    light: Light
    family: str
    standing: Tuple[Standing, ...]
    lanes: Tuple[locations.Lane, ...]


def area_of(parts, box):
    """Pixels that these parts cover together within their extent `box`, also those outside the picture."""
    x0, y0, x1, y1 = box
    wide, high = min(x1 - x0, SIDE_LIMIT_PX), min(y1 - y0, SIDE_LIMIT_PX)
    mask = np.zeros((high, wide), np.uint8)
    stamp(mask, moved(parts, -x0, -y0), 1)
    return cv2.countNonZero(mask)


def within(box, width, height):
    """The part of a box inside the picture; None where there is none."""
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def make(seed, size, conditions):
    """Paint the background of this seed."""
    rng = np.random.RandomState(seed & 0x7FFFFFFF)
    family = conditions.family or sorted(locations.FAMILIES)[rng.randint(len(locations.FAMILIES))]
    light = light_of(conditions, rng)
    unit = size[1] / 360.0
    view = PinholeCamera(rng.uniform(390, 500) * unit, size[0] / 2.0, rng.uniform(82, 122) * unit,
                         rng.uniform(3.0, 3.9))
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    painter = Painter(picture, view, light, rng)
    _sky(painter)
    _distance(painter)
    location = locations.Location(painter, view.depth_at(size[1] * 332 / 360.0))
    locations.FAMILIES[family](location)
    _grain(painter)
    for z, x, height, half_width, _ in location.things:
        if height:
            painter.cast(x, z, height, half_width)
    return Background(picture, view, light, family, tuple(_stand(painter, location)), tuple(location.lanes))


def _sky(painter):
    height, width = painter.picture.shape[:2]
    low = int(painter.view.horizon) + 2
    blend = np.linspace(0, 1, low)[:, None] ** 1.3
    colours = np.array(painter.light.sky_top) * (1 - blend) + np.array(painter.light.sky_low) * blend
    painter.picture[:low] = colours[:, None].astype(np.uint8)
    clouds = np.zeros((low, width), np.float32)
    for _ in range(painter.rng.randint(3, 8)):
        x, y = painter.rng.uniform(0, width), painter.rng.uniform(0, low * 0.7)
        for _ in range(6):
            centre = (int(x + painter.rng.normal(0, width * 0.05)), int(y + painter.rng.normal(0, low * 0.04)))
            axes = (int(width * painter.rng.uniform(0.02, 0.06)), int(low * painter.rng.uniform(0.03, 0.08)))
            cv2.ellipse(clouds, centre, axes, 0, 0, 360, float(painter.rng.uniform(0.3, 0.7)), -1, cv2.LINE_AA)
    clouds = cv2.GaussianBlur(clouds, (0, 0), width / 90.0)[:, :, None] * 0.8
    bright = np.minimum(np.array(painter.light.sky_low, np.float32) * 1.08, 255)
    sky = painter.picture[:low]
    painter.picture[:low] = (sky * (1 - clouds) + bright * clouds).astype(np.uint8)


def _distance(painter):
    """A far line of trees or roofs on the horizon, and a first coat of ground."""
    height, width = painter.picture.shape[:2]
    unit, x = height / 360.0, -10.0
    low = painter.view.horizon + 3 * unit
    painter.pixels(np.array([(0, low - 2), (width, low - 2), (width, height), (0, height)]), (110, 125, 120))
    town = painter.rng.rand() < 0.5
    while x < width:
        wide, high = painter.rng.uniform(14, 40) * unit, painter.rng.uniform(5, 24) * unit
        colour = (175, 165, 160) if town else (120, 140, 110)
        tone = tuple(int(c * painter.rng.uniform(0.9, 1.05)) for c in colour)
        left, right = (x, x + wide) if town else (x + wide * 0.3, x + wide * 0.7)
        painter.pixels(np.array([(x - 2, low), (left, low - high), (right, low - high), (x + wide + 2, low)]), tone)
        x += wide * (1.0 if town else 0.6)


def _grain(painter):
    """A faint unevenness of all surfaces below the horizon."""
    height, width = painter.picture.shape[:2]
    top, rng = int(painter.view.horizon), painter.rng
    fine = cv2.GaussianBlur(rng.normal(0, 6, (height - top, width)).astype(np.float32), (0, 0), 1.2, sigmaY=0.6)
    coarse = rng.normal(0, 5, (9, 12)).astype(np.float32)
    coarse = cv2.resize(coarse, (width, height - top), interpolation=cv2.INTER_CUBIC)
    ground = painter.picture[top:] + (fine + coarse)[:, :, None] * painter.light.gain[1]
    painter.picture[top:] = np.clip(ground, 0, 255).astype(np.uint8)


def _stand(painter, location):
    """Paint street objects and parked vehicles from far to near and keep their masks."""
    jobs = [(z, paint_it, None) for z, _, _, _, paint_it in location.things]
    jobs += [(still.z, None, still) for still in location.stills]
    standing = [_still(painter, still) if still else _thing(painter, z, paint_it)
                for z, paint_it, still in sorted(jobs, key=lambda job: -job[0])]
    return [made for made in standing if made is not None]


def _thing(painter, z, paint_it):
    painter.mask = np.zeros(painter.picture.shape[:2], np.uint8)
    paint_it()
    mask, painter.mask = painter.mask, None
    x, y, wide, high = cv2.boundingRect(mask)
    return Standing(z, (x, y, x + wide, y + high), mask[y:y + high, x:x + wide].copy()) if wide else None


def _still(painter, still):
    height, width = painter.picture.shape[:2]
    made = KINDS[still.kind](painter.rng, painter.light.tint)
    place = Pose(still.x, still.z, still.dx, still.dz, 0.0)
    parts = made.parts(place, painter.view)
    points = gather(parts)
    whole = extent(parts, points)
    box = within(whole, width, height)
    if box is None:
        return None
    cast(painter.picture, points, place, painter.view, painter.light)
    paint(painter.picture, parts)
    mask = np.zeros((height, width), np.uint8)
    stamp(mask, parts, 255)
    x0, y0, x1, y1 = box
    return Standing(still.z, box, mask[y0:y1, x0:x1].copy(), made.class_id, area_of(parts, whole))


def cast(picture, points, place, view, light):
    """Darken the ground where the object of these points casts its shadow; returns the box that may have changed."""
    height, width = picture.shape[:2]
    outline = _outline(points, place, view, light)
    low, high = outline.min(axis=0) >> SHIFT, outline.max(axis=0) >> SHIFT
    box = within((int(low[0]) - 2, int(low[1]) - 2, int(high[0]) + 3, int(high[1]) + 3), width, height)
    if box is None:
        return 0, 0, 0, 0
    x0, y0, x1, y1 = box
    factor = np.full((y1 - y0, x1 - x0, 3), 255, np.uint8)
    corners = outline - np.array([x0, y0], np.int32) * (1 << SHIFT)
    cv2.fillPoly(factor, [corners], (int(255 * light.shadow),) * 3, cv2.LINE_AA, SHIFT)
    region = picture[y0:y1, x0:x1]
    cv2.multiply(region, factor, dst=region, scale=1 / 255.0)
    return box


def _outline(points, place, view, light):
    """The shadow on the ground, int32 (k, 2) in 1/16 pixel: the object's outline laid down, or a pool under it."""
    hull = cv2.convexHull(points.reshape(-1, 1, 2)).reshape(-1, 2) / 16.0
    scale = view.scale_at(place.z)
    foot = view.horizon + view.height_m * scale
    lay = (0.1, -0.09) if light.sun is None else (light.sun[0] * 0.8, -0.1 - 0.14 * light.sun[1])
    rise = foot - hull[:, 1]
    return fixed(np.stack([hull[:, 0] + rise * lay[0], foot + 0.03 * scale + rise * lay[1]], axis=1))
