"""A scene that only training sees: ground, walls, props and figures combined at random.

The other scenes repeat themselves: trucks are seen from the side, dogs walk on pavements. A detector that saw only
those would learn the layout. Here every class appears at every distance and heading, in front of any background.
"""
import numpy as np

from edge_app.testing.simulator import locations, street_objects
from edge_app.testing.simulator.locations import Location
from edge_app.testing.simulator.painter import grid
from edge_app.testing.simulator.view import shade

NAME = 'random'
SHARES = (
    ('person', 0.29, 45.0),
    ('bicycle', 0.2, 42.0),
    ('dog', 0.19, 26.0),
    ('car', 0.12, 55.0),
    ('bus', 0.09, 60.0),
    ('truck', 0.11, 60.0),
)
"""Share of the lanes and farthest distance in metres of each class."""
COLOURS = locations.ASPHALTS + locations.PAVINGS + locations.GRASS + locations.CONCRETES + street_objects.FACADES
SMALL_OBJECTS = (
    street_objects.tree, street_objects.conifer, street_objects.bush, street_objects.hedge, street_objects.lamp,
    street_objects.pole, street_objects.bench, street_objects.bollards, street_objects.bin_, street_objects.planter,
    street_objects.kiosk, street_objects.shelter, street_objects.container, street_objects.cone, street_objects.crates)


def random_scene(location: Location) -> None:
    """Fill a location at random."""
    rng = location.rng
    location.sparse = 1.0
    location.painter.strip(-90, 1, 90, 95, location.pick(COLOURS))
    for _ in range(rng.randint(3, 12)):
        _patch(location)
    for z in sorted(rng.uniform(22, 60, rng.randint(1, 5)), reverse=True):
        _wall(location, z)
    for _ in range(rng.randint(4, 14)):
        z = _depth(location, 50.0)
        thing = SMALL_OBJECTS[rng.randint(len(SMALL_OBJECTS))] if rng.rand() < 0.7 else _clutter
        location.put(thing, rng.uniform(-0.75, 0.75) * z, z, rng.choice([0.0, 1.0, 4.0]), 0.5)
    for _ in range(rng.randint(16, 26)):
        _lane(location)


def _depth(location: Location, farthest: float) -> float:
    """A distance, evenly spread in size as seen."""
    return float(np.exp(location.rng.uniform(np.log(location.near + 0.5), np.log(farthest))))


def _any_colour(location: Location):
    if location.rng.rand() < 0.6:
        return location.pick(COLOURS)
    return tuple(int(v) for v in location.rng.randint(30, 240, 3))


def _patch(location: Location) -> None:
    rng, painter = location.rng, location.painter
    z, turn = _depth(location, 60.0), rng.uniform(0, np.pi)
    x, long, wide = rng.uniform(-0.8, 0.8) * z, rng.uniform(1, 40), rng.uniform(0.2, 6)
    along, across = np.array([np.cos(turn), np.sin(turn)]) * long, np.array([-np.sin(turn), np.cos(turn)]) * wide
    corners = [np.array([x, z]) + a * along + b * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    painter.ground([(cx, max(cz, 1.2)) for cx, cz in corners], _any_colour(location))
    if rng.rand() < 0.3:
        painter.lines(grid(x - 12, x + 12, max(z - 6, 1.5), z + 6, rng.uniform(1, 4)), _any_colour(location))


def _wall(location: Location, z: float) -> None:
    """A front with rows of openings, ribs or stripes of any size and colour."""
    rng, painter = location.rng, location.painter
    x0, height = rng.uniform(-60, 10), rng.uniform(2, 12)
    x1, colour = x0 + rng.uniform(8, 80), _any_colour(location)
    if rng.rand() < 0.3:
        street_objects.house(painter, x0, min(x1, x0 + 14), z)
        return
    painter.upright(x0, x1, 0, height, z, colour)
    for _ in range(rng.randint(0, 4)):
        low, step = rng.uniform(0, height * 0.7), rng.uniform(0.5, 6)
        wide, high = step * rng.uniform(0.15, 0.95), rng.uniform(0.2, 3.5)
        outer, inner = _any_colour(location), _any_colour(location)
        for x in np.arange(x0 + 0.2, x1 - wide, step):
            painter.upright(x, x + wide, low, min(low + high, height), z, outer)
            if high > 1 and wide > 1:
                painter.upright(x + 0.12, x + wide - 0.12, low + 0.12, min(low + high, height) - 0.12, z, inner)


def _clutter(painter, x: float, z: float) -> None:
    """A box with panels."""
    rng = painter.rng
    wide, high = rng.uniform(0.2, 4), rng.uniform(0.3, 3)
    colour = tuple(int(v) for v in rng.randint(30, 240, 3))
    painter.box(x - wide, x + wide, high, z, z + rng.uniform(0.3, 4), colour)
    for _ in range(rng.randint(0, 4)):
        a, b = np.sort(rng.uniform(-wide, wide, 2))
        c, d = np.sort(rng.uniform(0, high, 2))
        painter.upright(a, b, c, d, z, shade(colour, rng.uniform(0.5, 1.4)))


def _lane(location: Location) -> None:
    """A straight way of one class through a random point in a random direction."""
    rng = location.rng
    kind, _, farthest = SHARES[int(rng.choice(len(SHARES), p=[share for _, share, _ in SHARES]))]
    big = kind in ('car', 'bus', 'truck')
    z = max(_depth(location, farthest), 8.0 if big else 0.0)
    x, turn = rng.uniform(-0.7, 0.7) * z, rng.uniform(0, 2 * np.pi)
    dx, dz, reach = np.cos(turn), np.sin(turn), rng.uniform(4, 16)
    ends = [(x + s * dx * reach, float(np.clip(z + s * dz * reach, 7.0 if big else 4.5, farthest))) for s in (-1, 1)]
    if np.hypot(ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]) > 2:
        location.lane(ends, {kind: 1.0}, {'person': 1.3, 'dog': 1.4, 'bicycle': 4.0}.get(kind, 6.0), 3 * reach, 0.5)
        if not location.lanes[-1].kinds:  # a dog so far away that the location refused it
            location.lanes.pop()


locations.FAMILIES[NAME] = random_scene
