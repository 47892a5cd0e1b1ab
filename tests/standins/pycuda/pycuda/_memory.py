"""Memory of the GPU and of the host, and copies between them."""
import sys

import numpy as np
from gpu_standin import memory as _memory
from gpu_standin import streams as _streams
from gpu_standin.errors import LogicError
from pycuda._current import handle_of


class DeviceAllocation:
    def __init__(self, size):
        self.context = _memory.driver_context()
        self.address = _memory.allocate(size, self.context)

    def free(self):
        if self.address is None:
            raise LogicError('device_allocation.free: it was freed before')
        _memory.driver_context()
        _streams.drain_all(self.context)
        address, self.address = self.address, None
        _memory.release(address)

    def __int__(self):
        if self.address is None:
            raise LogicError('device_allocation: used after it was freed')
        return self.address

    __index__ = __int__

    def as_buffer(self, size, offset=0):
        return _memory.place(int(self) + offset, size, self.context, 'as_buffer').data

    def __del__(self):
        if getattr(self, 'address', None) is not None and not sys.is_finalizing():
            _streams.drain_all(self.context)
            _memory.release(self.address)


def mem_alloc(size):
    return DeviceAllocation(size)


def mem_alloc_like(array):
    return DeviceAllocation(array.nbytes)


def to_device(array):
    made = DeviceAllocation(array.nbytes)
    memcpy_htod(made, array)
    return made


def from_device(source, shape, dtype, order='C'):
    made = np.empty(shape, dtype, order)
    memcpy_dtoh(made, source)
    return made


def memcpy_htod(dest, src):
    _streams.upload(int(dest), src, 0, _memory.driver_context(), 'cuMemcpyHtoD')


def memcpy_htod_async(dest, src, stream=None):
    _streams.upload(int(dest), src, handle_of(stream), _memory.driver_context())


def memcpy_dtoh(dest, src):
    _streams.download(dest, int(src), 0, _memory.driver_context(), 'cuMemcpyDtoH')


def memcpy_dtoh_async(dest, src, stream=None):
    _streams.download(dest, int(src), handle_of(stream), _memory.driver_context())


def memcpy_dtod(dest, src, size):
    _streams.move(int(dest), int(src), size, 0, _memory.driver_context(), 'cuMemcpyDtoD')


def memcpy_dtod_async(dest, src, size, stream=None):
    _streams.move(int(dest), int(src), size, handle_of(stream), _memory.driver_context())


def memset_d8(dest, value, count):
    _streams.fill(int(dest), np.full(count, value, np.uint8), 0, _memory.driver_context())


def memset_d32(dest, value, count):
    _streams.fill(int(dest), np.full(count, value, np.uint32).view(np.uint8), 0, _memory.driver_context())


def memset_d8_async(dest, value, count, stream=None):
    _streams.fill(int(dest), np.full(count, value, np.uint8), handle_of(stream), _memory.driver_context())


def pagelocked_empty(shape, dtype, order='C', mem_flags=0):
    _memory.driver_context()
    return _memory.pinned(shape, dtype, order)


def pagelocked_zeros(shape, dtype, order='C', mem_flags=0):
    made = pagelocked_empty(shape, dtype, order, mem_flags)
    made[...] = 0
    return made


def pagelocked_empty_like(array, mem_flags=0):
    return pagelocked_empty(array.shape, array.dtype, 'C', mem_flags)


def pagelocked_zeros_like(array, mem_flags=0):
    return pagelocked_zeros(array.shape, array.dtype, 'C', mem_flags)
