"""What came of one check, and how a check is made in a process of its own."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import edge_app

GOOD, FAILED, ABSENT, LEFT_OUT = 'good', 'failed', 'absent', 'left out'
"""`absent`: what is to be checked is not on this machine and need not be. `left out`: nobody checked."""
LOG_CHARACTERS = 20000


class Outcome(NamedTuple):
    """One line of the report."""

    part: str
    """codecs, engine, rings, latency, soak, capacity."""
    name: str
    state: str
    words: str
    figures: dict = {}
    seconds: float = 0.0
    log: str = ''
    """What the check's processes said."""


def ask(module, job, timeout_s):
    """(answer, log, seconds) of `python -m module` with `job` on stdin: the last line it prints, a dict.

    A child that hangs or crashes gives {'error': ...}: drivers do both, and the other checks go on.
    """
    started_s = time.monotonic()
    with start(module, job) as child:
        said, log, in_time = finished(child, timeout_s)
    answer = answer_of(said, child.returncode) if in_time else {
        'error': 'no answer within %g s: it hung and was killed' % timeout_s}
    return answer, log[-LOG_CHARACTERS:], round(time.monotonic() - started_s, 1)


def finished(child, timeout_s):
    """(stdout, stderr, True) of a process that ends in time; (..., False) of one that has to be killed."""
    try:
        return child.communicate(timeout=timeout_s) + (True,)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.communicate() + (False,)


@contextlib.contextmanager
def group(command, **options):
    """A process with a session of its own, which ends with the block, with all it has started."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, universal_newlines=True, env=environment(),
                             start_new_session=True, **options)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def start(module, job):
    """The process of `python -m module`, with its job already written; it ends with the block."""
    with group([sys.executable, '-m', module], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        with contextlib.suppress(BrokenPipeError):  # it is dead already, which its answer will show
            child.stdin.write(json.dumps(job) + '\n')
            child.stdin.flush()
        yield child


def environment():
    """Ours, with this edge_app to be found whatever the working folder is."""
    paths = [os.path.dirname(os.path.dirname(os.path.abspath(edge_app.__file__))), os.environ.get('PYTHONPATH')]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in paths if path))


def answer_of(said, code):
    """What a child said, as a dict; {'error': ...} when it is nothing."""
    lines = said.strip().splitlines()  # drivers print to stdout too: only the last line is ours
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    return {'error': 'ended with %d and no answer%s' % (code, ', killed by signal %d' % -code if code < 0 else '')}


def job():
    """In a child: what it was asked to do."""
    return json.loads(sys.stdin.readline())


def judged(part, name, asked, words):
    """The Outcome of `ask`'s answer: `words` is a template for the figures it gave; 'absent' and 'error' speak for themselves."""
    answer, log, seconds = asked
    if 'error' in answer:
        return Outcome(part, name, FAILED, answer['error'], answer, seconds, log)
    if 'absent' in answer:
        return Outcome(part, name, ABSENT, answer['absent'], {}, seconds, log)
    return Outcome(part, name, FAILED if answer.get('wrong') else GOOD, answer.get('wrong') or words.format(**answer), answer,
                   seconds, log)
