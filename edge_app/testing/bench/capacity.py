"""The largest number of cameras this machine serves well: p95 from sending to result, and the share of frames analysed.

The number is doubled until the objective is missed, then halved between the last good and the first bad one.
"""
import time

from edge_app.errors import EdgeAppError
from edge_app.testing.harness import statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.result_listener import ResultListener
from edge_app.testing.harness.simulated_cameras import SimulatedCameras, latencies_ms

SETTLE_S = 4.0


def measure(size, fps, engine, p95_ms, share, most, seconds, echo=lambda line: None):
    """The report: the largest number of cameras with p95 at most `p95_ms` and `share` of their frames analysed."""
    trials = {}

    def good(count):
        found = trials[count] = trial(count, size, fps, engine, seconds)
        found['good'] = found['p95_ms'] is not None and found['p95_ms'] <= p95_ms and found['share'] >= share
        echo(sentence(found))
        return found['good']
    largest = search(good, most)
    asked = {'size': list(size), 'fps': fps, 'p95_ms': p95_ms, 'share': share, 'most': most, 'seconds': seconds}
    return statistics.report(asked, {'cameras': largest, 'trials': [trials[count] for count in sorted(trials)]})


def search(good, most):
    """Largest number from 1 to `most` for which `good(number)`, 0 without one; each number is tried once."""
    low, high = 0, 1
    while high <= most and good(high):
        low, high = high, min(high * 2, most) if high < most else most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def trial(count, size, fps, engine, seconds):
    """{"cameras", "p95_ms", "share", "slowest_share", "trouble"} of so many cameras."""
    found = {'cameras': count, 'p95_ms': None, 'share': 0.0, 'slowest_share': 0.0, 'trouble': ''}
    try:
        with SimulatedCameras(count, size, fps) as cameras, run_on(cameras, engine) as running:
            running.wait_live()
            with ResultListener(running) as listener:
                time.sleep(SETTLE_S)
                before, started = [page.inferred for page in running.pages.values()], time.monotonic()
                results = listener.listen(seconds)
                took_s = time.monotonic() - started
            shares = [(page.inferred - earlier) / (fps * took_s)
                      for page, earlier in zip(running.pages.values(), before)]
            found.update(p95_ms=statistics.percentiles(latencies_ms(cameras, results))['p95'],
                         share=round(sum(shares) / count, 4), slowest_share=round(min(shares), 4))
    except EdgeAppError as error:
        found['trouble'] = str(error)
    return found


def sentence(found):
    """One trial as a line."""
    if found['trouble']:
        return '%3d cameras: %s' % (found['cameras'], found['trouble'][-200:])
    return '%3d cameras: p95 %s ms, %.0f %% of the frames analysed, %.0f %% of the slowest camera\'s%s' % (
        found['cameras'], found['p95_ms'], 100 * found['share'], 100 * found['slowest_share'],
        '' if found['good'] else ' - objective missed')


def lines(found):
    """The report as text."""
    asked = found['asked']
    yield '%d cameras of %dx%d at %g fps with p95 at most %g ms and %.0f %% of their frames analysed' % (
        (found['cameras'],) + tuple(asked['size']) + (asked['fps'], asked['p95_ms'], 100 * asked['share']))
