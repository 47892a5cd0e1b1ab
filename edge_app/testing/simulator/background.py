"""The standing part of a scene, painted once: sky, ground, buildings, things and parked figures.

Whatever stands keeps a mask, so that a picture is made by drawing the moving figures from far to near and
laying the standing things that are nearer over them again.
"""

from typing import Iterable, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from edge_app.testing.simulator import locations, people, vehicles
from edge_app.testing.simulator.painter import Painter
from edge_app.testing.simulator.view import SHIFT, Part, PinholeCamera, Pose, extent, fixed, gather, moved, paint, stamp
from edge_app.testing.simulator.weather import Conditions, Light, light_of

KINDS = {
    'person': people.Person,
    'bicycle': people.Bicycle,
    'car': vehicles.Car,
    'bus': vehicles.Bus,
    'truck': vehicles.Truck,
    'dog': people.Dog,
}

SIDE_LIMIT_PX = 4000
"""No figure is drawn larger than this; it bounds the memory of a mask."""


class Standing(NamedTuple):
    """One standing thing: distance, mask of its pixels (h, w) uint8 within `box` x0, y0, x1, y1.

    `class_id` is -1 for scenery. `area` counts all pixels of a figure, also those outside the picture.
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


def area_of(parts: List[Part], box: Tuple[int, int, int, int]) -> int:
    """Pixels that these parts cover together within their extent `box`, also those outside the picture."""
    x0, y0, x1, y1 = box
    wide, high = min(x1 - x0, SIDE_LIMIT_PX), min(y1 - y0, SIDE_LIMIT_PX)
    mask = np.zeros((high, wide), np.uint8)
    stamp(mask, moved(parts, -x0, -y0), 1)
    return cv2.countNonZero(mask)


def within(box: Tuple[int, int, int, int], width: int, height: int) -> Optional[Tuple[int, int, int, int]]:
    """The part of a box inside the picture; None where there is none."""
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def figure(kind: str, rng: np.random.RandomState, light: Light):
    """A new figure of this kind, dressed by the random state."""
    return KINDS[kind](rng, light.tint)


def reach_of(kinds: Iterable[str]) -> float:
    """Metres within which the longest figure of these kinds lies round its place."""
    return max(KINDS[kind].REACH_M for kind in kinds)


def make(seed: int, size: Tuple[int, int], conditions: Conditions) -> Background:
    """Paint the backdrop of this seed."""
    rng = np.random.RandomState(seed & 0x7FFFFFFF)
    family = conditions.family or sorted(locations.FAMILIES)[rng.randint(len(locations.FAMILIES))]
    light = light_of(conditions, rng)
    view = _view(rng, size)
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    brush = Painter(picture, view, light, rng)
    _sky(brush)
    _distance(brush)
    site = locations.Location(brush, view.depth_at(size[1] * 332 / 360.0))
    locations.FAMILIES[family](site)
    _grain(brush)
    for z, x, height, half_width, _ in site.things:
        if height:
            brush.cast(x, z, height, half_width)
    return Background(picture, view, light, family, tuple(_stand(brush, site)), tuple(site.lanes))


def _view(rng: np.random.RandomState, size: Tuple[int, int]) -> PinholeCamera:
    unit = size[1] / 360.0
    return PinholeCamera(rng.uniform(390, 500) * unit, size[0] / 2.0, rng.uniform(82, 122) * unit, rng.uniform(3.0, 3.9))


def _sky(brush: Painter) -> None:
    height, width = brush.picture.shape[:2]
    low = int(brush.view.horizon) + 2
    blend = np.linspace(0, 1, low)[:, None] ** 1.3
    colours = np.array(brush.light.sky_top) * (1 - blend) + np.array(brush.light.sky_low) * blend
    brush.picture[:low] = colours[:, None].astype(np.uint8)
    clouds = np.zeros((low, width), np.float32)
    for _ in range(brush.rng.randint(3, 8)):
        x, y = brush.rng.uniform(0, width), brush.rng.uniform(0, low * 0.7)
        for _ in range(6):
            centre = (int(x + brush.rng.normal(0, width * 0.05)), int(y + brush.rng.normal(0, low * 0.04)))
            axes = (int(width * brush.rng.uniform(0.02, 0.06)), int(low * brush.rng.uniform(0.03, 0.08)))
            cv2.ellipse(clouds, centre, axes, 0, 0, 360, float(brush.rng.uniform(0.3, 0.7)), -1, cv2.LINE_AA)
    clouds = cv2.GaussianBlur(clouds, (0, 0), width / 90.0)[:, :, None] * 0.8
    bright = np.minimum(np.array(brush.light.sky_low, np.float32) * 1.08, 255)
    sky = brush.picture[:low]
    brush.picture[:low] = (sky * (1 - clouds) + bright * clouds).astype(np.uint8)


def _distance(brush: Painter) -> None:
    """A far line of trees or roofs on the horizon, and a first coat of ground."""
    height, width = brush.picture.shape[:2]
    unit, x = height / 360.0, -10.0
    low = brush.view.horizon + 3 * unit
    brush.pixels(np.array([(0, low - 2), (width, low - 2), (width, height), (0, height)]), (110, 125, 120))
    town = brush.rng.rand() < 0.5
    while x < width:
        wide, high = brush.rng.uniform(14, 40) * unit, brush.rng.uniform(5, 24) * unit
        colour = (175, 165, 160) if town else (120, 140, 110)
        tone = tuple(int(c * brush.rng.uniform(0.9, 1.05)) for c in colour)
        top = (
            [(x, low - high), (x + wide, low - high)]
            if town
            else [(x + wide * 0.3, low - high), (x + wide * 0.7, low - high)]
        )
        brush.pixels(np.array([(x - 2, low)] + top + [(x + wide + 2, low)]), tone)
        x += wide * (1.0 if town else 0.6)


def _grain(brush: Painter) -> None:
    """A faint unevenness of all surfaces below the horizon."""
    height, width = brush.picture.shape[:2]
    top, rng = int(brush.view.horizon), brush.rng
    fine = cv2.GaussianBlur(rng.normal(0, 6, (height - top, width)).astype(np.float32), (0, 0), 1.2, sigmaY=0.6)
    coarse = cv2.resize(
        rng.normal(0, 5, (9, 12)).astype(np.float32), (width, height - top), interpolation=cv2.INTER_CUBIC
    )
    ground = brush.picture[top:]
    brush.picture[top:] = np.clip(ground + (fine + coarse)[:, :, None] * brush.light.gain[1], 0, 255).astype(np.uint8)


def _stand(brush: Painter, site: locations.Location) -> List[Standing]:
    """Paint things and parked figures from far to near and keep their masks."""
    jobs = [(z, paint_it, None) for z, _, _, _, paint_it in site.things]
    jobs += [(still.z, None, still) for still in site.stills]
    standing = []
    for z, paint_it, still in sorted(jobs, key=lambda job: -job[0]):
        made = _still(brush, still) if still else _thing(brush, z, paint_it)
        if made is not None:
            standing.append(made)
    return standing


def _thing(brush: Painter, z: float, paint_it) -> Optional[Standing]:
    brush.mask = np.zeros(brush.picture.shape[:2], np.uint8)
    paint_it()
    mask, brush.mask = brush.mask, None
    x, y, wide, high = cv2.boundingRect(mask)
    return Standing(z, (x, y, x + wide, y + high), mask[y : y + high, x : x + wide].copy()) if wide else None


def _still(brush: Painter, still: locations.Still) -> Optional[Standing]:
    height, width = brush.picture.shape[:2]
    made = figure(still.kind, brush.rng, brush.light)
    place = Pose(still.x, still.z, still.dx, still.dz, 0.0)
    parts = made.parts(place, brush.view)
    points = gather(parts)
    whole = extent(parts, points)
    box = within(whole, width, height)
    if box is None:
        return None
    cast(brush.picture, points, place, brush.view, brush.light)
    paint(brush.picture, parts)
    mask = np.zeros((height, width), np.uint8)
    stamp(mask, parts, 255)
    x0, y0, x1, y1 = box
    return Standing(still.z, box, mask[y0:y1, x0:x1].copy(), made.class_id, area_of(parts, whole))


def cast(picture: np.ndarray, points: np.ndarray, place: Pose, view: PinholeCamera, light: Light) -> Tuple[int, int, int, int]:
    """Darken the ground in place where the figure of these points throws its shadow; the pixels this may change."""
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


def _outline(points: np.ndarray, place: Pose, view: PinholeCamera, light: Light) -> np.ndarray:
    """The shadow on the ground, int32 (k, 2) in 1/16 pixel: the figure's outline laid down, or a pool under it."""
    hull = cv2.convexHull(points.reshape(-1, 1, 2)).reshape(-1, 2) / 16.0
    scale = view.scale_at(place.z)
    foot = view.horizon + view.height_m * scale
    lay = (0.1, -0.09) if light.sun is None else (light.sun[0] * 0.8, -0.1 - 0.14 * light.sun[1])
    rise = foot - hull[:, 1]
    laid = np.stack([hull[:, 0] + rise * lay[0], foot + 0.03 * scale + rise * lay[1]], axis=1)
    return fixed(laid)
