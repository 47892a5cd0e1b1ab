"""A drawn, seeded scene: people, cyclists, vehicles and dogs before a background, with the truth about each picture.

    scene = Scene(seed=7, name="gate", camera=1)
    picture = scene.picture(n, ms)      # uint8 BGR, with clock, name and timecode
    truths = scene.boxes(n)             # what can be seen in it, and where

Motion is a function of the frame number alone: the same seed and number always give the same pixels and boxes, in any
order. The timecode's strip at the bottom edge always hides what is behind it.
"""
from collections import OrderedDict
from typing import List, NamedTuple, Tuple

import cv2
import numpy as np

from edge_app.testing.simulator import background, weather
from edge_app.testing.simulator.background import KINDS, area_of, cast, within
from edge_app.testing.simulator.locations import FAMILIES
from edge_app.testing.simulator.osd import Osd
from edge_app.testing.simulator.timecode import strip_height
from edge_app.testing.simulator.timecode import write as write_timecode
from edge_app.testing.simulator.traffic import LaneTraffic, random_state
from edge_app.testing.simulator.view import Part, Pose, extent, gather, paint, stamp
from edge_app.testing.simulator.weather import Conditions

CLASSES = ('person', 'bicycle', 'car', 'bus', 'truck', 'dog')
KEPT_OBJECTS = 160
_HIDDEN = 255


class Truth(NamedTuple):
    """One object that is at least partly in sight: `xyxy` encloses its visible pixels, in pixels of the picture.

    `visible` is the share of the object that is neither outside the picture nor behind something.
    """

    class_id: int
    xyxy: Tuple[float, float, float, float]
    visible: float


class Mover(NamedTuple):
    """A moving object: which one (lane, slot, lap), where, its polygons, their points and pixels x0, y0, x1, y1."""

    key: Tuple[int, int, int]
    class_id: int
    place: Pose
    parts: List[Part]
    points: np.ndarray
    box: Tuple[int, int, int, int]


def parse_conditions(text):
    """Conditions from words such as 'dusk rain', 'street+day+noise'; ValueError names an unknown word."""
    found = Conditions()
    for word in text.replace('+', ' ').replace(',', ' ').split():
        if word in weather.LIGHTS:
            found = found._replace(light=word)
        elif word in FAMILIES:
            found = found._replace(family=word)
        elif word == 'rain':
            found = found._replace(rain=True)
        elif word == 'noise':
            found = found._replace(noise=weather.NOISE_SIGMA)
        else:
            known = weather.LIGHTS + tuple(FAMILIES)
            raise ValueError('unknown condition %r; known: rain, noise, %s' % (word, ', '.join(known)))
    return found


def conditions_of(seed):
    """The conditions a seed brings along: mostly daylight, sometimes dusk, rain, a noisy sensor."""
    rng = np.random.RandomState((seed * 7919 + 17) & 0x7FFFFFFF)
    light = weather.LIGHTS[int(np.searchsorted((0.5, 0.75), rng.rand()))]
    return Conditions(None, light, bool(rng.rand() < 0.2), float(rng.uniform(2, 6)) if rng.rand() < 0.25 else 0.0)


