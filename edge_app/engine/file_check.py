"""Checks of a model file before any library opens it: it fits into memory and refers to its own folder only."""
import os

from edge_app.engine.onnx_file import external_files
from edge_app.errors import EngineError

MEGABYTE = 1 << 20


def check_file(path):
    """EngineError for a model that is larger than the memory there is, or whose weights lie outside its folder."""
    _fits(path, os.path.getsize(path))  # before it is looked into
    _fits(path, os.path.getsize(path) + sum(map(os.path.getsize, _weights(path))))


def _fits(path, size):
    available = available_bytes()
    if available and size > available:
        raise EngineError('%s: the model has %d MB, and %d MB of memory are available: end other programs, or use a '
                          'smaller model' % (path, size // MEGABYTE, available // MEGABYTE))


def _weights(path):
    """Files beside an ONNX model that hold its weights."""
    if not path.lower().endswith('.onnx'):
        return []
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    found = []
    for name in external_files(path):
        place = os.path.realpath(os.path.join(folder, name))
        if os.path.isabs(name) or not place.startswith(os.path.join(folder, '')):
            raise EngineError('%s: keeps weights outside of its folder, in %r; it is not read. Put them beside it and '
                              'export it again, or save it as one file' % (path, name[:200]))
        if not os.path.isfile(place):
            raise EngineError('%s: its weights are missing: no file %s; put it beside the model' % (path, place))
        found.append(place)
    return found


def available_bytes():
    """Memory the system could give now, by its own estimate; 0 where it makes none."""
    try:
        with open('/proc/meminfo') as stream:
            facts = dict(line.partition(':')[::2] for line in stream)
        return int(facts['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return 0
