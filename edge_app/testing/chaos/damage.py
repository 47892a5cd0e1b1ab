"""Pictures of a camera whose stream is damaged, each compared with the picture that was drawn: who was shown what."""
import os

import cv2
import numpy as np

from edge_app.frames import DAMAGED, planes
from edge_app.testing.chaos.sampler import Sampler
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.scene import Scene
from edge_app.transport.ring import Ring

BLOCK_PX = 16
FAR = 12
"""Mean difference of a block in grey levels that encoding does not make."""


class PictureWatch(Sampler):
    """Keeps every picture that comes into the rings of cameras `names` meanwhile; a context manager."""

    rest_s = 0.02

    def __init__(self, run_dir, names):
        super(PictureWatch, self).__init__('watching')
        self._rings = {name: Ring.open(os.path.join(run_dir, name + '.frames')) for name in names}
        self._seen = {name: ring.head for name, ring in self._rings.items()}
        self.kept = []
        """[(camera, FrameMeta, pixels)]"""

    def look(self):
        for name, ring in self._rings.items():
            for index in range(self._seen[name] + 1, ring.head + 1):
                found = ring.read(index)
                if found:
                    self.kept.append((name,) + found)
                self._seen[name] = index

    def __exit__(self, *exc):
        super(PictureWatch, self).__exit__(*exc)
        for ring in self._rings.values():
            ring.close()


class Judge:
    """Says of every picture that a PictureWatch kept whether it is the one that was drawn.

    Those that came into a ring are shown and inferred: right, wrong, or wrong and said to be. What was held back the books
    say: `gated` pictures known to be damaged.
    """

    def __init__(self, stand):
        self._stand = stand
        self._scenes = {}
        self._counts = {'right': 0, 'wrong_shown': 0, 'wrong_flagged': 0, 'gated': 0, 'undecodable': 0}

    def judge(self, kept, before):
        """Enter what was `kept`, and what the books of these cameras say since they were `before`: {camera: its cells}."""
        for name, meta, pixels in kept:
            right = self._is_right(name, planes(pixels)[0])
            flagged = meta.flags & DAMAGED
            self._counts['right' if right else 'wrong_flagged' if flagged else 'wrong_shown'] += 1
        for name, cells in before.items():
            now = self._stand.running.pages[name].snapshot()
            self._counts['gated'] += now['corrupt'] - cells['corrupt']
            self._counts['undecodable'] += now['undecodable'] - cells['undecodable']

    def _is_right(self, name, luma):
        """Whether a picture is the one its mark names. Its clock was drawn a moment before the mark: maybe a second less."""
        found = timecode.read(luma)
        if found is None or found.camera != self._stand.names.index(name) + 1:
            return False
        return any(furthest(luma, self._drawn(found, ms)) <= FAR for ms in (found.ms, found.ms // 1000 * 1000 - 1))

    def _drawn(self, found, ms):
        settings = self._stand.simulator.settings
        if found.camera not in self._scenes:
            self._scenes[found.camera] = Scene(settings.seed + found.camera, settings.size, settings.fps,
                                               'camera %d' % found.camera, found.camera)
        return cv2.cvtColor(self._scenes[found.camera].picture(found.frame, ms), cv2.COLOR_BGR2YUV_I420)[:settings.size[1]]

    def figures(self):
        """{"right", "wrong_shown", "wrong_flagged", "gated", "undecodable"}: pictures."""
        return dict(self._counts)


def furthest(seen, drawn):
    """Grey levels by which the worst block of a picture, above the mark, differs from what was drawn."""
    height, width = drawn.shape
    if seen.shape != drawn.shape:
        return 255
    rows = (height - timecode.strip_height(height)) // BLOCK_PX * BLOCK_PX
    blocks = (width // BLOCK_PX, rows // BLOCK_PX)
    return float(np.max(cv2.resize(cv2.absdiff(seen[:rows], drawn[:rows]), blocks, interpolation=cv2.INTER_AREA)))
