"""The places that are filmed: each family lays out ground, buildings, things, parked figures and the lanes of traffic.

A family is a function that fills a `Location`; its measures come from the seed. Two families are kept for
evaluation, so that a detector can be tested on backdrops it was not trained on.
"""

from typing import Callable, Dict, List, NamedTuple, Tuple  # noqa: F401

import numpy as np

from edge_app.testing.simulator import street_objects
from edge_app.testing.simulator.painter import Painter, grid
from edge_app.testing.simulator.view import shade

Kinds = Dict[str, float]

WALKERS = {'person': 0.82, 'dog': 0.18}  # type: Kinds
STROLLERS = {'person': 0.6, 'dog': 0.4}  # type: Kinds
TRAFFIC = {'car': 0.5, 'bus': 0.24, 'truck': 0.26}  # type: Kinds
CYCLISTS = {'bicycle': 1.0}  # type: Kinds
FREIGHT = {'truck': 0.6, 'car': 0.2, 'bus': 0.2}  # type: Kinds

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
    """A way along which figures follow one another: corners (x, z), what goes there, metres per second and between them."""

    points: Tuple[Tuple[float, float], ...]
    kinds: Kinds
    speed: float
    gap: float
    spread: float = 0.0


class Still(NamedTuple):
    """A figure that stays: kind, ground position and heading."""

    kind: str
    x: float
    z: float
    dx: float
    dz: float


class Location(object):
    """What a family fills in; `near` is the distance of the ground at the lower edge of the picture."""

    def __init__(self, brush: Painter, near: float) -> None:
        self.brush, self.near, self.rng = brush, near, brush.rng
        self.sparse = self.rng.uniform(1.5, 2.6)
        self.things = []  # type: List[Tuple[float, float, float, float, Callable[[], None]]]
        self.stills = []  # type: List[Still]
        self.lanes = []  # type: List[Lane]

    def pick(self, colours):
        """One of the colours, a little lighter or darker."""
        return shade(colours[self.rng.randint(len(colours))], self.rng.uniform(0.9, 1.08))

    def put(self, prop: Callable, x: float, z: float, height: float = 0.0, half_width: float = 0.3) -> None:
        """Stand a thing at (x, z); with a height it throws a shadow."""
        self.things.append((z, x, height, half_width, lambda: prop(self.brush, x, z)))

    def row(self, prop: Callable, z: float, step: float, height: float = 0.0, half_width: float = 0.3) -> None:
        """Stand things along the x axis."""
        reach, start = 0.8 * z + 3, self.rng.uniform(0, step)
        for x in np.arange(-reach + start, reach, step):
            self.put(prop, x + self.rng.uniform(-0.4, 0.4), z, height, half_width)

    def reach(self, z: float) -> float:
        """How far to the side a lane at distance z goes on, so that figures come and go out of sight."""
        return 0.85 * z + 7.0

    def cross(self, z: float, kinds: Kinds, speed: float, gap: float, spread: float = 0.0) -> None:
        """A lane from left to right (or, with a negative speed, back)."""
        end = self.reach(z) * np.sign(speed)
        self.lane(((-end, z), (end, z)), kinds, abs(speed), gap, spread)

    def lane(self, points, kinds: Kinds, speed: float, gap: float, spread: float = 0.0) -> None:
        """A lane along these corners (x, z); `sparse` stretches the gaps. Where a dog would be a speck none walks."""
        farthest = self.brush.view.scale_at(max(z for _, z in points))
        if DOG_M * farthest < LOWEST_SHARE * self.brush.picture.shape[0]:
            kinds = {kind: share for kind, share in kinds.items() if kind != 'dog'}
        self.lanes.append(Lane(tuple(points), kinds, speed, gap * self.sparse, spread))

    def both_ways(self, z: float, kinds: Kinds, speed: float, gap: float, spread: float) -> None:
        """Two lanes of walkers that meet one another."""
        self.cross(z, kinds, speed * self.rng.uniform(0.85, 1.1), gap, spread)
        self.cross(z + 0.5, kinds, -speed * self.rng.uniform(0.85, 1.1), gap * 1.2, spread)


def _slabs(site: Location, z0: float, z1: float, colour) -> None:
    wide = site.reach(z1)
    site.brush.strip(-wide, z0, wide, z1, colour)
    site.brush.lines(grid(-wide, wide, z0, z1, 1.2), shade(colour, 0.93))


