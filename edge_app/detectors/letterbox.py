"""Fitting a frame into the network's picture: scaled as a whole, the rest filled with grey; or stretched to fill it."""
from typing import NamedTuple, Tuple

import cv2
import numpy as np

from edge_app.frames import I420


class LetterboxTransform(NamedTuple):
    """Where a frame lies in the network's picture, in pixels."""

    x: int
    y: int
    width: int
    height: int
    frame_width: int
    frame_height: int
    ratio: Tuple[float, float]
    """Pixels here per pixel of the frame, across and down, before `width` and `height` were rounded."""

    def to_frame(self, xyxy):
        """float32 [n, 4] boxes of the network's picture in pixels of the frame, cut off at its edges.

        By the unrounded ratio, as the families' own code does, so that their boxes and ours are the same.
        """
        boxes = (xyxy - np.array([self.x, self.y, self.x, self.y], np.float32)) / np.array(self.ratio * 2, np.float32)
        limit = np.array([self.frame_width, self.frame_height] * 2, np.float32)
        return np.clip(boxes, 0, limit).astype(np.float32)

    def points_to_frame(self, keypoints):
        """float32 [n, points, 3] of x, y, visibility in the network's picture, likewise in pixels of the frame."""
        points = keypoints.astype(np.float32)
        points[..., :2] = (points[..., :2] - np.array([self.x, self.y], np.float32)) / np.array(self.ratio, np.float32)
        limit = np.array([self.frame_width, self.frame_height], np.float32)
        points[..., :2] = np.clip(points[..., :2], 0, limit)
        return points


def letterbox_transform(frame, size, centred, stretched=False):
    """Place of a `frame` (width, height) in a picture of `size` (width, height).

    Top left, sides rounded down: YOLOX (yolox/data/data_augment.py, preproc). Centred, sides rounded and the odd
    row of padding below: Ultralytics (utils/augmentations.py, letterbox). Stretched: Darknet.
    """
    if stretched:
        return LetterboxTransform(0, 0, size[0], size[1], frame[0], frame[1], (size[0] / frame[0], size[1] / frame[1]))
    ratio = min(size[0] / frame[0], size[1] / frame[1])
    shape = [max(1, int(round(side * ratio) if centred else side * ratio + 1e-9)) for side in frame]
    x, y = ((size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2) if centred else (0, 0)
    return LetterboxTransform(x, y, shape[0], shape[1], frame[0], frame[1], (ratio, ratio))


class Letterbox:
    """Draws frames into slots of one batch and remembers the place of each.

    A frame that already fits is only converted, straight into its slot. Any other is converted and then scaled. The
    reverse takes 0.14 ms instead of 0.16 (640x360 to 416, one core, OpenCV 4.14), but its colours are coarser: of 1195
    boxes on real pictures a third moved by more than a pixel or 0.01 of their score (yolox_nano).
    """

    def __init__(self, batch, centred=False, grey=114, stretched=False):
        """`batch`: uint8 [n, height, width, 3], the memory to draw into."""
        self.batch = batch
        self.size = batch.shape[2], batch.shape[1]
        self.centred = centred
        self.stretched = stretched
        self.grey = grey
        self.places = [None] * len(batch)
        self.scratch = {}

    def draw(self, slot, meta, pixels):
        """The frame (`meta` with size and format; `pixels` shaped frames.shape_of(meta)) into slot number `slot`.

        Returns the slice of the slot's rows that changed: all where the padding was repainted.
        """
        before = self.places[slot]
        where = self._where(slot, meta.width, meta.height)
        target = self.batch[slot, where.y:where.y + where.height, where.x:where.x + where.width]
        fits = (where.width, where.height) == (meta.width, meta.height)
        if meta.format == I420:
            picture = cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420,
                                   dst=target if fits else self._picture(meta.width, meta.height))
        else:
            picture = pixels
        if not fits:
            cv2.resize(picture, (where.width, where.height), dst=target, interpolation=cv2.INTER_LINEAR)
        elif picture is pixels:
            np.copyto(target, pixels)
        return slice(where.y, where.y + where.height) if where is before else slice(0, self.size[1])

    def _where(self, slot, width, height):
        """The frame's place; the padding is only painted when the last frame in this slot lay elsewhere."""
        where = self.places[slot]
        if where is None or (where.frame_width, where.frame_height) != (width, height):
            where = self.places[slot] = letterbox_transform((width, height), self.size, self.centred, self.stretched)
            self.batch[slot] = self.grey
        return where

    def _picture(self, width, height):
        """Memory for one unscaled BGR picture, kept per size: cameras differ in few."""
        return self.scratch.setdefault((width, height), np.empty((height, width, 3), np.uint8))


def single_thread():
    """Keep OpenCV on the calling thread: a pool gains nothing on small pictures and takes the decoders' cores."""
    cv2.setNumThreads(1)
