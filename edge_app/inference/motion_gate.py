"""Whether a frame shows anything new: compares it, scaled down, with the last analysed one.

Blocks are means over 8 x 8 pixels, so that sensor noise averages out while a person of 20 x 50 pixels still fills a
dozen. Slow changes of light add up against the same reference until they count as well.
"""
import cv2
import numpy as np

HALVINGS = 3
NOISE = 8
"""A block has changed when its mean differs by more than this many grey levels."""
MAX_SKIP_S = 2.0
"""A still camera is analysed this often anyway: what the gate misses is not missed for longer."""


def blocks(luma):
    """Means of the blocks of a luma plane, uint8 [height, width]; OpenCV is fastest at halving."""
    for _ in range(HALVINGS):
        height, width = luma.shape
        luma = cv2.resize(luma, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    return luma


def changed_percent(seen, before):
    """Share of the blocks that changed, 0 to 100; all of them when the size did."""
    if before is None or seen.shape != before.shape:
        return 100.0
    return 100.0 * np.count_nonzero(cv2.absdiff(seen, before) > NOISE) / seen.size


class MotionGate:
    """One camera's gate. `percent`: share of the blocks that must have changed; None: no gate."""

    def __init__(self, percent=None):
        self.percent = percent
        self._reference = None
        self._inferred_ns = 0

    def is_still(self, luma, now_ns):
        """Whether this frame shows nothing new."""
        due = now_ns - self._inferred_ns >= MAX_SKIP_S * 1e9
        return not due and changed_percent(blocks(luma), self._reference) <= self.percent

    def inferred(self, seen, now_ns):
        """A frame with these `blocks` is analysed: later ones are compared with it."""
        self._reference, self._inferred_ns = seen, now_ns
