"""GStreamer's streaming threads, which come into Python at every frame."""
import ctypes
import threading

from edge_app.gst.binding import GLib

_here = threading.local()


def keep_thread_state():
    """Keep Python's state of the calling thread until the thread ends; to be called in a callback.

    Python does not know threads that GStreamer made: at each callback PyGObject would have a thread state made and
    destroyed, with 3.11 and newer an mmap, a page fault and a munmap, three times per frame. Acquiring the GIL once
    more than it is released keeps the state.
    """
    if not hasattr(_here, 'stays'):
        _here.stays = ctypes.pythonapi.PyGILState_Ensure()
        # glibc's, for C++ and its thread_local: calls before the key is gone by which Python finds the thread's state.
        # Its third argument is an address in the library that is to stay loaded; it cannot do without.
        at_end = ctypes.PyDLL(None)['__cxa_thread_atexit_impl']
        at_end(_leave, None, ctypes.cast(at_end, ctypes.c_void_p))


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _leave(_):
    """Release what `keep_thread_state` took; the state goes with this call's own when it returns."""
    ctypes.pythonapi.PyGILState_Release(_here.stays)


def end_idle_threads():
    """Let idle threads end half a second after their task instead of keeping their caches for another."""
    GLib.ThreadPool.set_max_unused_threads(0)
