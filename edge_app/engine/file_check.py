"""Checks of a model file before any library opens it: what it is, whether its weights are there, whether it fits."""
import os

from edge_app.engine import openvino_file
from edge_app.engine.file_kind import check_kind
from edge_app.engine.onnx_file import external_data
from edge_app.errors import EngineError

MEGABYTE = 1 << 20


def check_file(path):
    """EngineError for a model that is something else than its name says or cut off, whose weights are missing, of
    another model or outside its folder, or that is larger than the memory there is."""
    check_kind(path)
    _fits(path, os.path.getsize(path))  # before it is looked into
    beside = weights_beside(path)
    for name, needed in beside.items():
        _check_weights(path, name, needed)
    _fits(path, os.path.getsize(path) + sum(map(os.path.getsize, beside)))


def weights_beside(path):
    """{file: bytes that the model expects of it} of a model's weights outside of it; None where any number will do.

    EngineError for an ONNX file or IR that is none.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == '.onnx':
        folder = os.path.dirname(os.path.abspath(path))
        return {os.path.join(folder, name): end for name, end in external_data(path).items()}
    if suffix == '.xml':
        needed = openvino_file.read_ir(path).weights_bytes
        return {openvino_file.weights_path(path): needed} if needed else {}
    return {}


def files_of(path):
    """Every file that a model consists of, itself first."""
    return [path] + sorted(weights_beside(path))


def _check_weights(path, name, needed):
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    place = os.path.realpath(name)
    if not place.startswith(os.path.join(folder, '')):
        raise EngineError('%s: keeps weights outside of its folder, in %.200r; it is not read. Put them beside it and '
                          'export it again, or save it as one file' % (path, name))
    if not os.path.isfile(place):
        raise EngineError('%s: its weights are missing: no file %s; put it beside the model' % (path, place))
    held = os.path.getsize(place)
    if held < needed or held > needed and path.lower().endswith('.xml'):
        check_kind(place)
        raise EngineError('%s: its weights are cut off or of another model: it needs %d bytes, %s has %d; put the '
                          'files of one export together' % (path, needed, place, held))


def _fits(path, size):
    available = available_bytes()
    if available and size > available:
        raise EngineError('%s: the model has %d MB, and %d MB of memory are available: end other programs, or use a '
                          'smaller model' % (path, size // MEGABYTE, available // MEGABYTE))


def available_bytes():
    """Memory the system could give now, by its own estimate; 0 where it makes none."""
    try:
        with open('/proc/meminfo') as stream:
            facts = dict(line.partition(':')[::2] for line in stream)
        return int(facts['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return 0
