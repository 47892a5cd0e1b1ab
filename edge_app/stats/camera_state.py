"""A camera's state, and the ages that make a picture, a result or a process too old to be shown or trusted.

`camera_state` is the only judge: mosaic, page, report, metrics, /readyz and terminal all ask it, so they agree at every
moment. What is too old to be analysed is a setting, `max_staleness_s`: the decoder's gate, the ring's writer and the
scheduler apply it.
"""
from edge_app.stats.counters import STATES, CounterPage

STARTING, LIVE, NO_SIGNAL, REFUSED, DISABLED, FROZEN, DAMAGED = STATES
SHOWN = (LIVE, FROZEN, DAMAGED)
"""States in which there is a picture to show."""

NO_SIGNAL_S = 2.0
"""A camera is silent after so long without a picture, where its page does not say: `display.no_signal_s`'s default."""
SILENT_FRAMES = 3
"""A slow camera is silent only after so many of its frame intervals."""
FROZEN_AFTER_NS = 10 * 10 ** 9
"""A camera that repeats one picture for longer is frozen. Encoders may repeat a dark, quiet scene for some seconds."""
REASONS = {NO_SIGNAL: 'no picture arrives', FROZEN: 'the camera repeats one picture',
           DAMAGED: 'every picture arrives damaged'}
"""Why a camera is in a state, where its process has not said."""
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
    """Rate at which a camera is analysed, over the last 4 s; 0.0 when its last result is old."""
    if not is_recent(page.get('last_inferred_ns'), now_ns, ANALYSIS_STALLED_S):
        return 0.0
    return page.get('attained_fps_milli') / 1000.0


def camera_state(page: CounterPage, now_ns: int) -> str:
    """The state of a camera at this moment, one of STATES; the only place that decides it.

    A new picture is live whatever capture reports; without one a camera never is, even if capture hangs.
    """
    reported, seen_ns = reported_state(page), page.get('last_frame_ns')
    limit_s = page.get('silent_after_ns') / 1e9 or NO_SIGNAL_S
    unchanged_ns = page.get('unchanged_since_ns')
    if reported == DISABLED:
        return DISABLED
    if is_recent(seen_ns, now_ns, limit_s):
        return FROZEN if unchanged_ns and seen_ns - unchanged_ns > FROZEN_AFTER_NS else LIVE
    if is_recent(page.get('last_damaged_ns'), now_ns, limit_s):
        return DAMAGED
    if reported == REFUSED:
        return REFUSED
    return NO_SIGNAL if seen_ns or reported == NO_SIGNAL else STARTING


def reason(page: CounterPage, state: str) -> str:
    """Why a camera is in `state`, '' where there is nothing to say."""
    return '' if state == LIVE else str(page.info.get('reason') or REASONS.get(state, ''))


def state_text(page: CounterPage, now_ns: int) -> str:
    """A camera's state in words: 'live, h264 1920x1080', 'no signal: connection refused'."""
    state, info = camera_state(page, now_ns), page.info
    if state == LIVE and 'codec' in info:
        return 'live, {codec} {width}x{height}'.format(**info)
    return ': '.join(filter(None, (state.replace('_', ' '), reason(page, state))))
