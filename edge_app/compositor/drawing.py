"""Drawing on one I420 picture, each call touching only the pixels it changes.

Colours are (y, u, v) of BT.601 limited range, what cv2.cvtColor takes and gives for I420.
"""
import colorsys
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from edge_app import frames
from edge_app.compositor import text_rendering
from edge_app.compositor.layout import Rect, even

GOLDEN_RATIO = 0.618034


class Colour(NamedTuple):
    """One I420 colour: luma 16..235, chroma 16..240 with 128 for grey."""

    y: int
    u: int
    v: int


def rgb(red, green, blue):
    """Colour of sRGB 0..255 (ITU-R BT.601-7, limited range)."""
    return Colour(int(round(16 + 0.25679 * red + 0.50413 * green + 0.09791 * blue)),
                  int(round(128 - 0.14822 * red - 0.29099 * green + 0.43922 * blue)),
                  int(round(128 + 0.43922 * red - 0.36779 * green - 0.07143 * blue)))


@lru_cache(maxsize=1024)
def class_colour(class_id):
    """The same colour for a class every time; neighbours lie a golden angle of hue apart."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + class_id * GOLDEN_RATIO) % 1.0, 0.72, 0.98)
    return rgb(red * 255, green * 255, blue * 255)


BLACK = rgb(12, 12, 14)
WHITE = rgb(244, 246, 248)
MUTED = rgb(186, 191, 198)
BACKGROUND = rgb(16, 18, 21)
PLACEHOLDER = rgb(34, 38, 43)
PLACEHOLDER_EDGE = rgb(58, 64, 71)
GREEN = rgb(72, 199, 116)
AMBER = rgb(247, 181, 56)
RED = rgb(235, 87, 87)


def draw_on_one_core():
    """Keep OpenCV from waking a pool of threads for pictures this small: the other cores decode and infer."""
    cv2.setNumThreads(1)


class Canvas:
    """An I420 picture to draw on; width and height even."""

    def __init__(self, size):
        width, height = size
        self.size = size
        self.rect = Rect(0, 0, width, height)
        self.pixels = np.empty((height * 3 // 2, width), np.uint8)
        self.planes = frames.planes(self.pixels)
        self.fill(self.rect, BACKGROUND)

    def _parts(self, rect):
        """Views of the three planes under an even rectangle that lies inside the picture."""
        x, y, width, height = rect
        half = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
        return (self.planes[0][y:y + height, x:x + width],) + tuple(plane[half] for plane in self.planes[1:])

    def fill(self, rect, colour):
        """One flat colour; what lies outside the picture is left out."""
        self._flood(self.rect.intersect(rect), colour)

    def _flood(self, rect, colour):
        for part, level in zip(self._parts(rect), colour):
            part[:] = level

    def blend_fill(self, rect, colour, opacity):
        """`colour` over what is there, `opacity` 0 to 1."""
        for part, level in zip(self._parts(self.rect.intersect(rect)), colour):
            if part.size:
                cv2.convertScaleAbs(part, dst=part, alpha=1.0 - opacity, beta=level * opacity)

    def outline(self, rect, colour, thickness, clip):
        """The border of `rect`, drawn inwards, only where it lies in `clip`."""
        x, y, width, height = rect
        clip = self.rect.intersect(clip)
        whole = clip.encloses(rect) and thickness <= min(width, height)
        for side in (Rect(x, y, width, thickness), Rect(x, rect.bottom - thickness, width, thickness),
                     Rect(x, y, thickness, height), Rect(rect.right - thickness, y, thickness, height)):
            self._flood(side if whole else side.intersect(clip), colour)

    def text(self, x, y, text, cap_px, colour, bold=False):
        """A line with its top left corner at even (x, y); cut at the picture's edge. Returns its width."""
        cover = text_rendering.mask(text, cap_px, bold)
        self.blend_mask(x, y, cover, colour)
        return cover[0].shape[1]

    def blend_mask(self, x, y, masks, colour):
        """`colour` through a mask (full size, half size), its top left corner at even (x, y)."""
        full, half = masks
        rect = self.rect.intersect(Rect(x, y, full.shape[1], full.shape[0]))
        left, top = rect.x - x, rect.y - y
        for part, level, cover in zip(self._parts(rect), colour, (full[top:, left:], half[top // 2:, left // 2:],
                                                                  half[top // 2:, left // 2:])):
            _blend(part, level, cover[:part.shape[0], :part.shape[1]])

    def blit(self, x, y, patch):
        """Copy a finished small picture (y, u, v) to even (x, y); it must lie inside."""
        height, width = patch[0].shape
        for part, pixels in zip(self._parts(Rect(x, y, width, height)), patch):
            part[:] = pixels

    def picture(self, source, placement):
        """A tight I420 array [h * 3 / 2, w], copied or scaled plane by plane to its place."""
        for index, (part, plane) in enumerate(zip(self._parts(placement.rect), frames.planes(source))):
            if placement.copied:
                top = placement.trim_top // (2 if index else 1)
                part[:] = plane[top:top + part.shape[0], :part.shape[1]]
            else:
                cv2.resize(_halved(plane, part.shape), (part.shape[1], part.shape[0]), dst=part,
                           interpolation=cv2.INTER_LINEAR)


def _halved(plane, shape):
    """The plane at half its size (exact averages, fast) as long as that is still no smaller than `shape`."""
    while plane.shape[0] >= 2 * shape[0] and plane.shape[1] >= 2 * shape[1]:
        plane = cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return plane


def _blend(part, level, cover):
    """part + (level - part) * cover / 255, rounded; 257 / 65536 is 1 / 255 to within a grey level."""
    if part.size:
        step = (level - part.astype(np.int32)) * (cover.astype(np.int32) * 257)
        part[:] = part + ((step + 32768) >> 16)


@lru_cache(maxsize=1024)
def label(text, cap_px, colour):
    """A caption on a plate of `colour`, ready to `blit`: (y, u, v) arrays, even width and height."""
    full, half = text_rendering.drawn(text, cap_px)
    pad, top = even(cap_px * 0.3), even(cap_px * 0.3)       # class names have no accents: less room above
    ink = BLACK if colour.y > 120 else WHITE
    return tuple(_plate(cover[top // part:], pad // part, level, inked)
                 for part, cover, level, inked in zip((1, 2, 2), (full, half, half), colour, ink))


def _plate(cover, pad, level, inked):
    plate = np.full((cover.shape[0], cover.shape[1] + 2 * pad), level, np.uint8)
    _blend(plate[:, pad:pad + cover.shape[1]], inked, cover)
    return plate


@lru_cache(maxsize=32)
def disc(diameter):
    """Coverage of a filled circle as `text_rendering.mask` gives it; `diameter` even."""
    large = np.zeros((diameter * 8, diameter * 8), np.uint8)
    cv2.circle(large, (diameter * 4, diameter * 4), diameter * 4 - 4, 255, -1)
    full = cv2.resize(large, (diameter, diameter), interpolation=cv2.INTER_AREA)
    return full, cv2.resize(full, (diameter // 2, diameter // 2), interpolation=cv2.INTER_AREA)
