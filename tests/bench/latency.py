"""Where the time of one frame goes, from its sending to the moment somebody has it, stage by stage.

Nothing in the appliance is changed for it: its rings and counters are sampled a thousand times a second. The stages of
a frame add up to the whole by construction, and so do their means.
"""
import bisect
import collections
import time

import click
import numpy as np

from edge_app.clock import now_ns
from edge_app.commands.bench import benchmark, options
from edge_app.testing.bench.pipeline import mosaic_viewer
from edge_app.testing.harness import statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.result_listener import ResultListener
from edge_app.testing.harness.sampler import RingSampler
from edge_app.testing.harness.simulated_cameras import SimulatedCameras
from edge_app.testing.harness.site import random_port

from tests.bench import run

SETTLE_S = 3.0
RESULT = ('sent to arrived', 'decoded, in the ring', 'taken by the engine', 'boxes known', 'at the reader')
PICTURE = ('sent to arrived', 'decoded, in the ring', 'composed', 'encoded, sent, decoded by the viewer')


class StageObserver(RingSampler):
    """Notes when each frame entered its ring, when the engine took it, and when mosaics were composed."""

    rest_s = 0.001

    def __init__(self, running):
        super(StageObserver, self).__init__(running.run_dir, list(running.pages))
        self._pages = running.pages
        self.in_ring_ns = {name: {} for name in self._pages}
        """{camera: {sequence: (arrived, in the ring)}}."""
        self.taken_ns = {name: {} for name in self._pages}
        self.shown_ns = {name: [0] for name in self._pages}
        self._taken = {name: ring.head for name, ring in self._rings.items()}
        self._sequence = {name: {} for name in self._pages}

    def frame(self, name, ring, index, moment_ns):
        meta = ring.meta(index)
        if meta:
            self.in_ring_ns[name][meta.sequence] = (meta.captured_ns, moment_ns)
            self._sequence[name][index] = meta.sequence

    def sample(self):
        seen = {name: (page.taken_index, page.last_shown_ns) for name, page in self._pages.items()}
        moment_ns = now_ns()
        super(StageObserver, self).sample()
        for name, (taken, shown_ns) in seen.items():
            for index in range(self._taken[name] + 1, taken + 1):
                self.taken_ns[name][self._sequence[name].get(index)] = moment_ns
            self._taken[name] = max(self._taken[name], taken)
            if shown_ns != self.shown_ns[name][-1]:
                self.shown_ns[name].append(shown_ns)


def measure(cameras, size, fps, engine, max_fps, seconds, repeat, echo=lambda line: None):
    """The report: means in ms of the stages on the way to a result and on the way to a viewer."""
    runs = []
    with SimulatedCameras(cameras, size, fps) as sources:
        for number in range(repeat):
            runs.append(once(sources, engine, max_fps, seconds))
            echo('run %d of %d' % (number + 1, repeat))
    asked = {'cameras': cameras, 'size': list(size), 'fps': fps, 'max_fps': max_fps, 'seconds': seconds,
             'repeat': repeat}
    return statistics.report(asked, {'stages': {
        way: {'mean_ms': [dict(statistics.spread([run[way]['mean_ms'][place] for run in runs], 3) or {}, stage=stage)
                          for place, stage in enumerate(stages)],
              'whole_ms': statistics.spreads([run[way]['whole_ms'] for run in runs], 3)}
        for way, stages in (('result', RESULT), ('picture', PICTURE))}})


def once(cameras, engine, max_fps, seconds):
    """{"result", "picture"}, each {"mean_ms": one per stage, "whole_ms": mean and percentiles} of one run."""
    port = random_port()
    with run_on(cameras, engine, {'max_fps': max_fps}, port) as running:
        running.wait_live()
        with ResultListener(running, every=1) as listener, mosaic_viewer(running, port) as viewer:
            time.sleep(SETTLE_S)
            with StageObserver(running) as observer:
                viewer.sightings()
                results = listener.listen(seconds)
                sightings = viewer.sightings()
    cameras.poll()
    names = {number: camera['name'] for number, camera in enumerate(running.values['cameras'], 1)}
    return {'result': summary(result_stages(cameras, observer, results), RESULT),
            'picture': summary(picture_stages(cameras, observer, results, sightings, names), PICTURE)}