def _road(site: Location, z0: float, z1: float) -> None:
    wide, asphalt = site.reach(z1), site.pick(ASPHALTS)
    site.brush.strip(-wide, z0 - 0.2, wide, z1 + 0.2, (175, 178, 180))
    site.brush.strip(-wide, z0, wide, z1, asphalt)
    for x in np.arange(-wide, wide, 3.5):
        site.brush.strip(x, (z0 + z1) / 2 - 0.08, x + 1.8, (z0 + z1) / 2 + 0.08, LINE)
    third = (z1 - z0) / 4
    site.cross(z0 + third, TRAFFIC, site.rng.uniform(5, 8), 19.0)
    site.cross(z1 - third, TRAFFIC, -site.rng.uniform(5, 8), 21.0)


def _houses(site: Location, z: float) -> None:
    x = -site.reach(z)
    while x < site.reach(z):
        wide = site.rng.uniform(6, 13)
        street_objects.house(site.brush, x, x + wide, z)
        x += wide + (0.0 if site.rng.rand() < 0.8 else 2.0)


def street(site: Location) -> None:
    """A road from left to right, pavements, a row of houses behind."""
    brush, rng = site.brush, site.rng
    s = site.near + rng.uniform(0.5, 9)
    brush.strip(-60, 1, 60, s, site.pick(GRASS if rng.rand() < 0.5 else PAVINGS))
    _slabs(site, s, s + 3, site.pick(PAVINGS))
    _road(site, s + 3, s + 10)
    _slabs(site, s + 10.2, s + 13.5, site.pick(PAVINGS))
    _houses(site, s + 13.6)
    if s - site.near > 3:
        site.both_ways((s + site.near) / 2, STROLLERS, 1.3, 9.0, 0.8)
    site.both_ways(s + 1.2, WALKERS, 1.35, 7.5, 0.6)
    site.both_ways(s + 11.5, WALKERS, 1.3, 6.0, 0.6)
    site.cross(s + 3.7, CYCLISTS, rng.uniform(4, 5), 17.0)
    site.cross(s + 9.5, CYCLISTS, -rng.uniform(4, 5), 19.0)
    site.row(street_objects.tree if rng.rand() < 0.6 else street_objects.lamp, s + 2.7, rng.uniform(7, 11), 4.5, 0.7)
    site.row(
        (street_objects.bench, street_objects.bin_, street_objects.planter, street_objects.bollards)[rng.randint(4)], s + 2.6, rng.uniform(8, 14), 0.7, 0.6
    )
    site.row(street_objects.lamp, s + 10.5, 12.0, 4.6, 0.1)
    site.put(street_objects.shelter, rng.uniform(-6, 6), s + 12.7, 2.4, 1.8)


def avenue(site: Location) -> None:
    """A road that runs away from the camera between two rows of fronts."""
    brush, rng = site.brush, site.rng
    shift, wide = rng.uniform(-3.5, 3.5), rng.uniform(3.3, 4.2)
    brush.strip(-80, 1, 80, 120, site.pick(PAVINGS))
    brush.strip(shift - wide - 0.2, 1, shift + wide + 0.2, 120, (175, 178, 180))
    brush.strip(shift - wide, 1, shift + wide, 120, site.pick(ASPHALTS))
    for z in np.arange(2, 110, 4.0):
        brush.strip(shift - 0.08, z, shift + 0.08, z + 2.0, LINE)
    for side in (-1, 1):
        wall = shift + side * (wide + 4.2)
        for z in np.arange(110, site.near - 14, -11.0):
            street_objects.side_wall(brush, wall, max(z, 1.0), z + 11, rng.uniform(6, 11), site.pick(street_objects.FACADES))
        site.lane(
            (
                (shift + side * wide / 2, -7.0 if side < 0 else 80.0),
                (shift + side * wide / 2, 80.0 if side < 0 else -7.0),
            ),
            TRAFFIC,
            rng.uniform(5, 7),
            23.0,
        )
        site.lane(
            ((shift + side * (wide - 0.5), FAR_M), (shift + side * (wide - 0.5), 2.0))[::side], CYCLISTS, 4.2, 24.0
        )
        for way in (1, -1):
            x = shift + side * (wide + 1.4 + 0.8 * way)
            site.lane(((x, FAR_M), (x, 2.5))[::way], WALKERS, rng.uniform(1.1, 1.5), 6.5, 0.4)
        for z in np.arange(site.near + 3, 60, rng.uniform(8, 12)):
            site.put(street_objects.tree if rng.rand() < 0.5 else street_objects.lamp, shift + side * (wide + 0.7), z, 4.5, 0.5)


