"""How much shared memory the rings of a configuration's cameras take."""
import math

from edge_app.frames import frame_bytes

RESULT_WAIT_S = 0.4
"""Longest usual time from capture to result that a ring bridges: p99 on a laptop with four cameras is below it."""
SOURCE_FPS = 30
"""Frame rate assumed for a camera that has not reported one yet."""
PACKET_BYTES = 4 * 1000 * 1000
"""Of one packet ring: four seconds at 8 Mbit/s, the upper end of what a 1080p main stream is set to."""


def ring_slots(frame_bytes, budget_bytes, fps=SOURCE_FPS, result_wait_s=RESULT_WAIT_S):
    """Slots of one camera's ring: enough to still hold a frame when its detections are known, within the budget.

    ceil(p99 of capture to result x fps) + one being written + one being read; at least 3.
    """
    wanted = int(math.ceil(result_wait_s * fps)) + 2
    return max(3, min(wanted, budget_bytes // frame_bytes))


def budget_bytes(config):
    """Shared memory the frame ring of each enabled camera may take."""
    return config.memory_mb * 2 ** 20 // max(1, len(config.enabled_cameras))


def frame_ring_bytes(config):
    """{name: bytes of the frames in its ring} of all enabled cameras."""
    budget, sizes = budget_bytes(config), {camera.name: frame_bytes(*camera.size) for camera in config.enabled_cameras}
    return {name: size * ring_slots(size, budget) for name, size in sizes.items()}


def needed_bytes(config):
    """Shared memory the rings of all enabled cameras take, packets included."""
    return sum(size + PACKET_BYTES for size in frame_ring_bytes(config).values())
