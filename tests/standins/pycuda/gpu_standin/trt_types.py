"""Types of TensorRT's Python package that are the same in all versions."""
import enum
import sys

import numpy as np


class Numbered(enum.Enum):
    """A member of pybind's enumerations: int() gives its number, arithmetic such as `1 << member` is a TypeError."""

    def __int__(self):
        return self.value

    __index__ = __int__


def enumeration(name, *members):
    """An enumeration with numbers from 0."""
    return Numbered(name, [(member, number) for number, member in enumerate(members)])


LayerType = enumeration(
    'LayerType', 'CONVOLUTION', 'ACTIVATION', 'POOLING', 'LRN', 'SCALE', 'SOFTMAX', 'DECONVOLUTION', 'CONCATENATION',
    'ELEMENTWISE', 'PLUGIN', 'UNARY', 'PADDING', 'SHUFFLE', 'REDUCE', 'TOPK', 'GATHER', 'MATRIX_MULTIPLY', 'CONSTANT',
    'IDENTITY', 'PLUGIN_V2', 'SLICE', 'SHAPE', 'RESIZE')
OF_OPERATION = {
    'Conv': 'CONVOLUTION', 'ConvTranspose': 'DECONVOLUTION', 'Relu': 'ACTIVATION', 'Sigmoid': 'ACTIVATION',
    'MaxPool': 'POOLING', 'AveragePool': 'POOLING', 'GlobalAveragePool': 'REDUCE', 'Softmax': 'SOFTMAX',
    'Concat': 'CONCATENATION', 'Add': 'ELEMENTWISE', 'Mul': 'ELEMENTWISE', 'Sub': 'ELEMENTWISE', 'Div': 'ELEMENTWISE',
    'Exp': 'UNARY', 'Reshape': 'SHUFFLE', 'Transpose': 'SHUFFLE', 'Flatten': 'SHUFFLE', 'Gather': 'GATHER',
    'MatMul': 'MATRIX_MULTIPLY', 'Constant': 'CONSTANT', 'Identity': 'IDENTITY', 'Slice': 'SLICE', 'Split': 'SLICE',
    'Shape': 'SHAPE', 'Resize': 'RESIZE'}


class Dims:
    """A shape: looks like a tuple, is none."""

    __slots__ = ('sides',)

    def __init__(self, sides=()):
        self.sides = [int(side) for side in sides]

    def __len__(self):
        return len(self.sides)

    def __getitem__(self, at):
        return tuple(self.sides[at]) if isinstance(at, slice) else self.sides[at]

    def __setitem__(self, at, side):
        self.sides[at] = int(side)

    def __iter__(self):
        return iter(list(self.sides))

    def __eq__(self, other):
        return list(self.sides) == list(other)

    __hash__ = None

    def __repr__(self):
        return '(' + ', '.join(str(side) for side in self.sides) + ')'


def volume(shape):
    result = 1
    for side in shape:
        result *= side
    return result


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def __init__(self):
        self.ready = True

    def log(self, severity, msg):
        raise NotImplementedError


class Logger(ILogger):
    """Prints what is severe enough."""

    def __init__(self, min_severity=Severity.WARNING):
        ILogger.__init__(self)
        self.min_severity = min_severity

    def log(self, severity, msg):
        if severity <= self.min_severity:
            sys.stderr.write('[TRT] [%s] %s\n' % (Severity(severity).name[0], msg))


def checked(logger):
    """A logger, or TypeError; one whose base was not initialised is the mistake pybind reports too."""
    if not isinstance(logger, ILogger) or not getattr(logger, 'ready', False):
        raise TypeError('incompatible constructor arguments: an ILogger is needed, and its __init__ must be called')
    return logger


class Managed:
    """`with` works on everything, as in TensorRT, and means nothing."""

    __slots__ = ()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


class HostMemory(np.ndarray):
    """What a build gives: a buffer with `nbytes`; it has no len() and no parts."""

    def __new__(cls, content):
        return np.frombuffer(content, np.uint8).view(cls)

    def _missing(self, *_):
        raise TypeError("object of type 'tensorrt.IHostMemory' has neither len() nor parts")

    __len__ = __getitem__ = __iter__ = _missing

    def __bool__(self):
        return True


NUMPY = {'FLOAT': np.float32, 'HALF': np.float16, 'INT8': np.int8, 'INT32': np.int32, 'BOOL': np.bool_,
         'UINT8': np.uint8, 'INT64': np.int64}
OF_ORT = {'tensor(float)': 'FLOAT', 'tensor(float16)': 'HALF', 'tensor(int8)': 'INT8', 'tensor(int32)': 'INT32',
          'tensor(int64)': 'INT64', 'tensor(bool)': 'BOOL', 'tensor(uint8)': 'UINT8'}
OF_ONNX = {1: 'FLOAT', 3: 'INT8', 6: 'INT32', 7: 'INT32', 9: 'BOOL', 10: 'HALF', 11: 'FLOAT'}
"""What a Cast may ask for, by TensorProto's numbers; int64 becomes int32, double becomes float."""
