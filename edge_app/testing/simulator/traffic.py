"""Who is on a lane at a given time: a pure function of the time, so that any picture can be drawn at once."""
import math
from typing import NamedTuple

import numpy as np

from edge_app.testing.simulator.view import Pose


class TrafficSlot(NamedTuple):
    """One object on a lane: its slot in the queue, how often the slot has come round, and its place."""

    slot: int
    lap: int
    place: Pose


def random_state(*numbers):
    """A random state that depends on all the numbers."""
    state = 2166136261
    for number in numbers:
        state = ((state ^ (number & 0xFFFFFFFF)) * 16777619 + 0x9E3779B9) & 0xFFFFFFFF
    return np.random.RandomState(state & 0x7FFFFFFF)


class LaneTraffic:
    """A lane with its queue of objects, `gap` metres apart, that comes round again and again."""

    KEPT = 512

    def __init__(self, lane, index, seed):
        self.lane, self._index, self._seed = lane, index, seed
        ends = zip(lane.points, lane.points[1:])
        self._legs = [(x0, z0, x1 - x0, z1 - z0, math.hypot(x1 - x0, z1 - z0)) for (x0, z0), (x1, z1) in ends]
        self._length = sum(leg[4] for leg in self._legs)
        self._slots = int(math.ceil(self._length / lane.gap)) + 1
        self._start = random_state(seed, index, 0x51).rand() * lane.gap * self._slots
        self._strays = {}

    def at(self, t):
        """Everyone on the lane after t seconds."""
        lane = self.lane
        for slot in range(self._slots):
            lap, travelled = divmod(t * lane.speed + self._start + slot * lane.gap, self._slots * lane.gap)
            back, aside = self._stray(slot, int(lap))
            travelled -= back * 0.4 * lane.gap
            if 0 <= travelled <= self._length:
                yield TrafficSlot(slot, int(lap), self._place(travelled, aside * lane.spread))

    def _stray(self, slot, lap):
        """How far an object strays from its slot, along (0..1) and across (-1..1) the lane."""
        if (slot, lap) not in self._strays:
            if len(self._strays) > self.KEPT:
                self._strays.clear()
            rng = random_state(0x3A7, self._seed, self._index, slot, lap)
            self._strays[slot, lap] = (rng.rand(), rng.uniform(-1, 1))
        return self._strays[slot, lap]

    def _place(self, travelled, aside):
        rest = travelled
        for x, z, dx, dz, length in self._legs:
            if rest <= length:
                break
            rest -= length
        dx, dz = dx / length, dz / length
        rest = min(rest, length)
        return Pose(x + dx * rest + dz * aside, z + dz * rest - dx * aside, dx, dz, travelled)
