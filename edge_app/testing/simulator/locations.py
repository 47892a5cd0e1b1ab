"""What cameras look at: each family lays out ground, buildings, street objects, parked vehicles and lanes of traffic.

A family is a function that fills a `Location`; its measures come from the seed. Two families are kept for evaluation,
so that a detector can be tested on backgrounds it was not trained on.
"""
from typing import NamedTuple, Tuple

import numpy as np

from edge_app.testing.simulator.painter import grid
from edge_app.testing.simulator.street_objects import (FACADES, bench, bin_, bollards, bush, cone, conifer, container,
                                                       crates, fence, hedge, house, kiosk, lamp, planter, pole, shelter,
                                                       side_wall, tree)
from edge_app.testing.simulator.view import shade

WALKERS = {'person': 0.82, 'dog': 0.18}
STROLLERS = {'person': 0.6, 'dog': 0.4}
TRAFFIC = {'car': 0.5, 'bus': 0.24, 'truck': 0.26}
CYCLISTS = {'bicycle': 1.0}
FREIGHT = {'truck': 0.6, 'car': 0.2, 'bus': 0.2}

ASPHALTS = ((92, 90, 88), (105, 102, 98), (82, 80, 80), (112, 112, 110))
PAVINGS = ((165, 170, 175), (150, 162, 172), (140, 155, 170), (172, 175, 172))
GRASS = ((62, 118, 84), (70, 125, 98), (60, 108, 75))
CONCRETES = ((150, 155, 158), (138, 145, 148), (160, 160, 155))
LINE = (225, 228, 230)

FAR_M = 38.0
"""Walkers and cyclists who come towards the camera appear here, some 20 pixels high of 360."""
DOG_M, LOWEST_SHARE = 0.78, 0.047
"""Metres to a small dog's ears, and the share of the picture's height (17 of 360 pixels) below which none is drawn."""


class Lane(NamedTuple):
    """A way for moving objects: corners (x, z), share of each kind, metres per second, metres between two of them."""

    points: Tuple[Tuple[float, float], ...]
    kinds: dict
    speed: float
    gap: float
    spread: float = 0.0


class Still(NamedTuple):
    """An object that stays: kind, ground position and heading."""

    kind: str
    x: float
    z: float
    dx: float
    dz: float


class Location:
    """What a family fills in; `near` is the distance of the ground at the lower edge of the picture."""

    def __init__(self, painter, near):
        self.painter, self.near, self.rng = painter, near, painter.rng
        self.sparse = self.rng.uniform(1.5, 2.6)
        self.things = []
        self.stills = []
        self.lanes = []

    def pick(self, colours):
        """One of the colours, a little lighter or darker."""
        return shade(colours[self.rng.randint(len(colours))], self.rng.uniform(0.9, 1.08))

    def put(self, thing, x, z, height=0.0, half_width=0.3):
        """Put an object at (x, z); with a height it casts a shadow."""
        self.things.append((z, x, height, half_width, lambda: thing(self.painter, x, z)))

    def row(self, thing, z, step, height=0.0, half_width=0.3):
        """Put objects along the x axis."""
        reach, start = 0.8 * z + 3, self.rng.uniform(0, step)
        for x in np.arange(-reach + start, reach, step):
            self.put(thing, x + self.rng.uniform(-0.4, 0.4), z, height, half_width)

    def reach(self, z):
        """How far to the side a lane at distance z goes on, so that objects come and go out of sight."""
        return 0.85 * z + 7.0

    def cross(self, z, kinds, speed, gap, spread=0.0):
        """A lane from left to right (or, with a negative speed, back)."""
        end = self.reach(z) * np.sign(speed)
        self.lane(((-end, z), (end, z)), kinds, abs(speed), gap, spread)

    def lane(self, points, kinds, speed, gap, spread=0.0):
        """A lane along these corners (x, z); `sparse` stretches the gaps. Where a dog would be a speck none walks."""
        farthest = self.painter.view.scale_at(max(z for _, z in points))
        if DOG_M * farthest < LOWEST_SHARE * self.painter.picture.shape[0]:
            kinds = {kind: share for kind, share in kinds.items() if kind != 'dog'}
        self.lanes.append(Lane(tuple(points), kinds, speed, gap * self.sparse, spread))

    def both_ways(self, z, kinds, speed, gap, spread):
        """Two lanes of walkers that meet one another."""
        self.cross(z, kinds, speed * self.rng.uniform(0.85, 1.1), gap, spread)
        self.cross(z + 0.5, kinds, -speed * self.rng.uniform(0.85, 1.1), gap * 1.2, spread)


