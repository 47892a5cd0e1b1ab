"""pycuda.driver: devices, contexts, streams, memory, functions."""
import atexit
import os
import sys
import threading
import time

import numpy as np
from gpu_standin import device as _device
from gpu_standin import kernels as _kernels
from gpu_standin import memory as _memory
from gpu_standin import streams as _streams
from gpu_standin.errors import CompileError, Error, LaunchError, LogicError, MemoryError, RuntimeError  # noqa: F401

_ready = []


def init(flags=0):
    if _device.facts() is None:
        raise RuntimeError('cuInit failed: no CUDA-capable device is detected')
    if not _ready:
        _ready.append(os.getpid())
    if _ready[0] != os.getpid():
        raise LogicError('cuInit failed: initialization error (CUDA does not survive fork)')


def _initialised():
    if not _ready:
        raise LogicError('cuDeviceGet failed: initialization error')


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
        made = Context(_memory.Context(False))
        made.push()
        return made

    def retain_primary_context(self):
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
        _check_current(self._queue.context, 'cuStreamSynchronize')
        self._queue.drain()

    def is_done(self):
        return not self._queue.waiting

    def wait_for_event(self, event):
        self._queue.waiting.append(event.synchronize)

    def __del__(self):
        if hasattr(self, '_queue') and not sys.is_finalizing():
            self._queue.close()


def _check_current(context, call):
    if _memory.driver_context() is not context:
        raise LogicError('%s failed: invalid resource handle' % call)


class Event:
    def __init__(self, flags=0):
        _memory.driver_context()
        self.moment = None
        self.stream = None

    def record(self, stream=None):
        self.moment, self.stream = None, stream
        _streams.put(_handle(stream), _memory.driver_context(), self._happen)
        return self

    def _happen(self):
        self.moment = time.time()

    def synchronize(self):
        if self.stream is not None and self.moment is None:
            self.stream.synchronize()
        return self

    def query(self):
        return self.moment is not None

    def time_since(self, earlier):
        return (self.moment - earlier.moment) * 1000

    def time_till(self, later):
        return (later.moment - self.moment) * 1000


def _handle(stream):
    return 0 if stream is None else stream.handle


class DeviceAllocation:
    def __init__(self, size):
        self.context = _memory.driver_context()
        self.address = _memory.allocate(size, self.context)

    def free(self):
        if self.address is None:
            raise LogicError('device_allocation.free: it was freed before')
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
            self.free()


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
    _streams.upload(int(dest), src, _handle(stream), _memory.driver_context())


def memcpy_dtoh(dest, src):
    _streams.download(dest, int(src), 0, _memory.driver_context(), 'cuMemcpyDtoH')


def memcpy_dtoh_async(dest, src, stream=None):
    _streams.download(dest, int(src), _handle(stream), _memory.driver_context())


def memcpy_dtod(dest, src, size):
    _streams.move(int(dest), int(src), size, 0, _memory.driver_context(), 'cuMemcpyDtoD')


def memcpy_dtod_async(dest, src, size, stream=None):
    _streams.move(int(dest), int(src), size, _handle(stream), _memory.driver_context())


def memset_d8(dest, value, count):
    _streams.fill(int(dest), np.full(count, value, np.uint8), 0, _memory.driver_context())


def memset_d32(dest, value, count):
    _streams.fill(int(dest), np.full(count, value, np.uint32).view(np.uint8), 0, _memory.driver_context())


def memset_d8_async(dest, value, count, stream=None):
    _streams.fill(int(dest), np.full(count, value, np.uint8), _handle(stream), _memory.driver_context())


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


class ArgumentHandler:
    """An array as a kernel's parameter, copied there before and back after as its kind says."""

    before = after = False

    def __init__(self, array):
        self.array = array


class In(ArgumentHandler):
    before = True


class Out(ArgumentHandler):
    after = True


class InOut(In, Out):
    pass


class Function:
    def __init__(self, library, name, kinds):
        self.library, self.name, self.kinds = library, name, kinds
        self.context = _memory.driver_context()
        self.letters = None

    def __call__(self, *args, block=(1, 1, 1), grid=(1, 1), stream=None, shared=0, texrefs=(), time_kernel=False):
        handlers = [one for one in args if isinstance(one, ArgumentHandler)]
        places = {id(one): to_device(one.array) if one.before else mem_alloc(one.array.nbytes) for one in handlers}
        self._launch([places.get(id(one), one) for one in args], grid, block, stream)
        for one in handlers:
            if one.after:
                Context.synchronize()
                memcpy_dtoh(one.array, places[id(one)])

    def prepare(self, letters, texrefs=()):
        if len(letters) != len(self.kinds):
            raise LogicError('%s takes %d parameters, not %d' % (self.name, len(self.kinds), len(letters)))
        for number, (letter, (kind, pointer)) in enumerate(zip(letters, self.kinds)):
            if (letter == 'P') != pointer:
                raise LogicError('parameter #%d of %s is %s' % (number, self.name, 'an address' if pointer else kind))
        self.letters = letters
        return self

    def prepared_call(self, grid, block, *args, **options):
        self._launch(self._typed(args), grid, block, None)

    def prepared_async_call(self, grid, block, stream, *args, **options):
        self._launch(self._typed(args), grid, block, stream)

    def _typed(self, args):
        if self.letters is None or len(args) != len(self.letters):
            raise TypeError('%s: not prepared for these parameters' % self.name)
        return [value if letter == 'P' else np.dtype(letter).type(value) for letter, value in zip(self.letters, args)]

    def _launch(self, args, grid, block, stream):
        _check_current(self.context, 'cuLaunchKernel')
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError('grid and block are tuples')
        if len(args) != len(self.kinds):
            raise LogicError('%s takes %d parameters, not %d' % (self.name, len(self.kinds), len(args)))
        values = [_kernels.argument(value, kind, pointer, number, self.context)
                  for number, (value, (kind, pointer)) in enumerate(zip(args, self.kinds))]
        _streams.put(_handle(stream), self.context,
                     lambda: _kernels.run(self.library, self.name, self.kinds, values, grid, block))


class Module:
    def __init__(self, library, kernels):
        self.library, self.kernels = library, kernels

    def get_function(self, name):
        if name not in self.kernels:
            raise LogicError('cuModuleGetFunction failed: named symbol not found')
        return Function(self.library, name, self.kernels[name])


def module_from_buffer(content, options=(), message_handler=None):
    raise NotImplementedError('the stand-in runs C, not machine code')


def _at_exit(thread=threading.get_ident()):
    if any(not context.primary for context in _memory.stack()) or len(_memory.stack()) > _implicit():
        sys.stderr.write('PyCUDA ERROR: The context stack was not empty upon module cleanup.\n')
        sys.stderr.flush()
        os._exit(134)


def _implicit():
    """Contexts on the stack that nobody pushed: the run time makes the primary one current by itself."""
    return 1 if getattr(_memory._threads, 'implicit', False) else 0


atexit.register(_at_exit)
