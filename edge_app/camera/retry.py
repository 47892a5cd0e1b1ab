"""How long a camera is waited for: between attempts, for its first frame, for the next one. Pure; times in seconds."""
import random
import socket
import threading

from edge_app.stats.camera_state import SIGNAL_S, silent_after_s

LOST_S = (1, 2, 5, 10, 30)
REFUSED_S = (60, 300)
"""Cameras lock an account after five to seven wrong tries: a refusal is asked again slowly."""
JITTER = 0.2
WITHHELD_S = 60
"""A camera whose pictures come and are all unfit to be shown is asked for a fresh beginning after so long."""
GOOD_S = 30
"""So many seconds of frames and the next loss is a first one again."""


class Backoff:
    """Growing waits, each off by up to `JITTER` so that cameras behind one switch do not all come at once."""

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
    """Age of the newest frame of one session: what the camera's state is and when the session is given up."""

    def __init__(self, camera, now_s):
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

    def withheld(self, now_s):
        """Something came that is not to be shown: damaged, or spared the decoder. The camera is not silent."""
        self._alive_s = now_s

    @property
    def started(self):
        return self._frames > 0

    def no_signal(self, now_s):
        """Whether the picture is too old to be called live."""
        return self.started and now_s - self._alive_s > silent_after_s(min(SIGNAL_S, self._silence_s), self._interval_s or 0)

    def lost(self, now_s):
        """Why the session should be given up, or None."""
        if not self.started:
            late = now_s - self._started_s > self._first_s
            return 'no frame within %g s' % self._first_s if late else None
        limit = silent_after_s(self._silence_s, self._interval_s or 0)
        if now_s - self._alive_s <= limit and now_s - self._last_s <= max(limit, WITHHELD_S):
            return None
        return 'no frame for %.0f s' % (now_s - self._last_s)

    def good_s(self, now_s):
        """Seconds of frames this session gave."""
        return now_s - self._started_s if self.started and not self.no_signal(now_s) else 0


class PortProbe:
    """Is the camera's port open? A plain TCP connect, no RTSP and no password, tried on a thread: names may hang.

    One for all waits: a port that opens during an attempt, too late for that one, is news to the wait that follows.
    """

    def __init__(self, address, connect=socket.create_connection):
        self._address = address
        self._connect = connect
        self._thread = None
        self._failed = False
        self.came_back = False
        """A connect has succeeded after one had failed."""

    def again(self):
        """Try once more unless the last try still runs."""
        if self._address is not None and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._try, name='knock', daemon=True)
            self._thread.start()

    def forget(self):
        """The camera gives pictures, or it is known that it came back: what was before says nothing any more."""
        self._failed = self.came_back = False

    def _try(self):
        try:
            self._connect(self._address, 1.0).close()
            self.came_back = self._failed
        except OSError:
            self._failed = True
