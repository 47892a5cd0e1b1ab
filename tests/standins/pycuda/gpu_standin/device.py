"""Which GPU this is. STANDIN_GPU names it; else the TensorRT in sys.path tells: 8.2 lives on a TX2, 10 on an Orin."""
import importlib.util
import os
from typing import NamedTuple, Tuple


class Facts(NamedTuple):
    """What programs ask about a GPU."""

    name: str
    compute: Tuple[int, int]
    multiprocessors: int
    memory_mb: int
    cuda: Tuple[int, int, int]
    int8: bool


GPUS = {
    'tx2': Facts('NVIDIA Tegra X2', (6, 2), 2, 7850, (10, 2, 0), False),
    'orin': Facts('Orin', (8, 7), 8, 15600, (12, 6, 0), True),
    'none': None,
}


def facts():
    """Facts of the GPU, None without one."""
    chosen = os.environ.get('STANDIN_GPU') or _by_tensorrt()
    found = GPUS[chosen]
    if found and os.environ.get('STANDIN_GPU_MEMORY_MB'):
        found = found._replace(memory_mb=int(os.environ['STANDIN_GPU_MEMORY_MB']))
    return found


def _by_tensorrt():
    spec = importlib.util.find_spec('tensorrt')
    place = (spec.origin or '') if spec else ''
    return 'tx2' if 'tensorrt_8' in place else 'orin'
