"""What every child process does first: `python -m edge_app.supervision.worker NAME` with its job on stdin.

The job is one line of JSON, {"target": "edge_app.workers.capture", "arguments": {...}, ...}, so that passwords are in
no process list. Then `target.main(context, **arguments)` is called; it returns an exit code or None. stdin stays open:
each further line holds new arguments (`context.take_change`), its end means that the supervisor has ended.
"""
import contextlib
import ctypes
import faulthandler
import importlib
import json
import logging
import os
import resource
import signal
import sys

from edge_app.errors import EXIT_AGAIN, EXIT_FAILED, EdgeAppError
from edge_app.stdio import LossyStream
from edge_app.supervision.shutdown_thread import ShutdownThread
from edge_app.supervision.worker_context import WorkerContext

HEARTBEAT_FD = 'EDGE_APP_HEARTBEAT_FD'

OOM_SCORE_ADJ = '500'
"""Half of the memory there is, added to what the process uses."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME = 1, 4, 15

log = logging.getLogger(__name__)


def main(arguments):
    """Run one worker to its end; never returns."""
    name = arguments[0]
    heartbeat_fd = _heartbeat_fd()
    line, more = _first_line(0)
    job = json.loads(line)
    if job.get('expendable'):
        _offer_to_oom_killer()
    _set_up_process(name)
    logging.basicConfig(level=job.get('log_level', 'INFO'), stream=LossyStream(sys.stderr),
                        format='%%(asctime)s %%(levelname)s %s: %%(message)s' % name.replace('%', '%%'))
    context = WorkerContext(name, job.get('run_dir'), heartbeat_fd, job.get('heartbeat_s', 1.0))
    shutdown = ShutdownThread(context, job.get('supervisor_pid'), job.get('hang_s'), more)
    shutdown.start()
    shutdown.end(_work(context, job))


def _heartbeat_fd():
    """The pipe to the supervisor, not inherited by this worker's own children; None when run by hand."""
    text = os.environ.pop(HEARTBEAT_FD, None)
    if text is None:
        return None
    os.set_inheritable(int(text), False)
    os.set_blocking(int(text), False)
    return int(text)


def _first_line(fd):
    """(first line, bytes received behind it); does not wait for the end of the stream."""
    received = b''
    while b'\n' not in received:
        piece = os.read(fd, 65536)
        if not piece:
            break
        received += piece
    line, _, more = received.partition(b'\n')
    return line.decode() or '{}', more


def _offer_to_oom_killer():
    """Be ended before others where memory runs out; to be called while /proc/self is still this user's."""
    with contextlib.suppress(OSError), open('/proc/self/oom_score_adj', 'w') as file:
        file.write(OOM_SCORE_ADJ)


def _set_up_process(name):
    """Name the process for `top`, end it with the supervisor, keep passwords from core dumps and other processes."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_NAME, name.encode()[:15])
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    keep_memory_private()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends its workers


def keep_memory_private():
    """No core dump, which would hold passwords, and no access to this process's memory for others."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(context, job):
    """Exit code of the target's main."""
    try:
        return importlib.import_module(job['target']).main(context, **job['arguments']) or 0
    except EdgeAppError as error:
        log.log(logging.INFO if error.exit_code == EXIT_AGAIN else logging.ERROR, '%s', error)
        context.report('reason', str(error))
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILED if end.code else 0
    except Exception as error:
        log.exception('%s', type(error).__name__)
        context.report('reason', '%s: %s' % (type(error).__name__, error))
        return EXIT_FAILED


if __name__ == '__main__':
    main(sys.argv[1:])