def _slabs(location, z0, z1, colour):
    wide = location.reach(z1)
    location.painter.strip(-wide, z0, wide, z1, colour)
    location.painter.lines(grid(-wide, wide, z0, z1, 1.2), shade(colour, 0.93))


def _road(location, z0, z1):
    wide, asphalt = location.reach(z1), location.pick(ASPHALTS)
    location.painter.strip(-wide, z0 - 0.2, wide, z1 + 0.2, (175, 178, 180))
    location.painter.strip(-wide, z0, wide, z1, asphalt)
    for x in np.arange(-wide, wide, 3.5):
        location.painter.strip(x, (z0 + z1) / 2 - 0.08, x + 1.8, (z0 + z1) / 2 + 0.08, LINE)
    third = (z1 - z0) / 4
    location.cross(z0 + third, TRAFFIC, location.rng.uniform(5, 8), 19.0)
    location.cross(z1 - third, TRAFFIC, -location.rng.uniform(5, 8), 21.0)


def _houses(location, z):
    x = -location.reach(z)
    while x < location.reach(z):
        wide = location.rng.uniform(6, 13)
        house(location.painter, x, x + wide, z)
        x += wide + (0.0 if location.rng.rand() < 0.8 else 2.0)


def street(location):
    """A road from left to right, pavements, a row of houses behind."""
    painter, rng = location.painter, location.rng
    s = location.near + rng.uniform(0.5, 9)
    painter.strip(-60, 1, 60, s, location.pick(GRASS if rng.rand() < 0.5 else PAVINGS))
    _slabs(location, s, s + 3, location.pick(PAVINGS))
    _road(location, s + 3, s + 10)
    _slabs(location, s + 10.2, s + 13.5, location.pick(PAVINGS))
    _houses(location, s + 13.6)
    if s - location.near > 3:
        location.both_ways((s + location.near) / 2, STROLLERS, 1.3, 9.0, 0.8)
    location.both_ways(s + 1.2, WALKERS, 1.35, 7.5, 0.6)
    location.both_ways(s + 11.5, WALKERS, 1.3, 6.0, 0.6)
    location.cross(s + 3.7, CYCLISTS, rng.uniform(4, 5), 17.0)
    location.cross(s + 9.5, CYCLISTS, -rng.uniform(4, 5), 19.0)
    location.row(tree if rng.rand() < 0.6 else lamp, s + 2.7, rng.uniform(7, 11), 4.5, 0.7)
    location.row((bench, bin_, planter, bollards)[rng.randint(4)], s + 2.6, rng.uniform(8, 14), 0.7, 0.6)
    location.row(lamp, s + 10.5, 12.0, 4.6, 0.1)
    location.put(shelter, rng.uniform(-6, 6), s + 12.7, 2.4, 1.8)


def avenue(location):
    """A road that runs away from the camera between two rows of fronts."""
    painter, rng = location.painter, location.rng
    shift, wide = rng.uniform(-3.5, 3.5), rng.uniform(3.3, 4.2)
    painter.strip(-80, 1, 80, 120, location.pick(PAVINGS))
    painter.strip(shift - wide - 0.2, 1, shift + wide + 0.2, 120, (175, 178, 180))
    painter.strip(shift - wide, 1, shift + wide, 120, location.pick(ASPHALTS))
    for z in np.arange(2, 110, 4.0):
        painter.strip(shift - 0.08, z, shift + 0.08, z + 2.0, LINE)
    for side in (-1, 1):
        wall = shift + side * (wide + 4.2)
        for z in np.arange(110, location.near - 14, -11.0):
            side_wall(painter, wall, max(z, 1.0), z + 11, rng.uniform(6, 11), location.pick(FACADES))
        location.lane(((shift + side * wide / 2, -7.0 if side < 0 else 80.0),
                       (shift + side * wide / 2, 80.0 if side < 0 else -7.0)), TRAFFIC, rng.uniform(5, 7), 23.0)
        location.lane(((shift + side * (wide - 0.5), FAR_M), (shift + side * (wide - 0.5), 2.0))[::side], CYCLISTS, 4.2,
                      24.0)
        for way in (1, -1):
            x = shift + side * (wide + 1.4 + 0.8 * way)
            location.lane(((x, FAR_M), (x, 2.5))[::way], WALKERS, rng.uniform(1.1, 1.5), 6.5, 0.4)
        for z in np.arange(location.near + 3, 60, rng.uniform(8, 12)):
            location.put(tree if rng.rand() < 0.5 else lamp, shift + side * (wide + 0.7), z, 4.5, 0.5)


