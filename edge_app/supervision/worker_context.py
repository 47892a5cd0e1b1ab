"""What a worker gets from its supervisor (stop, new arguments) and sends to it (heartbeats, facts)."""
import contextlib
import json
import os
import threading

from edge_app.clock import now_ns

LONGEST_REASON = 600
"""Characters, each up to 6 bytes in JSON: a message must fit the 4096 bytes that a pipe writes atomically."""


class WorkerContext:
    """The first argument of a worker's `main`. Without a heartbeat descriptor (run by hand, a test) nothing is sent."""

    def __init__(self, name, run_dir=None, heartbeat_fd=None, heartbeat_s=1.0):
        self.name = name
        self.run_dir = run_dir
        self.stopping = threading.Event()
        """Set when the worker is to end; it has 4 s."""
        self.stop_fd, self._stop_write = os.pipe()
        """Readable from then on, for select and event loops; never to be read from."""
        self.change_fd, self._change_write = os.pipe()
        """Readable while a change waits; `take_change` empties it."""
        for fd in (self.change_fd, self._change_write):
            os.set_blocking(fd, False)
        self._change, self._changing = None, threading.Lock()
        self._heartbeat_fd = heartbeat_fd
        self._interval_ns = int(heartbeat_s * 1e9)
        self._last_ns = -self._interval_ns

    def heartbeat(self):
        """Show that the main loop is running; call it every round, between two heartbeats it costs nothing."""
        now = now_ns()
        if now - self._last_ns >= self._interval_ns:
            self._last_ns = now
            self._send('')

    def ready(self):
        """Starting is over: from now on the shorter `heartbeat_timeout_s` applies."""
        self._send('ready')

    def report(self, what, value):
        """Send the supervisor a fact: `pss_mb`, or the `reason` of the end."""
        value = value[:LONGEST_REASON] if isinstance(value, str) else value
        self._send('%s %s' % (what, json.dumps(value)))

    def stop(self):
        """Ask the worker to end; from any thread, any number of times."""
        if not self.stopping.is_set():
            self.stopping.set()
            os.write(self._stop_write, b'!')

    def change(self, arguments):
        """Give the worker new arguments; from any thread, only the newest count."""
        with self._changing:
            self._change = arguments
        with contextlib.suppress(BlockingIOError):      # full: it is readable
            os.write(self._change_write, b'!')

    def take_change(self):
        """The newest arguments since the last call, None without any."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.change_fd, 4096)
        with self._changing:
            taken, self._change = self._change, None
        return taken

    def _send(self, line):
        # A full pipe means that the supervisor hangs, a broken one that it has ended: both are noticed elsewhere.
        if self._heartbeat_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._heartbeat_fd, line.encode() + b'\n')
