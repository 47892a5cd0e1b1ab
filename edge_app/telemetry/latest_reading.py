"""The newest reading in the run directory: `board.json`, written by one process and read by whoever wants to know."""
import contextlib
import json
import os

from edge_app.files import write_atomic
from edge_app.transport.mailbox import Outbox

NAME = 'board.json'


def doorbell(run_dir):
    """Inbox of the process that looks: a wake-up says that somebody wants to know."""
    return os.path.join(str(run_dir), 'board.sock')


def ask(run_dir):
    """Tell the process that looks that somebody wants to know."""
    with contextlib.closing(Outbox(doorbell(run_dir))) as bell:
        bell.wake()


def write(run_dir, reading, now_ns):
    """A Reading and its moment, whole or not at all."""
    write_atomic(os.path.join(str(run_dir), NAME), json.dumps(dict(reading._asdict(), read_ns=now_ns)))


def read(run_dir):
    """The newest reading as a dict with `read_ns` (CLOCK_MONOTONIC); None before the first."""
    try:
        with open(os.path.join(str(run_dir), NAME)) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


class LatestReading:
    """Readings that were not seen before; asking costs one look at the file's date."""

    def __init__(self, run_dir):
        self._run_dir = str(run_dir)
        self._seen = None

    def newest(self):
        """The reading if it is new, else None."""
        try:
            date = os.stat(os.path.join(self._run_dir, NAME))
        except FileNotFoundError:
            return None
        mark = date.st_mtime_ns, date.st_ino
        if mark == self._seen:
            return None
        self._seen = mark
        return read(self._run_dir)