def side_street(location):
    """A road from left to right and a quiet street that opens behind it between two corner houses."""
    painter, rng = location.painter, location.rng
    s, shift, wide = location.near + rng.uniform(0.5, 4), rng.uniform(-3, 3), rng.uniform(3.2, 4.5)
    painter.strip(-80, 1, 80, 110, location.pick(PAVINGS))
    _slabs(location, 1.5, s + 2.5, location.pick(PAVINGS))
    _road(location, s + 2.5, s + 9.5)
    painter.strip(shift - wide, s + 13, shift + wide, 110, location.pick(PAVINGS))
    for side in (-1, 1):
        for z in np.arange(95, s + 12.5, -12.0):
            side_wall(painter, shift + side * (wide + 1.5), max(z - 12, s + 13), z, rng.uniform(6, 9),
                      location.pick(FACADES))
        x = shift + side * (wide + 1.5)
        house(painter, *(sorted((x, x + side * 14)) + [s + 13]))
        house(painter, *(sorted((x + side * 14, x + side * 30)) + [s + 13]))
        turn = (shift + side * 1.5, s + 11.4 + 0.4 * side)
        out = (side * location.reach(turn[1]), turn[1])
        location.lane(((turn[0], FAR_M), turn, out)[::side], WALKERS, rng.uniform(1.2, 1.5), 6.0, 0.7)
        location.lane(((shift - side * 0.7, FAR_M), (shift - side * 0.7, turn[1] - 0.8),
                       (-out[0], turn[1] - 0.8))[::side], CYCLISTS, 3.6, 19.0)
    location.both_ways(s + 0.8, WALKERS, 1.3, 6.5, 0.7)
    location.cross(s + 3.2, CYCLISTS, 4.5, 20.0)
    location.row(bollards if rng.rand() < 0.5 else planter, s + 2.1, rng.uniform(6, 9), 0.6, 0.5)
    location.row(lamp, s + 9.9, 13.0, 4.6, 0.1)
    for z in np.arange(s + 18, 50, 9):
        location.put(tree, shift + wide, z, 4.0, 0.7)


def car_park(location):
    """Rows of parked cars with aisles between them."""
    painter, rng = location.painter, location.rng
    painter.strip(-90, 1, 90, 90, location.pick(ASPHALTS))
    z, back = location.near + rng.uniform(0.5, 3), 46.0
    location.both_ways(z, WALKERS, 1.3, 6.0, 0.6)
    z += 1.6
    while z < back - 14:
        _bays(location, z)
        location.cross(z + 7.0, {'car': 0.6, 'truck': 0.22, 'bus': 0.18}, rng.choice([-1, 1]) * rng.uniform(3, 5), 22.0)
        location.both_ways(z + 9.6, STROLLERS, 1.2, 8.0, 0.4)
        location.cross(z + 8.9, CYCLISTS, rng.choice([-1, 1]) * 3.5, 21.0)
        z += 11.5
    painter.strip(-90, z + 1, 90, 90, location.pick(GRASS))
    _houses(location, z + 8)
    location.row(hedge, z + 2, 4.0)
    location.row(tree, z + 4, 7.0, 4.5, 0.7)


