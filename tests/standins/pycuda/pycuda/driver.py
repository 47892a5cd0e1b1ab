"""pycuda.driver: devices, contexts, streams, memory, functions."""
import atexit
import os
import sys
import threading
import time

from gpu_standin import device as _device
from gpu_standin import memory as _memory
from gpu_standin import streams as _streams
from gpu_standin.errors import CompileError, Error, LaunchError, LogicError, MemoryError, RuntimeError  # noqa: F401
from pycuda._current import check_current, handle_of
from pycuda._functions import Function, In, InOut, Module, Out, module_from_buffer  # noqa: F401
from pycuda._memory import (DeviceAllocation, from_device, mem_alloc, mem_alloc_like, memcpy_dtod,  # noqa: F401
                            memcpy_dtod_async, memcpy_dtoh, memcpy_dtoh_async, memcpy_htod, memcpy_htod_async,
                            memset_d8, memset_d8_async, memset_d32, pagelocked_empty, pagelocked_empty_like,
                            pagelocked_zeros, pagelocked_zeros_like, to_device)

_ready = []


def init(flags=0):
    if _device.facts() is None:
        raise RuntimeError('cuInit failed: no CUDA-capable device is detected')
    _memory.start()
    _ready[:] = [True]


def _initialised():
    if not _ready:
        raise LogicError('cuDeviceGet failed: initialization error')
    _memory.check_process()


def get_version():
    return _device.facts().cuda


def get_driver_version():
    major, minor, _ = _device.facts().cuda
    return major * 1000 + minor * 10


def mem_get_info():
    _memory.driver_context()
    total = _device.facts().memory_mb << 20
    used = sum(one.size for one in _memory._live.values())
    return total - used, total


class device_attribute:
    MULTIPROCESSOR_COUNT = 'multiprocessors'
    MAX_THREADS_PER_BLOCK = 'threads'
    INTEGRATED = 'integrated'


class ctx_flags:
    SCHED_AUTO = 0
    SCHED_SPIN = 1
    SCHED_YIELD = 2
    SCHED_BLOCKING_SYNC = 4
    MAP_HOST = 8


class event_flags:
    DEFAULT = 0
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2


class host_alloc_flags:
    PORTABLE = 1
    DEVICEMAP = 2
    WRITECOMBINED = 4


class mem_attach_flags:
    GLOBAL = 1
    HOST = 2
    SINGLE = 4


class Device:
    def __init__(self, number=0):
        _initialised()
        if number:
            raise LogicError('cuDeviceGet failed: invalid device ordinal')

    @staticmethod
    def count():
        _initialised()
        return 1

    def name(self):
        return _device.facts().name

    def compute_capability(self):
        return _device.facts().compute

    def total_memory(self):
        return _device.facts().memory_mb << 20

    def pci_bus_id(self):
        return '0000:00:00.0'

    def get_attribute(self, attribute):
        return {'multiprocessors': _device.facts().multiprocessors, 'threads': 1024, 'integrated': 1}[attribute]

    def make_context(self, flags=0):
        _memory.check_process()
        made = Context(_memory.Context(False))
        made.push()
        return made

    def retain_primary_context(self):
        _memory.check_process()
        return Context(_memory.primary_context())


class _Static:
    """pop, synchronize and their like work on the class and on an object."""

    def __init__(self, function):
        self.function = function

    def __get__(self, instance, owner):
        return self.function


class Context:
    def __init__(self, inner):
        self.inner = inner

    def push(self):
        if not self.inner.alive:
            raise LogicError('cuCtxPushCurrent failed: context is destroyed')
        _memory.stack().append(self.inner)

    def detach(self):
        if self.inner in _memory.stack():
            _memory.stack().remove(self.inner)
        self.inner.alive = self.inner.primary

    @_Static
    def pop():
        if not _memory.stack():
            raise LogicError('cuCtxPopCurrent failed: invalid device context')
        _streams.drain_all(_memory.stack().pop())

    @_Static
    def synchronize():
        _streams.drain_all(_memory.driver_context())

    @_Static
    def get_device():
        _memory.driver_context()
        return Device(0)

    @_Static
    def get_current():
        return Context(_memory.stack()[-1]) if _memory.stack() else None


class Stream:
    def __init__(self, flags=0):
        self._queue = _streams.Queue(_memory.driver_context())

    @property
    def handle(self):
        return self._queue.handle

    def synchronize(self):
        check_current(self._queue.context, 'cuStreamSynchronize')
        _streams.waits['spinning'] += 1
        self._queue.drain()

    def is_done(self):
        return not self._queue.waiting

    def wait_for_event(self, event):
        self._queue.waiting.append(event.synchronize)

    def __del__(self):
        if hasattr(self, '_queue') and not sys.is_finalizing():
            self._queue.close()


class Event:
    def __init__(self, flags=0):
        _memory.driver_context()
        self.blocking = bool(int(flags) & event_flags.BLOCKING_SYNC)
        self.moment = None
        self.stream = None

    def record(self, stream=None):
        self.moment, self.stream = None, stream
        _streams.put(handle_of(stream), _memory.driver_context(), self._happen)
        return self

    def _happen(self):
        self.moment = time.time()

    def synchronize(self):
        _streams.waits['asleep' if self.blocking else 'spinning'] += 1
        if self.stream is not None and self.moment is None:
            self.stream._queue.drain()
        return self

    def query(self):
        return self.moment is not None

    def time_since(self, earlier):
        return (self.moment - earlier.moment) * 1000

    def time_till(self, later):
        return (later.moment - self.moment) * 1000


def _at_exit(thread=threading.get_ident()):
    if any(not context.primary for context in _memory.stack()) or len(_memory.stack()) > _implicit():
        sys.stderr.write('PyCUDA ERROR: The context stack was not empty upon module cleanup.\n')
        sys.stderr.flush()
        os._exit(134)


def _implicit():
    """Contexts on the stack that nobody pushed: the run time makes the primary one current by itself."""
    return 1 if getattr(_memory._threads, 'implicit', False) else 0


atexit.register(_at_exit)