def result_stages(cameras, observer, results):
    """Moments of each result: sent, arrived, in the ring, taken, boxes known, at the reader."""
    for camera, frame, moment_ns, result in results:
        arrived = observer.in_ring_ns[result.camera].get(result.meta.sequence)
        taken_ns = observer.taken_ns[result.camera].get(result.meta.sequence)
        if arrived and taken_ns:
            yield (cameras.sent_ns(camera, frame, moment_ns), arrived[0], arrived[1],
                   min(max(taken_ns, arrived[1]), result.inferred_ns), result.inferred_ns, moment_ns)


def picture_stages(cameras, observer, results, sightings, names):
    """Moments of each sighting of a viewer: sent, arrived, in the ring, composed, seen."""
    offset = offsets(cameras, results)
    for camera, frame, moment_ns, _ in sightings:
        if camera not in offset:
            continue
        name = names[camera]
        arrived = newest(observer.in_ring_ns[name], (frame - offset[camera]) % cameras.frames, cameras.frames,
                         moment_ns)
        composed = observer.shown_ns[name]
        place = bisect.bisect_left(composed, arrived[1] if arrived else 0)
        if arrived and place < len(composed) and composed[place] <= moment_ns:
            yield cameras.sent_ns(camera, frame, moment_ns), arrived[0], arrived[1], composed[place], moment_ns


def offsets(cameras, results):
    """{camera number: picture number in the clip less the frame's sequence}, as most results have it."""
    votes = collections.defaultdict(collections.Counter)
    for camera, frame, _, result in results:
        votes[camera][(frame - result.meta.sequence) % cameras.frames] += 1
    return {camera: counted.most_common(1)[0][0] for camera, counted in votes.items()}


def newest(in_ring_ns, rest, modulus, before_ns):
    """(arrived, in the ring) of the newest frame before a moment whose sequence leaves this rest; None without one."""
    found = [moments for sequence, moments in in_ring_ns.items() if sequence % modulus == rest
             and moments[1] <= before_ns]
    return max(found) if found else None


def summary(passes, stages):
    """Mean of every stage and of the whole over frames that passed all of them."""
    moments = np.array(list(passes), np.float64)
    if not len(moments):
        return {'mean_ms': [None] * len(stages), 'whole_ms': dict(statistics.percentiles([]), mean=None)}
    steps, whole = np.diff(moments, axis=1) / 1e6, (moments[:, -1] - moments[:, 0]) / 1e6
    return {'mean_ms': [float(step) for step in steps.mean(axis=0)],
            'whole_ms': dict(statistics.percentiles(whole), mean=float(whole.mean()))}


def lines(found):
    """The report as text."""
    for way, one in found['stages'].items():
        yield 'to a %s, mean ms (spread over the runs)' % ('result' if way == 'result' else 'viewer')
        for stage in one['mean_ms']:
            yield '  %-38s %s' % (stage['stage'], statistics.text(stage if 'median' in stage else None))
        yield '  %-38s %s   p50 %s  p99 %s' % (('together',) + tuple(
            statistics.text(one['whole_ms'][key], digits=1) for key in ('mean', 'p50', 'p99')))


command = benchmark(
    'latency', 'Measure where the time of a frame goes on its way to a result and to a viewer, stage by stage.',
    options.cameras(4, '1920x1080', 25.0), options.engine,
    click.option('--max-fps', type=click.FloatRange(0.1), default=10.0, show_default=True,
                 help='Pictures analysed per second of each camera.'), options.runs(10.0, 3),
    package='tests.bench')

if __name__ == '__main__':
    run(command)