def _bays(location, z):
    """One row of parking bays, five metres deep, most of them taken, from z to the back."""
    reach = 0.8 * z + 6
    location.painter.lines([(x, z, x, z + 5) for x in np.arange(-reach, reach, 2.7)], LINE)
    full = location.rng.uniform(0.3, 0.65)
    for x in np.arange(-reach, reach, 2.7):
        if location.rng.rand() < full:
            location.stills.append(Still('car', x + 1.35, z + 2.6, 0.0, 1.0 if location.rng.rand() < 0.5 else -1.0))
        if location.rng.rand() < 0.08:
            location.put(lamp, x, z + 5.1, 4.6, 0.1)


def yard(location):
    """A works yard: containers, crates, lorries."""
    painter, rng = location.painter, location.rng
    floor = location.pick(CONCRETES)
    painter.strip(-90, 1, 90, 90, floor)
    painter.lines(grid(-60, 60, 2, 60, 5.0), shade(floor, 0.9))
    s = location.near
    back = s + rng.uniform(24, 30)
    painter.upright(-90, 90, 0, 7, back + 8, location.pick(FACADES))
    painter.upright(-90, 90, 6.6, 7.2, back + 8, (90, 90, 90))
    location.row(container, back, 7.0, 2.4, 3.0)
    location.things.append((back - 3, 0.0, 0.0, 0.0, lambda: fence(painter, -60, 60, back - 3)))
    location.both_ways(s + 0.8, STROLLERS, 1.3, 7.0, 0.6)
    location.cross(s + 4.5, CYCLISTS, 4.0, 18.0)
    location.cross(s + 8, FREIGHT, rng.uniform(4, 6), 20.0)
    location.cross(s + 12.5, FREIGHT, -rng.uniform(4, 6), 22.0)
    location.both_ways(s + 15, WALKERS, 1.3, 5.5, 0.6)
    location.both_ways(back - 5, WALKERS, 1.3, 6.0, 0.5)
    location.cross(back - 6.5, CYCLISTS, -4.0, 18.0)
    for _ in range(rng.randint(2, 5)):
        location.put((crates, cone, bollards)[rng.randint(3)], rng.uniform(-8, 8), s + rng.choice([2.6, 6.0, 10.3]),
                     0.9, 0.7)
    for x in (-9, 9):
        location.stills.append(Still('truck', x + rng.uniform(-2, 2), s + 18.5, -np.sign(x), 0.0))
    location.stills.append(Still('person', rng.uniform(-4, 4), s + 6.3, 0.6, -0.8))


def plaza(location):
    """A paved square with trees and benches, a road behind."""
    painter, rng = location.painter, location.rng
    floor = location.pick(PAVINGS)
    painter.strip(-90, 1, 90, 90, floor)
    painter.lines(grid(-45, 45, 2, 44, rng.choice([1.5, 2.0, 3.0])), shade(floor, 0.88))
    s, depth = location.near, rng.uniform(16, 24)
    for z in (s + 0.9, s + 5.5, s + 10.5):
        location.both_ways(z, WALKERS if z < s + 1 else STROLLERS, 1.25, 7.5, 1.0)
    location.cross(s + 3.4, CYCLISTS, rng.uniform(3.4, 4.4), 15.0)
    location.cross(s + 8.2, CYCLISTS, -rng.uniform(3.4, 4.4), 17.0)
    end = location.reach(s + 12)
    location.lane(((-end, s + 3), (end, s + 14)), WALKERS, 1.3, 8.0, 0.8)
    _road(location, s + depth, s + depth + 7)
    _houses(location, s + depth + 11)
    for z in (s + 4.4, s + 9.4, s + 13):
        for _ in range(2):
            thing, tall = ((bench, 0.8), (planter, 0.6), (tree, 4.5), (bin_, 0.8))[rng.randint(4)]
            location.put(thing, rng.uniform(-0.6, 0.6) * z, z, tall, 0.6)
    location.put(kiosk, rng.choice([-1, 1]) * rng.uniform(5, 9), s + 12, 2.4, 1.4)
    location.row(tree, s + depth - 1.5, rng.uniform(6, 10), 4.5, 0.8)


