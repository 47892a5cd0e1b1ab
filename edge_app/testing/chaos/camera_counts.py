"""Many cameras, odd numbers of them, models fast and slow; all absent at the start, and then there."""
import os
import time

import attrs

from edge_app.clock import now_ns
from edge_app.testing.chaos import models
from edge_app.testing.chaos.report import BACK_S, ReportRow
from edge_app.testing.chaos.testbed import Testbed

SIZE, FPS = (320, 180), 5
ABSENT_S = 3.0
KEY_S, KNOCK_S = 1.0, 1.0
ALL_BACK_S = BACK_S + KEY_S + KNOCK_S
STILL_S = 5.0
"""Longest time in which a camera may have no new frame in its ring, be shown nowhere, or not be inferred."""
TURNS = 2
"""A camera waits for its turn at a slow engine: so many times that of all of them, besides."""
PATIENCE_S = 60.0
LOOK_S = 0.25


@attrs.frozen
class CameraCount:
    """So many cameras and a model that takes so long; None: the one that comes with edge-app."""

    name = attrs.field()
    cameras = attrs.field()
    model_ms = attrs.field(default=None)


CROWDS = (CameraCount('16 cameras', 16), CameraCount('5 cameras, model of 1 ms', 5, 1), CameraCount('7 cameras, model of 300 ms', 7, 300))


def measure(crowd, seconds, folder):
    """The Row: nobody there, then all of them for `seconds`."""
    row = ReportRow(crowd.name, 'all', most_recovered_s=ALL_BACK_S)
    engine = models.lasting(os.path.join(folder, 'model.onnx'), crowd.model_ms) if crowd.model_ms else None
    with Testbed(crowd.cameras, SIZE, FPS, engine=engine, begin_with='refuse') as stand:
        time.sleep(ABSENT_S)
        early = [name for name in stand.names if stand.state(name) == 'live']
        row.trouble += ['live without a camera: ' + name for name in early]
        begin_ns = now_ns()
        stand.simulator.clear('all')
        row.took(None, stand.until(lambda: all(stand.lookout.sent_after(name, begin_ns) for name in stand.names), PATIENCE_S))
        stand.running.wait_live()
        row.more['still_s'] = still_s = watch(stand, seconds)
        row.more['inferred_per_s'] = rates(stand, begin_ns)
        most_s = {'inferred': STILL_S + TURNS * crowd.cameras * (crowd.model_ms or 0) / 1000}
        row.trouble += ['%s stood still for %.1f s, at most %g' % (what, found_s, most_s.get(what, STILL_S))
                        for what, found_s in still_s.items() if found_s > most_s.get(what, STILL_S)]
        row.audit(stand.auditor.off_s(begin_ns))
        row.left_behind += stand.end()
    return row


def watch(stand, seconds):
    """{"captured", "inferred", "shown"}: longest time in seconds in which any camera had nothing new of it."""
    cells = {'captured': 'last_captured_ns', 'inferred': 'last_inferred_ns', 'shown': 'last_shown_ns'}
    longest, until_s = dict.fromkeys(cells, 0.0), time.monotonic() + seconds
    while time.monotonic() < until_s:
        time.sleep(LOOK_S)
        moment_ns = now_ns()
        for what, cell in cells.items():
            oldest_ns = min(page.get(cell) for page in stand.running.pages.values())
            longest[what] = max(longest[what], round((moment_ns - oldest_ns) / 1e9, 2))
        stand.lookout.forget()
    return longest


def rates(stand, begin_ns):
    """Inferences a second of the slowest and of the fastest camera, since a moment."""
    span_s = (now_ns() - begin_ns) / 1e9
    found = [page.inferred / span_s for page in stand.running.pages.values()]
    return [round(min(found), 2), round(max(found), 2)]
