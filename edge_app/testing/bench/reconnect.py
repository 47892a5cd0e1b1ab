"""A camera goes away and comes back: how soon that shows, how soon it is back, and what it costs the others.

Away in two ways: killed, so that connections are reset and refused, and frozen, silent on open connections. Back is
counted from the moment the camera can be connected to, or goes on, until a frame of it is shown.
"""
import time

from edge_app.clock import now_ns
from edge_app.commands.demo import free_port
from edge_app.stats import STATES
from edge_app.testing.bench import statistics
from edge_app.testing.bench.running import RunningAppliance, site
from edge_app.testing.bench.test_cameras import TestCameras

WAYS = ('killed', 'frozen')
VICTIM = 2
SETTLE_S = 3.0
WAIT_S = 40.0


def measure(cameras, size, fps, engine, away_s, repeat, on_run=None):
    """The report: seconds to NO SIGNAL and back, and the others' rate meanwhile relative to before."""
    runs = {way: [] for way in WAYS}
    with TestCameras(cameras, size, fps, live=True, apart=True) as field:
        for number in range(repeat):
            for way in WAYS:
                runs[way].append(once(field, engine, way, away_s))
                if on_run:
                    on_run(number + 1, way, runs[way][-1])
    return {'schema': statistics.SCHEMA, 'machine': statistics.machine(),
            'asked': {'cameras': cameras, 'size': list(size), 'fps': fps, 'away_s': away_s, 'repeat': repeat},
            'ways': {way: statistics.spreads(found) for way, found in runs.items()}}


def once(field, engine, way, away_s):
    """One camera away once."""
    with RunningAppliance(site(field, free_port(18554), None, engine), field.password) as running:
        running.wait_live()
        time.sleep(SETTLE_S)
        victim = running.pages['cam%d' % VICTIM]
        others = [page for name, page in running.pages.items() if name != 'cam%d' % VICTIM]
        before = rates(others, away_s)
        away_ns = go(field, way)
        running.wait(lambda: STATES[victim.state] == 'no_signal', 'NO SIGNAL', WAIT_S)
        shown_ns = now_ns()
        meanwhile = rates(others, away_s)
        back_ns, received = come_back(field, way), victim.received
        running.wait(lambda: victim.received > received and STATES[victim.state] == 'live'
                     and victim.last_shown_ns > back_ns, 'return', WAIT_S)
        return {'no_signal_s': (shown_ns - away_ns) / 1e9, 'back_s': (now_ns() - back_ns) / 1e9,
                'others_rate': min(after / max(1e-9, earlier) for earlier, after in zip(before, meanwhile)),
                'reconnects': victim.reconnects}


def rates(pages, seconds):
    """Frames inferred per second of each page."""
    before, started = [page.inferred for page in pages], time.monotonic()
    time.sleep(seconds)
    return [(page.inferred - count) / (time.monotonic() - started) for page, count in zip(pages, before)]


def go(field, way):
    """Take the camera away; the moment."""
    moment_ns = now_ns()
    if way == 'killed':
        field.simulator.kill(VICTIM)
    else:
        field.simulator.pause(VICTIM)
    return moment_ns


def come_back(field, way):
    """Bring it back; the moment from which it could be connected to."""
    if way == 'killed':
        field.simulator.start_camera(VICTIM)
    else:
        field.simulator.resume(VICTIM)
    return now_ns()


def lines(found):
    """The report for people."""
    for way, one in found['ways'].items():
        yield 'a camera %s for %g s: NO SIGNAL after %s s, back %s s after it is, the others at %s of their rate' % (
            way, found['asked']['away_s'], statistics.text(one['no_signal_s']), statistics.text(one['back_s']),
            statistics.text(one['others_rate']))
