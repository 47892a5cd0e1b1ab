"""A machine-readable strip burnt into the bottom of a picture: which camera, which frame, when.

It survives encoding and scaling, so a picture found anywhere downstream says where and when it was made.
88 bits in 2 rows of 44 cells: camera 8, frame 24, unix milliseconds 42, checksum 14.
"""
import zlib
from typing import NamedTuple

import cv2
import numpy as np

COLUMNS, ROWS = 44, 2
HEIGHT_SHARE = 16.0 / 360.0
BLACK, WHITE = 16, 235
MIN_RANGE = 60
"""Grey levels between the darkest and the brightest cell; less is no timecode."""
MIN_GAP = 0.2
"""Share of that range that must lie empty between black and white cells: noise and scenery have no gap."""

_BITS = COLUMNS * ROWS
_CHECK_BITS = 14
_WHITENING = 0x5A3C96E1B7D2485F19C6A3
"""Spreads black and white evenly, so that small numbers do not make one long black bar."""
_SUBCELLS = 4
_LUMA = np.array([[0.114, 0.587, 0.299]], np.float32)


class Timecode(NamedTuple):
    """What a timecode says: camera id (8 bit), frame number (24 bit, wraps), unix time in milliseconds (42 bit)."""

    camera: int
    frame: int
    ms: int


def strip_height(height):
    """Rows of pixels the timecode takes at the bottom of a picture of this height."""
    return max(ROWS * 2, int(round(height * HEIGHT_SHARE)))


def write(picture, camera, frame, ms):
    """Burn the timecode into `picture` in place: uint8, (h, w, 3) BGR or (h, w) luma. Numbers too large wrap."""
    height, width = picture.shape[:2]
    cells = np.where(_encode(camera, frame, ms), WHITE, BLACK).astype(np.uint8).reshape(ROWS, COLUMNS)
    strip = strip_height(height)
    rows = np.arange(strip) * ROWS // strip
    columns = np.arange(width) * COLUMNS // width
    block = cells[rows][:, columns]
    picture[height - strip:] = block if picture.ndim == 2 else block[:, :, None]


def read(picture):
    """The timecode in a uint8 picture of shape (h, w, 3) BGR or (h, w) luma; None where there is no sound one."""
    cells = _cell_levels(picture)
    order = np.sort(cells)
    span = order[-1] - order[0]
    if span < MIN_RANGE:
        return None
    threshold = (order[0] + order[-1]) / 2.0
    bits = cells > threshold
    gap = cells[bits].min() - cells[~bits].max()
    return _decode(bits) if gap >= MIN_GAP * span else None


def _cell_levels(picture):
    """Mean grey level of the centre of every cell, (88,) float, row by row."""
    height = picture.shape[0]
    strip = picture[height - strip_height(height):]
    fine = cv2.resize(strip, (COLUMNS * _SUBCELLS, ROWS * _SUBCELLS), interpolation=cv2.INTER_AREA)
    if fine.ndim == 3:
        fine = fine[:, :, :3].dot(_LUMA[0])
    blocks = fine.reshape(ROWS, _SUBCELLS, COLUMNS, _SUBCELLS)
    return blocks[:, 1:3, :, 1:3].mean(axis=(1, 3), dtype=np.float32).ravel()


def _checksum(payload):
    return zlib.crc32(payload.to_bytes(10, 'big')) & ((1 << _CHECK_BITS) - 1)


def _encode(camera, frame, ms):
    """The 88 bits as a boolean array, most significant first."""
    payload = (camera & 0xFF) << 66 | (frame & 0xFFFFFF) << 42 | (ms & ((1 << 42) - 1))
    word = (payload << _CHECK_BITS | _checksum(payload)) ^ _WHITENING
    return np.unpackbits(np.frombuffer(word.to_bytes(_BITS // 8, 'big'), np.uint8)).astype(bool)


def _decode(bits):
    word = int.from_bytes(np.packbits(bits).tobytes(), 'big') ^ _WHITENING
    payload = word >> _CHECK_BITS
    if _checksum(payload) != word & ((1 << _CHECK_BITS) - 1):
        return None
    return Timecode(payload >> 66, payload >> 42 & 0xFFFFFF, payload & ((1 << 42) - 1))
