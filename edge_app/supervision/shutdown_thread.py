"""The thread in every worker that waits for the order to end and enforces it."""
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
from edge_app.supervision.run_dir import remove_abandoned

GRACE_S = 4.0
"""Time a worker has from SIGTERM to its end."""
_MEASURE_S = 5.0


class ShutdownThread(threading.Thread):
    """Turns SIGTERM, or the end of the supervisor, into `context.stop()`; ends the process if its main thread hangs.

    Python runs signal handlers only between two steps of the main thread, so one that waits in C (a camera, a driver)
    would never notice. The byte that is written to the wake-up descriptor at C level does arrive here. Only a main
    thread that also holds the GIL stops this one: a timer of faulthandler, which needs no GIL, is restarted again and
    again against that.
    """

    def __init__(self, context, supervisor_pid=None, hang_s=None, received=b''):
        """`received`: bytes of stdin that came with the job, behind it."""
        super(ShutdownThread, self).__init__(name='shutdown', daemon=True)
        self._context = context
        self._supervisor_pid = supervisor_pid
        self._hang_s = hang_s
        self._deadline_s = None
        self._exit_code = EXIT_FAILED
        self._supervisor_gone = False
        self._line = received

    def start(self):
        """Only from the main thread, where signal handlers can be set."""
        self._signals, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGTERM, lambda *_: self._on_sigterm())  # in case a library takes the descriptor away
        super(ShutdownThread, self).start()
        if self._orphaned():
            self._stop()

    def run(self):
        self._handle_lines()
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        if self._supervisor_pid is not None:
            poll.register(0, select.POLLIN)
        measure_s = time.monotonic() + 1
        while True:
            if self._hang_s:
                faulthandler.dump_traceback_later(self._hang_s, exit=True)
            until_s = measure_s if self._deadline_s is None else min(measure_s, self._deadline_s)
            timeout_ms = max(0, int((until_s - time.monotonic()) * 1000) + 1)
            for fd, _ in poll.poll(timeout_ms):
                self._read(fd, poll)
            if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
                self._leave()       # without logging, which may wait for a lock the main thread holds
                faulthandler.dump_traceback()
                os._exit(self._exit_code)
            if time.monotonic() >= measure_s:
                self._context.report('pss_mb', pss_mb())
                measure_s = time.monotonic() + _MEASURE_S

    def end(self, exit_code):
        """End the process after the target's main.

        Without shutting the interpreter down: that waits for threads of libraries, and drivers are known to hang in it.
        """
        self._exit_code = exit_code
        self._stop()  # the rest has its 4 s, too
        self._leave()
        with contextlib.suppress(OSError, ValueError):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(exit_code)

    def _leave(self):
        """The last worker of a supervisor that has ended removes the run directory."""
        if self._context.run_dir and self._orphaned():
            remove_abandoned(self._context.run_dir)

    def _read(self, fd, poll):
        received = os.read(fd, 4096)
        if fd == self._signals and signal.SIGTERM in received:
            self._on_sigterm()
        elif fd == 0 and not received:
            poll.unregister(0)
            self._supervisor_gone = True
            self._stop()
        elif fd == 0:
            self._line += received
            self._handle_lines()

    def _handle_lines(self):
        """Every complete line on stdin holds new arguments."""
        *lines, self._line = self._line.split(b'\n')
        for line in lines:
            self._context.change(json.loads(line.decode()))

    def _on_sigterm(self):
        """Report it: the supervisor must not take an end by somebody else's SIGTERM for the worker's own decision."""
        self._context.report('signal', 'SIGTERM')
        self._stop()

    def _stop(self):
        if self._deadline_s is None:
            self._deadline_s = time.monotonic() + GRACE_S
        self._context.stop()

    def _orphaned(self):
        return self._supervisor_gone or self._supervisor_pid not in (None, os.getppid())
