"""Progress reports while a library is busy for minutes."""
import logging
import threading
import time

log = logging.getLogger(__name__)

TELL_EVERY_S = 1.0
LONGEST_S = 3600
"""Progress is reported no longer than this, so that a build that hangs is noticed."""
LOG_EVERY_S = 15


class Progress:
    """Reports the progress of a build from a separate thread: the build is one call that takes minutes."""

    def __init__(self, what, tell):
        self.what = what
        self.tell = tell
        self.phase = ''
        self.started = time.monotonic()
        self.over = threading.Event()

    def __enter__(self):
        log.info('%s: this takes minutes', self.what)
        self.thread = threading.Thread(target=self._run, name='build progress', daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()

    def _run(self):
        logged = self.started
        while True:
            now = time.monotonic()
            line = '%s, %d s%s' % (self.what, now - self.started, self.phase)
            self.tell(line)
            if now - logged >= LOG_EVERY_S:
                log.info('%s', line)
                logged = now
            if self.over.wait(TELL_EVERY_S) or now - self.started > LONGEST_S:
                return
