"""What runs on this box, as a table: read this and you know the system."""
import math

from edge_app.config import to_dict
from edge_app.supervision.managed_process import EXCLUSIVE, YIELDING, WorkerSpec

RESULT_WAIT_S = 0.4
"""Longest usual time from capture to result that a ring bridges: p99 on a laptop with four cameras is under this."""

SOURCE_FPS = 30
"""Frame rate assumed for a camera that has not said one yet."""

ONE_HEAP = {'MALLOC_ARENA_MAX': '1', 'G_SLICE': 'always-malloc'}
"""For glibc, and for GLib before 2.76, which has no such thing any more. Every session of a capture has new threads: the one
would open a heap for each, the other pages of its own, and both keep them with little but holes in them."""

SHARES = ('max_fps', 'min_fps', 'priority', 'motion_percent')
"""Settings of a camera that are the engine's business alone."""
THRESHOLDS = ('score', 'iou', 'classes')
"""Settings of the engine that need no other model in memory."""


def processes(config):
    """The workers `config` asks for, in the order of the data path; changes of what is not `fixed` they are told."""
    everything = to_dict(config, secrets=True)
    arguments = {'config': everything}
    table = [WorkerSpec('capture:' + camera['name'], 'edge_app.workers.capture',
                    {'camera': camera, 'engine_enabled': config.engine.enabled},
                    fixed=(_without(camera, SHARES), config.engine.enabled), cores=YIELDING,
                    environment=ONE_HEAP)
             for camera in everything['cameras'] if camera['enabled']]
    if config.engine.enabled:
        table.append(WorkerSpec('analyze', 'edge_app.workers.analyze', arguments, boot_s=120.0, cores=EXCLUSIVE,
                            fixed=_without(everything['engine'], THRESHOLDS)))
    table.append(WorkerSpec('compositor', 'edge_app.workers.compositor', arguments,
                        fixed=[everything[name] for name in ('outputs', 'display', 'tls')] + [config.engine.enabled]))
    table.append(WorkerSpec('board', 'edge_app.workers.board', {}, required=False))
    if config.sinks:
        table.append(WorkerSpec('results', 'edge_app.workers.results', arguments, fixed=everything['sinks']))
    if config.web.enabled:
        table.append(WorkerSpec('web', 'edge_app.workers.web', arguments, fixed=[everything['web'], everything['tls']]))
    return table


def _without(section, names):
    return {name: value for name, value in section.items() if name not in names}


def ring_slots(frame_bytes, budget_bytes, fps=SOURCE_FPS, result_wait_s=RESULT_WAIT_S):
    """Slots of one camera's ring: enough to still hold a frame when its boxes are known, within the budget; at least 3.

    ceil(p99 of capture to result x fps) + one being written + one being read.
    """
    wanted = int(math.ceil(result_wait_s * fps)) + 2
    return max(3, min(wanted, budget_bytes // frame_bytes))
