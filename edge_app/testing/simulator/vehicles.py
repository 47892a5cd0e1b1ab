"""Cars, buses and trucks: solids of flat faces, projected with true perspective.

Vehicle coordinates: forward, up, right, in metres, the origin on the ground under the middle.
A face lists its corners anticlockwise as seen from outside; faces turned away are left out.
"""
from typing import NamedTuple

import numpy as np

from edge_app.testing.simulator.view import Colour, Part, fixed, shade

PAINTS = ((235, 235, 235), (190, 192, 195), (60, 58, 56), (45, 45, 190), (170, 90, 35), (60, 120, 55), (40, 165, 225),
          (120, 70, 60), (150, 160, 120), (110, 105, 100), (70, 60, 120))
BUS_PAINTS = ((45, 45, 205), (200, 120, 30), (60, 150, 70), (30, 175, 235), (220, 225, 228), (150, 60, 110))
BOX_PAINTS = ((238, 238, 238), (225, 220, 205), (190, 120, 50), (60, 150, 215), (80, 150, 90), (205, 205, 210),
              (60, 60, 185), (175, 185, 190))
GLASS = (95, 80, 62)
TYRE = (34, 34, 34)
HUB = (175, 175, 178)
LAMP, TAIL = (215, 240, 250), (45, 40, 200)

_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


class Face(NamedTuple):
    """Corners (k, 3) and colour of one flat face."""

    corners: np.ndarray
    colour: Colour


class Solid:
    """Faces in the order in which they are painted."""

    def __init__(self, tint):
        self._tint = tint
        self.faces = []

    def _add(self, corners, colour):
        self.faces.append(Face(np.array(corners, float), colour))

    def prism(self, profile, half_width, colour):
        """An upright plate-shaped body: `profile` (forward, up), anticlockwise seen from the right."""
        right = [(x, y, half_width) for x, y in profile]
        left = [(x, y, -half_width) for x, y in profile]
        for i, _ in enumerate(profile):
            j = (i + 1) % len(profile)
            run, rise = profile[j][0] - profile[i][0], profile[j][1] - profile[i][1]
            light = 1.0 + 0.14 * (-run) / max(np.hypot(run, rise), 1e-6)
            self._add([right[i], left[i], left[j], right[j]], self._tint(shade(colour, light)))
        self._add(right, self._tint(shade(colour, 0.96)))
        self._add(left[::-1], self._tint(shade(colour, 0.88)))

    def on_sides(self, outline, half_width, colour):
        """The same flat shape on both sides; outline (forward, up) as seen from the right."""
        right = [(x, y, half_width) for x, y in outline]
        self._add(right, self._tint(colour))
        self._add([(x, y, -half_width) for x, y in outline][::-1], self._tint(shade(colour, 0.93)))

    def across(self, lower, upper, half_width, colour, middle=0.0, lit=False):
        """A pane on the front (lower edge first) or, with the edges given top first, on the rear."""
        (x0, y0), (x1, y1) = lower, upper
        z0, z1 = middle + half_width, middle - half_width
        self._add([(x0, y0, z0), (x0, y0, z1), (x1, y1, z1), (x1, y1, z0)], colour if lit else self._tint(colour))

    def wheels(self, axles, radius, half_width):
        """Tyre and hub on both sides at each axle."""
        for x in axles:
            for size, colour, out in ((1.0, TYRE, 0.0), (0.58, HUB, 0.005), (0.2, TYRE, 0.01)):
                ring = _CIRCLE * radius * size + (x, radius)
                self.on_sides([tuple(point) for point in ring], half_width + out, colour)

    def lights(self, front, rear, height, half_width, size):
        """Head and tail lamps at both corners, front and rear x given."""
        for side in (1, -1):
            z = side * (half_width - size * 1.1)
            self.across((front, height), (front, height + size * 0.8), size, LAMP, z, lit=True)
            self.across((rear, height + size * 0.8), (rear, height), size, TAIL, z, lit=True)


class _Vehicle:
    """Groups of faces; the group farther away is painted first."""

    def __init__(self):
        self._groups = []

    def _close(self, *solids):
        for solid in solids:
            corners = np.concatenate([face.corners for face in solid.faces])
            sizes = np.array([len(face.corners) for face in solid.faces])
            starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
            self._groups.append((corners, starts, sizes, tuple(face.colour for face in solid.faces)))

    def parts(self, place, view):
        """Polygons of the faces turned to the camera, far to near."""
        worlds = [place.world(group[0]) for group in self._groups]
        order = sorted(range(len(worlds)), key=lambda i: -worlds[i][:, 2].mean())
        return [part for i in order for part in _faces_seen(worlds[i], self._groups[i], view)]


def _faces_seen(world, group, view):
    _, starts, sizes, colours = group
    pixels = view.project(world)
    first, second, third = pixels[starts], pixels[starts + 1], pixels[starts + 2]
    a, b = second - first, third - second
    seen = np.nonzero(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < -1e-3)[0]
    points = fixed(pixels)
    return [Part(points[starts[i]:starts[i] + sizes[i]], colours[i]) for i in seen]


