"""Where the time of one frame goes, from the moment it was sent to the moment somebody has it, stage by stage.

Nothing in the appliance is changed for it: its rings and books say what happened, looked at a thousand times a second.
The stages of one frame add up to the whole by construction, and so do their means.
"""
import bisect
import collections
import threading
import time

import numpy as np

from edge_app.clock import now_ns
from edge_app.commands.demo import free_port
from edge_app.testing.bench import statistics
from edge_app.testing.bench.result_listener import ResultListener
from edge_app.testing.bench.running import RunningAppliance, site
from edge_app.testing.bench.stream_viewer import watching
from edge_app.testing.bench.test_cameras import TestCameras

LOOK_S = 0.001
SETTLE_S = 3.0
RESULT = ('sent to arrived', 'decoded, in the ring', 'taken by the engine', 'boxes known', 'at the reader')
PICTURE = ('sent to arrived', 'decoded, in the ring', 'composed', 'encoded, sent, decoded by the viewer')


class RingObserver(threading.Thread):
    """Notes when each frame got into its ring, when the engine took it, and when mosaics were composed."""

    def __init__(self, running, tap):
        super(RingObserver, self).__init__(name='lookout', daemon=True)
        self._pages, self._rings = running.pages, tap.rings
        self._over = threading.Event()
        self.in_ring_ns = {name: {} for name in self._rings}
        """{camera: {sequence: (arrived, in the ring)}}."""
        self.taken_ns = {name: {} for name in self._rings}
        self.shown_ns = {name: [0] for name in self._rings}
        self._heads = {name: ring.head for name, ring in self._rings.items()}
        self._taken = dict(self._heads)
        self._sequence = {name: {} for name in self._rings}

    def run(self):
        while not self._over.wait(LOOK_S):
            for name in self._rings:
                self._look(name, self._rings[name], self._pages[name])

    def _look(self, name, ring, page):
        head, taken, shown_ns, moment_ns = ring.head, page.taken_index, page.last_shown_ns, now_ns()
        for index in range(self._heads[name] + 1, head + 1):
            meta = ring.meta(index)
            if meta:
                self.in_ring_ns[name][meta.sequence] = (meta.captured_ns, moment_ns)
                self._sequence[name][index] = meta.sequence
        self._heads[name] = head
        for index in range(self._taken[name] + 1, taken + 1):
            self.taken_ns[name][self._sequence[name].get(index)] = moment_ns
        self._taken[name] = max(self._taken[name], taken)
        if shown_ns != self.shown_ns[name][-1]:
            self.shown_ns[name].append(shown_ns)

    def stop(self):
        self._over.set()
        self.join()


def measure(cameras, size, fps, engine, max_fps, seconds, repeat, on_run=None):
    """The report: means per stage of the way to a result and of the way to a viewer, in ms."""
    runs = []
    with TestCameras(cameras, size, fps) as field:
        for number in range(repeat):
            runs.append(once(field, engine, max_fps, seconds))
            if on_run:
                on_run(number + 1, runs[-1])
    return {'schema': statistics.SCHEMA, 'machine': statistics.machine(),
            'asked': {'cameras': cameras, 'size': list(size), 'fps': fps, 'max_fps': max_fps, 'seconds': seconds,
                      'repeat': repeat},
            'stages': {way: {'mean_ms': [dict(statistics.spread([run[way]['mean_ms'][place] for run in runs], 3) or {},
                                              stage=stage) for place, stage in enumerate(stages)],
                             'whole_ms': statistics.spreads([run[way]['whole_ms'] for run in runs], 3)}
                       for way, stages in (('result', RESULT), ('picture', PICTURE))}}


def once(field, engine, max_fps, seconds):
    """{"result", "picture"}, each {"mean_ms": one per stage, "whole_ms": mean and percentiles} of one run."""
    port = free_port(18554)
    with RunningAppliance(site(field, port, {'max_fps': max_fps}, engine), field.password) as running:
        running.wait_live()
        with ResultListener(running, every=1) as tap, watching(running, field, port, True) as eyes:
            time.sleep(SETTLE_S)
            lookout = RingObserver(running, tap)
            lookout.start()
            try:
                eyes.look()
                heard = tap.listen(seconds)
                seen = eyes.look()
            finally:
                lookout.stop()
    field.look()
    names = {number: camera['name'] for number, camera in enumerate(running.values['cameras'], 1)}
    return {'result': summary(result_stages(field, lookout, heard), RESULT),
            'picture': summary(picture_stages(field, lookout, heard, seen, names), PICTURE)}


def result_stages(field, lookout, heard):
    """Per result the moments it passed: sent, arrived, in the ring, taken, boxes known, at the reader."""
    for camera, frame, moment_ns, result in heard:
        arrived = lookout.in_ring_ns[result.camera].get(result.meta.sequence)
        taken_ns = lookout.taken_ns[result.camera].get(result.meta.sequence)
        if arrived and taken_ns:
            yield (field.sent_ns(camera, frame, moment_ns), arrived[0], arrived[1],
                   min(max(taken_ns, arrived[1]), result.inferred_ns), result.inferred_ns, moment_ns)


def picture_stages(field, lookout, heard, seen, names):
    """Per sighting of a viewer: sent, arrived, in the ring, composed, seen."""
    shift = shifts(field, heard)
    for camera, frame, moment_ns in seen:
        if camera not in shift:
            continue
        name = names[camera]
        arrived = newest(lookout.in_ring_ns[name], (frame - shift[camera]) % field.frames, field.frames, moment_ns)
        composed = lookout.shown_ns[name]
        place = bisect.bisect_left(composed, arrived[1] if arrived else 0)
        if arrived and place < len(composed) and composed[place] <= moment_ns:
            yield field.sent_ns(camera, frame, moment_ns), arrived[0], arrived[1], composed[place], moment_ns


def shifts(field, heard):
    """{camera number: what to add to a frame's sequence for its number in the clip}, by what most results say."""
    votes = collections.defaultdict(collections.Counter)
    for camera, frame, _, result in heard:
        votes[camera][(frame - result.meta.sequence) % field.frames] += 1
    return {camera: counted.most_common(1)[0][0] for camera, counted in votes.items()}


def newest(in_ring_ns, rest, modulus, before_ns):
    """(arrived, in the ring) of the newest frame before a moment whose sequence leaves this rest; None without one."""
    found = [moments for sequence, moments in in_ring_ns.items() if sequence % modulus == rest and moments[1] <= before_ns]
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
    """The report for people."""
    for way, one in found['stages'].items():
        yield 'the way to a %s, mean ms (spread over the runs)' % ('result' if way == 'result' else 'viewer')
        for stage in one['mean_ms']:
            yield '  %-38s %s' % (stage['stage'], statistics.text(stage if 'median' in stage else None))
        yield '  %-38s %s   p50 %s  p99 %s' % (('together',) + tuple(
            statistics.text(one['whole_ms'][key], digits=1) for key in ('mean', 'p50', 'p99')))
