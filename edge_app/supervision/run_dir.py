"""The run directory: one appliance's rings, counters and sockets, and how an abandoned one is recognised.

The supervisor holds a lock on a file in it for as long as it runs. The kernel releases the lock however the supervisor
ends, so a run directory whose lock can be taken is abandoned.

Names in /dev/shm are anybody's to take. Only this user's own directories are deleted, through a descriptor: what a
path leads to may change at any moment.
"""
import contextlib
import fcntl
import logging
import os
import re
import time

from edge_app.errors import RingError

BASE = '/dev/shm'
LOCK = 'lock'
_NAME = 'edge-app-'
_RUN_DIR = re.compile(_NAME + r'(\d+)')

log = logging.getLogger(__name__)


class RunDir:
    """A locked run directory; leaving the `with` removes it."""

    def __init__(self, path, folder, lock_fd):
        self.path = path
        self._folder = folder
        self._lock_fd = lock_fd

    def remove(self):
        """Delete the directory with its contents, then release the lock."""
        if self._lock_fd < 0:
            return
        _delete(self.path, self._folder)
        os.close(self._folder)
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
        made = _make_locked(path)
        if made is not None:
            return made
    raise RingError('%s: no free name %s*; remove the old ones' % (base, name))


def _make_locked(path):
    """The new RunDir `path`; None when another process has it."""
    opened = []
    try:
        os.mkdir(path, 0o700)
        opened.append(_open_folder(path))
        opened.append(os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=opened[0]))
        # Another edge-app that starts now may take the lock first, and then removes the directory as a leftover.
        if _take(opened[1]) and _is_lock_of(path, opened[1]):
            return RunDir(path, *opened)
    except (FileExistsError, FileNotFoundError):
        pass
    except OSError as error:
        raise RingError('%s: cannot make the run directory: %s' % (path, error.strerror))
    for fd in opened:
        os.close(fd)
    return None


def remove_leftovers(base=BASE):
    """Remove this user's run directories in `base` whose supervisor has ended; returns their paths."""
    removed = [path for path in _candidates(base) if remove_abandoned(path, timeout_s=0)]
    for path in removed:
        log.info('removed %s: its supervisor has ended', path)
    return removed


def running(base=BASE):
    """Run directories of the appliances that run on this machine, also those of other users."""
    return [path for path in _candidates(base) if not _abandoned(path)]


def _candidates(base):
    """Directories in `base` with the name of a run directory, whoever made them."""
    try:
        names = os.listdir(base)
    except OSError:
        return []
    paths = [os.path.join(base, name) for name in names if _RUN_DIR.match(name)]
    return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]


def _abandoned(path):
    try:
        lock_fd = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        return not os.path.exists('/proc/' + _RUN_DIR.search(path).group(1))
    except OSError:
        return True
    try:
        return _take(lock_fd)
    finally:
        os.close(lock_fd)


def remove_abandoned(path, timeout_s=1.0):
    """Remove the run directory `path` if it is this user's and its lock can be taken within `timeout_s`.

    True when it no longer exists.
    """
    try:
        folder = _open_folder(path)
    except FileNotFoundError:
        return True
    except OSError:  # a link, a file, another user's
        return False
    try:
        if os.fstat(folder).st_uid == os.geteuid():
            _remove_own(path, folder, timeout_s)
        return not os.path.lexists(path)
    finally:
        os.close(folder)


def _remove_own(path, folder, timeout_s):
    try:
        lock_fd = os.open(LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:   # partly removed before, or not an appliance's at all
        name = _RUN_DIR.match(os.path.basename(path))
        if name is not None and not os.path.exists('/proc/' + name.group(1)):
            _delete(path, folder)
        return
    except OSError:
        return
    try:
        if _take(lock_fd, timeout_s) and _is_lock_of(path, lock_fd):
            _delete(path, folder)
    finally:
        os.close(lock_fd)


def _open_folder(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


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


def _delete(path, folder):
    """Delete the open directory's contents, the lock last, so that a removal cut short is recognised as abandoned."""
    for place, folders, files, fd in os.fwalk('.', topdown=False, onerror=lambda error: None, dir_fd=folder):
        for name in files:
            if place != '.' or name != LOCK:
                _ignoring(os.unlink, name, fd)
        for name in folders:
            _ignoring(os.rmdir, name, fd)
            _ignoring(os.unlink, name, fd)      # a link to a directory counts as one
    _ignoring(os.unlink, LOCK, folder)
    with contextlib.suppress(OSError):
        if os.path.samestat(os.lstat(path), os.fstat(folder)):
            os.rmdir(path)


def _ignoring(call, name, folder):
    with contextlib.suppress(OSError):
        call(name, dir_fd=folder)
