"""The text a camera burns into its picture: clock at the top left, name at the bottom right."""

import time
from collections import OrderedDict
from typing import Tuple

import cv2
import numpy as np

from .mark import strip_height

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def clock_text(ms: int) -> str:
    """'YYYY-MM-DD Fri HH:MM:SS' in local time for unix milliseconds."""
    now = time.localtime(ms / 1000.0)
    return time.strftime("%Y-%m-%d ", now) + _DAYS[now.tm_wday] + time.strftime(" %H:%M:%S", now)


class Osd(object):
    """Writes white text with a dark outline; each text is drawn once and kept."""

    KEPT = 4

    def __init__(self, size: Tuple[int, int], name: str) -> None:
        self._size, self._name = size, name
        self._scale = size[1] / 360.0 * 0.5
        self._kept = OrderedDict()  # type: OrderedDict

    def write(self, picture: np.ndarray, ms: int) -> None:
        """Put clock and name into the picture in place."""
        width, height = self._size
        margin = int(height * 0.025)
        self._lay(picture, clock_text(ms), margin, margin, False)
        if self._name:
            self._lay(picture, self._name, width - margin, height - strip_height(height) - margin // 2, True)

    def _lay(self, picture: np.ndarray, text: str, x: int, y: int, lower_right: bool) -> None:
        patch, mask = self._patch(text)
        high, wide = mask.shape
        if lower_right:
            x, y = max(x - wide, 0), y - high
        region = picture[y:y + high, x:x + wide]
        high, wide = region.shape[:2]
        cv2.copyTo(patch[:high, :wide], mask[:high, :wide], region)

    def _patch(self, text: str) -> Tuple[np.ndarray, np.ndarray]:
        if text not in self._kept:
            self._kept[text] = self._draw(text)
            while len(self._kept) > self.KEPT:
                self._kept.popitem(last=False)
        return self._kept[text]

    def _draw(self, text: str) -> Tuple[np.ndarray, np.ndarray]:
        thin = max(1, int(round(self._scale * 2)))
        (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self._scale, thin)
        patch = np.zeros((high + base + 4, wide + 6, 3), np.uint8)
        mask = np.zeros(patch.shape[:2], np.uint8)
        at = (3, high + 2)
        cv2.putText(mask, text, at, cv2.FONT_HERSHEY_SIMPLEX, self._scale, 255, thin + 1, cv2.LINE_AA)
        patch[:] = (25, 25, 25)
        cv2.putText(patch, text, at, cv2.FONT_HERSHEY_SIMPLEX, self._scale, (250, 250, 250), thin, cv2.LINE_AA)
        return patch, mask