def loading_bay(location):
    """A warehouse with docks; kept for evaluation."""
    painter, rng = location.painter, location.rng
    s, floor = location.near + rng.uniform(0, 3), location.pick(CONCRETES)
    painter.strip(-90, 1, 90, 90, floor)
    wall, tint = s + rng.uniform(23, 28), location.pick(FACADES)
    painter.upright(-90, 90, 0, 8, wall, tint)
    for x in np.arange(-60, 60, 1.0):
        painter.upright(x, x + 0.12, 1.2, 7.4, wall, shade(tint, 0.92))
    painter.upright(-90, 90, 7.4, 8.2, wall, shade(tint, 0.6))
    shift = rng.uniform(-2, 2)
    for i, x in enumerate(np.arange(-22, 23, 5.5) + shift):
        painter.upright(x - 1.6, x + 1.6, 1.0, 4.4, wall, (50, 50, 52))
        painter.upright(x - 1.4, x + 1.4, 1.1, 4.2, wall, (190, 195, 198))
        painter.lines([(x - 1.9, wall, x - 1.9, wall - 9), (x + 1.9, wall, x + 1.9, wall - 9)], (50, 190, 235))
        if rng.rand() < 0.4:
            location.stills.append(Still('truck', x, wall - 5, 0.0, -1.0))
    location.both_ways(s + 0.8, STROLLERS, 1.3, 6.5, 0.7)
    location.cross(s + 3.2, CYCLISTS, 4.0, 16.0)
    location.cross(s + 6.5, TRAFFIC, rng.uniform(4, 6), 20.0)
    location.cross(s + 10.5, FREIGHT, -rng.uniform(4, 6), 21.0)
    location.both_ways(s + 13, WALKERS, 1.3, 5.0, 0.6)
    location.cross(s + 12.2, CYCLISTS, -4.0, 20.0)
    location.row(bollards, s + 2.2, rng.uniform(7, 11), 0.7, 0.3)
    for _ in range(3):
        location.put((crates, cone, pole)[rng.randint(3)], rng.uniform(-9, 9), s + 8.4, 0.9, 0.5)


def park(location):
    """Lawns, gravel walks, a pond, a road beyond the hedge; kept for evaluation."""
    painter, rng = location.painter, location.rng
    s, lawn, gravel = location.near, location.pick(GRASS), location.pick(((150, 180, 200), (165, 185, 195)))
    painter.strip(-90, 1, 90, 90, lawn)
    for z in range(3, 60, 4):
        painter.strip(-90, z, 90, z + 2, shade(lawn, 1.05))
    x, z = rng.uniform(-6, 6), s + 8.6
    angles = np.linspace(0, 2 * np.pi, 30)
    painter.ground([(x + 4.4 * np.cos(a), z + 1.3 * np.sin(a)) for a in angles], (150, 160, 160))
    painter.ground([(x + 4.1 * np.cos(a), z + 1.1 * np.sin(a)) for a in angles], (165, 140, 105))
    for z, wide in ((s + 0.2, 2.4), (s + 4.6, 2.2), (s + 12, 2.6)):
        painter.strip(-90, z, 90, z + wide, gravel)
        location.both_ways(z + 0.8, STROLLERS, 1.2, 6.5, 0.5)
        location.cross(z + 1.8, CYCLISTS, rng.choice([-1, 1]) * rng.uniform(3.2, 4.2), 17.0)
    location.lane(((-location.reach(s + 9), s + 7.2), (location.reach(s + 9), s + 11)), WALKERS, 1.2, 7.0, 0.6)
    depth = rng.uniform(18, 22)
    _road(location, s + depth, s + depth + 7)
    painter.strip(-90, s + depth + 7.2, 90, 90, shade(lawn, 0.9))
    location.row(conifer, s + depth + 11, 3.2)
    for z in (s + 3.6, s + 7.4, s + 15):
        for _ in range(2):
            thing, tall = ((bench, 0.8), (tree, 4.5), (bush, 0.5), (lamp, 4.6))[rng.randint(4)]
            location.put(thing, rng.uniform(-0.6, 0.6) * z, z, tall, 0.6)


TRAINING_FAMILIES = {'street': street, 'avenue': avenue, 'side_street': side_street, 'car_park': car_park, 'yard': yard,
                     'plaza': plaza}
EVALUATION_FAMILIES = {'loading_bay': loading_bay, 'park': park}
FAMILIES = dict(TRAINING_FAMILIES, **EVALUATION_FAMILIES)
