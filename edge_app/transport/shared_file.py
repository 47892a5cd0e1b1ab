"""A mapped file in shared memory whose first page says what it is; rings and counters are made of these."""
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import threading
from typing import Any, List, Sequence

from edge_app.errors import RingError

PAGE = 4096
"""Bytes of the first page: words 0 to 7 are written here, the rest belongs to the kind of file."""
OWN = 8
"""First 64-bit word of the first page that a kind of file may use."""

_MAGIC = int.from_bytes(b'edge-app', 'little')


def _fence():
    """Python has no fence. Releasing a lock is a store-release and taking it again a load-acquire, and ARMv8 keeps
    these two in order (RCsc), so together they are a full barrier. Each call uses its own lock, because a shared one
    could go to another thread in between.
    """
    lock = threading.Lock()
    lock.acquire()
    lock.release()
    lock.acquire()


def _nothing():
    """x86 keeps stores in order, and loads; glibc ends non-temporal copies with a fence."""


barrier = _nothing if os.uname().machine in ('x86_64', 'AMD64', 'i686') else _fence
"""Other cores see the stores before it first, then those after it; the same holds for loads. A load may still pass an
earlier store: the writer reads nothing that readers write."""


def pages(size: int) -> int:
    """`size` bytes rounded up to whole pages."""
    return (size + PAGE - 1) // PAGE * PAGE


class SharedFile:
    """One mapped file.

    `words` is a memoryview of int64: reading or writing one aligned word is one machine instruction (the struct
    module's '<q' would go byte by byte). `bytes` is the same memory as a memoryview of bytes.
    """

    def __init__(self, path: str, fd: int, size: int, writable: bool) -> None:
        self.path, self.fd, self.size, self.writable = path, fd, size, writable
        self.memory = mmap.mmap(fd, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        self.bytes = memoryview(self.memory)
        self.words = self.bytes.cast('q')
        self._octets = None
        self._claimed = False

    @classmethod
    def create(cls, path: str, kind: str, version: int, size: int, facts: Sequence[int] = ()) -> 'SharedFile':
        """A new zeroed file of at least `size` bytes, mode 0600; `facts` are up to 4 numbers kept in words 4 to 7.

        RingError when it exists or memory is short: posix_fallocate says so now, where a sparse file would end
        the process with a bus error later.
        """
        path, size = str(path), pages(size)
        fd = _create(path, size)
        shared = cls(path, fd, size, writable=True)
        shared.words[1], shared.words[2], shared.words[3] = _word(kind), version, size
        for number, fact in enumerate(facts):
            shared.words[4 + number] = fact
        barrier()
        shared.words[0] = _MAGIC
        return shared

    @classmethod
    def open(cls, path: str, kind: str, version: int, writable: bool = False) -> 'SharedFile':
        """Map what `create` made; RingError when it is missing, of another kind or of another version."""
        path = str(path)
        try:
            fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        except OSError as error:
            raise RingError('%s: %s; it is created by `edge-app run`, is the appliance running?'
                            % (path, error.strerror))
        try:
            return cls(path, fd, _checked_size(path, fd, kind, version), writable)
        except RingError:
            os.close(fd)
            raise

    def is_file(self, path: str) -> bool:
        """Whether `path` is still this file and no other has taken its place."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    @property
    def octets(self) -> Any:
        """The same memory as a uint8 array. Loads numpy only now: a capture process has no other use for its 8 MB."""
        if self._octets is None:
            import numpy

            # A memoryview keeps the mapping as long as any array is left, which numpy before 1.20 does not.
            self._octets = numpy.frombuffer(memoryview(self.memory), numpy.uint8)
        return self._octets

    def address(self) -> int:
        """Address of the first byte, for C; only of a writable file."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    @property
    def facts(self) -> List[int]:
        """The 4 numbers given to `create`."""
        return self.words[4:8].tolist()

    def claim(self) -> None:
        """Become the writer. A second one is refused: two would tear data unnoticed. The lock ends with its process."""
        if self._claimed:
            return
        if not self.writable:
            raise RingError('%s: opened for reading; open it with writable=True' % self.path)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RingError('%s: another process writes this ring; stop that one first' % self.path)
        self._claimed = True

    def close(self) -> None:
        """Unmap and close; views that were handed out stay valid and keep the memory until they are gone."""
        if self.fd < 0:
            return
        self.words.release()
        self.bytes.release()
        self._octets = None
        with contextlib.suppress(BufferError):
            self.memory.close()
        os.close(self.fd)
        self.fd = -1


def _create(path, size):
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise RingError('%s: %s; remove it if no edge-app is running' % (path, error.strerror))
    try:
        if size > _free(path):  # checked first, because reserving would fill up the rest before it fails
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        os.close(fd)
        os.unlink(path)
        raise _no_room(path, size, error)
    return fd


def _free(path):
    """Bytes free where `path` lies."""
    state = os.statvfs(os.path.dirname(path) or '.')
    return state.f_bavail * state.f_frsize


def _no_room(path, size, error):
    if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return RingError('%s: cannot reserve %.1f MB: %s' % (path, size / 1e6, error.strerror))
    return RingError('%s: needs %.1f MB, %.1f MB free in %s; give it more (docker run --shm-size=512m, or '
                     'mount -o remount,size=512m /dev/shm), or use fewer cameras or smaller frames'
                     % (path, size / 1e6, _free(path) / 1e6, os.path.dirname(path) or '.'))


def _checked_size(path, fd, kind, version):
    """Size in the first page, after checking that the file is of this kind and version."""
    size = os.fstat(fd).st_size
    first = memoryview(os.pread(fd, 64, 0).ljust(64, b'\0')).cast('q')
    if first[0] != _MAGIC or first[1] != _word(kind) or first[3] != size:
        raise RingError('%s: not a %s file of edge-app; remove it and start again' % (path, kind))
    if first[2] != version:
        raise RingError('%s: version %d, this edge-app reads version %d; stop the other one first'
                        % (path, first[2], version))
    return size


def _word(kind):
    return int.from_bytes(kind.encode()[:8], 'little')