class Scene:
    """What one camera sees, `size` (width, height) in pixels.

    `conditions`: Conditions, words for them, or None for the seed's own. `timecode`: leave room for it at the bottom.
    """

    def __init__(self, seed, size=(640, 360), fps=15, name='cam1', camera=0, conditions=None, timecode=True):
        if isinstance(conditions, str):
            conditions = parse_conditions(conditions)
        self.seed, self.size, self.fps, self.name, self.camera = seed, size, fps, name, camera
        self.conditions = conditions_of(seed) if conditions is None else conditions
        self.background = background.make(seed, size, self.conditions)
        self._strip = strip_height(size[1]) if timecode else 0
        self._osd = Osd(size, name, self._strip)
        self._objects = OrderedDict()
        self._traffic = [(LaneTraffic(lane, index, seed), max(KINDS[kind].REACH_M for kind in lane.kinds))
                         for index, lane in enumerate(self.background.lanes)]
        self._rain = weather.rain_layers(seed, *size) if self.conditions.rain else []
        self._noise = weather.Noise(seed, size[0], size[1], self.conditions.noise) if self.conditions.noise else None

    def picture(self, n, ms=None):
        """Picture n, uint8 BGR (height, width, 3); with `ms` (unix milliseconds) it has clock, name and timecode."""
        picture = self.render(self.movers(n))
        if self._rain:
            cv2.add(picture, self._rain[n % len(self._rain)], dst=picture)
        if self._noise is not None:
            self._noise.apply(picture, n)
        self._overlay(picture, n, ms)
        return picture

    def boxes(self, n):
        """What is to be seen in picture n."""
        movers = self.movers(n)
        width, height = self.size
        canvas = np.zeros((height, width), np.uint8)
        found = []
        for index, thing in enumerate(_far_to_near(movers, self.background.standing), 1):
            number = min(index, _HIDDEN - 1)
            if isinstance(thing, Mover):
                stamp(canvas, thing.parts, number)
                found.append((thing.class_id, number, thing.box, area_of(thing.parts, thing.box)))
            else:
                x0, y0, x1, y1 = thing.box
                canvas[y0:y1, x0:x1][thing.mask > 0] = number
                if thing.class_id >= 0:
                    found.append((thing.class_id, number, thing.box, thing.area))
        canvas[height - self._strip:] = _HIDDEN
        truths = (_truth(canvas, *entry) for entry in found)
        return [truth for truth in truths if truth is not None]

    def movers(self, n):
        """The moving objects that reach into picture n, from far to near."""
        t = n / float(self.fps)
        width, height = self.size
        found = []
        for index, (traffic, reach) in enumerate(self._traffic):
            for slot, lap, place in traffic.at(t):
                if not self._near_sight(place, reach):
                    continue
                moving = self._object((index, slot, lap), traffic.lane)
                parts = moving.parts(place, self.background.view)
                if not parts:
                    continue
                points = gather(parts)
                box = extent(parts, points)
                if within(box, width, height):
                    found.append(Mover((index, slot, lap), moving.class_id, place, parts, points, box))
        return sorted(found, key=lambda mover: -mover.place.z)

    def _near_sight(self, place, reach):
        """Whether an object at this place that reaches this many metres around it could be in the picture."""
        view = self.background.view
        slope = view.centre / view.focal
        return abs(place.x) - reach < slope * (max(place.z, 0.0) + reach)

    def render(self, movers):
        """The background with these movers in it, without weather, text and timecode."""
        picture = self.background.picture.copy()
        spans = [cast(picture, mover.points, mover.place, self.background.view, self.background.light)
                 for mover in movers]
        for thing in _far_to_near(movers, self.background.standing):
            if isinstance(thing, Mover):
                paint(picture, thing.parts)
                spans.append(thing.box)
                continue
            x0, y0, x1, y1 = thing.box
            if any(x0 < right and left < x1 and y0 < bottom and top < y1 for left, top, right, bottom in spans):
                cv2.copyTo(self.background.picture[y0:y1, x0:x1], thing.mask, picture[y0:y1, x0:x1])
        return picture

    def _overlay(self, picture, n, ms):
        if ms is None:
            picture[self.size[1] - self._strip:] = 16
            return
        self._osd.write(picture, ms)
        if self._strip:
            write_timecode(picture, self.camera, n, ms)

    def _object(self, key, lane):
        if key not in self._objects:
            rng = random_state(self.seed, *key)
            kinds = sorted(lane.kinds)
            share = np.cumsum([lane.kinds[kind] for kind in kinds])
            kind = kinds[min(int(np.searchsorted(share, rng.rand() * share[-1])), len(kinds) - 1)]
            self._objects[key] = KINDS[kind](rng, self.background.light.tint)
            if len(self._objects) > KEPT_OBJECTS:
                self._objects.popitem(last=False)
        return self._objects[key]


def _far_to_near(movers, standing):
    return sorted(list(movers) + list(standing),
                  key=lambda thing: -(thing.place.z if isinstance(thing, Mover) else thing.z))


def _truth(canvas, class_id, number, box, area):
    inside = within(box, canvas.shape[1], canvas.shape[0])
    if inside is None or not area:
        return None
    x0, y0, x1, y1 = inside
    seen = np.uint8(canvas[y0:y1, x0:x1] == number)
    count = cv2.countNonZero(seen)
    if not count:
        return None
    x, y, wide, high = cv2.boundingRect(seen)
    xyxy = (float(x0 + x), float(y0 + y), float(x0 + x + wide), float(y0 + y + high))
    return Truth(class_id, xyxy, min(1.0, count / float(area)))
