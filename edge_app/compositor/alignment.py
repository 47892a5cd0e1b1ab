"""Which pictures of several cameras belong together: the moment each shows, on one clock. Pure; nanoseconds.

A frame shows the moment its camera states (RTCP sender reports), where all cameras state one that can be believed; else
all of them the moment of their arrival here. Mixed, the time a picture travels would look like a difference.
"""

REACH_NS = int(0.3e9)
"""A camera further behind the foremost (rings hold little more) does not keep the others waiting."""
BELIEVED_NS = 10 ** 9
"""A camera's clock that is further than this from the arrival of its frames is not set to our time."""


def camera_clock(newest, wall_minus_monotonic_ns):
    """What to subtract from cameras' own times to get ours, None when one of the FrameMetas `newest` has none to believe."""
    for meta in newest:
        away_ns = meta.capture_time_ns - wall_minus_monotonic_ns - meta.captured_ns
        if not meta.capture_time_ns or abs(away_ns) > BELIEVED_NS:
            return None
    return wall_minus_monotonic_ns if newest else None


def moment_of(meta, offset_ns):
    """The moment a frame shows, on our clock; `offset_ns`: what `camera_clock` gave."""
    return meta.captured_ns if offset_ns is None or not meta.capture_time_ns else meta.capture_time_ns - offset_ns


def common_moment(newest_ns, reach_ns=REACH_NS):
    """The latest moment every camera can show: the oldest of their newest frames. None without any."""
    present = [moment for moment in newest_ns if moment]
    if not present:
        return None
    return min(moment for moment in present if moment >= max(present) - reach_ns)


def skew(moments_ns):
    """How far apart the moments of one set lie; None of fewer than two."""
    return max(moments_ns) - min(moments_ns) if len(moments_ns) > 1 else None
