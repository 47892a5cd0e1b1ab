"""The pinhole camera of a drawn scene, and the polygons everything in it is made of.

Ground coordinates are metres: x to the right, y up, z away from the camera.
"""
from typing import NamedTuple, Tuple

import cv2
import numpy as np

Colour = Tuple[int, int, int]

SHIFT = 4
"""Polygons carry 1/16 pixel, so that slow and small things move smoothly."""
NEAREST_M = 0.6
_UNIT = 1 << SHIFT


class Part(NamedTuple):
    """One convex polygon (or, with `width` > 0, an outline) of a figure; points int32 (k, 2) in 1/16 pixel."""

    points: np.ndarray
    colour: Colour
    width: int = 0


class PinholeCamera(NamedTuple):
    """A camera `height_m` above the ground looking along z; focal length and centre in pixels."""

    focal: float
    centre: float
    horizon: float
    height_m: float

    def project(self, points):
        """Ground points (..., 3) in metres to picture points (..., 2) in pixels."""
        scale = self.focal / np.maximum(points[..., 2], NEAREST_M)
        out = np.empty(points.shape[:-1] + (2,))
        out[..., 0] = self.centre + points[..., 0] * scale
        out[..., 1] = self.horizon + (self.height_m - points[..., 1]) * scale
        return out

    def depth_at(self, row):
        """Distance z in metres of the ground seen at this pixel row (below the horizon)."""
        return self.focal * self.height_m / max(row - self.horizon, 1.0)

    def scale_at(self, z):
        """Pixels per metre at distance z."""
        return self.focal / max(z, NEAREST_M)


class Pose(NamedTuple):
    """Where a figure stands: ground position, unit heading on the ground, metres travelled so far."""

    x: float
    z: float
    dx: float
    dz: float
    travelled: float

    def world(self, local):
        """Figure coordinates (..., 3) (forward, up, right) to ground coordinates."""
        turn = np.array(((self.dx, 0.0, self.dz), (0.0, 1.0, 0.0), (self.dz, 0.0, -self.dx)))
        return local.dot(turn) + (self.x, 0.0, self.z)


def fixed(points):
    """Pixel coordinates to the 1/16 pixel integers that parts carry; far outside points are clamped."""
    return (np.minimum(np.maximum(points, -4000.0), 8000.0) * _UNIT + 0.5).astype(np.int32)


def shade(colour, factor):
    """A colour made darker (factor < 1) or lighter."""
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)


def paint(picture, parts):
    """Draw parts into a BGR picture in place, in order, anti-aliased."""
    for part in parts:
        if part.width:
            cv2.polylines(picture, [part.points], True, part.colour, part.width, cv2.LINE_AA, SHIFT)
        else:
            cv2.fillConvexPoly(picture, part.points, part.colour, cv2.LINE_AA, SHIFT)


def stamp(mask, parts, value):
    """Write `value` into a uint8 mask wherever the parts cover it."""
    for part in parts:
        if part.width:
            cv2.polylines(mask, [part.points], True, value, part.width, cv2.LINE_8, SHIFT)
        else:
            cv2.fillConvexPoly(mask, part.points, value, cv2.LINE_8, SHIFT)


def gather(parts):
    """The points of all parts, int32 (n, 2) in 1/16 pixel."""
    return np.concatenate([part.points for part in parts])


def extent(parts, points):
    """x0, y0, x1, y1 in whole pixels that enclose all parts, whose `points` are gathered, with a margin."""
    x0, y0 = points.min(axis=0).tolist()
    x1, y1 = points.max(axis=0).tolist()
    margin = 2 + max([part.width for part in parts])
    return (x0 >> SHIFT) - margin, (y0 >> SHIFT) - margin, (x1 >> SHIFT) + margin + 1, (y1 >> SHIFT) + margin + 1


def moved(parts, x, y):
    """The same parts shifted by whole pixels."""
    offset = np.array([x, y], np.int32) * _UNIT
    return [part._replace(points=part.points + offset) for part in parts]
