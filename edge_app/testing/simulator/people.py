"""People, cyclists and dogs: jointed figures of tapered limbs, posed by how far they have come.

A cyclist is one object of class bicycle: its box covers bicycle and rider, and the rider is not a person of its own.
"""
from typing import NamedTuple, Sequence

import numpy as np

from edge_app.testing.simulator.view import Colour, Part, fixed, shade

SKIN = ((140, 170, 225), (110, 140, 200), (80, 110, 170), (50, 75, 120), (150, 185, 235))
CLOTHES = ((60, 60, 200), (190, 110, 40), (70, 150, 60), (40, 170, 220), (200, 200, 205), (60, 55, 50), (140, 60, 130),
           (30, 110, 230), (180, 170, 60), (110, 90, 160), (90, 130, 190))
TROUSERS = ((95, 60, 35), (50, 48, 46), (70, 90, 110), (120, 115, 110), (60, 45, 70), (130, 150, 165))
HAIR = ((30, 30, 35), (35, 55, 90), (60, 100, 150), (120, 170, 210), (150, 150, 155))
COATS = ((40, 75, 130), (35, 35, 40), (205, 215, 225), (95, 160, 210), (90, 100, 110), (60, 60, 95))
FRAMES = ((50, 50, 210), (200, 120, 30), (60, 160, 60), (30, 180, 230), (215, 215, 215), (150, 60, 150))

