"""A drawn, seeded scene: people, cyclists, vehicles and dogs before a backdrop, with the truth about each picture.

    scene = Scene(seed=7, name="gate", camera=1)
    picture = scene.picture(n, ms)      # uint8 BGR, with clock, name and mark
    truths = scene.boxes(n)             # what can be seen in it, and where

Motion is a function of the frame number alone: the same seed and number always give the same pixels and
boxes, in any order. The strip of the mark at the bottom edge always hides what is behind it.
"""

from collections import OrderedDict
from typing import List, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

from edge_app.testing.simulator import background, weather
from edge_app.testing.simulator.background import Standing, area_of, cast, within
from edge_app.testing.simulator.locations import EVALUATION_FAMILIES, TRAINING_FAMILIES, Lane
from edge_app.testing.simulator.osd import Osd
from edge_app.testing.simulator.timecode import strip_height
from edge_app.testing.simulator.timecode import write as write_timecode
from edge_app.testing.simulator.traffic import Way, random_state
from edge_app.testing.simulator.view import Part, Pose, extent, gather, paint, stamp
from edge_app.testing.simulator.weather import Conditions

CLASSES = ('person', 'bicycle', 'car', 'bus', 'truck', 'dog')
KEPT_FIGURES = 160
_HIDDEN = 255


class Truth(NamedTuple):
    """One figure that is at least partly in sight: `xyxy` encloses its visible pixels, in pixels of the picture.

    `visible` is the share of the figure that is neither outside the picture nor behind something.
    """

    class_id: int
    xyxy: Tuple[float, float, float, float]
    visible: float


class Mover(NamedTuple):
    """A figure on its way: which one (lane, slot, lap), where, its polygons, their points and pixels x0, y0, x1, y1."""

    key: Tuple[int, int, int]
    class_id: int
    place: Pose
    parts: List[Part]
    points: np.ndarray
    box: Tuple[int, int, int, int]


def parse_conditions(text: str) -> Conditions:
    """Conditions from words such as 'dusk rain', 'street+day+noise'; ValueError names an unknown word."""
    found = Conditions()
    for word in text.replace('+', ' ').replace(',', ' ').split():
        if word in weather.LIGHTS:
            found = found._replace(light=word)
        elif word in TRAINING_FAMILIES or word in EVALUATION_FAMILIES:
            found = found._replace(family=word)
        elif word == 'rain':
            found = found._replace(rain=True)
        elif word == 'noise':
            found = found._replace(noise=weather.NOISE_SIGMA)
        else:
            raise ValueError(
                'unknown condition %r; known: rain, noise, %s'
                % (word, ', '.join(weather.LIGHTS + tuple(TRAINING_FAMILIES) + tuple(EVALUATION_FAMILIES)))
            )
    return found


def conditions_of(seed: int) -> Conditions:
    """The conditions a seed brings along: mostly daylight, sometimes dusk, rain, a noisy sensor."""
    rng = np.random.RandomState((seed * 7919 + 17) & 0x7FFFFFFF)
    light = weather.LIGHTS[int(np.searchsorted((0.5, 0.75), rng.rand()))]
    return Conditions(None, light, bool(rng.rand() < 0.2), float(rng.uniform(2, 6)) if rng.rand() < 0.25 else 0.0)


