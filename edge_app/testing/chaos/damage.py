"""Pictures of a camera whose stream is damaged, each compared with the picture that was drawn."""
import cv2
import numpy as np

from edge_app.frames import DAMAGED, planes
from edge_app.testing.harness.sampler import RingSampler
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.scene import Scene

BLOCK_PX = 16
FAR = 12
"""Mean difference of a block in grey levels that encoding does not cause."""


class PictureRecorder(RingSampler):
    """Keeps every picture that enters the rings of cameras `names` meanwhile; a context manager."""

    rest_s = 0.02

    def __init__(self, run_dir, names):
        super(PictureRecorder, self).__init__(run_dir, names)
        self.pictures = []
        """[(camera, FrameMeta, pixels)]"""

    def frame(self, name, ring, index, moment_ns):
        found = ring.read(index)
        if found:
            self.pictures.append((name,) + found)


class PictureJudge:
    """Decides for every recorded picture whether it is the one that was drawn, and counts.

    Pictures in a ring are shown and analysed: right, wrong, or wrong and flagged as damaged. What was held back is
    taken from the counters.
    """

    def __init__(self, testbed):
        self._testbed = testbed
        self._scenes = {}
        self.counts = {'right': 0, 'wrong_shown': 0, 'wrong_flagged': 0, 'gated': 0, 'undecodable': 0}

    def judge(self, pictures, before):
        """Count `pictures`, and what the counters say since they were `before`, {camera: its cells}."""
        for name, meta, pixels in pictures:
            right = self._is_right(name, planes(pixels)[0])
            flagged = meta.flags & DAMAGED
            self.counts['right' if right else 'wrong_flagged' if flagged else 'wrong_shown'] += 1
        for name, cells in before.items():
            page = self._testbed.running.pages[name]
            self.counts['gated'] += page.get('corrupt') - cells['corrupt']
            self.counts['undecodable'] += page.get('undecodable') - cells['undecodable']

    def _is_right(self, name, luma):
        """Whether a picture is the one its timecode names. The clock in it may be a second earlier."""
        code = timecode.read(luma)
        if code is None or code.camera != self._testbed.names.index(name) + 1:
            return False
        return any(worst_difference(luma, self._drawn(code, ms)) <= FAR for ms in (code.ms, code.ms // 1000 * 1000 - 1))

    def _drawn(self, code, ms):
        settings = self._testbed.simulator.settings
        if code.camera not in self._scenes:
            self._scenes[code.camera] = Scene(settings.seed + code.camera, settings.size, settings.fps,
                                              'camera %d' % code.camera, code.camera)
        return cv2.cvtColor(self._scenes[code.camera].picture(code.frame, ms),
                            cv2.COLOR_BGR2YUV_I420)[:settings.size[1]]


def worst_difference(seen, drawn):
    """Grey levels by which the worst block of a picture, above the timecode, differs from the drawn one."""
    height, width = drawn.shape
    if seen.shape != drawn.shape:
        return 255
    rows = (height - timecode.strip_height(height)) // BLOCK_PX * BLOCK_PX
    blocks = (width // BLOCK_PX, rows // BLOCK_PX)
    return float(np.max(cv2.resize(cv2.absdiff(seen[:rows], drawn[:rows]), blocks, interpolation=cv2.INTER_AREA)))
