"""Text as small grey masks: drawn once at four times the size, reduced, and kept.

OpenCV's stroke font looks rough at the height of a caption; drawn large and averaged down it is smooth.
"""
import unicodedata
from functools import lru_cache

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_OVERSAMPLING = 4
_STROKE = {False: 0.13, True: 0.2}
"""Stroke width as a share of the capitals' height, normal and bold."""
_CAPITAL_AT_1 = cv2.getTextSize('H', _FONT, 1.0, 1)[0][1]


def plain(text):
    """`text` in the ASCII letters the font has: accents dropped, anything else a question mark."""
    folded = unicodedata.normalize('NFKD', str(text))
    kept = ''.join(c for c in folded if not unicodedata.combining(c))
    return ''.join(c if ' ' <= c <= '~' else '?' for c in kept)


def line_height(cap_px):
    """Rows of a line's mask for capitals `cap_px` high: room for accents, descenders and air; even."""
    return int(cap_px * 1.9) // 2 * 2


def drawn(text, cap_px, bold=False):
    """Coverage of a line of text: (uint8 [h, w], the same at half size for chroma); h = line_height, w even."""
    scale = cap_px * _OVERSAMPLING / float(_CAPITAL_AT_1)
    stroke = max(1, int(round(cap_px * _OVERSAMPLING * _STROKE[bold])))
    text = plain(text)
    (wide, _), _ = cv2.getTextSize(text, _FONT, scale, stroke)
    rows = line_height(cap_px)
    columns = (wide // _OVERSAMPLING + 3) // 2 * 2 + 2
    large = np.zeros((rows * _OVERSAMPLING, columns * _OVERSAMPLING), np.uint8)
    baseline = int((rows + cap_px) / 2.0 * _OVERSAMPLING)
    cv2.putText(large, text, (_OVERSAMPLING, baseline), _FONT, scale, 255, stroke, cv2.LINE_AA)
    small = cv2.resize(large, (columns, rows), interpolation=cv2.INTER_AREA)
    return small, cv2.resize(small, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)


mask = lru_cache(maxsize=128)(drawn)
"""The same, kept; for lines that are drawn as they are."""


def width(text, cap_px, bold=False):
    """Pixels `text` is wide, even."""
    return mask(text, cap_px, bold)[0].shape[1]


def shortened(text, cap_px, room_px, bold=False):
    """`text`, or as much of its beginning as fits into `room_px` with two dots after it; '' when nothing does."""
    text = plain(text)
    if width(text, cap_px, bold) <= room_px:
        return text
    for length in range(len(text) - 1, 0, -1):
        short = text[:length].rstrip() + '..'
        if width(short, cap_px, bold) <= room_px:
            return short
    return ''


def wrapped(text, cap_px, room_px, lines):
    """At most `lines` lines of whole words, each no wider than `room_px`; the last one shortened."""
    rows, words = [''], plain(text).split()
    while words:
        longer = (rows[-1] + ' ' + words[0]).strip()
        if rows[-1] and width(longer, cap_px) > room_px:
            if len(rows) == lines:
                rows[-1] = rows[-1] + ' ' + ' '.join(words)
                break
            rows.append('')
            continue
        rows[-1] = longer
        words.pop(0)
    return [shortened(row, cap_px, room_px) for row in rows]
