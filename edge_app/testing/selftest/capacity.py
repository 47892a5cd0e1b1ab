"""How many cameras this machine serves well, by `edge-app bench capacity`, which also simulates them here."""
import json
import os
import subprocess
import sys
import time

from edge_app.testing.harness.children import LOG_CHARACTERS, environment, stop
from edge_app.testing.selftest.outcome import FAILED, GOOD, Outcome

NAME = 'cameras served well'
MOST_S = 1800.0
MOST_CAMERAS = 16


COMMAND = (sys.executable, '-m', 'edge_app', 'bench', 'capacity', '--most', str(MOST_CAMERAS))


def check(folder, command=COMMAND, most_s=MOST_S):
    """The Outcome; takes minutes, because each number of cameras is tried for a while."""
    path, started_s = os.path.join(folder, 'capacity.json'), time.monotonic()
    with open(os.path.join(folder, 'capacity.log'), 'w+') as log:
        child = subprocess.Popen(list(command) + ['--json', path], stdout=log, stderr=subprocess.STDOUT,
                                 env=environment(), start_new_session=True)
        try:
            trouble = 'it ended with %d' % child.wait(most_s)
        except subprocess.TimeoutExpired:
            trouble = 'not done after %.0f s' % most_s
        finally:
            stop(child, group=True)
        log.seek(0)
        state, words, figures = _read(path, trouble)
        return Outcome('capacity', NAME, state, words, figures, round(time.monotonic() - started_s, 1),
                       log.read()[-LOG_CHARACTERS:])


def _read(path, trouble):
    """(state, words, figures) of the benchmark's report; `trouble` is the reason if there is none."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return FAILED, trouble, {}
    asked = found['asked']
    words = ('%d of at most %d, of %dx%d at %g frames/s: 95 %% of their results within %g ms, %g %% of their frames '
             'analysed; simulating them took its share of this machine') % (
        found['cameras'], asked['most'], asked['size'][0], asked['size'][1], asked['fps'], asked['p95_ms'],
        100 * asked['share'])
    return GOOD if found['cameras'] else FAILED, words, {'cameras': found['cameras'], 'trials': found['trials']}
