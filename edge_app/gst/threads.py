"""GStreamer's streaming threads, which come into Python at every frame."""
import ctypes
import threading

from edge_app.gst.binding import GLib

_here = threading.local()


def stay():
    """Let Python keep what it knows of the calling thread until that ends; to be called in a callback.

    Python does not know threads that GStreamer made. At each callback PyGObject would have a thread state made for one
    and thrown away again: with 3.11 and newer an mmap, a page fault and a munmap, three times per frame. Asking for the
    GIL once more than it is given back keeps the state.
    """
    if not hasattr(_here, 'stays'):
        _here.stays = ctypes.pythonapi.PyGILState_Ensure()
        # glibc's, for C++ and its thread_local: calls before the key is gone by which Python finds the thread's state.
        # Its third argument is an address in the library that is to stay loaded; it cannot do without.
        at_end = ctypes.PyDLL(None)['__cxa_thread_atexit_impl']
        at_end(_leave, None, ctypes.cast(at_end, ctypes.c_void_p))


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _leave(_):
    """Give back what `stay` asked for more: with this call's own the last, so that the state goes when it returns."""
    ctypes.pythonapi.PyGILState_Release(_here.stays)


def end_idle():
    """From now on threads end half a second after their task, instead of waiting for another with all that they have cached."""
    GLib.ThreadPool.set_max_unused_threads(0)
