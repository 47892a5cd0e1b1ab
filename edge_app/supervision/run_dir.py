"""The run directory: one appliance's rings, counters and sockets, and how an abandoned one is recognised.

The supervisor holds a lock on a file in it for as long as it runs. The kernel releases the lock however the supervisor
ends, so a run directory whose lock can be taken is abandoned.
"""
import contextlib
import fcntl
import glob
import logging
import os
import re
import shutil
import time

from edge_app.errors import RingError

BASE = '/dev/shm'
LOCK = 'lock'
_NAME = 'edge-app-'

log = logging.getLogger(__name__)


class RunDir:
    """A locked run directory; leaving the `with` removes it."""

    def __init__(self, path, lock_fd):
        self.path = path
        self._lock_fd = lock_fd

    def remove(self):
        """Delete the directory with its contents, then release the lock."""
        if self._lock_fd < 0:
            return
        _delete(self.path)
        os.close(self._lock_fd)
        self._lock_fd = -1

    def __fspath__(self):
        return self.path

    __str__ = __fspath__

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def prepare_run_dir(base=BASE):
    """Remove abandoned run directories in `base`, then make and lock `<base>/edge-app-<pid>`, mode 0700."""
    remove_leftovers(base)
    name = '%s%d' % (_NAME, os.getpid())
    for attempt in range(1, 100):
        # Containers that share /dev/shm all count their processes from 1, so the plain name may be taken.
        path = os.path.join(base, name if attempt == 1 else '%s-%d' % (name, attempt))
        lock_fd = _make_locked(path)
        if lock_fd is not None:
            return RunDir(path, lock_fd)
    raise RingError('%s: no free name %s*; remove the old ones' % (base, name))


def _make_locked(path):
    """Descriptor of the held lock of the new directory `path`; None when another process has it."""
    try:
        os.mkdir(path, 0o700)
        lock_fd = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except (FileExistsError, FileNotFoundError):
        return None
    except OSError as error:
        raise RingError('%s: cannot make the run directory: %s' % (path, error.strerror))
    # Another edge-app that starts now may take the lock first, and then removes the directory as a leftover.
    if _take(lock_fd) and _is_lock_of(path, lock_fd):
        return lock_fd
    os.close(lock_fd)
    return None


def remove_leftovers(base=BASE):
    """Remove the run directories in `base` whose supervisor has ended; returns their paths."""
    found = [path for path in glob.glob(os.path.join(base, _NAME + '[0-9]*')) if os.path.isdir(path)]
    removed = [path for path in found if remove_abandoned(path, timeout_s=0)]
    for path in removed:
        log.info('removed %s: its supervisor has ended', path)
    return removed


def running(base=BASE):
    """Run directories of the appliances that run on this machine, also those of other users."""
    return [path for path in glob.glob(os.path.join(base, _NAME + '[0-9]*')) if not _abandoned(path)]


def _abandoned(path):
    try:
        lock_fd = os.open(os.path.join(path, LOCK), os.O_RDWR)
    except PermissionError:
        return not os.path.exists('/proc/%s' % re.search(_NAME + r'(\d+)', path).group(1))
    except OSError:
        return True
    try:
        return _take(lock_fd)
    finally:
        os.close(lock_fd)


def remove_abandoned(path, timeout_s=1.0):
    """Remove the run directory `path` if its lock can be taken within `timeout_s`; True when it no longer exists."""
    try:
        lock_fd = os.open(os.path.join(path, LOCK), os.O_RDWR)
    except FileNotFoundError:
        return _remove_unlocked(path)
    except OSError:  # another user's
        return False
    try:
        if _take(lock_fd, timeout_s) and _is_lock_of(path, lock_fd):
            _delete(path)
        return not os.path.exists(path)
    finally:
        os.close(lock_fd)


def _remove_unlocked(path):
    """A directory without lock: partly removed before, or not an appliance's at all."""
    name = re.match(_NAME + r'(\d+)', os.path.basename(path))
    if name is None or os.path.exists('/proc/' + name.group(1)):
        return not os.path.exists(path)
    _delete(path)
    return not os.path.exists(path)


def _take(lock_fd, timeout_s=0):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(0.02)


def _is_lock_of(path, lock_fd):
    """Whether the held lock is still the directory's: another process may have removed or replaced it."""
    try:
        return os.path.samestat(os.stat(os.path.join(path, LOCK)), os.fstat(lock_fd))
    except OSError:
        return False


def _delete(path):
    """Delete the lock last, so that an interrupted removal is still recognised as abandoned."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            if name != LOCK:
                _delete_one(os.path.join(path, name))
    shutil.rmtree(path, ignore_errors=True)


def _delete_one(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)
