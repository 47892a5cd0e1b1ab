"""The text a camera burns into its picture: clock at the top left, name at the bottom right."""
import time
from collections import OrderedDict
from typing import NamedTuple

import cv2
import numpy as np

_DAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')


class Text(NamedTuple):
    """A drawn text, uint8 (h, w, 3): the share of the picture that is left under it, of 255, and what is added."""

    left: np.ndarray
    added: np.ndarray


class Osd:
    """Writes white text with a dark outline; each text is drawn once and kept."""

    KEPT = 4
    FINE = 4
    """Texts are drawn this many times larger and shrunk, which leaves even small digits clear."""

    def __init__(self, size, name, bottom):
        self._size, self._name, self._bottom = size, name, size[1] - bottom
        self._unit = size[1] / 360.0
        self._kept = OrderedDict()

    def write(self, picture, ms):
        """Put the local time, 'YYYY-MM-DD Fri HH:MM:SS', and the name into the picture in place."""
        width, height = self._size
        margin, now = int(height * 0.025), time.localtime(ms / 1000.0)
        clock = time.strftime('%Y-%m-%d ', now) + _DAYS[now.tm_wday] + time.strftime(' %H:%M:%S', now)
        self._lay(picture, self._text(clock), margin, margin)
        if self._name:
            text = self._text(self._name)
            high, wide = text.left.shape[:2]
            self._lay(picture, text, max(width - margin - wide, 0), self._bottom - margin // 2 - high)

    @staticmethod
    def _lay(picture, text, x, y):
        high, wide = text.left.shape[:2]
        region = picture[y:y + high, x:x + wide]
        high, wide = region.shape[:2]
        cv2.multiply(region, text.left[:high, :wide], dst=region, scale=1 / 255.0)
        cv2.add(region, text.added[:high, :wide], dst=region)

    def _text(self, text):
        if text not in self._kept:
            self._kept[text] = self._draw(text)
            while len(self._kept) > self.KEPT:
                self._kept.popitem(last=False)
        return self._kept[text]

    def _draw(self, text):
        scale, thick = 0.5 * self._unit * self.FINE, max(1, int(self._unit * self.FINE * 1.3))
        (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        edge = max(1, int(self._unit * self.FINE * 1.1))
        columns, rows = [-(-(side + 4 * edge) // self.FINE) for side in (wide, high + base)]
        inside = np.zeros((rows * self.FINE, columns * self.FINE), np.uint8)
        cv2.putText(inside, text, (2 * edge, high + 2 * edge), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * edge + 1, 2 * edge + 1))
        shrunk = [cv2.resize(cover, (columns, rows), interpolation=cv2.INTER_AREA)
                  for cover in (cv2.dilate(inside, disc), inside)]
        return Text(cv2.merge([255 - shrunk[0]] * 3), cv2.merge([shrunk[1]] * 3))
