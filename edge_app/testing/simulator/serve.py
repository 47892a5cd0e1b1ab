"""A simulator process's life: serve until a signal, the end of the time asked for, or the end of whoever asked."""
import ctypes
import json
import os
import select
import signal
import threading

from edge_app import clock
from edge_app.errors import EXIT_GOOD
from edge_app.testing.simulator.control import understood
from edge_app.testing.simulator.server import Server

PR_SET_PDEATHSIG = 1
LEAVE_S = 0.8
"""Longest a clean end may take; what hangs in GStreamer is left to the kernel."""


def serve(settings, ready, requests_fd=None):
    """Serve, call `ready(server)` when clients may come, and end cleanly within a second of being told to.

    `requests_fd` is the pipe of a `Simulator`: each line, ``counts`` or a request as `Troubles.answer`
    takes it, is answered on stdout; its end ends this process.
    """
    told = _signals()
    if settings.die_with_parent:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    with Server(settings) as server:
        ready(server)
        _wait(server, told, settings.duration_s, requests_fd)
        _leave_soon()


def _signals():
    """A descriptor that becomes readable at SIGINT or SIGTERM."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)

    def note(_signal, _frame):
        os.write(writable, b'!')
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return readable


def _wait(server, told, duration_s, requests_fd):
    end_ns = None if duration_s is None else clock.now_ns() + int(duration_s * 1e9)
    watched = [told] + ([requests_fd] if requests_fd is not None else [])
    requests = Requests(server)
    while True:
        left_s = None if end_ns is None else max(0, end_ns - clock.now_ns()) / 1e9
        readable = select.select(watched, [], [], left_s)[0]
        if not readable or told in readable or not requests.take(os.read(requests_fd, 65536)):
            return


class Requests:
    """Lines as they come from a `Simulator`, answered on stdout."""

    def __init__(self, server):
        self._server = server
        self._left = b''

    def take(self, heard):
        """Answer what was asked; -> False when whoever asks is gone."""
        lines = (self._left + heard).split(b'\n')
        self._left = lines.pop()
        for line in lines:
            print(json.dumps(self._answer(line)), flush=True)
        return bool(heard)

    def _answer(self, line):
        if line == b'counts':
            return self._server.counts()
        if not self._server.troubles:
            return {'error': 'no faults can be made here: ask for Simulator(faultable=True)'}
        return self._server.troubles.ask(understood(line))


def _leave_soon():
    leave = threading.Timer(LEAVE_S, os._exit, (EXIT_GOOD,))
    leave.daemon = True
    leave.start()
