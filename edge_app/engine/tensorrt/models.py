"""What a model file must be for this backend, and where its other form lies."""
import os

from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.ports import check_input
from edge_app.engine.tensorrt.plans import SUFFIXES


def check_file(path):
    """EngineError for a file that cannot be built; whether a plan fits is seen by loading it."""
    if not path.lower().endswith(SUFFIXES):
        check_input(path, read_onnx(path).inputs)


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
