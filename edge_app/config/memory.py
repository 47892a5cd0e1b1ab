"""How many frames each camera's ring holds, and what that takes of shared memory."""
from edge_app.errors import ConfigError
from edge_app.frames import frame_bytes

LEAST_SLOTS = 4
"""One being written, the newest, and one each for two readers that are still copying."""
MOST_SLOTS = 16
"""Half a second at 30 fps: what `overlay: exact` and `align_ms` look back on."""


def slot_bytes(camera):
    """Bytes of the largest frame its ring ever holds."""
    return frame_bytes(*camera.size)


def ring_slots(config):
    """Slots of each enabled camera's ring, the same for all: as many as `memory_mb` allows, MOST_SLOTS at most.

    ConfigError when not even LEAST_SLOTS fit.
    """
    cameras = [camera for camera in config.cameras if camera.enabled]
    one_each = sum(slot_bytes(camera) for camera in cameras)
    if not cameras:
        return MOST_SLOTS
    slots = min(MOST_SLOTS, config.memory_mb * 2 ** 20 // one_each)
    if slots < LEAST_SLOTS:
        needed = -(-LEAST_SLOTS * one_each // 2 ** 20)
        raise ConfigError('memory_mb: %d is too little for the rings of %d cameras: give %d, or smaller sizes'
                          % (config.memory_mb, len(cameras), needed))
    return slots


def rings_bytes(config):
    """Bytes of all rings together."""
    return ring_slots(config) * sum(slot_bytes(camera) for camera in config.cameras if camera.enabled)
