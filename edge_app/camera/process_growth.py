"""What the sessions of one process leak. Only a fresh process cures a leaking decoder.

A Jetson's leaks with every session (R32.7: buffer pools of a stream whose width is not known yet); the kernel takes
memory and descriptors back when the process ends. What is merely cached is released here.
"""
import ctypes
import gc
import os

GROWN_BYTES = 192 << 20
GROWN_FDS = 128
SESSIONS = 200
"""Device memory shows in neither of the two, so the number of sessions is limited, too."""


def release_memory():
    """Return to the kernel what earlier sessions have freed, and what only reference cycles and caches still hold."""
    gc.collect()
    # Python caches the names of attributes last looked up, and PyGObject makes new strings of them at every call
    ctypes.pythonapi.PyType_ClearCache()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass


def resident_bytes():
    """Memory of this process that is in RAM."""
    with open('/proc/self/statm') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def private_bytes():
    """Memory of this process that is in RAM and nobody else's: without rings and libraries."""
    with open('/proc/self/statm') as statm:
        _, resident, shared = statm.read().split()[:3]
    return (int(resident) - int(shared)) * os.sysconf('SC_PAGE_SIZE')


def descriptors():
    """Number of file descriptors of this process."""
    return len(os.listdir('/proc/self/fd'))


class ProcessGrowth:
    """Compares the process after each session with itself after the first."""

    def __init__(self, resident=resident_bytes, fds=descriptors):
        self._resident, self._fds = resident, fds
        self._first = None
        self._sessions = 0

    def after_session(self):
        """Why a fresh process should continue, None while there is no reason."""
        self._sessions += 1
        resident, fds = self._resident(), self._fds()
        if self._first is None:
            self._first = resident, fds
        if resident - self._first[0] > GROWN_BYTES:
            return '%d MB were left behind by %d sessions' % ((resident - self._first[0]) >> 20, self._sessions)
        if fds - self._first[1] > GROWN_FDS:
            return '%d descriptors were left behind by %d sessions' % (fds - self._first[1], self._sessions)
        return '%d sessions in one process' % self._sessions if self._sessions >= SESSIONS else None
