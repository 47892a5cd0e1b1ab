"""The stand-ins for NVIDIA's libraries, in this process or for another one."""
import contextlib
import importlib
import os
import shutil
import sys

import pytest

PLACE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'standins')
ROOT = os.path.dirname(os.path.dirname(PLACE))
PERSONALITIES = ('tensorrt_8', 'tensorrt_10')
OURS = ('tensorrt', 'pycuda', 'cuda', 'gpu_standin')


def paths(personality):
    """What must come first in sys.path for a TensorRT."""
    return [os.path.join(PLACE, personality), os.path.join(PLACE, 'pycuda')]


def environment(personality, **more):
    """Variables for a process that finds the stand-ins, and this checkout behind them."""
    found = dict(os.environ, PYTHONPATH=os.pathsep.join(paths(personality) + [ROOT]), **more)
    found.pop('EDGE_APP_TEST_RECORD', None)
    return found


def need_gcc():
    """CUDA's kernels run on the host after gcc; CI has it, a laptop may not."""
    if shutil.which('gcc') is None:
        pytest.skip('gcc is not installed, which compiles CUDA kernels for the stand-in of a GPU')


def _belongs(module):
    return module.split('.')[0] in OURS or module.startswith('edge_app.engine.tensorrt')


def _forget():
    """Take the stand-ins and what imported them out of sys.modules; what was there."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if _belongs(name)}


@contextlib.contextmanager
def standing_in(personality):
    """Inside, `import tensorrt` and `import pycuda` give the stand-ins, fresh; afterwards nothing is left of them."""
    need_gcc()
    before, path = _forget(), list(sys.path)
    sys.path[:0] = paths(personality)
    importlib.invalidate_caches()
    try:
        yield
        check_left()
    finally:
        sys.path[:] = path
        _forget()
        sys.modules.update(before)
        importlib.invalidate_caches()


def check_left():
    """Everything allocated was freed and every context left: a board that runs for months has no room for less."""
    memory = sys.modules.get('gpu_standin.memory')
    if memory is not None:
        implicit = getattr(memory._threads, 'implicit', False)
        assert len(memory.stack()) <= int(implicit), 'a CUDA context was left behind'
        assert memory.live() == 0, '%d buffers of the GPU were left behind' % memory.live()