def _pick(rng, colours):
    return shade(colours[rng.randint(len(colours))], rng.uniform(0.88, 1.08))


class Car(_Vehicle):
    """A hatchback, saloon or off-roader."""

    class_id = 2
    REACH_M = 2.8

    def __init__(self, rng, tint):
        super().__init__()
        shape = rng.randint(3)
        half = rng.uniform(2.0, 2.3) + (0.0, 0.15, 0.1)[shape]
        belt, roof = (0.88, 0.9, 1.05)[shape], (1.45, 1.42, 1.75)[shape] * rng.uniform(0.98, 1.04)
        self._close(self._body(rng, tint, shape, half, belt, roof))

    def _body(self, rng, tint, shape, half, belt, roof):
        colour, wide = _pick(rng, PAINTS), rng.uniform(0.86, 0.92)
        solid, nose = Solid(tint), belt - 0.16
        solid.prism([(-half + 0.5, 0.16), (half - 0.5, 0.16), (half - 0.5, 0.4), (-half + 0.5, 0.4)], wide - 0.1,
                    (30, 30, 30))
        solid.prism([(-half, 0.3), (half, 0.3), (half, nose), (half - 0.95, belt), (-half + 0.1, belt)], wide, colour)
        solid.on_sides([(-half, 0.3), (half, 0.3), (half, 0.42), (-half, 0.42)], wide + 0.004, shade(colour, 0.55))
        solid.across((half + 0.004, 0.34), (half + 0.004, 0.5), wide * 0.6, (45, 45, 45))
        solid.across((-half - 0.004, 0.62), (-half - 0.004, 0.48), 0.3, (225, 225, 225))
        solid.lights(half + 0.006, -half - 0.006, nose - 0.2, wide, 0.2)
        solid.wheels((-half + 0.78, half - 0.82), 0.34, wide + 0.01)
        back = (-half + 0.12, -half + 0.75, -half + 0.1)[shape]
        front, slope = half - 1.05, (0.3, 0.5, 0.2)[shape]
        self._cabin(solid, (back, back + slope, front - 0.65, front), belt, roof, wide * 0.94, colour)
        return solid

    @staticmethod
    def _cabin(solid, xs, belt, roof, wide, colour):
        back, back_top, front_top, front = xs
        solid.prism([(back, belt), (front, belt), (front_top, roof), (back_top, roof)], wide, colour)
        low, high, middle = belt + 0.05, roof - 0.09, (back_top + front_top) / 2 - 0.05
        solid.on_sides([(back + 0.22, low), (middle - 0.05, low), (middle - 0.05, high), (back_top + 0.12, high)],
                       wide + 0.01, GLASS)
        solid.on_sides([(middle + 0.05, low), (front - 0.2, low), (front_top - 0.06, high), (middle + 0.05, high)],
                       wide + 0.01, GLASS)
        solid.across((front + 0.005, low), (front_top + 0.02, high), wide * 0.88, shade(GLASS, 1.15))
        solid.across((back_top - 0.02, high), (back - 0.005, low), wide * 0.86, shade(GLASS, 0.9))


class Bus(_Vehicle):
    """A city bus: one long box, a row of windows, a destination sign."""

    class_id = 3
    REACH_M = 6.2

    def __init__(self, rng, tint):
        super().__init__()
        half, tall, wide = rng.uniform(4.6, 5.8), rng.uniform(2.95, 3.2), 1.25
        colour = _pick(rng, BUS_PAINTS)
        band = (235, 235, 235) if rng.rand() < 0.5 else shade(colour, 0.6)
        solid = Solid(tint)
        solid.prism([(-half, 0.3), (half, 0.3), (half, tall - 0.15), (half - 0.25, tall), (-half, tall)], wide, colour)
        solid.on_sides([(-half, 0.3), (half, 0.3), (half, 0.8), (-half, 0.8)], wide + 0.004, band)
        self._windows(solid, half, tall, wide)
        solid.wheels((-half + 2.3, half - 2.2), 0.48, wide + 0.02)
        solid.across((half + 0.01, 1.15), (half + 0.01, tall - 0.6), wide * 0.92, GLASS)
        solid.across((half + 0.01, tall - 0.5), (half + 0.01, tall - 0.22), wide * 0.7, (40, 40, 40))
        solid.across((half + 0.02, tall - 0.45), (half + 0.02, tall - 0.27), wide * 0.5, (60, 190, 255), lit=True)
        solid.across((-half - 0.01, tall - 0.4), (-half - 0.01, 1.6), wide * 0.8, shade(GLASS, 0.9))
        solid.lights(half + 0.015, -half - 0.015, 0.65, wide, 0.24)
        self._close(solid)

    @staticmethod
    def _windows(solid, half, tall, wide):
        low, high, count = 1.35, tall - 0.5, int(half * 2 / 1.45)
        step = (2 * half - 0.5) / count
        solid.on_sides([(-half + 0.2, low - 0.06), (half - 0.15, low - 0.06), (half - 0.15, high + 0.06),
                        (-half + 0.2, high + 0.06)], wide + 0.006, (45, 42, 40))
        for i in range(count):
            x0 = -half + 0.3 + i * step
            solid.on_sides([(x0, low), (x0 + step - 0.14, low), (x0 + step - 0.14, high), (x0, high)], wide + 0.01,
                           shade(GLASS, 1.25))
        for x in (half - 1.15, -0.4):
            solid.on_sides([(x, 0.4), (x + 0.95, 0.4), (x + 0.95, high), (x, high)], wide + 0.015, shade(GLASS, 0.8))


