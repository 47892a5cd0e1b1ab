"""Processor time over the number of cameras: a fixed part and one for each camera, beside the floor's."""
import os

import numpy as np

from edge_app.testing.bench import pipeline, statistics

INFERRED_FPS = 5
"""Of each camera, so that the engine keeps up with the largest number on two cores."""
TICK_S = 1.0 / os.sysconf('SC_CLK_TCK')


def measure(counts, size, fps, engine, seconds, repeat, say=lambda line: None):
    """The report: CPU seconds per second for each number of cameras, and the lines that fit them best."""
    rows = []
    for count in counts:
        found = pipeline.measure(count, size, fps, engine, 'paced', False, seconds, repeat, paced_fps=INFERRED_FPS)
        rows.append({'cameras': count, 'appliance': found['appliance_cpu'], 'efficiency': found['efficiency'],
                     'floor': statistics.spread([sum(run['floor']['cpu_s_per_s'].values()) for run in found['runs']]),
                     'inferred_per_s': found['frames_per_s']['inferred']})
        say('%3d cameras: %s CPU s/s, the floor %s' % (count, statistics.text(rows[-1]['appliance']),
                                                      statistics.text(rows[-1]['floor'])))
    fits = {side: fit(counts, [row[side]['median'] for row in rows]) for side in ('appliance', 'floor')}
    each = fits['floor']['per_camera'] if fits['floor'] else 0
    return {'schema': statistics.SCHEMA, 'machine': statistics.machine(), 'rows': rows, 'fits': fits,
            'asked': {'size': list(size), 'fps': fps, 'inferred_fps': INFERRED_FPS, 'seconds': seconds, 'repeat': repeat},
            'per_camera_ratio': round(fits['appliance']['per_camera'] / each, 4) if each else None}


def fit(counts, spent):
    """{"fixed", "per_camera", "residual"}: the line through them, and how far off it the worst one is, relative to it.

    The kernel counts processor time in ticks (10 ms mostly), so nothing is compared to less than one tick a second.
    """
    if len(counts) < 2:
        return None
    per_camera, fixed = np.polyfit(counts, spent, 1)
    line = per_camera * np.array(counts) + fixed
    return {'fixed': round(float(fixed), 4), 'per_camera': round(float(per_camera), 4),
            'residual': round(float(np.max(np.abs(np.array(spent) - line) / np.maximum(line, TICK_S))), 4)}


def lines(found):
    """The report for people."""
    for side, one in found['fits'].items():
        if one:
            yield '%-10s %.3f CPU s/s and %.4f for each camera; the worst is %.0f %% off that line' % (
                side, one['fixed'], one['per_camera'], 100 * one['residual'])
    if found['per_camera_ratio']:
        yield 'a camera costs %.2f times what it costs the floor' % found['per_camera_ratio']