def side_street(site: Location) -> None:
    """A road from left to right and a quiet street that opens behind it between two corner houses."""
    brush, rng = site.brush, site.rng
    s, shift, wide = site.near + rng.uniform(0.5, 4), rng.uniform(-3, 3), rng.uniform(3.2, 4.5)
    brush.strip(-80, 1, 80, 110, site.pick(PAVINGS))
    _slabs(site, 1.5, s + 2.5, site.pick(PAVINGS))
    _road(site, s + 2.5, s + 9.5)
    brush.strip(shift - wide, s + 13, shift + wide, 110, site.pick(PAVINGS))
    for side in (-1, 1):
        for z in np.arange(95, s + 12.5, -12.0):
            street_objects.side_wall(
                brush, shift + side * (wide + 1.5), max(z - 12, s + 13), z, rng.uniform(6, 9), site.pick(street_objects.FACADES)
            )
        x = shift + side * (wide + 1.5)
        street_objects.house(brush, *(sorted((x, x + side * 14)) + [s + 13]))
        street_objects.house(brush, *(sorted((x + side * 14, x + side * 30)) + [s + 13]))
        turn = (shift + side * 1.5, s + 11.4 + 0.4 * side)
        out = (side * site.reach(turn[1]), turn[1])
        site.lane(((turn[0], FAR_M), turn, out)[::side], WALKERS, rng.uniform(1.2, 1.5), 6.0, 0.7)
        site.lane(
            ((shift - side * 0.7, FAR_M), (shift - side * 0.7, turn[1] - 0.8), (-out[0], turn[1] - 0.8))[::side],
            CYCLISTS,
            3.6,
            19.0,
        )
    site.both_ways(s + 0.8, WALKERS, 1.3, 6.5, 0.7)
    site.cross(s + 3.2, CYCLISTS, 4.5, 20.0)
    site.row(street_objects.bollards if rng.rand() < 0.5 else street_objects.planter, s + 2.1, rng.uniform(6, 9), 0.6, 0.5)
    site.row(street_objects.lamp, s + 9.9, 13.0, 4.6, 0.1)
    for z in np.arange(s + 18, 50, 9):
        site.put(street_objects.tree, shift + wide, z, 4.0, 0.7)


def car_park(site: Location) -> None:
    """Rows of parked cars with aisles between them."""
    brush, rng = site.brush, site.rng
    brush.strip(-90, 1, 90, 90, site.pick(ASPHALTS))
    z, back = site.near + rng.uniform(0.5, 3), 46.0
    site.both_ways(z, WALKERS, 1.3, 6.0, 0.6)
    z += 1.6
    while z < back - 14:
        _bays(site, z)
        site.cross(z + 7.0, {'car': 0.6, 'truck': 0.22, 'bus': 0.18}, rng.choice([-1, 1]) * rng.uniform(3, 5), 22.0)
        site.both_ways(z + 9.6, STROLLERS, 1.2, 8.0, 0.4)
        site.cross(z + 8.9, CYCLISTS, rng.choice([-1, 1]) * 3.5, 21.0)
        z += 11.5
    brush.strip(-90, z + 1, 90, 90, site.pick(GRASS))
    _houses(site, z + 8)
    site.row(street_objects.hedge, z + 2, 4.0)
    site.row(street_objects.tree, z + 4, 7.0, 4.5, 0.7)


def _bays(site: Location, z: float) -> None:
    """One row of parking bays, five metres deep, most of them taken, from z to the back."""
    reach = 0.8 * z + 6
    site.brush.lines([(x, z, x, z + 5) for x in np.arange(-reach, reach, 2.7)], LINE)
    full = site.rng.uniform(0.3, 0.65)
    for x in np.arange(-reach, reach, 2.7):
        if site.rng.rand() < full:
            site.stills.append(Still('car', x + 1.35, z + 2.6, 0.0, 1.0 if site.rng.rand() < 0.5 else -1.0))
        if site.rng.rand() < 0.08:
            site.put(street_objects.lamp, x, z + 5.1, 4.6, 0.1)


