"""SourceModule, by gcc."""
from gpu_standin import kernels, memory
from pycuda.driver import Function, LogicError


class SourceModule:
    def __init__(self, source, nvcc='nvcc', options=None, keep=False, no_extern_c=False, arch=None, code=None,
                 cache_dir=None, include_dirs=()):
        memory.driver_context()
        self.library, self.kernels = kernels.compiled(source, tuple(options or ()))

    def get_function(self, name):
        if name not in self.kernels:
            raise LogicError('cuModuleGetFunction failed: named symbol not found')
        return Function(self.library, name, self.kernels[name])
