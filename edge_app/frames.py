"""Metadata of a frame, written once beside its pixels and passed on unchanged to the last output."""
from typing import NamedTuple, Tuple

I420 = 1
BGR = 2


class FrameMeta(NamedTuple):
    """Metadata of one frame; times in nanoseconds, sizes in pixels."""

    sequence: int
    """Number of the access unit at this camera's depayloader, from 1, rising; gaps are frames not delivered."""
    captured_ns: int
    """CLOCK_MONOTONIC when the frame's access unit arrived on this host; when it was due, of a file or over HTTP."""
    width: int
    height: int
    format: int = I420
    """I420 (planes y, u, v; see `planes`) or BGR (rows of b, g, r)."""
    pts_ns: int = -1
    """Presentation time of the stream, -1 when it has none."""
    capture_time_ns: int = 0
    """Unix time by the camera's own clock (RTCP sender reports), 0 when unknown."""
    capture_error_ns: int = 0
    """Stated uncertainty of `capture_time_ns`."""
    flags: int = 0
    """DAMAGED where lost packets are known to have affected the picture."""

    @property
    def size(self) -> Tuple[int, int]:
        return self.width, self.height


DAMAGED = 1


def frame_bytes(width: int, height: int, format: int = I420) -> int:
    """Bytes of one tightly packed frame."""
    return width * height * 3 // 2 if format == I420 else width * height * 3


def shape_of(meta: FrameMeta) -> Tuple[int, ...]:
    """Shape of the uint8 array that holds the frame: I420 [height * 3 / 2, width], BGR [height, width, 3]."""
    if meta.format == I420:
        return meta.height * 3 // 2, meta.width
    return meta.height, meta.width, 3


def planes(pixels):
    """Views (y [h, w], u [h/2, w/2], v [h/2, w/2]) of one contiguous I420 array [h * 3 / 2, w]; w and h even."""
    rows, width = pixels.shape
    height = rows * 2 // 3
    flat = pixels.reshape(-1)
    area = width * height
    half = (height // 2, width // 2)
    return (pixels[:height],
            flat[area:area + area // 4].reshape(half),
            flat[area + area // 4:area * 3 // 2].reshape(half))


def fit(source, box, step=(16, 2)):
    """Largest (width, height) with the aspect of `source` inside `box`, never larger than `source`.

    Rounded to multiples of `step`, so that GStreamer pads no row of any plane.
    """
    scale = min(box[0] / source[0], box[1] / source[1], 1.0)
    return (max(step[0], int(round(source[0] * scale / step[0])) * step[0]),
            max(step[1], int(round(source[1] * scale / step[1])) * step[1]))
