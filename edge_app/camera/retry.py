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
    """Judges one session by the age of its newest frame: the camera's state, and when to give the session up."""

    def __init__(self, camera, now_s, no_signal_s=NO_SIGNAL_S):
        self._no_signal_s = no_signal_s
        self._first_s, self._silence_s = camera.first_frame_s, camera.silence_s
        self._started_s = now_s
        self._frames = 0
        self._last_s = self._alive_s = self._interval_s = None

    def frame(self, now_s):
        """A frame was written."""
        if self._frames:
            interval = now_s - self._last_s
            self._interval_s = interval if self._interval_s is None else 0.9 * self._interval_s + 0.1 * interval
        self._last_s = self._alive_s = now_s
        self._frames += 1

    def no_picture_expected(self, now_s):
        """A unit arrived that gives no picture (damaged, or not given to the decoder): the camera is not silent."""
        self._alive_s = now_s

    @property
    def started(self):
        return self._frames > 0

    def _limit_s(self, least_s):
        return silent_after_s(least_s, self._interval_s or 0)

    @property
    def silent_after_s(self):
        """Seconds without a frame after which the camera is no longer live."""
        return self._limit_s(self._no_signal_s)

    def no_signal(self, now_s):
        """Whether the newest frame is too old to be called live."""
        return self.started and now_s - self._alive_s > self._limit_s(min(self._no_signal_s, self._silence_s))

    def lost(self, now_s):
        """Why to give the session up, or None."""
        if not self.started:
            late = now_s - self._started_s > self._first_s
            return 'no frame within %g s' % self._first_s if late else None
        limit = self._limit_s(self._silence_s)
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
