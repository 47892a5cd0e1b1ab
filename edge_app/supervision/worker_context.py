"""What a worker knows of its own life: when to stop, and how to say that it is well."""
import contextlib
import json
import os
import threading

from edge_app.clock import now_ns

LONGEST_REASON = 600
"""Characters, of up to 6 bytes in JSON: a message has to fit the 4096 bytes that a pipe takes in one piece."""


class WorkerContext:
    """Handed to a worker's `main`. Without a heartbeat descriptor nobody listens: a worker run by hand, or a test."""

    def __init__(self, name, run_dir=None, heartbeat_fd=None, heartbeat_s=1.0):
        self.name = name
        self.run_dir = run_dir
        self.stopping = threading.Event()
        """Set when the worker is to end; it has 4 s."""
        self.stop_fd, self._stop_write = os.pipe()
        """Readable from then on, for select and event loops; never read from it."""
        self.change_fd, self._change_write = os.pipe()
        """Readable while a change waits; `take_change` empties it."""
        for fd in (self.change_fd, self._change_write):
            os.set_blocking(fd, False)
        self._change, self._changing = None, threading.Lock()
        self._heartbeat_fd = heartbeat_fd
        self._beat_ns = int(heartbeat_s * 1e9)
        self._beaten_ns = -self._beat_ns

    def heartbeat(self):
        """Say that the main loop goes round; call it every time, it costs nothing between two beats."""
        now = now_ns()
        if now - self._beaten_ns >= self._beat_ns:
            self._beaten_ns = now
            self._send('')

    def ready(self):
        """Say that starting is over: from now on silence is counted by the shorter `silence_s`."""
        self._send('ready')

    def report(self, what, value):
        """Tell the supervisor a fact: `pss_mb`, or the `reason` of the end."""
        value = value[:LONGEST_REASON] if isinstance(value, str) else value
        self._send('%s %s' % (what, json.dumps(value)))

    def stop(self):
        """Ask the worker to end; any thread, any number of times."""
        if not self.stopping.is_set():
            self.stopping.set()
            os.write(self._stop_write, b'!')

    def change(self, arguments):
        """Let the worker have other arguments than it was started with; any thread, the newest count."""
        with self._changing:
            self._change = arguments
        with contextlib.suppress(BlockingIOError):      # full: it is readable
            os.write(self._change_write, b'!')

    def take_change(self):
        """The newest arguments since the last call, None when they are as before."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.change_fd, 4096)
        with self._changing:
            taken, self._change = self._change, None
        return taken

    def _send(self, line):
        # A full pipe means a supervisor that is asleep, a broken one that it is gone: both noticed elsewhere.
        if self._heartbeat_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._heartbeat_fd, line.encode() + b'\n')
