"""What sessions leave behind in a process: measured, given back, or an end of it."""
import gc
import subprocess
import sys
import weakref

import pytest

from edge_app.camera.process_growth import GROWN_BYTES, GROWN_FDS, SESSIONS, ProcessGrowth, release_memory
from edge_app.camera.retry import LOST_S, REFUSED_S, Backoff, PortProbe
from edge_app.errors import SourceLost, SourceRefused
from edge_app.workers.capture import Capture


@pytest.mark.parametrize('bytes_each, fds_each, said', [
    (GROWN_BYTES // 4 + 1, 0, 'MB'), (0, GROWN_FDS // 4 + 1, 'descriptors')])
def test_what_sessions_leave_behind_ends_the_process(bytes_each, fds_each, said):
    resident, fds = iter(range(1 << 28, 1 << 40, bytes_each or 1)), iter(range(20, 1 << 20, fds_each or 1))
    wear = ProcessGrowth(lambda: next(resident), lambda: next(fds))
    reasons = [wear.after_session() for _ in range(5)]
    assert reasons[:4] == [None] * 4 and said in reasons[4]


def test_device_memory_is_not_seen_and_so_sessions_are_counted():
    wear = ProcessGrowth(lambda: 1 << 28, lambda: 20)
    assert [number for number in range(1, SESSIONS + 1) if wear.after_session()] == [SESSIONS]


def test_this_process_is_measured():
    """In a process of its own: what other tests have freed here would be taken again unseen."""
    program = ("from edge_app.camera.process_growth import GROWN_BYTES, ProcessGrowth\n"
               "wear = ProcessGrowth()\n"
               "assert wear.after_session() is None\n"
               "ballast = b'x' * (GROWN_BYTES + (32 << 20))\n"
               "print(wear.after_session())\n")
    said = subprocess.check_output([sys.executable, '-c', program], timeout=60).decode()
    assert 'MB were left behind' in said


def test_what_was_freed_is_given_back():
    program = ("import ctypes\n"
               "from edge_app.camera.process_growth import release_memory, resident_bytes\n"
               "libc = ctypes.CDLL(None)\n"
               "libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]\n"
               "libc.free.argtypes = [ctypes.c_void_p]\n"
               "blocks = [libc.malloc(60000) for _ in range(1000)]\n"
               "[ctypes.memset(block, 1, 60000) for block in blocks]\n"
               "[libc.free(block) for block in blocks[:-1]]\n"
               "kept = resident_bytes()\n"
               "release_memory()\n"
               "print((kept - resident_bytes()) >> 20)\n")
    said = subprocess.check_output([sys.executable, '-c', program], timeout=60).decode()
    assert int(said) > 40


def test_names_that_were_looked_up_are_forgotten():
    """PyGObject makes a new string of each, at every call."""
    name = ''.join(['looked', '_', 'up'])
    alone = sys.getrefcount(name)
    assert not hasattr(ProcessGrowth, name)
    assert sys.getrefcount(name) > alone
    release_memory()
    assert sys.getrefcount(name) == alone


def test_what_holds_itself_is_freed():
    class Session:
        pass

    gc.disable()
    try:
        session = Session()
        session.itself = session
        del session
        release_memory()
        assert not any(type(thing) is Session for thing in gc.get_objects())
    finally:
        gc.enable()


class Failing(Capture):
    """Whose sessions end with an error, and whose only memory of one is a weak one."""

    def __init__(self, error):
        self.lost_waits, self.refused_waits, self.error = Backoff(LOST_S), Backoff(REFUSED_S), error
        self._port_probe = PortProbe(None)

    def session(self):
        source = ProcessGrowth()
        self.source = weakref.ref(source)
        raise self.error('gone')


@pytest.mark.parametrize('error, state', [(SourceLost, 'no_signal'), (SourceRefused, 'refused')])
def test_a_session_is_not_held_while_its_camera_is_away(error, state):
    capture = Failing(error)
    gc.disable()
    try:
        assert capture.run_session()[:2] == (state, 'gone')
        assert capture.source() is None
    finally:
        gc.enable()
