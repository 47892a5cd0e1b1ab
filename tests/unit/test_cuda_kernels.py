"""The kernels without a GPU: compiled for the boards by NVIDIA's compiler, and run on the host after gcc."""
import locale

import numpy as np
import pytest

from edge_app.engine.base import Planes
from edge_app.engine.tensorrt import kernels
from edge_app.engine.tensorrt.nvrtc import Nvrtc
from edge_app.errors import EngineError, EngineUnavailable

from tests.support import nvidia

BOARDS = {'TX2': (6, 2), 'Orin': (8, 7)}


@pytest.fixture(scope='module')
def gpu():
    """A GPU of the stand-in with the kernels in it."""
    with nvidia.standing_in('tensorrt_8'):
        import pycuda.autoinit as auto
        import pycuda.driver as cuda
        from pycuda.compiler import SourceModule
        yield cuda, SourceModule(kernels.SOURCE)
        auto._finish()
        import atexit
        atexit.unregister(auto._finish)


def prepared(gpu, pictures, dtype, colour, planar, mean, scale):
    """What the kernel makes of uint8 [n, h, w, 3]."""
    cuda, module = gpu
    count, height, width, _ = pictures.shape
    shape = (count, 3, height, width) if planar else (count, height, width, 3)
    made = np.empty(shape, dtype)
    pixels, numbers = cuda.to_device(pictures), cuda.mem_alloc(made.nbytes)
    function = module.get_function(kernels.FUNCTIONS[np.dtype(dtype)])
    function.prepare(kernels.PARAMETERS)
    values = kernels.parameters(count * height * width, height * width, colour, planar, mean, scale)
    function.prepared_call((kernels.blocks(count * height * width), 1), (kernels.THREADS, 1, 1),
                           int(pixels), int(numbers), *values)
    cuda.memcpy_dtoh(made, numbers)
    return made


def every_byte(count, height, width):
    return np.random.RandomState(height).randint(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize('colour', ['bgr', 'rgb'])
@pytest.mark.parametrize('planar', [True, False])
@pytest.mark.parametrize('size', [(1, 1, 1), (3, 7, 5), (2, 16, 16), (1, 255, 257)])
@pytest.mark.parametrize('mean, scale', [(0, 1.0), (0, 1 / 255), ((123.675, 116.28, 103.53), (0.017, 0.0175, 0.0174))])
@pytest.mark.parametrize('dtype', [np.float32, np.float16])
def test_the_same_numbers_as_on_the_processor(gpu, colour, planar, size, mean, scale, dtype):
    pictures = every_byte(*size)
    wanted = Planes(colour, mean, scale, dtype)(pictures)
    got = prepared(gpu, pictures, dtype, colour, planar, mean, scale)
    np.testing.assert_array_equal(got, wanted if planar else wanted.transpose(0, 2, 3, 1))


@pytest.mark.parametrize('colour', ['bgr', 'rgb'])
def test_bytes_stay_bytes(gpu, colour):
    pictures = every_byte(2, 9, 11)
    got = prepared(gpu, pictures, np.uint8, colour, True, 0, 1.0)
    np.testing.assert_array_equal(got, Planes(colour, dtype=np.uint8)(pictures))


def test_halves_are_rounded_as_ieee_says(gpu):
    """One picture per scale, so that every binade of halves, their subnormals, infinity and both zeros come up."""
    pictures = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    for power in range(-34, 12):
        for factor in (1.0, 1.000244140625, 1.00048828125, 1.4999, -1.0):
            scale = np.float32(factor * 2.0 ** power)
            got = prepared(gpu, pictures, np.float16, 'bgr', True, 0, scale)
            with np.errstate(over='ignore'):
                wanted = Planes('bgr', 0, scale, np.float16)(pictures)
            np.testing.assert_array_equal(got.view(np.uint16), wanted.view(np.uint16))


@pytest.mark.parametrize('board', sorted(BOARDS))
def test_the_kernels_compile_for_the_boards(board):
    compute = BOARDS[board]
    text = Nvrtc().ptx(kernels.SOURCE, compute).decode()
    assert '.target sm_%d%d' % compute in text
    assert all('.entry %s(' % name in text for name in kernels.FUNCTIONS.values())
    machine_code = Nvrtc().cubin(kernels.SOURCE, compute)
    assert machine_code[:4] == b'\x7fELF' and b'pictures_to_half' in machine_code


def test_the_compiler_leaves_the_locale_as_it_was():
    """Of the calling thread: what locale.setlocale shows, the process's, it does not touch."""
    before = locale.nl_langinfo(locale.CODESET)
    locale.setlocale(locale.LC_CTYPE, 'C.UTF-8')
    try:
        Nvrtc().ptx(kernels.SOURCE, (6, 2))
        assert locale.nl_langinfo(locale.CODESET) == 'UTF-8'
    finally:
        locale.setlocale(locale.LC_CTYPE, '')
    assert locale.nl_langinfo(locale.CODESET) == before


def test_a_mistake_in_a_kernel_is_shown():
    with pytest.raises(EngineError, match='do not compile for compute_62: .*undeclared_name'):
        Nvrtc().ptx('__global__ void wrong(int *a) { a[0] = undeclared_name; }', (6, 2))


def test_without_a_compiler_it_says_what_to_install(tmp_path):
    with pytest.raises(EngineUnavailable, match='pip install nvidia-cuda-nvrtc-cu12'):
        Nvrtc(str(tmp_path / 'libnvrtc.so'))
