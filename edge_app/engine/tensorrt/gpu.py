"""The CUDA side through pycuda: one context, one stream, memory on both sides, the kernels."""
import logging
import os
import shutil
import threading

import pycuda.driver as cuda
from pycuda.compiler import SourceModule

from edge_app.engine.tensorrt import kernels
from edge_app.engine.tensorrt.nvrtc import Nvrtc
from edge_app.errors import EngineError, EngineUnavailable
from edge_app.files import cache_folder

log = logging.getLogger(__name__)

NVCC = '/usr/local/cuda/bin/nvcc'
"""JetPack installs it here and leaves it out of PATH."""


def unavailable_reason():
    """Why no engine can run on a GPU here, '' when one can. Makes no context."""
    try:
        cuda.init()
        return '' if cuda.Device.count() else 'CUDA finds no GPU'
    except cuda.Error as error:
        return 'CUDA does not start: %s' % error


class Gpu:
    """The first GPU, as used by the thread that made this object. Close it: pycuda aborts a process that does not.

    The context is the primary one, which TensorRT's own runtime calls use too (and torch, in the same process); an
    older pycuda (before 2021.1) makes one of its own, which TensorRT then finds as the current one.
    """

    def __init__(self):
        """EngineUnavailable without a GPU."""
        reason = unavailable_reason()
        if reason:
            raise EngineUnavailable('engine.backend tensorrt needs an NVIDIA GPU: %s; choose onnxruntime, or see '
                                    'that this process may use the GPU (container runtime, group video)' % reason)
        device = cuda.Device(0)
        self.name = device.name()
        self.compute = tuple(device.compute_capability())
        self.multiprocessors = device.get_attribute(cuda.device_attribute.MULTIPROCESSOR_COUNT)
        self.cuda_version = '.'.join(str(part) for part in cuda.get_version())
        self.thread = threading.get_ident()
        self.context = self.stream = self.done = None
        self.memory = []
        try:
            self._enter(device)
        except cuda.Error as error:
            self.close()
            raise _no_room(error)

    def _enter(self, device):
        if hasattr(device, 'retain_primary_context'):
            context = device.retain_primary_context()
            context.push()
        else:
            context = device.make_context()
        self.context = context
        self.stream = cuda.Stream()
        self.done = cuda.Event(int(cuda.event_flags.BLOCKING_SYNC) | int(cuda.event_flags.DISABLE_TIMING))

    def check_thread(self):
        """A context belongs to the thread that pushed it. EngineError in any other."""
        if threading.get_ident() != self.thread:
            raise EngineError('the tensorrt engine belongs to the thread that read its model; use it there')

    def close(self):
        """Free everything and leave the context, whatever uses it being gone already. Safe to call twice."""
        if self.context is None:
            return
        self.stream = self.done = None
        self.free()
        self.context.pop()
        self.context = None

    def free(self):
        """Give the GPU's memory back."""
        while self.memory:
            self.memory.pop().free()

    def pinned(self, shape, dtype):
        """A page-locked array, needed for asynchronous copies. Uncached on a TX2: write it once, read it once."""
        try:
            return cuda.pagelocked_empty(shape, dtype)
        except cuda.Error as error:
            raise _no_room(error)

    def allocate(self, size):
        """`size` bytes of the GPU's memory; freed by `close`."""
        try:
            self.memory.append(cuda.mem_alloc(size))
        except cuda.Error as error:
            raise _no_room(error)
        return self.memory[-1]

    def upload(self, to, array):
        """Queue a copy from a page-locked array."""
        cuda.memcpy_htod_async(to, array, self.stream)

    def download(self, array, source):
        """Queue a copy into a page-locked array; it is there after `wait`."""
        cuda.memcpy_dtoh_async(array, source, self.stream)

    def wait(self):
        """Sleep until everything queued is done; waiting for the stream itself may keep a core spinning."""
        self.done.record(self.stream)
        self.done.synchronize()

    def compile(self):
        """The kernels as a module: by nvcc through pycuda, which caches the result, or by NVRTC without nvcc."""
        try:
            nvcc = 'nvcc' if shutil.which('nvcc') or not os.path.exists(NVCC) else NVCC
            return SourceModule(kernels.SOURCE, nvcc=nvcc, cache_dir=_kernel_folder())
        except (OSError, cuda.CompileError) as error:
            log.info('nvcc: %s; trying NVRTC', str(error).splitlines()[0])
        return cuda.module_from_buffer(Nvrtc().best(kernels.SOURCE, self.compute))


def _kernel_folder():
    """Where compiled kernels are kept; None, pycuda's own place, leads to an error where HOME is read-only."""
    folder = os.path.join(cache_folder(), 'kernels')
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return False
    return folder if os.access(folder, os.W_OK) else False


def _no_room(error):
    return EngineError('the GPU has no room (%s): lower engine.batch, or end what else uses the GPU' % error)


class Preparation:
    """Pixels to numbers on the GPU, for one network."""

    def __init__(self, gpu, dtype, planar, colour, mean, scale):
        self.gpu = gpu
        self.values = colour, planar, mean, scale
        self.module = gpu.compile()
        self.function = self.module.get_function(kernels.FUNCTIONS[dtype])
        self.function.prepare(kernels.PARAMETERS)

    def queue(self, pixels, numbers, pictures, area):
        """Turn `pictures` of `area` pixels each at `pixels` into the network's numbers at `numbers`."""
        count = pictures * area
        self.function.prepared_async_call((kernels.blocks(count), 1), (kernels.THREADS, 1, 1), self.gpu.stream,
                                          int(pixels), int(numbers), *kernels.parameters(count, area, *self.values))
