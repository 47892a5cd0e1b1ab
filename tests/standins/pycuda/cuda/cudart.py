"""The run-time API: every call answers with (error, values...)."""
import ctypes
import enum

import numpy as np
from gpu_standin import device, errors, memory, streams


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToHost = 0
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3
    cudaMemcpyDefault = 4


class cudaStream_t(int):
    """A stream's handle."""


GOOD = cudaError_t.cudaSuccess


def cudaGetErrorName(error):
    return GOOD, cudaError_t(error).name.encode()


cudaGetErrorString = cudaGetErrorName


def cudaGetDeviceCount():
    return (GOOD, 1) if device.facts() else (cudaError_t.cudaErrorNoDevice, 0)


def cudaSetDevice(number):
    memory.runtime_context()
    return (GOOD if number == 0 else cudaError_t.cudaErrorInvalidValue,)


def cudaMemGetInfo():
    total = device.facts().memory_mb << 20
    return GOOD, total - sum(one.size for one in memory._live.values()), total


def cudaMalloc(size):
    try:
        return GOOD, memory.allocate(size, memory.runtime_context())
    except errors.MemoryError:
        return cudaError_t.cudaErrorMemoryAllocation, 0


def cudaFree(address):
    streams.drain_all(memory.runtime_context())
    if int(address):
        memory.release(int(address))
    return (GOOD,)


def cudaMallocHost(size):
    memory.runtime_context()
    return GOOD, memory.pin_block(size)


def cudaHostAlloc(size, flags):
    return cudaMallocHost(size)


def cudaFreeHost(address):
    memory.unpin_block(_address(address))
    return (GOOD,)


def cudaStreamCreate():
    return GOOD, cudaStream_t(streams.Queue(memory.runtime_context()).handle)


def cudaStreamCreateWithFlags(flags):
    return cudaStreamCreate()


def cudaStreamSynchronize(stream):
    context = memory.runtime_context()
    queue = streams.find(stream, context)
    queue.drain() if queue else streams.drain_all(context)
    return (GOOD,)


def cudaStreamDestroy(stream):
    streams.find(stream, memory.runtime_context()).close()
    return (GOOD,)


def cudaDeviceSynchronize():
    streams.drain_all(memory.runtime_context())
    return (GOOD,)


def cudaMemcpy(dst, src, count, kind):
    return cudaMemcpyAsync(dst, src, count, kind, 0)


def cudaMemcpyAsync(dst, src, count, kind, stream):
    context = memory.runtime_context()
    try:
        if kind == cudaMemcpyKind.cudaMemcpyHostToDevice:
            streams.upload(int(dst), _bytes(src, count), stream, context, 'cudaMemcpyAsync')
        elif kind == cudaMemcpyKind.cudaMemcpyDeviceToHost:
            streams.download(_bytes(dst, count), int(src), stream, context, 'cudaMemcpyAsync')
        else:
            streams.move(int(dst), int(src), count, stream, context, 'cudaMemcpyAsync')
    except errors.LogicError:
        return (cudaError_t.cudaErrorInvalidValue,)
    return (GOOD,)


def _address(host):
    return host if isinstance(host, int) else np.asarray(host).ctypes.data


def _bytes(host, count):
    """uint8 view on `count` bytes of host memory, given as an array or an address."""
    if isinstance(host, int):
        return np.frombuffer((ctypes.c_ubyte * count).from_address(host), np.uint8)
    return streams.flat(host)[:count]
