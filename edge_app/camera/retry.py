"""How long to wait for a camera: between attempts, for its first frame, for the next one. Pure; times in seconds."""
import random
import socket
import threading

from edge_app.stats.camera_state import NO_SIGNAL_S, silent_after_s

LOST_S = (1, 2, 5, 10, 30)
REFUSED_S = (60, 300)
"""Cameras lock an account after five to seven failed logins, so a refusal is retried slowly."""
JITTER = 0.2
NO_PICTURE_S = 60
"""A session whose pictures are all damaged is given up after so long."""
LONGEST_S = 60.0
"""An interval of frames is forgotten after so long."""
MOST_PATIENCE = 12
"""A session that fell silent is followed by one that may be silent twice as long, up to so many times as long."""
GOOD_S = 30
"""After so many seconds of frames the next loss counts as the first again."""


class Backoff:
    """Growing waits, each varied by up to JITTER so that cameras behind one switch do not all reconnect at once."""

    def __init__(self, waits, jitter=random.uniform):
        self._waits = waits
        self._jitter = jitter
        self._step = 0

    def next_s(self):
        """The wait before the next attempt."""
        wait = self._waits[min(self._step, len(self._waits) - 1)]
        self._step += 1
        return wait * self._jitter(1 - JITTER, 1 + JITTER)

    def reset(self):
        self._step = 0


class FrameWatchdog:
    """Judges one session by the age of its newest frame: the camera's state, and when to give the session up.

    How often a camera delivers is seen from its second frame on. `patience`: how many times the usual silence is
    borne, more after sessions that ended for it, because the camera may deliver less often than that.
    """

    def __init__(self, camera, now_s, no_signal_s=NO_SIGNAL_S, patience=1):
        self._no_signal_s = no_signal_s
        self._first_s, self._silence_s, self._patience = camera.first_frame_s, camera.silence_s, patience
        self._started_s = now_s
        self._frames = 0
        self._last_s = self._alive_s = self._interval_s = None
        self._longest_s = 0.0
        """Longest interval of late: a camera that sends bursts, or less at night, is not silent in between."""

    def frame(self, now_s):
        """A frame was written."""
        if self._frames:
            interval = now_s - self._last_s
            self._interval_s = interval if self._interval_s is None else 0.9 * self._interval_s + 0.1 * interval
            self._longest_s = max(interval, self._longest_s * (1 - interval / LONGEST_S))
        self._last_s = self._alive_s = now_s
        self._frames += 1

    def no_picture_expected(self, now_s):
        """A unit arrived that gives no picture (damaged, or not given to the decoder): the camera is not silent."""
        self._alive_s = now_s

    @property
    def started(self):
        return self._frames > 0

    @property
    def silent_after_s(self):
        """Seconds without a frame after which the camera is no longer live."""
        return silent_after_s(self._no_signal_s, self._interval_s or 0)

    def no_signal(self, now_s):
        """Whether the newest frame is too old to be called live."""
        limit_s = silent_after_s(min(self._no_signal_s, self._silence_s), self._interval_s or 0)
        return self.started and now_s - self._alive_s > limit_s

    def lost(self, now_s):
        """Why to give the session up, or None."""
        if not self.started:
            late = now_s - self._started_s > self._first_s
            return 'no frame within %g s' % self._first_s if late else None
        least_s = self._silence_s if self._frames > 1 else max(self._silence_s, self._first_s)
        limit = silent_after_s(least_s * self._patience, self._longest_s)
        if now_s - self._alive_s <= limit and now_s - self._last_s <= max(limit, NO_PICTURE_S):
            return None
        return 'no frame for %.0f s' % (now_s - self._last_s)

    def good_s(self, now_s):
        """How long this session has been live, in seconds."""
        return now_s - self._started_s if self.started and not self.no_signal(now_s) else 0


class PortProbe:
    """Finds out when the camera's port opens again: a plain TCP connect, on a thread because resolving a name may hang.

    It outlives the waits: a port that opens during an attempt ends the next wait early.
    """

    def __init__(self, address, connect=socket.create_connection):
        self._address = address
        self._connect = connect
        self._thread = None
        self._failed = False
        self.reopened = False
        """A connect has succeeded after one had failed."""

    def start(self):
        """Probe once more, unless the last probe still runs."""
        if self._address is not None and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._probe, name='port probe', daemon=True)
            self._thread.start()

    def reset(self):
        """Forget earlier probes: the camera gives frames, or is being opened again."""
        self._failed = self.reopened = False

    def _probe(self):
        try:
            self._connect(self._address, 1.0).close()
            self.reopened = self._failed
        except OSError:
            self._failed = True
