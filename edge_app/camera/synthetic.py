"""Cameras without a camera: ``test://?fps=15&size=640x360&seed=3&frames=100``, moving patterns that need no gi."""
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np

from edge_app.camera.source import FrameSource, SourceEnded
from edge_app.clock import now_ns
from edge_app.errors import SourceRefused
from edge_app.frames import FrameMeta, fit, planes


def pattern(size, seed, number, out):
    """Draw picture `number` into `out`, uint8 I420 [height * 3 / 2, width]: a drifting ramp and a circling square.

    The same size, seed and number always give the same picture; the top left 16 x 16 pixels hold the number, one bit
    per row, so that a reader can tell which picture it has.
    """
    width, height = size
    y, u, v = planes(out)
    y[:] = (np.arange(width, dtype=np.uint16) + 2 * number + 37 * seed).astype(np.uint8) // 2 + 40
    u[:] = 90 + seed * 53 % 80
    v[:] = 150 - seed * 31 % 60
    side = max(16, height // 6)
    turn = 2 * np.pi * (number % 100) / 100.0
    left = int((width - side) * (0.5 + 0.4 * np.cos(turn)))
    top = int((height - side) * (0.5 + 0.4 * np.sin(turn)))
    y[top:top + side, left:left + side] = 235
    for bit in range(16):
        y[bit, :16] = 235 if number >> bit & 1 else 16


class SyntheticSource(FrameSource):
    """Draws its frames straight into the ring, paced by the clock; a slow reader misses pictures as with a camera."""

    DEFAULTS = {'fps': '15', 'size': '640x360', 'seed': '0', 'frames': '0'}
    EXAMPLE = 'test://?fps=15&size=640x360&seed=3&frames=100'

    def __init__(self, camera, ring, totals, packets=None):
        super(SyntheticSource, self).__init__(camera, ring, totals, packets)
        given = {key: values[-1] for key, values in parse_qs(urlsplit(camera.uri).query).items()}
        self.asked = asked = dict(self.DEFAULTS, **given)
        try:
            self.fps, self.seed, self.last = float(asked['fps']), int(asked['seed']), int(asked['frames'])
            source = tuple(int(side) for side in asked['size'].split('x'))
            self.size = fit(source, camera.size)
        except (ValueError, IndexError):
            raise SourceRefused('bad test camera: write ' + self.EXAMPLE)
        if not 0 < self.fps <= 1000:
            raise SourceRefused('bad test camera: fps must be above 0 and at most 1000')
        self._number = 0
        self.stream_info = {'codec': 'raw', 'decoder': 'synthetic', 'width': source[0], 'height': source[1]}

    def open(self):
        self._started_ns = now_ns()

    def draw(self, number, out):
        """Draw picture `number` into `out`, uint8 I420 [height * 3 / 2, width]."""
        pattern(self.size, self.seed, number, out)

    def _due_ns(self):
        return self._started_ns + int(self._number * 1e9 / self.fps)

    def poll(self, timeout_s):
        if self.last and self._number >= self.last:
            raise SourceEnded('the test camera has shown its %d frames' % self.last)
        wait_s = (self._due_ns() - now_ns()) / 1e9
        time.sleep(max(0.0, min(wait_s, timeout_s)))
        return None if wait_s > timeout_s else self._draw()

    def _draw(self):
        """Draw the picture that is due; those missed while nobody polled are skipped, as by a real sensor."""
        late = int((now_ns() - self._due_ns()) / 1e9 * self.fps)
        self._number += max(0, late if not self.last else 0)
        pts = int(self._number * 1e9 / self.fps)
        unit = self.accounting.receive(pts, now_ns())
        self.accounting.decode(pts)
        self.accounting.deliver(pts)
        width, height = self.size
        self.draw(self._number, self.ring.begin().pixels[:width * height * 3 // 2].reshape(height * 3 // 2, width))
        self._number += 1
        meta = FrameMeta(unit.sequence, unit.captured_ns, width, height, pts_ns=pts)
        self.ring.publish(meta)
        self.accounting.finish('captured')
        return meta
