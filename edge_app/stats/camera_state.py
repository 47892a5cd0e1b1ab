"""A camera's state, and the ages that make a picture, a result or a process too old to be shown or trusted.

What is too old to be analysed is a setting, `max_staleness_s`: the decoder's gate, the ring's writer and the
scheduler apply it.
"""
from typing import Optional

from edge_app.stats.counters import STATES, CounterPage

STARTING, LIVE, NO_SIGNAL, REFUSED, DISABLED = STATES

NO_SIGNAL_AFTER_S = 2.6
"""Capture reports no signal after so long without a picture: with what the jitter buffer still held (0.1 s) and the
interval of its checks (0.2 s) that shows within 3 s."""
SILENT_FRAMES = 3
"""A slow camera is silent only after so many of its frame intervals."""
ANALYSIS_STALLED_S = 3.0
"""A camera without a result for so long is analysed at 0 fps, whatever the last rate was."""
DELIVERY_S = 2.0
"""A camera that delivers had a frame analysed and one shown this recently."""
BOXES_CARRIED_NS = int(1.5e9)
"""Boxes older than the picture by more than this are not drawn: what they marked has moved on.

Newer ones replace them at once, so it matters only where results are late or end. If this were shorter than the time
between two results (about a second at 2 fps), boxes would blink, which reads as detections that come and go.
"""
EXACT_WAIT_NS = int(1.5e9)
"""With the exact overlay, a newest result older than this gives way to the newest frame without boxes."""
SUPERVISOR_SILENT_S = 5.0
"""The supervisor writes its status every second; after this long it hangs or is gone."""


def silent_after_s(no_signal_s: float, frame_interval_s: float) -> float:
    """Seconds without a frame after which a camera of this frame interval (0: not known) is silent."""
    return max(no_signal_s, SILENT_FRAMES * frame_interval_s)


def is_recent(moment_ns: int, now_ns: int, limit_s: float) -> bool:
    """Whether a moment (CLOCK_MONOTONIC; 0: never) lies within the last `limit_s` seconds."""
    return now_ns - moment_ns <= limit_s * 1e9


def reported_state(page: CounterPage) -> str:
    """The state that capture wrote last, one of STATES."""
    return STATES[min(page.get('state'), len(STATES) - 1)]


def source_fps(page: CounterPage) -> float:
    """Measured frame rate of a camera, 0.0 while it is not known."""
    return page.get('source_fps_milli') / 1000.0


def analysed_fps(page: CounterPage, now_ns: int) -> float:
    """Rate at which a camera is analysed, 0.0 when its last result is old."""
    if not is_recent(page.get('last_inferred_ns'), now_ns, ANALYSIS_STALLED_S):
        return 0.0
    return page.get('attained_fps_milli') / 1000.0


def camera_state(page: CounterPage, frame_age_s: Optional[float], no_signal_s: float) -> str:
    """The state to show: what capture reports, overruled by the age of the newest frame (None: there never was one).

    A fresh picture is live whatever capture reports; an old one never is, even if capture hangs.
    """
    fps = source_fps(page)
    return state_of(reported_state(page), frame_age_s, 1 / fps if fps else 0.0, no_signal_s)


def state_of(reported: str, frame_age_s: Optional[float], frame_interval_s: float, no_signal_s: float) -> str:
    """The rule of `camera_state` on plain values."""
    if reported == DISABLED:
        return DISABLED
    if frame_age_s is not None and frame_age_s <= silent_after_s(no_signal_s, frame_interval_s):
        return LIVE
    if reported == REFUSED:
        return REFUSED
    if frame_age_s is None and reported != NO_SIGNAL:
        return STARTING
    return NO_SIGNAL
