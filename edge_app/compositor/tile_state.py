"""What a tile has to show of one camera at one moment. Pure values and the rules that make them."""
import attrs

from edge_app.stats.camera_state import STARTING


@attrs.frozen(eq=False)
class TileState:
    """One camera's tile: its words, and its picture when there is a fresh one."""

    name = attrs.field()
    state = attrs.field(default=STARTING)
    age_s = attrs.field(default=None)
    """Seconds since the frame shown arrived, since it is frozen, or since the camera is away; None when not known."""
    reason = attrs.field(default='')
    size = attrs.field(default=(640, 360))
    """Width and height of the camera's pictures, or what they are expected to be."""
    source_fps = attrs.field(default=0.0)
    inference_fps = attrs.field(default=None)
    """Pictures of this camera inferred per second; None when no engine runs."""
    held = attrs.field(default=False)
    """Newer pictures than this one are damaged."""
    pixels = attrs.field(default=None)
    """I420 array of `size`, None where there is nothing fresh to show."""
    captured_ns = attrs.field(default=0)
    moment_ns = attrs.field(default=0)
    """The moment the picture shows, by the clock all tiles share."""
    detections = attrs.field(default=None)
    """Detections in pixels of the picture, None where none are known."""


def duration(seconds):
    """'12 s', '3 min 05 s', '2 h 05 min', '3 d 4 h'."""
    seconds = int(max(0, seconds))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return '%d s' % seconds
    if hours < 1:
        return '%d min %02d s' % (minutes, seconds % 60)
    if days < 1:
        return '%d h %02d min' % (hours, minutes % 60)
    return '%d d %d h' % (days, hours % 24)


def age_text(seconds):
    """Age of a live picture: '85 ms' in steps of 5, '1.2 s'."""
    if seconds < 1:
        return '%d ms' % (round(seconds * 200) * 5)
    return '%.1f s' % seconds


def rate_text(tile_state):
    """'12.5/25 fps' (inferred of received), or '25 fps' where no engine runs."""
    source = '%.3g fps' % round(tile_state.source_fps, 1)
    return source if tile_state.inference_fps is None else '%.3g/%s' % (round(tile_state.inference_fps, 1), source)
