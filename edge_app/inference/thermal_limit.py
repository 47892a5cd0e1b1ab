"""A hot board gets fewer inferences: the board's readings turned into limits of the batcher, and said aloud."""
import logging

from edge_app.telemetry.heat import ThermalGovernor, heat
from edge_app.telemetry.latest_reading import LatestReading

log = logging.getLogger(__name__)

LEAST_FPS = 0.5
"""Slower than this nobody is looked after at all."""
WORDS = {0.5: 'half', 0.25: 'a quarter of'}


class ThermalLimit:
    """Looked at once a second by the engine's process; `note` is what its page says when all is well.

    `feeds`: of all cameras; they may come and go.
    """

    def __init__(self, run_dir, feeds, batcher, page, note):
        self._news = LatestReading(run_dir)
        self._feeds = feeds
        self._batcher = batcher
        self._page = page
        self._note = note
        self._governor = ThermalGovernor()
        self._usual_fps = {}
        self._reason = ''

    def again(self, moment_ns):
        """Limit cameras that came, and those whose own limits were changed, where the board is hot."""
        if self._governor.factor < 1:
            self._apply(self._governor.factor, moment_ns)

    def look(self, moment_ns):
        """Take in the newest reading, if there is a new one."""
        if self._governor.factor < 1 and self._come_to_know():
            self._apply(self._governor.factor, moment_ns)
        reading = self._news.newest()
        if reading is None:
            return
        found = heat(reading)
        if self._governor.update(found, moment_ns):
            self._apply(self._governor.factor, moment_ns)
            self._say(self._governor.factor, found.why)

    def _come_to_know(self):
        """Whether a camera that had said nothing yet when it was limited has said how fast it is."""
        new = {feed.name: asked(feed) for feed in self._feeds if not self._usual_fps.get(feed.name) and asked(feed)}
        self._usual_fps.update(new)
        return bool(new)

    def _apply(self, factor, moment_ns):
        for feed in self._feeds:
            usual_fps = self._usual_fps.setdefault(feed.name, usual(feed))
            fps = max(usual_fps * factor, feed.share.min_fps, LEAST_FPS) if factor < 1 else feed.share.max_fps
            self._batcher.limit(feed.name, min(fps, feed.share.max_fps or fps), moment_ns)
        if factor == 1:
            self._usual_fps = {}

    def _say(self, factor, why):
        if factor == 1:
            log.warning('the board is cool again: the usual inference rate')
            self._page.info = self._note
            return
        words = 'the board is hot, %s the usual inference rate' % WORDS[factor]
        if why:
            self._reason = why
        log.warning('%s (%s)', words, self._reason)
        told = [self._note.get('warning'), '%s (%s)' % (words, self._reason[:200])]
        self._page.info = dict(self._note, warning='; '.join(text for text in told if text))


def usual(feed):
    """Frames per second this camera got while the board was cool, as far as the books know."""
    return feed.page.get('attained_fps_milli') / 1000 or asked(feed) or feed.share.max_fps


def asked(feed):
    """Frames per second wanted of this camera, as far as the books know."""
    return (feed.page.get('requested_fps_milli') or feed.page.get('source_fps_milli')) / 1000
