"""The whole appliance beside the baseline (bench/baseline.py), on the same cameras, alternating.

efficiency          CPU the baseline needs for the work the appliance did / CPU the appliance needed
saturation ratio    pictures analysed by the appliance / by the baseline's bare loop, each per second
memory ratio        PSS of a capture process / PSS of a gst-launch that runs the same pipeline, means
fairness            pictures analysed of the camera that got fewest / of the one that got most

Drawing, NMS, payloading and results are the appliance's own. Simulator and viewers are excluded from the CPU figures.
"""
import contextlib
import time

from edge_app.compositor.layout import Rect, place
from edge_app.frames import fit
from edge_app.testing.bench.baseline import MOSAIC_FPS, Baseline, bare_restream, bare_result
from edge_app.testing.harness import statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.result_listener import ResultListener
from edge_app.testing.harness.simulated_cameras import SimulatedCameras, latencies_ms
from edge_app.testing.harness.site import random_port
from edge_app.testing.harness.viewer import StreamViewer

PACED_FPS = 10
SETTLE_S = 3.0
"""Both sides have this long to settle before anything counts."""
BARE_S = 10.0


def measure(cameras, size, fps, engine, regime, viewer, seconds, repeat, echo=lambda line: None,
            paced_fps=PACED_FPS):
    """The report; `engine` holds settings of config.Engine, `echo` shows progress.

    `regime` is 'saturated' (as many as possible) or 'paced' (`paced_fps` pictures a second of each camera).
    """
    runs, max_fps = [], paced_fps if regime == 'paced' else None
    batch = None
    with SimulatedCameras(cameras, size, fps) as sources:
        for number in range(repeat):
            run, sides = {}, (('appliance', _appliance), ('floor', _baseline))
            for name, side in sides if number % 2 == 0 else sides[::-1]:
                # The appliance chooses how many pictures go into a batch; the baseline takes as many.
                run[name] = side(sources, dict(engine, batch=batch) if name == 'floor' else engine, max_fps, viewer,
                                 seconds)
                if name == 'appliance':
                    batch = max(1, int(round(run[name]['batch'])))
            if max_fps:
                ways = {'result': bare_result, 'restream': bare_restream} if viewer else {'result': bare_result}
                run['bare'] = {way: statistics.percentiles(bare(sources, min(seconds, BARE_S)))
                               for way, bare in ways.items()}
            run['compared'] = compare(run['floor'], run['appliance'], cameras * fps)
            runs.append(run)
            echo(progress(number + 1, run))
    return report(runs, {'cameras': cameras, 'size': list(size), 'fps': fps, 'regime': regime, 'viewer': viewer,
                         'seconds': seconds, 'repeat': repeat})


def window(side, seconds, work=time.sleep):
    """What `side` spent meanwhile, {"cpu_s_per_s", "pss_mb", "took_s"}, and what `work(seconds)` returned."""
    before, started = side.cpu_s(), time.monotonic()
    answer = work(seconds)
    after, took = side.cpu_s(), time.monotonic() - started
    return {'cpu_s_per_s': {name: (after[name] - before.get(name, 0.0)) / took for name in after},
            'pss_mb': side.pss_mb(), 'took_s': took}, answer


def _baseline(cameras, engine, max_fps, viewer, seconds):
    with Baseline(cameras, {'engine': engine, 'per_s': cameras.count * (max_fps or 0)}, viewer) as baseline:
        time.sleep(SETTLE_S)
        before = baseline.pictures()
        found, _ = window(baseline, seconds)
        found['inferred_per_s'] = (baseline.pictures() - before) / found['took_s']
        found['failed'] = baseline.failed()
        found['about'] = baseline.about
    return found


def _appliance(cameras, engine, max_fps, viewer, seconds):
    port = random_port()
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(run_on(cameras, engine, {'max_fps': max_fps}, port))
        running.wait_live()
        listener = stack.enter_context(ResultListener(running))
        watching = stack.enter_context(mosaic_viewer(running, port)) if viewer else None
        time.sleep(SETTLE_S)
        if watching:
            watching.sightings()
        before, each = work_done(running), [page.inferred for page in running.pages.values()]
        counters = running.counters.engine
        pictures, batches = counters.pictures, counters.batches
        found, results = window(running, seconds, listener.listen)
        done = {name: count - before[name] for name, count in work_done(running).items()}
        each = [page.inferred - count for page, count in zip(running.pages.values(), each)]
        found['fairness'] = min(each) / max(1, max(each))
        found['batch'] = (counters.pictures - pictures) / max(1, counters.batches - batches)
        found['latency_ms'] = {
            'result': statistics.percentiles(latencies_ms(cameras, results)),
            'restream': statistics.percentiles(latencies_ms(cameras, watching.sightings() if watching else []))}
    found.update({name + '_per_s': count / found['took_s'] for name, count in done.items()})
    return found


