"""A street without a camera, ``drawn://?fps=10&seed=5042&conditions=street+day``: the bundled model recognises it."""
import cv2

from edge_app import clock
from edge_app.camera.synthetic import SyntheticSource
from edge_app.errors import SourceRefused
from edge_app.testing.simulator.scene import Scene


class DrawnSource(SyntheticSource):
    """Draws the simulator's scenes, with the time of day, as a camera on RTSP would send them."""

    DEFAULTS = dict(SyntheticSource.DEFAULTS, fps='10', seed='5042', conditions='street day')
    EXAMPLE = 'drawn://?fps=10&seed=5042&conditions=street+day'

    def __init__(self, camera, ring, totals, packets=None):
        super(DrawnSource, self).__init__(camera, ring, totals, packets)
        try:
            self._scene = Scene(self.seed, self.size, self.fps, camera.name, conditions=self.asked['conditions'],
                                timecode=False)
        except ValueError as error:
            raise SourceRefused('bad drawn camera: %s; write %s' % (error, self.EXAMPLE))

    def draw(self, number, out):
        picture = self._scene.picture(number, clock.wall_ns() // 10 ** 6)
        out[:] = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
