"""What runs on this box, as a table: read this and you know the system."""
import math

from edge_app.config import to_dict
from edge_app.supervisor import Worker

RESULT_WAIT_S = 0.4
"""Longest usual time from capture to result that a ring bridges: p99 on a laptop with four cameras is under this."""

SOURCE_FPS = 30
"""Frame rate assumed for a camera that has not said one yet."""


def processes(config):
    """The workers `config` asks for, in the order of the data path."""
    everything = to_dict(config, secrets=True)
    table = [Worker('capture:' + camera['name'], 'edge_app.workers.capture',
                    {'camera': camera, 'engine_enabled': config.engine.enabled})
             for camera in everything['cameras'] if camera['enabled']]
    if config.engine.enabled:
        table.append(Worker('analyze', 'edge_app.workers.analyze', {'config': everything}, boot_s=120.0))
    table.append(Worker('present', 'edge_app.workers.present', {'config': everything}))
    if config.sinks:
        table.append(Worker('results', 'edge_app.workers.results', {'config': everything}))
    if config.web.enabled:
        table.append(Worker('web', 'edge_app.workers.web', {'config': everything}))
    return table


def ring_slots(frame_bytes, budget_bytes, fps=SOURCE_FPS, result_wait_s=RESULT_WAIT_S):
    """Slots of one camera's ring: enough to still hold a frame when its boxes are known, within the budget; at least 3.

    ceil(p99 of capture to result x fps) + one being written + one being read.
    """
    wanted = int(math.ceil(result_wait_s * fps)) + 2
    return max(3, min(wanted, budget_bytes // frame_bytes))