class Truck(_Vehicle):
    """A lorry: a cab in front of a box, a tank or an open bed."""

    class_id = 4
    REACH_M = 4.8

    def __init__(self, rng, tint):
        super().__init__()
        half, wide = rng.uniform(3.3, 4.4), 1.22
        kind = rng.choice(['box', 'box', 'bed', 'tank'])
        back = half - 2.0
        load = Solid(tint)
        load.prism([(-half, 0.55), (back, 0.55), (back, 0.95), (-half, 0.95)], wide * 0.8, (50, 48, 46))
        {'box': self._box, 'bed': self._bed, 'tank': self._tank}[kind](load, rng, -half, back - 0.15, wide)
        axles = (-half + 0.8, -half + 2.0) if half > 3.9 else (-half + 1.3,)
        load.wheels(axles, 0.52, wide * 0.97)
        load.lights(back - 0.2, -half - 0.02, 0.62, wide, 0.2)
        self._close(load, self._cab(rng, tint, back, half, wide))

    @staticmethod
    def _box(solid, rng, x0, x1, wide):
        colour, tall = _pick(rng, BOX_PAINTS), rng.uniform(3.1, 3.6)
        solid.prism([(x0, 0.95), (x1, 0.95), (x1, tall), (x0, tall)], wide, colour)
        stripe, share = _pick(rng, BOX_PAINTS), rng.uniform(0.25, 0.6)
        y0 = 0.95 + (tall - 0.95) * share
        solid.on_sides([(x0, y0), (x1, y0), (x1, y0 + 0.45), (x0, y0 + 0.45)], wide + 0.005, stripe)
        for z in (-0.6, 0.6):
            solid.across((x0 - 0.01, tall - 0.12), (x0 - 0.01, 1.05), wide * 0.44, shade(colour, 0.8), z)

    @staticmethod
    def _bed(solid, rng, x0, x1, wide):
        colour = _pick(rng, PAINTS)
        solid.prism([(x0 + 0.3, 1.5), (x1 - 0.3, 1.5), (x1 - 1.2, 2.35), (x0 + 1.3, 2.25)], wide * 0.9, (70, 105, 140))
        solid.prism([(x0, 0.95), (x1, 0.95), (x1, 1.7), (x0, 1.7)], wide, colour)
        for x in np.arange(x0 + 0.4, x1 - 0.2, 0.9):
            solid.on_sides([(x, 0.95), (x + 0.12, 0.95), (x + 0.12, 1.7), (x, 1.7)], wide + 0.006, shade(colour, 0.7))

    @staticmethod
    def _tank(solid, rng, x0, x1, wide):
        colour = _pick(rng, ((215, 218, 220), (190, 200, 205), (120, 170, 120)))
        for low, high, share, light in ((1.0, 2.6, 0.72, 0.85), (1.25, 2.45, 0.95, 1.0)):
            solid.prism([(x0, low), (x1, low), (x1, high), (x0, high)], wide * share, shade(colour, light))
        for x in np.linspace(x0 + 0.3, x1 - 0.5, 4):
            solid.on_sides([(x, 1.25), (x + 0.14, 1.25), (x + 0.14, 2.45), (x, 2.45)], wide * 0.96, shade(colour, 0.72))

    @staticmethod
    def _cab(rng, tint, back, front, wide):
        colour, tall = _pick(rng, BUS_PAINTS + PAINTS[:4]), rng.uniform(2.5, 2.8)
        solid = Solid(tint)
        solid.prism([(back + 0.15, 0.5), (front, 0.5), (front, 1.5), (front - 0.2, tall), (back + 0.15, tall)],
                    wide * 0.98, colour)
        solid.on_sides([(back + 0.75, 1.5), (front - 0.14, 1.5), (front - 0.3, tall - 0.25),
                        (back + 0.75, tall - 0.25)], wide, GLASS)
        solid.on_sides([(back + 0.15, 0.5), (front, 0.5), (front, 0.75), (back + 0.15, 0.75)], wide * 0.985,
                       (45, 45, 45))
        solid.across((front + 0.01, 1.5), (front - 0.17, tall - 0.2), wide * 0.88, GLASS)
        solid.across((front + 0.01, 0.95), (front + 0.01, 1.35), wide * 0.7, shade(colour, 0.5))
        solid.lights(front + 0.01, back, 0.62, wide, 0.2)
        solid.wheels((front - 0.75,), 0.52, wide)
        return solid
