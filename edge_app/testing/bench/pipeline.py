"""The whole appliance beside the floor (bench/floor.py), on the same cameras, by turns.

efficiency          CPU the floor needs for the work the appliance did / CPU the appliance needed
saturation ratio    pictures the appliance inferred / pictures the floor's bare loop did, each per second
memory ratio        PSS of a capture process / PSS of a gst-launch that runs the same pipeline, means
fairness            pictures inferred of the camera that got fewest / of the one that got most

Drawing, NMS, payloading and results are the appliance's own. The simulator and who watches are nobody's.
"""
import time

from edge_app.commands.demo import free_port
from edge_app.testing.bench import statistics
from edge_app.testing.bench.baseline import MOSAIC_FPS, Baseline
from edge_app.testing.bench.result_listener import ResultListener
from edge_app.testing.bench.running import RunningAppliance, site
from edge_app.testing.bench.stream_viewer import bare_restream, bare_result, placed, watching
from edge_app.testing.bench.test_cameras import TestCameras

PACED_FPS = 10
SETTLE_S = 3.0
"""Both have as long to get going before anything counts."""
BARE_S = 10.0


def measure(cameras, size, fps, engine, regime, viewer, seconds, repeat, on_run=None, paced_fps=PACED_FPS):
    """The report; `engine` holds settings of config.Engine, `on_run(number, run)` is progress.

    `regime` is 'saturated' (all that can be) or 'paced' (`paced_fps` pictures a second of each camera).
    """
    runs, max_fps = [], paced_fps if regime == 'paced' else None
    batch = None
    with TestCameras(cameras, size, fps) as field:
        for number in range(repeat):
            run, sides = {}, (('appliance', _appliance), ('floor', _floor))
            for name, side in sides if number % 2 == 0 else sides[::-1]:
                # The appliance chooses how many pictures go into a batch; the floor takes as many.
                run[name] = side(field, dict(engine, batch=batch) if name == 'floor' else engine, max_fps, viewer, seconds)
                if name == 'appliance':
                    batch = max(1, int(round(run[name]['batch'])))
            if max_fps:
                run['bare'] = _bare(field, viewer, min(seconds, BARE_S))
            run['compared'] = compare(run['floor'], run['appliance'], cameras * fps)
            runs.append(run)
            if on_run:
                on_run(number + 1, run)
    asked = {'cameras': cameras, 'size': list(size), 'fps': fps, 'regime': regime, 'viewer': viewer, 'seconds': seconds,
             'repeat': repeat}
    return report(runs, asked)


def window(side, seconds, work=time.sleep):
    """What `side` did meanwhile: {"cpu_s_per_s", "pss_mb"}, and the answer of `work(seconds)`."""
    before, started = side.cpu_s(), time.monotonic()
    answer = work(seconds)
    after, took = side.cpu_s(), time.monotonic() - started
    return {'cpu_s_per_s': {name: (after[name] - before.get(name, 0.0)) / took for name in after},
            'pss_mb': side.pss_mb(), 'took_s': took}, answer


def _floor(field, engine, max_fps, viewer, seconds):
    with Baseline(field, {'engine': engine, 'per_s': field.count * (max_fps or 0)}, viewer) as floor:
        time.sleep(SETTLE_S)
        before = floor.pictures()
        found, _ = window(floor, seconds)
        found['inferred_per_s'] = (floor.pictures() - before) / found['took_s']
        found['failed'] = floor.failed()
        found['about'] = floor.about
    return found


def _appliance(field, engine, max_fps, viewer, seconds):
    port = free_port(18554)
    with RunningAppliance(site(field, port, {'max_fps': max_fps}, engine), field.password) as running:
        running.wait_live()
        with ResultListener(running) as tap, watching(running, field, port, viewer) as eyes:
            time.sleep(SETTLE_S)
            eyes.look()
            before, each = work_done(running), [page.inferred for page in running.pages.values()]
            pictures, batches = batches_of(running)
            found, heard = window(running, seconds, tap.listen)
            done = {name: count - before[name] for name, count in work_done(running).items()}
            each = [page.inferred - count for page, count in zip(running.pages.values(), each)]
            found['fairness'] = min(each) / max(1, max(each))
            found['batch'] = (batches_of(running)[0] - pictures) / max(1, batches_of(running)[1] - batches)
            found['latency_ms'] = {'result': statistics.percentiles(placed(field, [one[:3] for one in heard])),
                                   'restream': statistics.percentiles(placed(field, eyes.look()))}
    found.update({name + '_per_s': count / found['took_s'] for name, count in done.items()})
    return found


def work_done(running):
    """{"received", "captured", "inferred", "composed", "encoded"}: frames so far, of all cameras together."""
    pages = running.snapshots().values()
    found = {name: sum(page[name] for page in pages) for name in ('received', 'captured', 'inferred')}
    return dict(found, composed=running.counters.compositor.composed, encoded=running.counters.compositor.encoded)


