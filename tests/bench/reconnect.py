"""A camera goes away and comes back: how soon that shows, how soon it is back, and what it costs the others.

It goes away in two ways: killed, so that connections are reset and refused, and frozen, silent on open connections. The
return is counted from the moment it accepts connections again, or goes on, until a frame of it is shown.
"""
import time

import click

from edge_app.clock import now_ns
from edge_app.commands.bench import benchmark, options
from edge_app.stats.camera_state import reported_state
from edge_app.testing.harness import statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.simulated_cameras import SimulatedCameras

from tests.bench import run

WAYS = ('killed', 'frozen')
VICTIM = 2
SETTLE_S = 3.0
WAIT_S = 40.0


def measure(cameras, size, fps, engine, away_s, repeat, echo=lambda line: None):
    """The report: seconds to NO SIGNAL and back, and the others' rate meanwhile relative to before."""
    runs = {way: [] for way in WAYS}
    with SimulatedCameras(cameras, size, fps, live=True, apart=True) as sources:
        for number in range(repeat):
            for way in WAYS:
                runs[way].append(once(sources, engine, way, away_s))
                echo('run %d, %s: back after %.2f s' % (number + 1, way, runs[way][-1]['back_s']))
    return statistics.report({'cameras': cameras, 'size': list(size), 'fps': fps, 'away_s': away_s, 'repeat': repeat},
                             {'ways': {way: statistics.spreads(found) for way, found in runs.items()}})


def once(cameras, engine, way, away_s):
    """One camera away once."""
    with run_on(cameras, engine) as running:
        running.wait_live()
        time.sleep(SETTLE_S)
        victim = running.pages['cam%d' % VICTIM]
        others = [page for name, page in running.pages.items() if name != 'cam%d' % VICTIM]
        before = rates(others, away_s)
        away_ns = now_ns()
        (cameras.simulator.kill if way == 'killed' else cameras.simulator.pause)(VICTIM)
        running.wait(lambda: reported_state(victim) == 'no_signal', 'NO SIGNAL', WAIT_S)
        noticed_ns = now_ns()
        meanwhile = rates(others, away_s)
        (cameras.simulator.start_camera if way == 'killed' else cameras.simulator.resume)(VICTIM)
        back_ns, received = now_ns(), victim.received
        running.wait(lambda: victim.received > received and reported_state(victim) == 'live'
                     and victim.last_shown_ns > back_ns, 'return', WAIT_S)
        return {'no_signal_s': (noticed_ns - away_ns) / 1e9, 'back_s': (now_ns() - back_ns) / 1e9,
                'others_rate': min(after / max(1e-9, earlier) for earlier, after in zip(before, meanwhile)),
                'reconnects': victim.reconnects}


def rates(pages, seconds):
    """Frames analysed per second of each page."""
    before, started = [page.inferred for page in pages], time.monotonic()
    time.sleep(seconds)
    return [(page.inferred - count) / (time.monotonic() - started) for page, count in zip(pages, before)]


def lines(found):
    """The report as text."""
    for way, one in found['ways'].items():
        yield 'camera %s for %g s: NO SIGNAL after %s s, back after %s s, the others at %s of their rate' % (
            way, found['asked']['away_s'], statistics.text(one['no_signal_s']), statistics.text(one['back_s']),
            statistics.text(one['others_rate']))


command = benchmark(
    'reconnect', 'Kill a camera and freeze one: time to NO SIGNAL, time to return, effect on the others.',
    options.cameras(4, '640x360', 10.0, least=2), options.engine,
    click.option('--away', 'away_s', type=click.FloatRange(0.5), default=10.0, show_default=True,
                 help='Seconds for which the camera is away.'), options.runs(None, 3),
    package='tests.bench')

if __name__ == '__main__':
    run(command)
