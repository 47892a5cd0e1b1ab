"""A `.cfg` becomes an ONNX file once, kept in the user's cache under what it was made of."""
import hashlib
import logging
import os

from edge_app.engine.darknet.export import onnx_graph
from edge_app.engine.darknet.network import read_network
from edge_app.engine.darknet.weights import read_weights, weights_path
from edge_app.engine.file_kind import check_kind
from edge_app.errors import ConfigError, EngineError
from edge_app.files import cache_folder, read_text, replaced

log = logging.getLogger(__name__)

SCHEMA = 1
"""Raised when the written graph changes: cached files are then ignored."""
BLOCK = 1 << 20
GREY = 127
"""Darknet pads with 0.5 (image.c, letterbox_image)."""


def weights_of(cfg_path):
    """Path of the weights beside a `.cfg`. ConfigError when there are none, EngineError for something else."""
    path = weights_path(cfg_path)
    if not os.path.isfile(path):
        others = _beside(cfg_path, '.weights')
        raise ConfigError('engine.model: %s needs its weights beside it: no file %s%s' % (
            cfg_path, path, '; if they are in %s, give it that name' % ' or '.join(others) if others else ''))
    check_kind(path)
    return path


def names_beside(cfg_path, classes):
    """Class names beside a `.cfg`, one a line, in the `.names` of its name or the only one there; None without.

    ConfigError for another number of names in its own; another file may be of another model.
    """
    own = os.path.splitext(cfg_path)[0] + '.names'
    others = _beside(cfg_path, '.names')
    path = own if os.path.isfile(own) or len(others) != 1 else os.path.join(os.path.dirname(cfg_path), others[0])
    try:
        names = [line.strip() for line in read_text(path, BLOCK).split('\n') if line.strip()]
    except OSError:
        return None
    if len(names) == classes:
        return names
    if path == own:
        raise ConfigError('%s: holds %d names, but %s has %d classes' % (path, len(names), cfg_path, classes))
    return None


def _beside(cfg_path, suffix):
    """Names of the files of this suffix in the folder of a `.cfg`."""
    return sorted(name for name in os.listdir(os.path.dirname(cfg_path) or '.') if name.lower().endswith(suffix))


def metadata_of(network):
    """The metadata of a Darknet model, as texts."""
    metadata = {'family': 'darknet', 'task': 'detect'}
    if network.letter_box:
        metadata.update(letterbox='centre', grey=str(GREY))
    names = names_beside(network.path, network.classes)
    if names:
        metadata['names'] = repr(names)
    return metadata


def onnx_of(cfg_path, environ=os.environ):
    """Path of the ONNX file of a `.cfg` with `.weights` beside it, converted now if it never was.

    ConfigError without weights, EngineError for a network that is not supported, weights that do not fit, no room.
    """
    network, weights = read_network(cfg_path), weights_of(cfg_path)
    metadata = metadata_of(network)
    stem = os.path.splitext(os.path.basename(cfg_path))[0]
    name = '%s-%s.onnx' % (stem, _digest((cfg_path, weights), metadata))
    target = os.path.join(cache_folder(environ), 'darknet', name)
    if not os.path.isfile(target):
        log.info('%s: converted to %s, once', cfg_path, target)
        _keep(target, onnx_graph(network, read_weights(weights, network)[1]), metadata)
    return target


def convert(cfg_path, target):
    """Write the ONNX file of a `.cfg` with `.weights` beside it to `target`."""
    network = read_network(cfg_path)
    graph = onnx_graph(network, read_weights(weights_of(cfg_path), network)[1])
    with open(target, 'wb') as stream:
        graph.write(stream, metadata_of(network))


def _digest(paths, metadata):
    """Of everything the file is made of."""
    digest = hashlib.sha256(repr((SCHEMA, sorted(metadata.items()))).encode())
    for path in paths:
        with open(path, 'rb') as stream:
            for block in iter(lambda: stream.read(BLOCK), b''):
                digest.update(block)
    return digest.hexdigest()[:16]


def _keep(target, graph, metadata):
    """Write the whole file or none."""
    try:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        with replaced(target) as stream:
            graph.write(stream, metadata)
    except OSError as error:
        raise EngineError('%s: cannot be written: %s; make room there or set XDG_CACHE_HOME to a folder that can be '
                          'written' % (target, error.strerror))
