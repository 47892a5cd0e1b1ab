"""Aligning the tiles of several cameras in time. Pure; nanoseconds.

A frame shows the moment its camera states (RTCP sender reports) if all cameras state a plausible one; otherwise all of
them count by their arrival here. Mixed, the transport delay of a picture would look like a difference.
"""

REACH_NS = int(0.3e9)
"""A camera further behind the foremost one (rings hold little more) is not waited for."""
PLAUSIBLE_NS = 10 ** 9
"""A camera's clock that differs by more from the arrival of its frames is not set to our time."""


def camera_clock(newest, wall_minus_monotonic_ns):
    """What to subtract from cameras' own times to get ours; None if one of the FrameMetas `newest` is not plausible."""
    for meta in newest:
        away_ns = meta.capture_time_ns - wall_minus_monotonic_ns - meta.captured_ns
        if not meta.capture_time_ns or abs(away_ns) > PLAUSIBLE_NS:
            return None
    return wall_minus_monotonic_ns if newest else None


def moment_of(meta, offset_ns):
    """The moment a frame shows, on our clock; `offset_ns`: what `camera_clock` gave."""
    return meta.captured_ns if offset_ns is None or not meta.capture_time_ns else meta.capture_time_ns - offset_ns


def common_moment(newest_ns, reach_ns=REACH_NS):
    """The latest moment every camera can show: the oldest of their newest frames. None without any."""
    known = [moment for moment in newest_ns if moment]
    return min((moment for moment in known if moment >= max(known) - reach_ns), default=None)


def skew(moments_ns):
    """How far apart the moments of one mosaic are; None for fewer than two."""
    return max(moments_ns) - min(moments_ns) if len(moments_ns) > 1 else None
