"""How many cameras this machine serves well: `edge-app bench capacity`, which draws and sends them on the same machine."""
import json
import os
import subprocess
import sys
import time

from edge_app.testing.selftest.outcome import FAILED, GOOD, LOG_CHARACTERS, Outcome, finished, group

NAME = 'cameras served well'
MOST_S = 1800.0
MOST_CAMERAS = 16


def check(folder, command=(sys.executable, '-m', 'edge_app', 'bench', 'capacity', '--most', str(MOST_CAMERAS)), most_s=MOST_S):
    """The Outcome; minutes, because each number of cameras is tried for a while."""
    path = os.path.join(folder, 'capacity.json')
    started_s = time.monotonic()
    with group(list(command) + ['--json', path], stderr=subprocess.STDOUT) as child:
        log, _, in_time = finished(child, most_s)
    trouble = 'it ended with %d' % child.returncode if in_time else 'not done after %.0f s' % most_s
    state, words, figures = _read(path, trouble)
    return Outcome('capacity', NAME, state, words, figures, round(time.monotonic() - started_s, 1), log[-LOG_CHARACTERS:])


def _read(path, trouble):
    """(state, words, figures) of the benchmark's report; `trouble` is why there may be none."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return FAILED, trouble, {}
    asked = found['asked']
    words = '%d of at most %d, of %dx%d at %g frames/s: 95 %% of their results within %g ms, %g %% of their frames inferred; drawing ' \
            'and sending them took its share of this machine' % ((found['cameras'], asked['most']) + tuple(asked['size']) + (
                asked['fps'], asked['p95_ms'], 100 * asked['share']))
    return GOOD if found['cameras'] else FAILED, words, {'cameras': found['cameras'], 'trials': found['trials']}
