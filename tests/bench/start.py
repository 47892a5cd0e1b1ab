"""From the first key frame of the last camera to a mosaic of all, and what more cameras cost.

The key frames' arrival is measured by a bare rtspsrc per camera, started together with the appliance.
"""
from edge_app.commands.bench import benchmark, options
from edge_app.testing.harness import statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.children import JsonChild, ProcessFailed
from edge_app.testing.harness.simulated_cameras import SimulatedCameras

from tests.bench import run
from tests.bench.key_frames import WAIT_S


def measure(counts, size, fps, engine, repeat, echo=lambda line: None):
    """The report: for each number of cameras the seconds from the key frames, and from the start, to the mosaic."""
    runs = {count: [] for count in counts}
    for number in range(repeat):
        for count in counts:
            with SimulatedCameras(count, size, fps, live=True) as sources:
                runs[count].append(once(sources, engine))
            echo('start %d, %d cameras: %.2f s' % (number + 1, count, runs[count][-1]['from_key_frames_s']))
    return statistics.report({'cameras': list(counts), 'size': list(size), 'fps': fps, 'repeat': repeat}, {
        'starts': {str(count): dict(statistics.spreads(found), p90={
            key: statistics.percentiles([run[key] for run in found], (90,))['p90'] for key in found[0]})
            for count, found in runs.items()}})


def once(cameras, engine):
    """Seconds of one start: from the key frames, and from the command, to the first complete mosaic."""
    job = {'uris': cameras.uris, 'user': cameras.user, 'password': cameras.password}
    with JsonChild('tests.bench.key_frames', job) as bare, run_on(cameras, engine) as running:
        key_frames_ns = bare.answer()
        if not key_frames_ns:
            raise ProcessFailed('the bare rtspsrc got no key frame of some camera within %g s' % WAIT_S)
        running.wait(lambda: running.counters.compositor.first_mosaic_ns, 'complete mosaic', WAIT_S)
        mosaic_ns = running.counters.compositor.first_mosaic_ns
        return {'from_key_frames_s': (mosaic_ns - max(key_frames_ns)) / 1e9,
                'from_command_s': (mosaic_ns - running.started_ns) / 1e9}


def lines(found):
    """The report as text."""
    for count, one in found['starts'].items():
        yield '%3s cameras: complete mosaic %s s after their key frames (p90 %.2f), %s s after the command' % (
            count, statistics.text(one['from_key_frames_s']), one['p90']['from_key_frames_s'],
            statistics.text(one['from_command_s']))
    counts = sorted(found['starts'], key=int)
    if len(counts) > 1:
        few, many = (found['starts'][count]['from_key_frames_s']['median'] for count in (counts[0], counts[-1]))
        yield '%s cameras take %.2f s longer than %s' % (counts[-1], many - few, counts[0])


command = benchmark(
    'start', "Measure the time from the cameras' first key frames to a complete mosaic.",
    options.cameras(None, '640x360', 10.0), options.counts('1,4,16'), options.engine, options.runs(None, 10),
    package='tests.bench')

if __name__ == '__main__':
    run(command)
