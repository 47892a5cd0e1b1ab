"""Fewer frames are analysed on a hot board: turns its readings into limits of the scheduler, and reports them."""
import logging

from edge_app.telemetry.heat import ThermalGovernor, heat
from edge_app.telemetry.latest_reading import LatestReading

log = logging.getLogger(__name__)

LEAST_FPS = 0.5
"""Lowest rate a camera is limited to."""
WORDS = {0.5: 'half', 0.25: 'a quarter of'}


class ThermalLimit:
    """Polled once a second by the engine's process.

    `feeds`: of all cameras, which may be added and removed. `info`: what the engine's page says on a cool board.
    """

    def __init__(self, run_dir, feeds, scheduler, page, info):
        self._readings = LatestReading(run_dir)
        self._feeds = feeds
        self._scheduler = scheduler
        self._page = page
        self._info = info
        self._governor = ThermalGovernor()
        self._usual_fps = {}
        self._reason = ''

    def reapply(self, moment_ns):
        """While the board is hot: limit cameras that were added or whose own limits changed."""
        if self._governor.factor < 1:
            self._apply(self._governor.factor, moment_ns)

    def poll(self, moment_ns):
        """Apply the newest reading, if there is a new one."""
        if self._governor.factor < 1 and self._learn_rates():
            self._apply(self._governor.factor, moment_ns)
        reading = self._readings.newest()
        if reading is None:
            return
        found = heat(reading)
        if self._governor.update(found, moment_ns):
            self._apply(self._governor.factor, moment_ns)
            self._report(self._governor.factor, found.why)

    def _learn_rates(self):
        """Whether the rate of a camera became known that was unknown when the camera was limited."""
        new = {feed.name: requested_fps(feed) for feed in self._feeds
               if not self._usual_fps.get(feed.name) and requested_fps(feed)}
        self._usual_fps.update(new)
        return bool(new)

    def _apply(self, factor, moment_ns):
        for feed in self._feeds:
            usual_fps = self._usual_fps.setdefault(
                feed.name, feed.page.get('attained_fps_milli') / 1000 or requested_fps(feed) or feed.quota.max_fps)
            fps = max(usual_fps * factor, feed.quota.min_fps, LEAST_FPS) if factor < 1 else feed.quota.max_fps
            self._scheduler.limit(feed.name, min(fps, feed.quota.max_fps or fps), moment_ns)
        if factor == 1:
            self._usual_fps = {}

    def _report(self, factor, why):
        if factor == 1:
            log.warning('the board is cool again: the usual inference rate')
            self._page.info = self._info
            return
        words = 'the board is hot, %s the usual inference rate' % WORDS[factor]
        if why:
            self._reason = why
        log.warning('%s (%s)', words, self._reason)
        warnings = [self._info.get('warning'), '%s (%s)' % (words, self._reason[:200])]
        self._page.info = dict(self._info, warning='; '.join(text for text in warnings if text))


def requested_fps(feed):
    """Frames per second this camera should be analysed at, 0 when unknown."""
    return (feed.page.get('requested_fps_milli') or feed.page.get('source_fps_milli')) / 1000
