"""Painting what does not move: ground, walls and street objects, in metres."""
import cv2
import numpy as np

from edge_app.testing.simulator.people import outlines
from edge_app.testing.simulator.view import SHIFT, fixed, shade


class Painter:
    """Paints into a BGR picture and, while `mask` is set, into that mask too."""

    def __init__(self, picture, view, light, rng):
        self.picture, self.view, self.light, self.rng = picture, view, light, rng
        self.mask = None

    def pixels(self, points, colour, lit=False):
        """Fill a polygon (k, 2) given in pixels; `lit` colours shine by themselves."""
        colour = colour if lit else self.light.tint(colour)
        cv2.fillPoly(self.picture, [fixed(points)], colour, cv2.LINE_AA, SHIFT)
        if self.mask is not None:
            cv2.fillPoly(self.mask, [fixed(points)], 255, cv2.LINE_8, SHIFT)

    def solid(self, points, colour, lit=False):
        """Fill a polygon given in ground coordinates (x, y, z)."""
        self.pixels(self.view.project(np.array(points, float)), colour, lit)

    def ground(self, points, colour):
        """Fill an area of the ground, corners (x, z)."""
        self.solid([(x, 0.0, z) for x, z in points], colour)

    def strip(self, x0, z0, x1, z1, colour):
        """Fill an upright rectangle of the ground."""
        self.ground(((x0, z0), (x1, z0), (x1, z1), (x0, z1)), colour)

    def upright(self, x0, x1, y0, y1, z, colour, lit=False):
        """Fill a wall that faces the camera."""
        self.solid([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colour, lit)

    def side(self, x, y0, y1, z0, z1, colour, lit=False):
        """Fill a wall that runs away from the camera."""
        self.solid([(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)], colour, lit)

    def limb(self, start, end, r0, r1, colour, lit=False):
        """A round bar between two points in ground coordinates; radii in metres."""
        ends = self.view.project(np.array([start, end], float))
        scale = self.view.scale_at((start[2] + end[2]) / 2)
        self.pixels(outlines(ends[:, None], np.array([[r0], [r1]]) * scale)[0], colour, lit)

    def blob(self, x, y, z, radius, colour):
        """A ball of leaves, a stone: a disc round a point in ground coordinates."""
        centre = self.view.project(np.array([[x, y, z]], float))[0]
        angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius * self.view.scale_at(z)
        self.pixels(ring + centre, colour)

    def box(self, x0, x1, height, z0, z1, colour):
        """A block on the ground: front, the side that is seen, and the top if it lies below the camera."""
        if x0 > 0:
            self.side(x0, 0, height, z0, z1, shade(colour, 0.78))
        if x1 < 0:
            self.side(x1, 0, height, z0, z1, shade(colour, 0.78))
        if height < self.view.height_m:
            self.solid([(x0, height, z0), (x1, height, z0), (x1, height, z1), (x0, height, z1)], shade(colour, 1.12))
        self.upright(x0, x1, 0, height, z0, colour)

    def lines(self, segments, colour, width=1):
        """Thin lines on the ground, each (x0, z0, x1, z1)."""
        ends = np.array(segments, float).reshape(-1, 2, 2)
        points = np.stack([ends[..., 0], np.zeros(ends.shape[:2]), ends[..., 1]], axis=2)
        for start, end in fixed(self.view.project(points)):
            cv2.line(self.picture, tuple(int(v) for v in start), tuple(int(v) for v in end), self.light.tint(colour),
                     width, cv2.LINE_AA, SHIFT)

    def shadow(self, points, left):
        """Darken an area of the ground to the share `left` of its light."""
        factor = np.full(self.picture.shape, 255, np.uint8)
        corners = self.view.project(np.array([(x, 0.0, z) for x, z in points], float))
        cv2.fillPoly(factor, [fixed(corners)], (int(255 * left),) * 3, cv2.LINE_AA, SHIFT)
        cv2.multiply(self.picture, factor, dst=self.picture, scale=1 / 255.0)

    def cast(self, x, z, height, half_width):
        """The shadow of something upright: thrown by the sun, or a soft pool under it."""
        sun = self.light.sun
        if sun is None:
            angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
            self.shadow([(x + 1.1 * half_width * np.cos(a), z + 0.9 * half_width * np.sin(a)) for a in angles], 0.82)
            return
        tip = (x + sun[0] * height, max(z + sun[1] * height, 1.5))
        self.shadow([(x - half_width, z), (x + half_width, z), (tip[0] + half_width, tip[1]),
                     (tip[0] - half_width, tip[1])], self.light.shadow)


def grid(x0, x1, z0, z1, step):
    """Segments of a square grid on the ground."""
    along = [(x, z0, x, z1) for x in np.arange(x0, x1 + 1e-6, step)]
    return along + [(x0, z, x1, z) for z in np.arange(z0, z1 + 1e-6, step)]
