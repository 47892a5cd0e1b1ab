"""The table of engine backends, and how one is chosen."""
import importlib
import importlib.util
import os
from typing import NamedTuple, Tuple

from edge_app import uris
from edge_app.engine.file_check import check_file
from edge_app.engine.file_kind import check_kind, instead_of
from edge_app.errors import ConfigError, EngineUnavailable


class Backend(NamedTuple):
    """Where a backend is implemented and what it needs."""

    target: str
    """'module:Class', imported only when chosen."""
    needs: Tuple[str, ...] = ()
    """Modules that must be installed."""
    suffixes: Tuple[str, ...] = ()
    """Suffixes of the model files it reads."""
    install: str = ''
    probe: str = ''
    """'module:function' -> why it cannot work on this machine, '' when it can; imported when installed."""
    check: str = ''
    """'module:function' that raises what is wrong with a model's path, for a backend too slow to be tried."""


BACKENDS = {
    'tensorrt': Backend('edge_app.engine.tensorrt.backend:TensorRt', ('tensorrt', 'pycuda'),
                        ('.onnx', '.plan', '.engine', '.trt'),
                        'TensorRT with its Python package (JetPack: apt install python3-libnvinfer) and '
                        'pip install pycuda',
                        'edge_app.engine.tensorrt.gpu:unavailable_reason', 'edge_app.engine.tensorrt.plans:check_file'),
    'onnxruntime': Backend('edge_app.engine.onnxruntime:OnnxRuntime', ('onnxruntime',), ('.onnx',),
                           'pip install onnxruntime'),
    'openvino': Backend('edge_app.engine.openvino:OpenVino', ('openvino',), ('.onnx', '.xml'), 'pip install openvino'),
    'torch': Backend('edge_app.engine.torch.backend:Torch', ('torch',), ('.cfg', '.pt', '.torchscript'),
                     'pip install torch (on a Jetson NVIDIA\'s own wheel)'),
    'torch2trt': Backend('edge_app.engine.torch.to_tensorrt:Torch2Trt', ('torch', 'torch2trt'), ('.cfg',),
                         'torch2trt 0.4 or later (github.com/NVIDIA-AI-IOT/torch2trt) beside torch and TensorRT'),
    'kserve': Backend('edge_app.engine.kserve:KServe', ('tritonclient', 'geventhttpclient'), ('http:', 'https:'),
                      "pip install 'tritonclient[http]'"),
    'fake': Backend('edge_app.engine.fake:Fake'),
}
"""In order of preference: `auto` takes the first that reads the model and is installed."""

SET = 'set by engine.backend'

CONVERTED = {'.cfg': ('.onnx', 'edge_app.engine.darknet.conversion:onnx_of')}
"""Files that are converted first: {suffix: (suffix it becomes, 'module:function' that converts)}."""


def installed(backend):
    """True when every module the backend needs can be found; nothing is imported."""
    return all(importlib.util.find_spec(name) for name in backend.needs)


def choose(config, path):
    """(name of the backend, why) for `config.backend` and the model file `path`.

    ConfigError for an unknown name or a file it does not read, EngineError for a file that is no model,
    EngineUnavailable when nothing for it is installed.
    """
    suffix = suffix_of(path)
    readers = [name for name, backend in BACKENDS.items() if reads(backend, suffix)]
    named = config.backend != 'auto'
    if named and config.backend not in BACKENDS:
        raise ConfigError('engine.backend: unknown backend %r; known: auto, %s'
                          % (config.backend, ', '.join(sorted(BACKENDS))))
    if named and not BACKENDS[config.backend].suffixes:
        return config.backend, SET
    if not readers:
        raise ConfigError('engine.model: ' + _unread(path, suffix))
    if os.path.isfile(path):
        check_kind(path)  # before a library is missed that would not read it either
    if named and config.backend not in readers:
        raise ConfigError('engine.backend: %s does not run %s files (%s); %s do'
                          % (config.backend, suffix, path, ', '.join(readers)))
    if named:
        return config.backend, SET
    reasons = ''
    for name in readers:
        reason = unavailable_reason(BACKENDS[name])
        if not reason:
            return name, 'first that works here of those that read %s files: %s%s' % (
                suffix, ', '.join(readers), reasons)
        reasons += '; %s: %s' % (name, reason)
    raise EngineUnavailable('nothing installed runs %s%s: %s'
                            % (path, reasons, ' or '.join(BACKENDS[name].install for name in readers)))


def _unread(path, suffix):
    """Why no backend reads a file of this suffix."""
    if '://' in path:
        return ('%s is not the address of a served model; write http://host:8000/v2/models/yolox, or the path of a file'
                % uris.masked(path))
    instead = instead_of(suffix)
    if instead:
        return '%s: is %s' % (path, instead)
    known = sorted(set(CONVERTED).union(*(backend.suffixes for backend in BACKENDS.values())))
    return 'no backend reads %r files (%s); known: %s' % (suffix, path, ', '.join(known))


def unavailable_reason(backend):
    """Why a backend cannot work on this machine, '' when it can."""
    if not installed(backend):
        return 'not installed'
    if not backend.probe:
        return ''
    try:
        return _named(backend.probe)()
    except ImportError as error:  # installed, but not for this interpreter or these libraries
        return str(error)


def _named(target):
    module, _, attribute = target.partition(':')
    return getattr(importlib.import_module(module), attribute)


def suffix_of(path):
    """'.onnx' of a file, 'http:' of an address: what decides on the backend."""
    return path.partition('//')[0].lower() if '://' in path else os.path.splitext(path)[1].lower()


def reads(backend, suffix):
    """True when a backend runs such files, as they are or converted."""
    return suffix in backend.suffixes or CONVERTED.get(suffix, ('',))[0] in backend.suffixes


def readable(backend, path):
    """The path itself, or of the file it is converted to for this backend. ConfigError, EngineError from converting."""
    suffix = suffix_of(path)
    if suffix in CONVERTED and suffix not in backend.suffixes and reads(backend, suffix):
        return _named(CONVERTED[suffix][1])(path)
    return path


def checked(name, path):
    """True when backend `name` has checked all it can without loading the model; False: it must be tried.

    EngineError, ConfigError for a model this backend cannot run, EngineUnavailable when it cannot work here.
    """
    backend = BACKENDS[name]
    if not backend.check:
        return False
    reason = unavailable_reason(backend)
    if reason:
        raise _unavailable(name, reason)
    path = readable(backend, path)
    if os.path.isfile(path):
        check_file(path)
    _named(backend.check)(path)
    return True


def create(name, path, config):
    """The Engine of backend `name`, not yet read or loaded. EngineUnavailable names what to install."""
    backend = BACKENDS[name]
    path = readable(backend, path)
    if os.path.isfile(path):
        check_file(path)
    try:
        return _named(backend.target)(path, config)
    except ImportError as error:
        raise _unavailable(name, error)


def _unavailable(name, reason):
    return EngineUnavailable('engine.backend %s cannot be used here (%s): %s'
                             % (name, reason, BACKENDS[name].install or 'choose another'))
