"""Accounting of the frames that were shown."""
import json

from edge_app.clock import now_ns
from edge_app.stats import INFO_BYTES


class ShownFrames(object):
    """Counts what was shown: each frame once, however many pictures it was in."""

    def __init__(self, counters):
        self._counters = counters
        self._page = counters.compositor
        self._shown = {}
        self._observed = {}
        self._encoded_before = self._page.get('encoded')
        self._info = None

    def count(self, shown):
        """Count one picture, a Shown. `mosaic` is observed for frames handed to an output, from capture to now."""
        self._page.add('composed')
        if shown.complete:
            self._page.add('composed_complete')
            if not self._page.get('first_mosaic_ns'):
                self._page.set('first_mosaic_ns', now_ns())
        if shown.skew_ns is not None:
            self._page.add_many(sets=1, sets_aligned=int(shown.aligned))
            self._page.observe('skew', shown.skew_ns)
            self._page.set('camera_clock', shown.camera_clock)
        pages = self._counters.cameras
        for name, (index, captured_ns) in shown.frames.items():
            if name in pages:       # it may have been removed a moment ago
                self._count_frame(pages[name], name, index, captured_ns, shown.handed)

    def _count_frame(self, page, name, index, captured_ns, handed):
        moment_ns = now_ns()
        if index != self._shown.get(name):
            self._shown[name] = index
            page.add('shown')
        page.set('last_shown_ns', moment_ns)
        if handed and index != self._observed.get(name):
            self._observed[name] = index
            page.observe('mosaic', moment_ns - captured_ns)

    def set_gauges(self, encoded, viewers):
        """`encoded`: pictures this process has encoded; its predecessors' are added."""
        self._page.set('encoded', self._encoded_before + encoded)
        self._page.set('viewers', viewers)

    def publish(self, info):
        """Write `info` (outputs, tiles) when it has changed; without tiles, then most paths, when it is too long."""
        if len(json.dumps(info)) > INFO_BYTES:
            info = {'outputs': info['outputs'][:1]}
        if len(json.dumps(info)) > INFO_BYTES:
            info = {'outputs': [dict(output, paths=output['paths'][:1]) for output in info['outputs']]}
        if info != self._info:
            self._page.info = info
            self._info = info
