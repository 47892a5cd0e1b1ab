"""The one process that looks at the board: how hot, how busy, how much memory.

Every five seconds it reads the kernel's files, a few milliseconds' work, because the engine must be told of heat whether
or not anybody watches. While somebody does (a wake-up per question, from the web process) it looks every second, through
jetson-stats where that is installed: its service measures only while it is asked, and that costs a board several per cent of
a core. A sensor that hangs its reader hangs this process alone, and the supervisor starts another; one that finds its
predecessor ended while jetson-stats was asked does without that for a while.
"""
import contextlib
import logging
import os

from edge_app.clock import now_ns
from edge_app.telemetry import backends, latest_reading
from edge_app.transport.mailbox import Inbox

log = logging.getLogger(__name__)

QUIET_S = 5.0
WATCHED_S = 1.0
LOOKED_NS = 30 * 1000000000
"""Somebody is taken to watch for this long after a question: longer than a Prometheus usually waits between two."""

DISTRUSTED_NS = 600 * 1000000000
"""So long is done without what hung the last process."""
ASKING = 'board.asking'
"""Stands in the run directory while the costly way is used."""


def main(context, run_dir=None, root='/'):
    """Write what the board says to `board.json` in the run directory until told to stop."""
    folder = str(run_dir or context.run_dir)
    with contextlib.ExitStack() as stack:
        inbox = stack.enter_context(Inbox(latest_reading.doorbell(folder)))
        look = Look(folder, root, now_ns())
        stack.callback(look.close)
        context.ready()
        while not context.stopping.is_set():
            context.heartbeat()
            look.turn(now_ns())
            asked = inbox.wait(look.rest_s(now_ns()), context.stop_fd)
            if inbox.fileno() in asked:
                inbox.receive()
                look.asked(now_ns())


class Look:
    """What is looked through, and how often."""

    def __init__(self, folder, root='/', moment_ns=0):
        self._folder = folder
        self._asking = os.path.join(folder, ASKING)
        self._trusted_ns = moment_ns
        if os.path.exists(self._asking):
            self._trusted_ns += DISTRUSTED_NS
            log.info('the process before ended while somebody watched: the kernel\'s files alone for %d minutes',
                     DISTRUSTED_NS // 60000000000)
        self._root = root
        self._quiet = backends.quiet(root)
        self._best = None
        self._asked_ns = None
        self._looked_ns = None

    def asked(self, moment_ns):
        """Somebody wants to know."""
        if self._asked_ns is None and moment_ns >= self._trusted_ns:
            with open(self._asking, 'w'):
                pass
            self._best = backends.best(self._root)
        self._asked_ns = moment_ns

    def turn(self, moment_ns):
        """Look, when it is time."""
        if self._asked_ns is not None and moment_ns - self._asked_ns > LOOKED_NS:
            self.close()
        if self.rest_s(moment_ns) <= 0:
            self._looked_ns = moment_ns
            latest_reading.write(self._folder, (self._best or self._quiet).sample(), moment_ns)

    def rest_s(self, moment_ns):
        """Seconds until the next look is due."""
        if self._looked_ns is None:
            return 0.0
        pause_s = QUIET_S if self._asked_ns is None else WATCHED_S
        return max(0.0, pause_s - (moment_ns - self._looked_ns) / 1e9)

    def close(self):
        """Nobody watches any more."""
        if self._best is not None:
            self._best.close()
            os.unlink(self._asking)
            self._quiet = backends.quiet(self._root)      # what was told meanwhile is no news
        self._best = self._asked_ns = None