def batches_of(running):
    """(pictures, batches) so far."""
    return running.counters.engine.pictures, running.counters.engine.batches


def _bare(field, viewer, seconds):
    """Latency of the chains a person would type, each alone on the first camera."""
    found = {'result': statistics.percentiles(bare_result(field, seconds))}
    if viewer:
        found['restream'] = statistics.percentiles(bare_restream(field, seconds))
    return found


def compare(floor, appliance, offered_per_s):
    """Efficiency, saturation ratio and the CPU behind them, of one run of each."""
    per_picture = floor['cpu_s_per_s']['bare loop'] / max(1e-9, floor['inferred_per_s'])
    decoded = min(1.0, appliance['captured_per_s'] / offered_per_s)
    chains = sum(spent for name, spent in floor['cpu_s_per_s'].items() if name.startswith('chain:'))
    encoded = min(1.0, appliance['encoded_per_s'] / MOSAIC_FPS)
    same = (chains * decoded + per_picture * appliance['inferred_per_s']
            + floor['cpu_s_per_s'].get('encoder', 0.0) * encoded)
    own = sum(appliance['cpu_s_per_s'].values())
    memory = [_mean_of(side['pss_mb'], kind) for side, kind in ((appliance, 'capture:'), (floor, 'chain:'))]
    return {'efficiency': same / own, 'saturation_ratio': appliance['inferred_per_s'] / max(1e-9, floor['inferred_per_s']),
            'floor_cpu_for_the_same_work': same, 'appliance_cpu': own, 'decoded_share': decoded, 'encoded_share': encoded,
            'memory_ratio': memory[0] / memory[1] if all(memory) else None, 'fairness': appliance['fairness']}


def _mean_of(pss_mb, kind):
    """Of the processes of a kind, None of none."""
    found = [size for name, size in pss_mb.items() if name.startswith(kind)]
    return sum(found) / len(found) if found else None


def report(runs, asked):
    """What `--json` writes: medians over the runs with their least and most."""
    def over(side, key):
        return statistics.spreads([run[side][key] for run in runs])
    latency = over('appliance', 'latency_ms')
    if 'bare' in runs[0]:
        latency['bare'] = statistics.spreads([run['bare'] for run in runs])
    rates = [name for name in runs[0]['appliance'] if name.endswith('_per_s') and name != 'cpu_s_per_s']
    found = statistics.spreads([run['compared'] for run in runs])
    return dict(found, schema=statistics.SCHEMA, machine=statistics.machine(), asked=asked, engine=runs[0]['floor']['about'],
                latency_ms=latency, cpu_s_per_s=over('appliance', 'cpu_s_per_s'), pss_mb=over('appliance', 'pss_mb'),
                batch=statistics.spread([run['appliance']['batch'] for run in runs]),
                frames_per_s={name[:-6]: statistics.spread([run['appliance'][name] for run in runs]) for name in rates},
                floor={'cpu_s_per_s': over('floor', 'cpu_s_per_s'), 'pss_mb': over('floor', 'pss_mb'),
                       'inferred_per_s': statistics.spread([run['floor']['inferred_per_s'] for run in runs]),
                       'failed': sorted({name for run in runs for name in run['floor']['failed']})},
                runs=runs)


def progress(number, run):
    """One run as a line."""
    return ('run %d: efficiency %.3f, saturation ratio %.3f; inferred %.1f/s (floor %.1f/s), CPU %.2f s/s (floor %.2f for '
            'the same), result p50 %s ms' % (
                number, run['compared']['efficiency'], run['compared']['saturation_ratio'],
                run['appliance']['inferred_per_s'], run['floor']['inferred_per_s'], run['compared']['appliance_cpu'],
                run['compared']['floor_cpu_for_the_same_work'], run['appliance']['latency_ms']['result']['p50']))


def lines(found):
    """The report for people."""
    yield 'efficiency        %s' % statistics.text(found['efficiency'], digits=3)
    yield 'saturation ratio  %s' % statistics.text(found['saturation_ratio'], digits=3)
    yield 'memory ratio      %s of a capture process' % statistics.text(found['memory_ratio'])
    yield 'fairness          %s' % statistics.text(found['fairness'])
    yield 'pictures a batch  %s' % statistics.text(found['batch'])
    for what in ('result', 'restream'):
        if found['latency_ms'][what].get('p50'):
            yield 'mark to %-9s p50 %s ms, p95 %s, p99 %s' % (
                (what,) + tuple(statistics.text(found['latency_ms'][what][q], digits=1) for q in ('p50', 'p95', 'p99')))
    for name, spent in sorted(found['cpu_s_per_s'].items()):
        yield '  %-16s %.3f CPU s/s  %s MB' % (name, spent['median'],
                                               (found['pss_mb'].get(name) or {}).get('median', '-'))
    for name, spent in sorted(found['floor']['cpu_s_per_s'].items()):
        yield '  floor %-10s %.3f CPU s/s  %s MB' % (name, spent['median'], found['floor']['pss_mb'][name]['median'])
