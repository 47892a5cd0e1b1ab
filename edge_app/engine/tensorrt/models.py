"""What a model file must be for this backend, and where its other form lies."""
import os

import numpy as np

from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.tensorrt.plans import SUFFIXES
from edge_app.errors import EngineError


def check_file(path):
    """EngineError for a file that cannot be built; whether a plan fits is seen by loading it."""
    if not path.lower().endswith(SUFFIXES):
        check_input(path, read_onnx(path).inputs)


def check_input(path, inputs):
    """True for pictures with channels last, False for planes. EngineError for what takes no pictures."""
    shape = inputs[0].shape if inputs else ()
    good = len(inputs) == 1 and len(shape) == 4 and 3 in (shape[1], shape[3])
    if not good or inputs[0].dtype not in (np.float32, np.float16, np.uint8):
        raise EngineError('%s: takes %s; needed is one input of pictures, [n, 3, height, width]' % (
            path, ', '.join('%s %s %s' % (port.name, np.dtype(port.dtype).name if port.dtype else 'of an unknown type',
                                          list(port.shape)) for port in inputs) or 'nothing'))
    return shape[1] != 3


def onnx_beside(plan_path, record):
    """The ONNX file a plan was built from, by its record or by its name; None when it is not beside it."""
    folder, name = os.path.split(plan_path)
    stem = os.path.splitext(name)[0]
    for candidate in (os.path.basename(str(record.get('model') or '')), stem + '.onnx',
                      stem.rpartition('.')[0] + '.onnx'):
        path = os.path.join(folder, candidate)
        if candidate.endswith('.onnx') and len(candidate) > len('.onnx') and os.path.isfile(path):
            return path
    return None