_HALF = np.linspace(-np.pi / 2, np.pi / 2, 6)
_CAPS = np.exp(1j * np.concatenate([_HALF, _HALF + np.pi]))
"""Twelve points round a limb that points along the real axis: the far cap, then the near one."""
_TURN = np.linspace(0, 2 * np.pi, 26, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


class Limbs(NamedTuple):
    """Tapered limbs of a figure: ends (2, n, 3) and radii (2, n) in metres, from and to; one colour each."""

    ends: np.ndarray
    radii: np.ndarray
    colours: Sequence[Colour]


def outlines(ends, radii):
    """Polygons (n, 12, 2) round limbs with ends (2, n, 2) and radii (2, n), in pixels."""
    start, end = ends[..., 0] + 1j * ends[..., 1]
    along = end - start
    ring = (along / np.maximum(np.abs(along), 1e-6))[:, None] * _CAPS
    ring[:, :6] *= radii[1, :, None]
    ring[:, 6:] *= radii[0, :, None]
    ring[:, :6] += end[:, None]
    ring[:, 6:] += start[:, None]
    return ring.view(np.float64).reshape(len(start), 12, 2)


def limb_parts(limbs, place, view):
    """Limbs projected and sorted from far to near."""
    ends = place.world(limbs.ends)
    polygons = fixed(outlines(view.project(ends), limbs.radii * view.scale_at(place.z)))
    order = np.argsort(-ends[..., 2].sum(axis=0), kind='stable').tolist()
    colours = limbs.colours
    return [Part(polygons[i], colours[i]) for i in order]


class _Joints:
    """Collects limbs in figure coordinates (forward, up, right)."""

    def __init__(self):
        self._rows = []

    def add(self, start, end, r0, r1):
        self._rows.append(tuple(start) + tuple(end) + (r0, r1))

    def limbs(self, colours, size):
        rows = np.array(self._rows) * size
        return Limbs(np.stack([rows[:, :3], rows[:, 3:6]]), rows[:, 6:].T.copy(), colours)


def pick(rng, colours):
    """One of the colours, its brightness varied a little."""
    return shade(colours[rng.randint(len(colours))], rng.uniform(0.85, 1.12))


def _swing(hip, angle, bend, upper, lower):
    """Joint and end (2, 2) of a two-segment limb hanging from `hip` (forward, up); angles in radians."""
    knee = (hip[0] + upper * np.sin(angle), hip[1] - upper * np.cos(angle))
    tip = angle - bend
    return np.array([knee, (knee[0] + lower * np.sin(tip), knee[1] - lower * np.cos(tip))])


class _Figure:
    """Base: a cycle of PHASES poses, run through once in `cycle_m` metres. `_pose(phase)` gives the Limbs."""

    PHASES = None

    def __init__(self, start, cycle_m):
        self._start, self._cycle_m = start, cycle_m
        self._poses = {}

    def parts(self, place, view):
        """Polygons of the figure at this place, far to near."""
        phase = int((place.travelled / self._cycle_m + self._start) * self.PHASES) % self.PHASES
        if phase not in self._poses:
            self._poses[phase] = self._pose(2 * np.pi * phase / self.PHASES)
        return limb_parts(self._poses[phase], place, view)

    def _pose(self, phase):
        raise NotImplementedError


class Person(_Figure):
    """Someone walking."""

    class_id = 0
    REACH_M = 1.0
    PHASES = 24

    def __init__(self, rng, tint):
        self.height_m = rng.uniform(1.58, 1.92)
        self._build = rng.uniform(0.9, 1.25)
        super(Person, self).__init__(rng.uniform(0, 1), 0.78 * self.height_m)
        self._bag = rng.rand() < 0.35
        self._skirt = rng.rand() < 0.2
        self._colours = [tint(colour) for colour in self._dress(rng)]

    def _dress(self, rng):
        """Colours in the order in which `_pose` adds the limbs."""
        skin, shirt = pick(rng, SKIN), pick(rng, CLOTHES)
        legs, hair, bag = pick(rng, TROUSERS), pick(rng, HAIR), pick(rng, CLOTHES)
        shoe = shade(legs, 0.45)
        sleeve = skin if rng.rand() < 0.3 else shade(shirt, 0.9)
        leg = [shade(legs, 1.05), legs, shoe]
        arm = [shade(shirt, 0.92), sleeve, skin]
        far = [shade(colour, 0.8) for colour in leg + arm]
        return (leg + arm + far + [shirt, shirt, shade(shirt, 1.1), skin, skin, hair]
                + [shade(shirt, 0.85), shade(shirt, 0.85), bag])

    def _pose(self, phase):
        joints, fat = _Joints(), self._build
        for side, turn in ((1, 0.0), (-1, np.pi)):
            self._leg(joints, side, phase + turn)
            self._arm(joints, side, phase + turn + np.pi)
        bob = 0.012 * np.cos(2 * phase)
        for side in (1, -1):
            joints.add((0, 0.53 + bob, 0.035 * side), (0.01, 0.78 + bob, 0.075 * side), 0.062 * fat, 0.058 * fat)
        joints.add((0.0, 0.6 + bob, 0), (0.01, 0.78 + bob, 0), 0.062 * fat, 0.066 * fat)
        joints.add((0.01, 0.82 + bob, 0), (0.015, 0.88 + bob, 0), 0.03, 0.03)
        joints.add((0.02, 0.905 + bob, 0), (0.02, 0.925 + bob, 0), 0.056, 0.058)
        joints.add((-0.01, 0.945 + bob, 0), (0.0, 0.95 + bob, 0), 0.058, 0.056)
        hem = 0.34 if self._skirt else 0.5
        for side in (1, -1):
            joints.add((0, 0.56 + bob, 0.03 * side), (0, hem + bob, 0.04 * side), 0.055 * fat, 0.06 * fat)
        bag = (-0.105, 0.72 + bob) if self._bag else (0.0, 0.7 + bob)
        joints.add((bag[0], bag[1] - 0.07, 0), (bag[0], bag[1] + 0.05, 0), 0.055, 0.05)
        return joints.limbs(self._colours, self.height_m)

    def _leg(self, joints, side, phase):
        angle, fat = 0.5 * np.sin(phase), self._build
        bend = 0.12 + 0.75 * max(0.0, np.cos(phase)) ** 2
        knee, ankle = _swing((0, 0.52), angle + 0.1, bend, 0.24, 0.235)
        lift = 0.012 * np.cos(2 * phase)
        hip = (0, 0.52 + lift, 0.045 * side)
        joints.add(hip, (knee[0], knee[1], 0.045 * side), 0.055 * fat, 0.042 * fat)
        joints.add((knee[0], knee[1], 0.045 * side), (ankle[0], ankle[1] + 0.01, 0.045 * side), 0.041 * fat, 0.028)
        heel, toe = (ankle[0] - 0.01, ankle[1] - 0.005, 0.045 * side), (ankle[0] + 0.075, ankle[1] - 0.015, 0.05 * side)
        joints.add(heel, toe, 0.026, 0.02)

    def _arm(self, joints, side, phase):
        angle = 0.42 * np.sin(phase)
        elbow, hand = _swing((0.005, 0.79), angle, -0.35 - 0.2 * max(0.0, np.sin(phase)), 0.16, 0.15)
        z = 0.12 * side * self._build
        joints.add((0.005, 0.79, z * 0.92), (elbow[0], elbow[1], z), 0.036, 0.03)
        joints.add((elbow[0], elbow[1], z), (hand[0], hand[1], z), 0.03, 0.022)
        joints.add((hand[0], hand[1], z), (hand[0], hand[1] - 0.02, z), 0.024, 0.02)


class Dog(_Figure):
    """A trotting dog, large enough to be seen from a camera on a mast."""

    class_id = 5
    REACH_M = 1.0
    PHASES = 16

    def __init__(self, rng, tint):
        self._size = rng.uniform(0.85, 1.15)
        super(Dog, self).__init__(rng.uniform(0, 1), 0.9)
        coat = pick(rng, COATS)
        chest = pick(rng, COATS) if rng.rand() < 0.3 else shade(coat, 1.12)
        collar = pick(rng, FRAMES)
        near, far = [coat, shade(coat, 0.95)], [shade(coat, 0.72), shade(coat, 0.68)]
        head = [coat, chest, coat, coat, shade(coat, 0.6), shade(coat, 0.7), shade(coat, 0.7), coat, collar]
        self._colours = [tint(colour) for colour in near * 2 + far * 2 + head]

    def _pose(self, phase):
        joints = _Joints()
        for side, turn in ((1, 0.0), (-1, np.pi)):
            for x, shift in ((0.33, 0.0), (-0.33, np.pi)):
                angle = 0.55 * np.sin(phase + turn + shift)
                knee, paw = _swing((x, 0.5), angle, 0.25 if x > 0 else -0.3, 0.24, 0.25)
                joints.add((x, 0.5, 0.09 * side), (knee[0], knee[1], 0.09 * side), 0.075, 0.05)
                joints.add((knee[0], knee[1], 0.09 * side), (paw[0], paw[1], 0.09 * side), 0.045, 0.04)
        bob, wag = 0.015 * np.cos(2 * phase), 0.12 * np.sin(2 * phase)
        joints.add((-0.36, 0.6 + bob, 0), (0.2, 0.6 + bob, 0), 0.125, 0.14)
        joints.add((0.16, 0.57 + bob, 0), (0.36, 0.6 + bob, 0), 0.15, 0.13)
        joints.add((0.36, 0.64 + bob, 0), (0.53, 0.84 + bob, 0), 0.1, 0.085)
        joints.add((0.54, 0.86 + bob, 0), (0.75, 0.81 + bob, 0), 0.1, 0.055)
        joints.add((0.78, 0.82 + bob, 0), (0.79, 0.82 + bob, 0), 0.035, 0.03)
        for side in (1, -1):
            joints.add((0.5, 0.93 + bob, 0.06 * side), (0.46, 0.8 + bob, 0.09 * side), 0.04, 0.035)
        joints.add((-0.42, 0.66 + bob, 0), (-0.68, 0.92 + bob, wag), 0.045, 0.025)
        joints.add((0.42, 0.72 + bob, 0.0), (0.46, 0.68 + bob, 0.0), 0.09, 0.09)
        return joints.limbs(self._colours, self._size)


class Bicycle(_Figure):
    """A bicycle with its rider, one object."""

    class_id = 1
    REACH_M = 1.2
    PHASES = 20
    WHEEL_M = 0.36
    TUBES = (((-0.52, 0.36), (-0.05, 0.3)), ((-0.52, 0.36), (-0.2, 0.82)), ((-0.05, 0.3), (-0.2, 0.92)),
             ((-0.05, 0.3), (0.4, 0.82)), ((-0.2, 0.82), (0.4, 0.86)), ((0.52, 0.36), (0.4, 0.98)))

    def __init__(self, rng, tint):
        super(Bicycle, self).__init__(rng.uniform(0, 1), 3.0)
        self._size = rng.uniform(0.95, 1.08)
        frame, shirt, legs, skin = pick(rng, FRAMES), pick(rng, CLOTHES), pick(rng, TROUSERS), pick(rng, SKIN)
        helmet = pick(rng, FRAMES if rng.rand() < 0.7 else HAIR)
        rider = [legs, shade(legs, 0.95), shade(legs, 0.5)]
        arm = [shade(shirt, 0.92), skin]
        far = [shade(colour, 0.78) for colour in rider + arm]
        colours = ([frame] * len(self.TUBES) + [(40, 40, 40), (60, 60, 60)] + rider + arm + far
                   + [shirt, shirt, skin, helmet])
        self._colours = [tint(colour) for colour in colours]
        self._tyre, self._rim = tint((38, 38, 38)), tint((150, 150, 150))

    def _pose(self, phase):
        joints = _Joints()
        for (x0, y0), (x1, y1) in self.TUBES:
            joints.add((x0, y0, 0), (x1, y1, 0), 0.028, 0.028)
        joints.add((-0.32, 0.94, 0), (-0.1, 0.95, 0), 0.04, 0.03)
        joints.add((0.36, 1.0, -0.22), (0.36, 1.0, 0.22), 0.025, 0.025)
        for side, turn in ((1, 0.0), (-1, np.pi)):
            self._ride(joints, side, phase + turn)
        for side in (1, -1):
            joints.add((-0.2, 1.02, 0.06 * side), (0.06, 1.43, 0.11 * side), 0.125, 0.11)
        joints.add((0.1, 1.52, 0), (0.15, 1.64, 0), 0.06, 0.1)
        joints.add((0.11, 1.71, 0), (0.16, 1.7, 0), 0.11, 0.1)
        return joints.limbs(self._colours, self._size)

    def _ride(self, joints, side, phase):
        foot = np.array([-0.05 + 0.17 * np.cos(phase), 0.3 - 0.17 * np.sin(phase)])
        hip = np.array([-0.2, 0.98])
        middle, span = (hip + foot) / 2, np.linalg.norm(foot - hip)
        across = np.array([-(foot - hip)[1], (foot - hip)[0]]) / span
        knee = middle + across * np.sqrt(max(0.44**2 - (span / 2) ** 2, 0.002))
        z = 0.1 * side
        joints.add((hip[0], hip[1], z), (knee[0], knee[1], z), 0.1, 0.075)
        joints.add((knee[0], knee[1], z), (foot[0], foot[1] + 0.05, z), 0.07, 0.05)
        joints.add((foot[0] - 0.04, foot[1], z), (foot[0] + 0.14, foot[1], z), 0.045, 0.035)
        joints.add((0.05, 1.4, 0.17 * side), (0.2, 1.15, 0.22 * side), 0.065, 0.05)
        joints.add((0.2, 1.15, 0.22 * side), (0.37, 1.03, 0.2 * side), 0.05, 0.04)

    def parts(self, place, view):
        """Wheels first, then frame and rider far to near."""
        return self._wheels(place, view) + super(Bicycle, self).parts(place, view)

    def _wheels(self, place, view):
        rim = np.zeros((2, len(_CIRCLE), 3))
        rim[..., :2] = _CIRCLE * self.WHEEL_M
        rim[..., 1] += self.WHEEL_M
        rim[0, :, 0] -= 0.52
        rim[1, :, 0] += 0.52
        points = fixed(view.project(place.world(rim * self._size)))
        scale = view.scale_at(place.z)
        width = max(1, int(round(0.07 * scale)))
        strokes = (self._tyre, width), (self._rim, max(1, width // 4))
        return [Part(ring, colour, stroke) for ring in points for colour, stroke in strokes]