class Scene(object):
    """One camera's world. `size` is (width, height); `conditions`: Conditions, words for them, None for the seed's own."""

    def __init__(
        self,
        seed: int,
        size: Tuple[int, int] = (640, 360),
        fps: float = 15,
        name: str = 'cam1',
        camera: int = 0,
        conditions: Union[Conditions, str, None] = None,
        timecode: bool = True,
    ) -> None:
        if isinstance(conditions, str):
            conditions = parse_conditions(conditions)
        self.seed, self.size, self.fps, self.name, self.camera = seed, size, fps, name, camera
        self.conditions = conditions_of(seed) if conditions is None else conditions
        self.backdrop = background.make(seed, size, self.conditions)
        self._strip = strip_height(size[1]) if timecode else 0
        self._osd = Osd(size, name, self._strip)
        self._figures = OrderedDict()  # type: OrderedDict
        lanes = enumerate(self.backdrop.lanes)
        self._ways = [(Way(lane, index, seed), background.reach_of(lane.kinds)) for index, lane in lanes]
        self._rain = weather.rain_layers(seed, *size) if self.conditions.rain else []
        self._noise = weather.Noise(seed, size[0], size[1], self.conditions.noise) if self.conditions.noise else None

    def picture(self, n: int, ms: Optional[int] = None) -> np.ndarray:
        """Picture n, uint8 BGR (height, width, 3). With `ms` (unix milliseconds) it bears clock, name and mark."""
        picture = self.render(self.movers(n))
        if self._rain:
            cv2.add(picture, self._rain[n % len(self._rain)], dst=picture)
        if self._noise is not None:
            self._noise.apply(picture, n)
        self._sign(picture, n, ms)
        return picture

    def boxes(self, n: int) -> List[Truth]:
        """What is to be seen in picture n."""
        movers = self.movers(n)
        width, height = self.size
        canvas = np.zeros((height, width), np.uint8)
        found = []
        for index, thing in enumerate(_far_to_near(movers, self.backdrop.standing), 1):
            number = min(index, _HIDDEN - 1)
            if isinstance(thing, Mover):
                stamp(canvas, thing.parts, number)
                found.append((thing.class_id, number, thing.box, area_of(thing.parts, thing.box)))
            else:
                _lay_mask(canvas, thing, number)
                if thing.class_id >= 0:
                    found.append((thing.class_id, number, thing.box, thing.area))
        canvas[height - self._strip:] = _HIDDEN
        truths = (_truth(canvas, *entry) for entry in found)
        return [truth for truth in truths if truth is not None]

    def movers(self, n: int) -> List[Mover]:
        """The figures on their way in picture n that reach into the picture, from far to near."""
        t = n / float(self.fps)
        width, height = self.size
        found = []
        for index, (way, reach) in enumerate(self._ways):
            for slot, lap, place in way.managed_processes(t):
                if not self._near_sight(place, reach):
                    continue
                figure = self._figure((index, slot, lap), way.lane)
                parts = figure.parts(place, self.backdrop.view)
                if not parts:
                    continue
                points = gather(parts)
                box = extent(parts, points)
                if within(box, width, height):
                    found.append(Mover((index, slot, lap), figure.class_id, place, parts, points, box))
        return sorted(found, key=lambda mover: -mover.place.z)

    def _near_sight(self, place: Pose, reach: float) -> bool:
        """Whether a figure at this place that reaches this many metres around it could be in the picture."""
        view = self.backdrop.view
        slope = view.centre / view.focal
        return abs(place.x) - reach < slope * (max(place.z, 0.0) + reach)

    def render(self, movers: List[Mover]) -> np.ndarray:
        """The backdrop with these movers in it, without weather, text and mark."""
        picture = self.backdrop.picture.copy()
        spans = [cast(picture, mover.points, mover.place, self.backdrop.view, self.backdrop.light) for mover in movers]
        for thing in _far_to_near(movers, self.backdrop.standing):
            if isinstance(thing, Mover):
                paint(picture, thing.parts)
                spans.append(thing.box)
            elif any(_overlap(thing.box, span) for span in spans):
                self._restore(picture, thing)
        return picture

    def _restore(self, picture: np.ndarray, thing: Standing) -> None:
        x0, y0, x1, y1 = thing.box
        cv2.copyTo(self.backdrop.picture[y0:y1, x0:x1], thing.mask, picture[y0:y1, x0:x1])

    def _sign(self, picture: np.ndarray, n: int, ms: Optional[int]) -> None:
        if ms is None:
            picture[self.size[1] - self._strip:] = 16
            return
        self._osd.write(picture, ms)
        if self._strip:
            write_timecode(picture, self.camera, n, ms)

    def _figure(self, key: Tuple[int, int, int], lane: Lane):
        if key not in self._figures:
            rng = random_state(self.seed, *key)
            kinds = sorted(lane.kinds)
            share = np.cumsum([lane.kinds[kind] for kind in kinds])
            kind = kinds[min(int(np.searchsorted(share, rng.rand() * share[-1])), len(kinds) - 1)]
            self._figures[key] = background.figure(kind, rng, self.backdrop.light)
            if len(self._figures) > KEPT_FIGURES:
                self._figures.popitem(last=False)
        return self._figures[key]


def _far_to_near(movers: List[Mover], standing: Tuple[Standing, ...]) -> List[Union[Mover, Standing]]:
    return sorted(
        list(movers) + list(standing), key=lambda thing: -(thing.place.z if isinstance(thing, Mover) else thing.z)
    )


def _overlap(a: Tuple[int, int, int, int], b: Tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _lay_mask(canvas: np.ndarray, thing: Standing, number: int) -> None:
    x0, y0, x1, y1 = thing.box
    canvas[y0:y1, x0:x1][thing.mask > 0] = number


def _truth(
    canvas: np.ndarray, class_id: int, number: int, box: Tuple[int, int, int, int], area: int
) -> Optional[Truth]:
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