def mosaic_viewer(running, port):
    """StreamViewer on the mosaic of a RunningAppliance, once that has tiles."""
    running.wait(running.tiles, 'mosaic with tiles')
    tiles = running.tiles()
    places = {number: list(place(fit((page.info['width'], page.info['height']), (640, 360)), Rect(*tiles[name])).rect)
              for number, (name, page) in enumerate(running.pages.items(), 1)}
    return StreamViewer('rtsp://127.0.0.1:%d/mosaic' % port, places)


def work_done(running):
    """{"received", "captured", "inferred", "composed", "encoded"}: frames so far, of all cameras together."""
    found = {name: sum(page.get(name) for page in running.pages.values())
             for name in ('received', 'captured', 'inferred')}
    return dict(found, composed=running.counters.compositor.composed, encoded=running.counters.compositor.encoded)


def compare(baseline, appliance, offered_per_s):
    """Efficiency, saturation ratio and the CPU behind them, of one run of each."""
    per_picture = baseline['cpu_s_per_s']['bare loop'] / max(1e-9, baseline['inferred_per_s'])
    decoded = min(1.0, appliance['captured_per_s'] / offered_per_s)
    chains = sum(spent for name, spent in baseline['cpu_s_per_s'].items() if name.startswith('chain:'))
    encoded = min(1.0, appliance['encoded_per_s'] / MOSAIC_FPS)
    same = (chains * decoded + per_picture * appliance['inferred_per_s']
            + baseline['cpu_s_per_s'].get('encoder', 0.0) * encoded)
    own = sum(appliance['cpu_s_per_s'].values())
    memory = [_mean_of(side['pss_mb'], kind) for side, kind in ((appliance, 'capture:'), (baseline, 'chain:'))]
    return {'efficiency': same / own,
            'saturation_ratio': appliance['inferred_per_s'] / max(1e-9, baseline['inferred_per_s']),
            'floor_cpu_for_the_same_work': same, 'appliance_cpu': own, 'decoded_share': decoded,
            'encoded_share': encoded,
            'memory_ratio': memory[0] / memory[1] if all(memory) else None, 'fairness': appliance['fairness']}


def _mean_of(pss_mb, kind):
    """Mean over the processes of a kind, None of none."""
    found = [size for name, size in pss_mb.items() if name.startswith(kind)]
    return sum(found) / len(found) if found else None


def report(runs, asked):
    """What `--json` writes: medians over the runs with their least and greatest."""
    def over(side, key):
        return statistics.spreads([run[side][key] for run in runs])
    latency = over('appliance', 'latency_ms')
    if 'bare' in runs[0]:
        latency['bare'] = statistics.spreads([run['bare'] for run in runs])
    rates = [name for name in runs[0]['appliance'] if name.endswith('_per_s') and name != 'cpu_s_per_s']
    found = statistics.spreads([run['compared'] for run in runs])
    return statistics.report(asked, dict(
        found, engine=runs[0]['floor']['about'], latency_ms=latency, cpu_s_per_s=over('appliance', 'cpu_s_per_s'),
        pss_mb=over('appliance', 'pss_mb'), batch=statistics.spread([run['appliance']['batch'] for run in runs]),
        frames_per_s={name[:-6]: statistics.spread([run['appliance'][name] for run in runs]) for name in rates},
        floor={'cpu_s_per_s': over('floor', 'cpu_s_per_s'), 'pss_mb': over('floor', 'pss_mb'),
               'inferred_per_s': statistics.spread([run['floor']['inferred_per_s'] for run in runs]),
               'failed': sorted({name for run in runs for name in run['floor']['failed']})},
        runs=runs))


def progress(number, run):
    """One run as a line."""
    return ('run %d: efficiency %.3f, saturation ratio %.3f; analysed %.1f/s (baseline %.1f/s), CPU %.2f s/s (baseline '
            '%.2f for the same work), result p50 %s ms' % (
                number, run['compared']['efficiency'], run['compared']['saturation_ratio'],
                run['appliance']['inferred_per_s'], run['floor']['inferred_per_s'], run['compared']['appliance_cpu'],
                run['compared']['floor_cpu_for_the_same_work'], run['appliance']['latency_ms']['result']['p50']))


def lines(found):
    """The report as text."""
    yield 'efficiency        %s' % statistics.text(found['efficiency'], digits=3)
    yield 'saturation ratio  %s' % statistics.text(found['saturation_ratio'], digits=3)
    yield 'memory ratio      %s for a capture process' % statistics.text(found['memory_ratio'])
    yield 'fairness          %s' % statistics.text(found['fairness'])
    yield 'pictures a batch  %s' % statistics.text(found['batch'])
    for what in ('result', 'restream'):
        if found['latency_ms'][what].get('p50'):
            yield 'sent to %-9s p50 %s ms, p95 %s, p99 %s' % (
                (what,) + tuple(statistics.text(found['latency_ms'][what][q], digits=1) for q in ('p50', 'p95', 'p99')))
    for side, prefix in ((found, ''), (found['floor'], 'baseline ')):
        for name, spent in sorted(side['cpu_s_per_s'].items()):
            memory = side['pss_mb'].get(name)
            yield '  %-20s %.3f CPU s/s  %s MB' % (prefix + name, spent['median'], memory['median'] if memory else '-')
