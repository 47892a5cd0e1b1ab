"""One interface for the tensors of every TensorRT version, chosen by what the library has, not by its number.

    8.2     bindings: tensors have numbers, shapes are set and read by number, one list of addresses per run
    8.5 on  tensors have names; 10 has nothing else any more
"""
import logging
from typing import NamedTuple, Tuple

import numpy as np
import tensorrt as trt

from edge_app.errors import EngineError

log = logging.getLogger(__name__)

DTYPES = {'FLOAT': np.float32, 'HALF': np.float16, 'INT8': np.int8, 'INT32': np.int32, 'BOOL': np.bool_,
          'UINT8': np.uint8, 'INT64': np.int64}
"""trt.nptype would do, but 8.2's asks for numpy names that newer numpy has dropped."""

DTYPE_OF = {getattr(trt.DataType, name): np.dtype(kind) for name, kind in DTYPES.items() if hasattr(trt.DataType, name)}

LEVELS = {trt.Logger.INTERNAL_ERROR: logging.ERROR, trt.Logger.ERROR: logging.ERROR,
          trt.Logger.WARNING: logging.WARNING, trt.Logger.INFO: logging.DEBUG, trt.Logger.VERBOSE: logging.DEBUG}
"""TensorRT's information interests developers only."""
KEPT_LINES = 20


class Messages(trt.ILogger):
    """Passes the library's messages to the log and keeps the last errors, because its calls only return None."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors = []

    def log(self, severity, message):
        level = LEVELS.get(severity, logging.DEBUG)
        log.log(level, '%s', message)
        if level == logging.ERROR:
            self.errors = (self.errors + [message])[-KEPT_LINES:]

    def taken(self):
        """The errors since the last call, as one text."""
        text, self.errors = '; '.join(self.errors), []
        return text


MESSAGES = Messages()
"""The one logger of the process: TensorRT keeps the first it is given."""


def start():
    """Register the library's plugins, which plans and models may use; forget errors of earlier models."""
    MESSAGES.taken()
    if hasattr(trt, 'init_libnvinfer_plugins'):
        trt.init_libnvinfer_plugins(MESSAGES, '')


class Port(NamedTuple):
    """An input or output of an engine."""

    name: str
    is_input: bool
    dtype: np.dtype
    shape: Tuple[int, ...]
    """-1 where it is open."""


def runtime():
    """The trt.Runtime that makes engines of plans; it must outlive them. On failure it returns None and logs why."""
    return made(trt.Runtime)


def made(kind):
    """A trt.Runtime or trt.Builder. EngineError when it cannot be made: the package raises TypeError and logs why."""
    try:
        return kind(MESSAGES)
    except TypeError as error:
        raise EngineError('TensorRT %s does not start: %s' % (trt.__version__, MESSAGES.taken() or error))


def tensors_of(engine):
    """Named or Numbered for an engine, with an execution context. EngineError without memory for one."""
    context = engine.create_execution_context()
    if context is None:
        raise EngineError('TensorRT has no room to run the model (%s): lower engine.batch' % MESSAGES.taken())
    return (Named if hasattr(engine, 'num_io_tensors') else Numbered)(engine, context)


def _dtype(kind):
    if kind not in DTYPE_OF:
        raise EngineError('the plan has a tensor of type %s, which is not known here' % kind)
    return DTYPE_OF[kind]


class Named:
    """Tensors by name: TensorRT 8.5 and later."""

    def __init__(self, engine, context):
        self.engine = engine
        self.context = context
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        self.ports = tuple(Port(name, engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
                                _dtype(engine.get_tensor_dtype(name)), tuple(engine.get_tensor_shape(name)))
                           for name in names)

    def profile(self, port):
        """(least, usual, greatest) shape of an input that is open."""
        return [tuple(shape) for shape in self.engine.get_tensor_profile_shape(port.name, 0)]

    def set_shape(self, port, shape):
        if not self.context.set_input_shape(port.name, shape):
            raise EngineError('TensorRT refuses pictures of %s: %s' % (list(shape), MESSAGES.taken()))

    def shape(self, port):
        """The shape of an output for the inputs as set."""
        return tuple(self.context.get_tensor_shape(port.name))

    def run(self, addresses, stream):
        """Queue one inference; `addresses` in the order of `ports`."""
        for port, address in zip(self.ports, addresses):
            self.context.set_tensor_address(port.name, address)
        return self.context.execute_async_v3(stream)


class Numbered:
    """Bindings by number: TensorRT before 8.5."""

    def __init__(self, engine, context):
        self.engine = engine
        self.context = context
        self.ports = tuple(Port(engine.get_binding_name(number), bool(engine.binding_is_input(number)),
                                _dtype(engine.get_binding_dtype(number)), tuple(engine.get_binding_shape(number)))
                           for number in range(engine.num_bindings))

    def profile(self, port):
        return [tuple(shape) for shape in self.engine.get_profile_shape(0, self.ports.index(port))]

    def set_shape(self, port, shape):
        if not self.context.set_binding_shape(self.ports.index(port), shape):
            raise EngineError('TensorRT refuses pictures of %s: %s' % (list(shape), MESSAGES.taken()))

    def shape(self, port):
        return tuple(self.context.get_binding_shape(self.ports.index(port)))

    def run(self, addresses, stream):
        return self.context.execute_async_v2(list(addresses), stream)
