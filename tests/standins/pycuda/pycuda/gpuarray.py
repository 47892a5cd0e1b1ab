"""Arrays on the GPU: there and back again, no arithmetic."""
import numpy as np
import pycuda.driver as cuda


class GPUArray:
    def __init__(self, shape, dtype, allocator=None, order='C'):
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dtype = np.dtype(dtype)
        self.size = int(np.prod(self.shape))
        self.nbytes = self.size * self.dtype.itemsize
        self.gpudata = (allocator or cuda.mem_alloc)(self.nbytes)

    @property
    def ptr(self):
        return int(self.gpudata)

    def set(self, array):
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError('ary and self must be the same shape and type')
        cuda.memcpy_htod(self.gpudata, np.ascontiguousarray(array))

    def set_async(self, array, stream=None):
        cuda.memcpy_htod_async(self.gpudata, array, stream)

    def get(self, ary=None):
        made = np.empty(self.shape, self.dtype) if ary is None else ary
        cuda.memcpy_dtoh(made, self.gpudata)
        return made

    def get_async(self, stream=None, ary=None):
        made = cuda.pagelocked_empty(self.shape, self.dtype) if ary is None else ary
        cuda.memcpy_dtoh_async(made, self.gpudata, stream)
        return made

    def fill(self, value):
        self.set(np.full(self.shape, value, self.dtype))
        return self


def empty(shape, dtype, allocator=None, order='C'):
    return GPUArray(shape, dtype, allocator)


def zeros(shape, dtype, allocator=None, order='C'):
    return GPUArray(shape, dtype, allocator).fill(0)


def to_gpu(array, allocator=None):
    made = GPUArray(array.shape, array.dtype, allocator)
    made.set(array)
    return made
