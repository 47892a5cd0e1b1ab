"""NVIDIA's run-time compiler through ctypes: CUDA text becomes PTX without nvcc, and without a GPU.

pycuda calls nvcc, which containers for running models often leave out; NVRTC is one library.
"""
import contextlib
import ctypes
import ctypes.util
import glob
import importlib.util
import os

from edge_app.errors import EngineError, EngineUnavailable

FOLDERS = ('/usr/local/cuda/lib64', '/usr/local/cuda/targets/*/lib')
PACKAGE = 'nvidia.cuda_nvrtc'
"""Where PyPI's nvidia-cuda-nvrtc-cu12 puts it."""


def find_library():
    """Path or name of the library, None when there is none."""
    known = ctypes.util.find_library('nvrtc')
    if known:
        return known
    found = [path for folder in _folders() for path in sorted(glob.glob(os.path.join(folder, 'libnvrtc.so*')))]
    return found[0] if found else None


def _folders():
    found = list(FOLDERS)
    if importlib.util.find_spec(PACKAGE.partition('.')[0]):
        spec = importlib.util.find_spec(PACKAGE)
        if spec:
            found += [os.path.join(place, 'lib') for place in spec.submodule_search_locations]
    return found


@contextlib.contextmanager
def own_locale():
    """NVRTC leaves the calling thread in the C locale: whatever text is read after it would be taken for ASCII."""
    uselocale = ctypes.CDLL(None).uselocale
    uselocale.restype, uselocale.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = uselocale(None)
    try:
        yield
    finally:
        uselocale(before)


class Nvrtc:
    """The loaded library."""

    def __init__(self, path=None):
        """EngineUnavailable when it is not there."""
        path = path or find_library()
        try:
            self.library = ctypes.CDLL(path or 'libnvrtc.so')
        except OSError as error:
            raise EngineUnavailable('no CUDA compiler: neither nvcc nor NVRTC is here (%s); install '
                                    'nvidia-cuda-toolkit, or pip install nvidia-cuda-nvrtc-cu12' % error)
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def best(self, source, compute):
        """Machine code where this NVRTC makes it, else PTX: a driver older than the compiler may not read its PTX."""
        return (self.cubin if hasattr(self.library, 'nvrtcGetCUBIN') else self.ptx)(source, compute)

    def ptx(self, source, compute):
        """PTX for GPUs of compute capability `compute` ((6, 2)) and later: the driver turns it into machine code."""
        return self._compile(source, 'compute_%d%d' % tuple(compute), 'PTX')

    def cubin(self, source, compute):
        """Machine code for exactly one compute capability; NVRTC has it from CUDA 11.1 on."""
        return self._compile(source, 'sm_%d%d' % tuple(compute), 'CUBIN')

    def _compile(self, source, target, form):
        program = ctypes.c_void_p()
        text = ('extern "C" {\n%s\n}\n' % source).encode()
        self._call('nvrtcCreateProgram', ctypes.byref(program), text, b'kernels.cu', 0, None, None)
        try:
            options = (ctypes.c_char_p * 1)(('--gpu-architecture=' + target).encode())
            with own_locale():
                status = self.library.nvrtcCompileProgram(program, 1, options)
            if status:
                log = self._take('ProgramLog', program).rstrip(b'\0').decode('utf-8', 'replace')
                raise EngineError('the kernels do not compile for %s: %s' % (target, log or self._reason(status)))
            return self._take(form, program)
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))

    def _take(self, what, program):
        size = ctypes.c_size_t()
        self._call('nvrtcGet%sSize' % what, program, ctypes.byref(size))
        content = ctypes.create_string_buffer(size.value)
        self._call('nvrtcGet%s' % what, program, content)
        return content.raw

    def _call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status:
            raise EngineError('NVRTC: %s: %s' % (name, self._reason(status)))

    def _reason(self, status):
        return self.library.nvrtcGetErrorString(status).decode()
