"""The thread in every worker that waits for the order to end, and sees to it that the end comes."""
import contextlib
import faulthandler
import json
import logging
import os
import select
import signal
import sys
import threading
import time

from edge_app.errors import EXIT_FAILED
from edge_app.supervision.process_usage import pss_mb

GRACE_S = 4.0
"""Time a worker has between SIGTERM and its end."""
_MEASURE_S = 5.0


class ShutdownThread(threading.Thread):
    """Turns SIGTERM, or the end of the supervisor, into `life.stop()`; when the main thread then hangs, ends it all.

    Python runs signal handlers only between two steps of the main thread, so a main thread that waits in C (a
    camera, a driver) would never hear of it. The byte the C level writes to the wake-up descriptor does get here.
    Only a main thread that also keeps the interpreter's lock stops this one: against it a timer of faulthandler,
    which needs no lock, is wound up again and again.
    """

    def __init__(self, context, supervisor_pid=None, hang_s=None, heard=b''):
        """`heard`: what was read of stdin behind the job."""
        super(ShutdownThread, self).__init__(name='watch', daemon=True)
        self._life = context
        self._supervisor_pid = supervisor_pid
        self._hang_s = hang_s
        self._deadline_s = None
        self._exit_code = EXIT_FAILED
        self._supervisor_gone = False
        self._line = heard

    def start(self):
        """From the main thread: only there a signal can be given a handler."""
        self._signals, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGTERM, lambda *_: self._told())  # also heard when a library takes the descriptor away
        super(ShutdownThread, self).start()
        if self._orphaned():
            self._stop()

    def run(self):
        self._understand()
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        if self._supervisor_pid is not None:
            poll.register(0, select.POLLIN)
        measure_s = time.monotonic() + 1
        while True:
            if self._hang_s:
                faulthandler.dump_traceback_later(self._hang_s, exit=True)
            for fd, _ in poll.poll(self._timeout_ms(measure_s)):
                self._hear(fd, poll)
            if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
                self._end_by_force()
            if time.monotonic() >= measure_s:
                self._life.report('pss_mb', pss_mb())
                measure_s = time.monotonic() + _MEASURE_S

    def end(self, exit_code):
        """End the process now: the target's main is over.

        No interpreter shutdown: it would wait for threads of libraries, and drivers are known to hang in it.
        """
        self._exit_code = exit_code
        self._stop()  # the rest has its 4 s too
        self._leave()
        with contextlib.suppress(OSError, ValueError):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(exit_code)

    def _end_by_force(self):
        """Nothing here may wait for a lock the main thread holds, so nothing is logged."""
        self._leave()
        faulthandler.dump_traceback()
        os._exit(self._exit_code)

    def _leave(self):
        """The last worker of a dead supervisor leaves nothing behind."""
        if self._life.run_dir and self._orphaned():
            from edge_app.supervision.run_dir import \
                remove_abandoned  # brings shutil and 1 MB that no worker needs before
            remove_abandoned(self._life.run_dir)

    def _timeout_ms(self, measure_s):
        until_s = measure_s if self._deadline_s is None else min(measure_s, self._deadline_s)
        return max(0, int((until_s - time.monotonic()) * 1000) + 1)

    def _hear(self, fd, poll):
        received = os.read(fd, 4096)
        if fd == self._signals and signal.SIGTERM in received:
            self._told()
        elif fd == 0 and not received:
            poll.unregister(0)
            self._supervisor_gone = True
            self._stop()
        elif fd == 0:
            self._line += received
            self._understand()

    def _understand(self):
        """Every whole line on stdin holds other arguments."""
        *lines, self._line = self._line.split(b'\n')
        for line in lines:
            self._life.change(json.loads(line.decode()))

    def _told(self):
        """SIGTERM: from the supervisor, or from somebody it must not take for this worker's own wish to end."""
        self._life.report('told', 'SIGTERM')
        self._stop()

    def _stop(self):
        if self._deadline_s is None:
            self._deadline_s = time.monotonic() + GRACE_S
        self._life.stop()

    def _orphaned(self):
        return self._supervisor_gone or self._supervisor_pid not in (None, os.getppid())
