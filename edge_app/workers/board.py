"""The process that reads the board's sensors: temperatures, load, memory.

Every five seconds it reads the kernel's files, a few milliseconds' work, because the engine must know of heat at all
times. While somebody asks (a wake-up per request, from the web process) it reads every second, through jetson-stats
where that is installed: its service measures only on request, which costs a board several per cent of a core. A
sensor that hangs its reader hangs only this process, and the supervisor restarts it. If the process ended while it
used jetson-stats, its successor avoids jetson-stats for a while.
"""
import contextlib
import logging
import os

from edge_app.clock import now_ns
from edge_app.telemetry import backends, latest_reading
from edge_app.transport.mailbox import Inbox

log = logging.getLogger(__name__)

QUIET_S = 5.0
REQUESTED_S = 1.0
REQUEST_LASTS_NS = 30 * 1000000000
"""Somebody counts as watching for this long after a request: longer than Prometheus usually waits between two."""

DISTRUST_NS = 600 * 1000000000
"""How long the costly way is avoided after it hung the previous process."""
ASKING = 'board.asking'
"""Exists in the run directory while the costly way is in use."""


def main(context, run_dir=None, root='/'):
    """Write the board's readings to `board.json` in the run directory until told to stop."""
    folder = str(run_dir or context.run_dir)
    with contextlib.ExitStack() as stack:
        inbox = stack.enter_context(Inbox(latest_reading.doorbell(folder)))
        poller = BoardPoller(folder, root, now_ns())
        stack.callback(poller.close)
        context.ready()
        while not context.stopping.is_set():
            context.heartbeat()
            poller.poll(now_ns())
            ready = inbox.wait(poller.due_in_s(now_ns()), context.stop_fd)
            if inbox.fileno() in ready:
                inbox.receive()
                poller.request(now_ns())


class BoardPoller:
    """Reads the board when it is due: seldom and cheaply, often and thoroughly while somebody asks."""

    def __init__(self, folder, root='/', moment_ns=0):
        self._folder = folder
        self._asking = os.path.join(folder, ASKING)
        self._trusted_ns = moment_ns
        if os.path.exists(self._asking):
            self._trusted_ns += DISTRUST_NS
            log.info('the previous process ended while it used jetson-stats: reading only the kernel\'s files for '
                     '%d minutes', DISTRUST_NS // 60000000000)
        self._root = root
        self._quiet = backends.quiet(root)
        self._best = self._requested_ns = self._read_ns = None

    def request(self, moment_ns):
        """Current readings are requested."""
        if self._requested_ns is None and moment_ns >= self._trusted_ns:
            with open(self._asking, 'w'):
                pass
            self._best = backends.best(self._root)
        self._requested_ns = moment_ns

    def poll(self, moment_ns):
        """Write a reading if one is due."""
        if self._requested_ns is not None and moment_ns - self._requested_ns > REQUEST_LASTS_NS:
            self.close()
        if self.due_in_s(moment_ns) <= 0:
            self._read_ns = moment_ns
            latest_reading.write(self._folder, (self._best or self._quiet).sample(), moment_ns)

    def due_in_s(self, moment_ns):
        """Seconds until the next reading is due."""
        if self._read_ns is None:
            return 0.0
        interval_s = QUIET_S if self._requested_ns is None else REQUESTED_S
        return max(0.0, interval_s - (moment_ns - self._read_ns) / 1e9)

    def close(self):
        """Go back to reading seldom and cheaply: there was no request for a while."""
        if self._best is not None:
            self._best.close()
            os.unlink(self._asking)
            self._quiet = backends.quiet(self._root)      # alarms reported meanwhile must not be reported again
        self._best = self._requested_ns = None
