"""The engine seam: one table of backends, one function that chooses among them and says why."""
import importlib
import importlib.util
import os
from typing import NamedTuple, Tuple

from edge_app.errors import ConfigError, EngineUnavailable


class Backend(NamedTuple):
    """Where a backend is written and what it needs."""

    target: str
    """'module:Class', imported only when chosen."""
    needs: Tuple[str, ...] = ()
    """Modules that must be installed."""
    suffixes: Tuple[str, ...] = ()
    """Model files it reads; none: it reads no file."""
    install: str = ''


BACKENDS = {
    'onnxruntime': Backend('edge_app.engine.onnxruntime:OnnxRuntime', ('onnxruntime',), ('.onnx',),
                           'pip install onnxruntime'),
    'fake': Backend('edge_app.engine.fake:Fake'),
}
"""In order of preference: `auto` takes the first that reads the model and is installed."""


def installed(backend):
    """True when every module the backend needs can be found; nothing is imported."""
    return all(importlib.util.find_spec(name) for name in backend.needs)


def choose(config, path):
    """(name of the backend, why) for `config.backend` and the model file `path`.

    ConfigError for an unknown name or a file no backend reads, EngineUnavailable when nothing for it is installed.
    """
    if config.backend != 'auto':
        if config.backend not in BACKENDS:
            raise ConfigError('engine.backend: unknown backend %r; known: auto, %s'
                              % (config.backend, ', '.join(sorted(BACKENDS))))
        return config.backend, 'engine.backend says so'
    suffix = os.path.splitext(path)[1].lower()
    readers = [name for name, backend in BACKENDS.items() if suffix in backend.suffixes]
    if not readers:
        known = sorted({ending for backend in BACKENDS.values() for ending in backend.suffixes})
        raise ConfigError('engine.model: no backend reads %r files (%s); known: %s' % (suffix, path, ', '.join(known)))
    for name in readers:
        if installed(BACKENDS[name]):
            return name, 'first installed of those that read %s files: %s' % (suffix, ', '.join(readers))
    raise EngineUnavailable('nothing installed runs %s: %s'
                            % (path, ' or '.join(BACKENDS[name].install for name in readers)))


def create(name, path, config):
    """The Engine of backend `name`, not yet read or loaded. EngineUnavailable names what to install."""
    backend = BACKENDS[name]
    module, _, attribute = backend.target.partition(':')
    try:
        return getattr(importlib.import_module(module), attribute)(path, config)
    except ImportError as error:
        raise EngineUnavailable('engine.backend %s cannot be used here (%s): %s'
                                % (name, error, backend.install or 'choose another'))
