"""Importing it makes a context of its own current in this thread, until the process ends."""
import atexit

import pycuda.driver as cuda

cuda.init()
device = cuda.Device(0)
context = device.make_context()


def _finish():
    context.pop()
    context.detach()


atexit.register(_finish)
