"""The newest reading of the board: `board.json` in the run directory, written by one process."""
import contextlib
import json
import os

from edge_app.files import write_atomic
from edge_app.transport.mailbox import Outbox

NAME = 'board.json'


def doorbell(run_dir):
    """Inbox of the process that reads the sensors: a wake-up requests a reading."""
    return os.path.join(str(run_dir), 'board.sock')


def ask(run_dir):
    """Request a new reading."""
    with contextlib.closing(Outbox(doorbell(run_dir))) as bell:
        bell.wake()


def write(run_dir, reading, now_ns):
    """Replace the reading and its time atomically."""
    write_atomic(os.path.join(str(run_dir), NAME), json.dumps(dict(reading._asdict(), read_ns=now_ns)))


def read(run_dir):
    """The newest reading as a dict with `read_ns` (CLOCK_MONOTONIC); None before the first."""
    try:
        with open(os.path.join(str(run_dir), NAME)) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


class LatestReading:
    """Yields each reading once; checking costs one stat of the file."""

    def __init__(self, run_dir):
        self._run_dir = str(run_dir)
        self._seen = None

    def newest(self):
        """The reading if it is new since the last call, else None."""
        try:
            date = os.stat(os.path.join(self._run_dir, NAME))
        except FileNotFoundError:
            return None
        mark = date.st_mtime_ns, date.st_ino
        if mark == self._seen:
            return None
        self._seen = mark
        return read(self._run_dir)
