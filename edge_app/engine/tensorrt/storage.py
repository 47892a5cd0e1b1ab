"""Files that are whole or not there, and a lock that a process loses only by ending."""
import contextlib
import fcntl
import glob
import os
import time

from edge_app.files import UNFINISHED, write_atomic

LOCK_EVERY_S = 0.2


def write(path, content):
    """Replace a file so that a reader, or a board whose power goes, sees the old one or the new one, whole."""
    write_atomic(path, content, durable=True, mode=0o644)


@contextlib.contextmanager
def locked(path, tell):
    """Hold the lock file `path`; whoever waits for it says so through `tell`. OSError when it cannot be made.

    The file stays: removing it would let two processes hold two files of one name.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not _taken(number):
            tell('waiting for another process that builds %s' % os.path.basename(path)[:-len('.lock')])
            time.sleep(LOCK_EVERY_S)
        yield
    finally:
        os.close(number)


def _taken(number):
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(path):
    """Remove what writers of `path` and of files named after it left when their power went. Hold the lock."""
    for left in glob.glob(glob.escape(path) + '*' + UNFINISHED + '*'):
        with contextlib.suppress(OSError):
            os.unlink(left)
