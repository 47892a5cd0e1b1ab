"""A model's inputs and outputs, as every library describes them, and what the one input must be."""
from typing import NamedTuple, Sequence, Tuple

import numpy as np

from edge_app.errors import EngineError

PIXEL_TYPES = (np.float32, np.float16, np.uint8)


class Port(NamedTuple):
    """An input or output of a model."""

    name: str
    dtype: type
    """numpy's; of a type that is none of its own the library's name, or None."""
    shape: Tuple
    """A number where the side is fixed; its name, '', None or -1 where it is open."""


def check_input(path: str, inputs: Sequence[Port]) -> bool:
    """True for pictures with channels last, False for planes. EngineError for a model that takes no pictures."""
    shape = inputs[0].shape if inputs else ()
    good = len(inputs) == 1 and len(shape) == 4 and 3 in (shape[1], shape[3])
    if not good or inputs[0].dtype not in PIXEL_TYPES:
        raise EngineError('%s: takes %s; it must have one image input, [n, 3, height, width]%s' % (
            path, ', '.join('%s %s %s' % (port.name, _type_name(port.dtype), list(port.shape))
                            for port in inputs)[:300] or 'nothing',
            ': export it without the post-processing that takes sizes or scales' if len(inputs) > 1 else ''))
    return shape[1] != 3


def _type_name(dtype):
    if dtype is None or isinstance(dtype, str):
        return dtype or 'of an unknown type'
    return np.dtype(dtype).name
