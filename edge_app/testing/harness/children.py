"""JsonChild processes that get a job as a line of JSON and answer with lines of JSON."""
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

import edge_app
from edge_app.errors import EdgeAppError, OutputError

ANSWER_S = 90.0
STOP_S = 10.0
LOG_CHARACTERS = 20000


class ProcessFailed(OutputError):
    """A process ended, did not get ready or did not answer in time."""


class JsonChild:
    """`python -m module` with a job; a context manager that ends the process with everything it started.

    Lines of its stdout that are neither a JSON object nor a list are skipped: drivers print there too. Its stderr is
    kept for `log`, or goes where the parent's goes. `own_session=False` leaves it in the session of its parent.
    """

    def __init__(self, module, job, python=sys.executable, own_session=True, keep_log=True):
        self._module, self._group = module, own_session
        self._log = tempfile.TemporaryFile() if keep_log else None
        self._unread = b''
        self._process = subprocess.Popen([python, '-m', module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         bufsize=0, stderr=self._log, env=environment(), start_new_session=own_session)
        self._send(job)

    @property
    def pid(self):
        return self._process.pid

    def _send(self, message):
        """A line: text as it is, everything else as JSON."""
        line = message if isinstance(message, str) else json.dumps(message)
        with contextlib.suppress(BrokenPipeError):  # it has ended, which `answer` reports
            self._process.stdin.write(line.encode() + b'\n')

    def answer(self, timeout_s=ANSWER_S):
        """Its next answer; ProcessFailed when it ends or takes longer, in which case it is killed."""
        pipe, until_s = self._process.stdout.fileno(), time.monotonic() + timeout_s
        while True:
            while b'\n' in self._unread:
                line, self._unread = self._unread.split(b'\n', 1)
                with contextlib.suppress(ValueError):
                    answer = json.loads(line.decode())
                    if isinstance(answer, (dict, list)):
                        return answer
            if not select.select([pipe], [], [], max(0.0, until_s - time.monotonic()))[0]:
                self.kill()
                raise ProcessFailed('%s: no answer within %g s: it hung and was killed' % (self._module, timeout_s))
            read = os.read(pipe, 65536)
            if not read:
                code, lines = self._process.wait(), self.log().strip().splitlines()
                raise ProcessFailed('%s ended with %d and no answer%s%s' % (
                    self._module, code, ', killed by signal %d' % -code if code < 0 else '',
                    ': ' + lines[-1][-300:] if lines else ''))
            self._unread += read

    def request(self, line='poll', timeout_s=ANSWER_S):
        """The answer to one more request."""
        self._send(line)
        return self.answer(timeout_s)

    def log(self):
        """The end of what it wrote to stderr."""
        if not self._log:
            return ''
        self._log.seek(0)
        return self._log.read().decode('utf-8', 'replace')[-LOG_CHARACTERS:]

    def signal(self, number):
        """Signal it, and everything it started if it has a session of its own."""
        send_signal(self._process, number, self._group)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        """End it; stopping twice is fine."""
        self._process.stdin.close()
        stop(self._process, self._group)
        self._process.stdout.close()
        if self._log:
            self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def run_job(module, job, timeout_s=ANSWER_S):
    """(answer, log, seconds) of a child for one job; {'error': ...} is the answer of one that hangs or crashes."""
    started_s = time.monotonic()
    with JsonChild(module, job) as child:
        try:
            answer = child.answer(timeout_s)
        except ProcessFailed as error:
            answer = {'error': str(error)}
        return answer, child.log(), round(time.monotonic() - started_s, 1)


def get_job():
    """In a child: its job."""
    return json.loads(sys.stdin.readline())


def put_answer(answer):
    """In a child: one answer."""
    print(json.dumps(answer), flush=True)


def requested(wait_s=0.0):
    """In a child: whether another request comes within `wait_s`; SystemExit when the parent is gone."""
    if not select.select([sys.stdin], [], [], wait_s)[0]:
        return False
    if not sys.stdin.readline():
        sys.exit()
    return True


def serve_once(function):
    """In a child: answer its job with `function(**job)`, or with {'error': ...} for an EdgeAppError, and end."""
    try:
        answer = function(**get_job())
    except EdgeAppError as error:
        answer = {'error': str(error)}
    put_answer(answer)
    sys.stderr.flush()
    os._exit(0)     # drivers are known to hang in an orderly exit


def environment(more=()):
    """This process' environment, with this very edge_app first on PYTHONPATH."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(edge_app.__file__)))
    paths = [root] + [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(paths), **dict(more))


def send_signal(process, number, group=False):
    """Signal a process, or the `group` it leads, even after its own end."""
    if group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    elif process.poll() is None:
        process.send_signal(number)


def stop(process, group=False):
    """End a process, or the `group` it leads, also one that was stopped: SIGTERM, then SIGKILL; its exit code."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        send_signal(process, number, group)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    send_signal(process, signal.SIGKILL, group)
    return process.wait()
