"""Importing it makes the primary context current in this thread, until the process ends."""
import atexit

import pycuda.driver as cuda

cuda.init()
device = cuda.Device(0)
context = device.retain_primary_context()
context.push()
atexit.register(context.pop)
