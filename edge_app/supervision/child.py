"""A worker process from the supervisor's side: its pid, its job on stdin, a pipe with its heartbeats."""
import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading

import edge_app
from edge_app.supervision.process_usage import cpu_s
from edge_app.supervision.worker import HEARTBEAT_FD

_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20
HANG_S = 600.0
"""A worker that hangs ends itself after so long, if it has no supervisor any more that would have ended it before.
Time in which all of them were stopped (`docker pause`) counts."""


class Child:
    """A started worker."""

    def __init__(self, name, job, environment=None):
        """Start `name` with this job (see worker.py) and these variables; OSError when the system allows no process."""
        if threading.current_thread() is not threading.main_thread():
            # The kernel ends a child with the *thread* that started it.
            raise RuntimeError('worker %s: workers can be started from the main thread only' % name)
        self.fd, write = os.pipe()
        os.set_blocking(self.fd, False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'edge_app.supervision.worker', name], stdin=subprocess.PIPE, pass_fds=(write,),
                env=_environment(write, environment or {}), start_new_session=True)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            os.close(write)
        self.pid = self._process.pid
        self._partial = b''
        self._cpu_s = None
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._process.stdin, _F_SETPIPE_SZ, _PIPE_BYTES)  # never wait for a child that is starting
        with contextlib.suppress(BrokenPipeError):  # has ended already: noticed like any end
            self._process.stdin.write(json.dumps(job).encode() + b'\n')
            self._process.stdin.flush()

    def send_arguments(self, arguments):
        """Send the running worker new arguments; False when it has not read those before."""
        line = json.dumps(arguments).encode() + b'\n'
        os.set_blocking(self._process.stdin.fileno(), False)
        try:
            return os.write(self._process.stdin.fileno(), line) == len(line)
        except (BlockingIOError, BrokenPipeError):
            return False

    def read_lines(self):
        """(lines the worker wrote since the last call, whether it has closed its end)."""
        received, ended = b'', self.fd < 0
        with contextlib.suppress(BlockingIOError):
            while not ended:
                piece = os.read(self.fd, 65536)
                received += piece
                ended = not piece
        if ended:
            self._close_fd()
        whole, _, self._partial = (self._partial + received).rpartition(b'\n')
        return (whole.decode(errors='replace').split('\n') if received.count(b'\n') else []), ended

    def poll(self):
        """Exit code, or minus the signal's number; None while it runs."""
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if self._process.returncode is None and os.waitid(os.P_PID, self.pid, ended) is not None:
            self._reap()
        return self._process.returncode

    def _reap(self):
        """Take the exit code, after killing the worker's own children: its process group still exists until then."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        self._cpu_s = usage.ru_utime + usage.ru_stime
        self._process.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def send(self, signal_number):
        """Send a signal; no effect after the end. The pid is not reused before `poll` returns an exit code."""
        if self._process.returncode is None:
            os.kill(self.pid, signal_number)

    def cpu_s(self):
        """CPU seconds used so far, or in total."""
        return cpu_s(self.pid) if self._cpu_s is None else self._cpu_s

    def close(self):
        """Close both pipes, which tells a running worker to end."""
        self._close_fd()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _close_fd(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def spawn(spec, run_dir, log_level=None):
    """Start the worker of a WorkerSpec."""
    return Child(spec.name, {
        'target': spec.target, 'arguments': spec.arguments, 'run_dir': run_dir, 'expendable': spec.expendable,
        'log_level': log_level or logging.getLevelName(logging.getLogger().getEffectiveLevel()),
        'supervisor_pid': os.getpid(), 'heartbeat_s': min(1.0, spec.heartbeat_timeout_s / 4),
        'hang_s': max(HANG_S, 1.5 * spec.startup_timeout_s, 1.5 * spec.heartbeat_timeout_s)}, spec.environment)


def _environment(heartbeat_fd, more):
    """The supervisor's variables and `more`; a checkout's edge_app is found from any directory."""
    environment = dict(os.environ, **dict(more, **{HEARTBEAT_FD: str(heartbeat_fd)}))
    home = os.path.dirname(os.path.dirname(os.path.abspath(edge_app.__file__)))
    if os.path.basename(home) not in ('site-packages', 'dist-packages'):  # found anyway, and must not come first
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, [home, os.environ.get('PYTHONPATH')]))
    return environment
