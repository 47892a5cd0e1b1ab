"""Processor time by number of cameras: a fixed part and one per camera, beside the baseline's."""
import os

import numpy as np

from edge_app.commands.bench import benchmark, options
from edge_app.testing.bench import pipeline
from edge_app.testing.harness import statistics

from tests.bench import run

INFERRED_FPS = 5
"""Of each camera: the engine keeps up with the largest number of cameras on two cores."""
TICK_S = 1.0 / os.sysconf('SC_CLK_TCK')


def measure(counts, size, fps, engine, seconds, repeat, echo=lambda line: None):
    """The report: CPU seconds per second for each number of cameras, and the lines that fit them best."""
    rows = []
    for count in counts:
        found = pipeline.measure(count, size, fps, engine, 'paced', False, seconds, repeat, paced_fps=INFERRED_FPS)
        rows.append({'cameras': count, 'appliance': found['appliance_cpu'], 'efficiency': found['efficiency'],
                     'floor': statistics.spread([sum(run['floor']['cpu_s_per_s'].values()) for run in found['runs']]),
                     'inferred_per_s': found['frames_per_s']['inferred']})
        echo('%3d cameras: %s CPU s/s, the baseline %s' % (
            count, statistics.text(rows[-1]['appliance']), statistics.text(rows[-1]['floor'])))
    fits = {side: fit(counts, [row[side]['median'] for row in rows]) for side in ('appliance', 'floor')}
    each = fits['floor']['per_camera'] if fits['floor'] else 0
    asked = {'size': list(size), 'fps': fps, 'inferred_fps': INFERRED_FPS, 'seconds': seconds, 'repeat': repeat}
    return statistics.report(asked, {'rows': rows, 'fits': fits, 'per_camera_ratio': round(
        fits['appliance']['per_camera'] / each, 4) if each else None})


def fit(counts, spent):
    """{"fixed", "per_camera", "residual"} of the line through them; the residual is the largest, relative to the line.

    The kernel counts processor time in ticks (mostly 10 ms), so nothing is compared with less than one tick a second.
    """
    if len(counts) < 2:
        return None
    per_camera, fixed = np.polyfit(counts, spent, 1)
    line = per_camera * np.array(counts) + fixed
    return {'fixed': round(float(fixed), 4), 'per_camera': round(float(per_camera), 4),
            'residual': round(float(np.max(np.abs(np.array(spent) - line) / np.maximum(line, TICK_S))), 4)}


def lines(found):
    """The report as text."""
    for side, one in found['fits'].items():
        if one:
            yield '%-10s %.3f CPU s/s and %.4f per camera; the worst is %.0f %% off that line' % (
                'baseline' if side == 'floor' else side, one['fixed'], one['per_camera'], 100 * one['residual'])
    if found['per_camera_ratio']:
        yield 'a camera costs %.2f times what it costs the baseline' % found['per_camera_ratio']


command = benchmark(
    'scaling', 'Measure CPU time by number of cameras: the fixed part and the part per camera.',
    options.cameras(None, '640x360', 10.0), options.counts('1,2,4,8,16'), options.engine, options.runs(10.0, 3),
    package='tests.bench')

if __name__ == '__main__':
    run(command)
