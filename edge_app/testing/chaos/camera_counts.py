"""Many cameras, odd numbers of them, models fast and slow; all cameras absent at the start, then present."""
import os
import time

import attrs

from edge_app.clock import now_ns
from edge_app.testing.chaos import models
from edge_app.testing.chaos.report import BACK_S, ReportRow
from edge_app.testing.chaos.testbed import Testbed

SIZE, FPS = (320, 180), 5
ABSENT_S = 3.0
KEY_FRAME_S, PROBE_S = 1.0, 1.0
ALL_BACK_S = BACK_S + KEY_FRAME_S + PROBE_S
STILL_S = 5.0
"""Longest time for which a camera may have no new frame in its ring, not be shown, or not be analysed."""
TURNS = 2
"""With a slow engine, a camera may wait this many rounds over all cameras besides."""
MOST_S = 60.0
SAMPLE_S = 0.25
CELLS = {'captured': 'last_captured_ns', 'inferred': 'last_inferred_ns', 'shown': 'last_shown_ns'}


@attrs.frozen
class CameraCount:
    """A number of cameras and a model that takes `model_ms`; None: the embedded one."""

    name = attrs.field()
    cameras = attrs.field()
    model_ms = attrs.field(default=None)


COUNTS = (CameraCount('16 cameras', 16), CameraCount('5 cameras, model of 1 ms', 5, 1),
          CameraCount('7 cameras, model of 300 ms', 7, 300))


def measure(count, seconds, folder):
    """The ReportRow: no camera, then all of them for `seconds`."""
    row = ReportRow(count.name, 'all', most_recovered_s=ALL_BACK_S)
    engine = models.lasting(os.path.join(folder, 'model.onnx'), count.model_ms) if count.model_ms else None
    with Testbed(count.cameras, SIZE, FPS, engine=engine, begin_with='refuse') as testbed:
        time.sleep(ABSENT_S)
        row.trouble += ['live without a camera: ' + name for name in testbed.names if testbed.state(name) == 'live']
        begin_ns = now_ns()
        testbed.simulator.clear('all')
        row.took(None, testbed.until(lambda: testbed.recovered(testbed.names, begin_ns), MOST_S))
        testbed.running.wait_live()
        row.more['still_s'] = still_s = longest_still(testbed, seconds)
        row.more['inferred_per_s'] = rates(testbed, begin_ns)
        most_s = {'inferred': STILL_S + TURNS * count.cameras * (count.model_ms or 0) / 1000}
        row.trouble += ['nothing %s for %.1f s, at most %g' % (what, found_s, most_s.get(what, STILL_S))
                        for what, found_s in still_s.items() if found_s > most_s.get(what, STILL_S)]
        row.audit(testbed.auditor.off_s(begin_ns))
        row.left_behind += testbed.end()
    return row


def longest_still(testbed, seconds):
    """{"captured", "inferred", "shown"}: longest time in seconds for which any camera had nothing new of it."""
    longest, until_s = dict.fromkeys(CELLS, 0.0), time.monotonic() + seconds
    while time.monotonic() < until_s:
        time.sleep(SAMPLE_S)
        moment_ns = now_ns()
        for what, cell in CELLS.items():
            oldest_ns = min(page.get(cell) for page in testbed.running.pages.values())
            longest[what] = max(longest[what], round((moment_ns - oldest_ns) / 1e9, 2))
        testbed.observer.forget()
    return longest


def rates(testbed, begin_ns):
    """[slowest, fastest] camera's inferences per second since a moment."""
    span_s = (now_ns() - begin_ns) / 1e9
    found = [page.inferred / span_s for page in testbed.running.pages.values()]
    return [round(min(found), 2), round(max(found), 2)]