def yard(site: Location) -> None:
    """A works yard: containers, crates, lorries."""
    brush, rng = site.brush, site.rng
    floor = site.pick(CONCRETES)
    brush.strip(-90, 1, 90, 90, floor)
    brush.lines(grid(-60, 60, 2, 60, 5.0), shade(floor, 0.9))
    s = site.near
    back = s + rng.uniform(24, 30)
    brush.upright(-90, 90, 0, 7, back + 8, site.pick(street_objects.FACADES))
    brush.upright(-90, 90, 6.6, 7.2, back + 8, (90, 90, 90))
    site.row(street_objects.container, back, 7.0, 2.4, 3.0)
    site.things.append((back - 3, 0.0, 0.0, 0.0, lambda: street_objects.fence(brush, -60, 60, back - 3)))
    site.both_ways(s + 0.8, STROLLERS, 1.3, 7.0, 0.6)
    site.cross(s + 4.5, CYCLISTS, 4.0, 18.0)
    site.cross(s + 8, FREIGHT, rng.uniform(4, 6), 20.0)
    site.cross(s + 12.5, FREIGHT, -rng.uniform(4, 6), 22.0)
    site.both_ways(s + 15, WALKERS, 1.3, 5.5, 0.6)
    site.both_ways(back - 5, WALKERS, 1.3, 6.0, 0.5)
    site.cross(back - 6.5, CYCLISTS, -4.0, 18.0)
    for _ in range(rng.randint(2, 5)):
        site.put(
            (street_objects.crates, street_objects.cone, street_objects.bollards)[rng.randint(3)],
            rng.uniform(-8, 8),
            s + rng.choice([2.6, 6.0, 10.3]),
            0.9,
            0.7,
        )
    for x in (-9, 9):
        site.stills.append(Still('truck', x + rng.uniform(-2, 2), s + 18.5, -np.sign(x), 0.0))
    site.stills.append(Still('person', rng.uniform(-4, 4), s + 6.3, 0.6, -0.8))


def plaza(site: Location) -> None:
    """A paved square with trees and benches, a road behind."""
    brush, rng = site.brush, site.rng
    floor = site.pick(PAVINGS)
    brush.strip(-90, 1, 90, 90, floor)
    brush.lines(grid(-45, 45, 2, 44, rng.choice([1.5, 2.0, 3.0])), shade(floor, 0.88))
    s, depth = site.near, rng.uniform(16, 24)
    for z in (s + 0.9, s + 5.5, s + 10.5):
        site.both_ways(z, WALKERS if z < s + 1 else STROLLERS, 1.25, 7.5, 1.0)
    site.cross(s + 3.4, CYCLISTS, rng.uniform(3.4, 4.4), 15.0)
    site.cross(s + 8.2, CYCLISTS, -rng.uniform(3.4, 4.4), 17.0)
    end = site.reach(s + 12)
    site.lane(((-end, s + 3), (end, s + 14)), WALKERS, 1.3, 8.0, 0.8)
    _road(site, s + depth, s + depth + 7)
    _houses(site, s + depth + 11)
    for z in (s + 4.4, s + 9.4, s + 13):
        for _ in range(2):
            prop, tall = ((street_objects.bench, 0.8), (street_objects.planter, 0.6), (street_objects.tree, 4.5), (street_objects.bin_, 0.8))[
                rng.randint(4)
            ]
            site.put(prop, rng.uniform(-0.6, 0.6) * z, z, tall, 0.6)
    site.put(street_objects.kiosk, rng.choice([-1, 1]) * rng.uniform(5, 9), s + 12, 2.4, 1.4)
    site.row(street_objects.tree, s + depth - 1.5, rng.uniform(6, 10), 4.5, 0.8)


