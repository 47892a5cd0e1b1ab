"""Serve simulated cameras until a signal, the end of the duration, or the end of the parent's pipe."""
import ctypes
import json
import os
import select
import signal
import threading

from edge_app import clock
from edge_app.errors import EXIT_GOOD
from edge_app.testing.simulator.control import parse_request
from edge_app.testing.simulator.server import Server

PR_SET_PDEATHSIG = 1
LEAVE_S = 0.8
"""Longest a clean end may take; what hangs in GStreamer is left to the kernel."""


def serve(settings, ready, requests_fd=None):
    """Serve, call `ready(server)` when clients may come, and end cleanly within a second of being told to.

    `requests_fd` is the pipe of a `Simulator`: each line, ``counts`` or a request as `FaultController.answer` takes it,
    is answered on stdout; its end ends this process.
    """
    signal_fd = _signals()
    if settings.die_with_parent:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    with Server(settings) as server:
        ready(server)
        _wait(server, signal_fd, settings.duration_s, requests_fd)
        leave = threading.Timer(LEAVE_S, os._exit, (EXIT_GOOD,))
        leave.daemon = True
        leave.start()


def _signals():
    """A descriptor that becomes readable at SIGINT or SIGTERM."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _signal, _frame: os.write(writable, b'!'))
    return readable


def _wait(server, signal_fd, duration_s, requests_fd):
    end_ns = None if duration_s is None else clock.now_ns() + int(duration_s * 1e9)
    watched = [signal_fd] + ([requests_fd] if requests_fd is not None else [])
    requests = Requests(server)
    while True:
        left_s = None if end_ns is None else max(0, end_ns - clock.now_ns()) / 1e9
        readable = select.select(watched, [], [], left_s)[0]
        if not readable or signal_fd in readable or not requests.take(os.read(requests_fd, 65536)):
            return


class Requests:
    """Lines as they come from a `Simulator`, answered on stdout."""

    def __init__(self, server):
        self._server = server
        self._left = b''

    def take(self, data):
        """Answer the requests in `data`; False at its end."""
        lines = (self._left + data).split(b'\n')
        self._left = lines.pop()
        for line in lines:
            print(json.dumps(self._answer(line)), flush=True)
        return bool(data)

    def _answer(self, line):
        if line == b'counts':
            return self._server.counts()
        if not self._server.faults:
            return {'error': 'no faults can be made here: ask for Simulator(faultable=True)'}
        return self._server.faults.run(self._server.faults.answer(parse_request(line)))
