"""GStreamer's streaming threads, which come into Python at every frame."""
import ctypes
import threading

_here = threading.local()


def stay():
    """Let Python keep what it knows of the calling thread until the next callback; to be called in a callback.

    Python does not know threads that GStreamer made. At each callback PyGObject would have a thread state made for one
    and thrown away again: with 3.11 and newer an mmap, a page fault and a munmap, three times per frame. Asking for the
    GIL once more than it is given back keeps the state. What a thread that ends leaves behind is some kB, once per session.
    """
    if not hasattr(_here, 'stays'):
        _here.stays = ctypes.pythonapi.PyGILState_Ensure()