def loading_bay(site: Location) -> None:
    """A warehouse with docks; kept for evaluation."""
    brush, rng = site.brush, site.rng
    s, floor = site.near + rng.uniform(0, 3), site.pick(CONCRETES)
    brush.strip(-90, 1, 90, 90, floor)
    wall, tint = s + rng.uniform(23, 28), site.pick(street_objects.FACADES)
    brush.upright(-90, 90, 0, 8, wall, tint)
    for x in np.arange(-60, 60, 1.0):
        brush.upright(x, x + 0.12, 1.2, 7.4, wall, shade(tint, 0.92))
    brush.upright(-90, 90, 7.4, 8.2, wall, shade(tint, 0.6))
    shift = rng.uniform(-2, 2)
    for i, x in enumerate(np.arange(-22, 23, 5.5) + shift):
        brush.upright(x - 1.6, x + 1.6, 1.0, 4.4, wall, (50, 50, 52))
        brush.upright(x - 1.4, x + 1.4, 1.1, 4.2, wall, (190, 195, 198))
        brush.lines([(x - 1.9, wall, x - 1.9, wall - 9), (x + 1.9, wall, x + 1.9, wall - 9)], (50, 190, 235))
        if rng.rand() < 0.4:
            site.stills.append(Still('truck', x, wall - 5, 0.0, -1.0))
    site.both_ways(s + 0.8, STROLLERS, 1.3, 6.5, 0.7)
    site.cross(s + 3.2, CYCLISTS, 4.0, 16.0)
    site.cross(s + 6.5, TRAFFIC, rng.uniform(4, 6), 20.0)
    site.cross(s + 10.5, FREIGHT, -rng.uniform(4, 6), 21.0)
    site.both_ways(s + 13, WALKERS, 1.3, 5.0, 0.6)
    site.cross(s + 12.2, CYCLISTS, -4.0, 20.0)
    site.row(street_objects.bollards, s + 2.2, rng.uniform(7, 11), 0.7, 0.3)
    for _ in range(3):
        site.put((street_objects.crates, street_objects.cone, street_objects.pole)[rng.randint(3)], rng.uniform(-9, 9), s + 8.4, 0.9, 0.5)


def park(site: Location) -> None:
    """Lawns, gravel walks, a pond, a road beyond the hedge; kept for evaluation."""
    brush, rng = site.brush, site.rng
    s, lawn, gravel = site.near, site.pick(GRASS), site.pick(((150, 180, 200), (165, 185, 195)))
    brush.strip(-90, 1, 90, 90, lawn)
    for z in range(3, 60, 4):
        brush.strip(-90, z, 90, z + 2, shade(lawn, 1.05))
    x, z = rng.uniform(-6, 6), s + 8.6
    angles = np.linspace(0, 2 * np.pi, 30)
    brush.ground([(x + 4.4 * np.cos(a), z + 1.3 * np.sin(a)) for a in angles], (150, 160, 160))
    brush.ground([(x + 4.1 * np.cos(a), z + 1.1 * np.sin(a)) for a in angles], (165, 140, 105))
    for z, wide in ((s + 0.2, 2.4), (s + 4.6, 2.2), (s + 12, 2.6)):
        brush.strip(-90, z, 90, z + wide, gravel)
        site.both_ways(z + 0.8, STROLLERS, 1.2, 6.5, 0.5)
        site.cross(z + 1.8, CYCLISTS, rng.choice([-1, 1]) * rng.uniform(3.2, 4.2), 17.0)
    site.lane(((-site.reach(s + 9), s + 7.2), (site.reach(s + 9), s + 11)), WALKERS, 1.2, 7.0, 0.6)
    depth = rng.uniform(18, 22)
    _road(site, s + depth, s + depth + 7)
    brush.strip(-90, s + depth + 7.2, 90, 90, shade(lawn, 0.9))
    site.row(street_objects.conifer, s + depth + 11, 3.2)
    for z in (s + 3.6, s + 7.4, s + 15):
        for _ in range(2):
            prop, tall = ((street_objects.bench, 0.8), (street_objects.tree, 4.5), (street_objects.bush, 0.5), (street_objects.lamp, 4.6))[rng.randint(4)]
            site.put(prop, rng.uniform(-0.6, 0.6) * z, z, tall, 0.6)


TRAINING_FAMILIES = {
    'street': street,
    'avenue': avenue,
    'side_street': side_street,
    'car_park': car_park,
    'yard': yard,
    'plaza': plaza,
}
EVALUATION_FAMILIES = {'loading_bay': loading_bay, 'park': park}
FAMILIES = dict(TRAINING_FAMILIES, **EVALUATION_FAMILIES)
