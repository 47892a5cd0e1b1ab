"""How much arithmetic a network takes, from its file alone: multiplications with an addition, of one picture.

Only what detectors spend their time on is counted: convolutions and products with weights. For those the height and
width at each step are enough, and they follow from strides, pads and scales; only the input's shape must be known.
"""
import struct

from edge_app.engine.onnx_file import fields, pick, text_of
from edge_app.errors import EngineError

CONVOLUTIONS = {'Conv': 1, 'ConvInteger': 1, 'QLinearConv': 3}
"""Operation: which input holds its weights."""
POOLS = ('MaxPool', 'AveragePool')
USUAL_SCALE = 2
"""Of a Resize that computes its scale: feature pyramids double."""


def multiply_adds(path, size):
    """Multiply-adds of one picture of `size` (width, height). EngineError for a file that cannot be read or counted."""
    try:
        with open(path, 'rb') as stream:
            content = memoryview(stream.read())
        graph = next(value for number, value in fields(content) if number == 7)
        return _Walk(graph, (size[1], size[0])).total
    except OSError as error:
        raise EngineError('%s: cannot be read: %s' % (path, error.strerror))
    except (ValueError, IndexError, StopIteration, struct.error) as error:
        raise EngineError('%s: not a model whose steps can be counted: %s' % (path, error or 'no graph'))


class _Walk:
    """Through the steps in their order, with height and width of what each hands on."""

    def __init__(self, graph, size):
        self.total = 0
        self._weights = {}
        self._values = {}
        self._sizes = {}
        parts = list(fields(graph))
        for number, value in parts:
            if number == 5:
                self._constant(text_of(pick(value, {8: b''})[0]), value)
        for number, value in parts:
            if number == 11:
                self._sizes[text_of(pick(value, {1: b''})[0])] = size
        for number, value in parts:
            if number == 1:
                self._step(_Node(value))

    def _constant(self, name, tensor):
        sides = []
        for number, value in fields(tensor):
            if number == 1:
                sides += [value] if isinstance(value, int) else _numbers(value)
        self._weights[name] = sides
        if len(sides) < 2:
            self._values[name] = _small(tensor)

    def _step(self, node):
        size = next((self._sizes[name] for name in node.inputs if name in self._sizes), None)
        if node.operation == 'Constant':
            self._constant(node.outputs[0], node.attributes['value'])
            return
        if node.operation in ('DequantizeLinear', 'Identity') and node.inputs[0] in self._weights:
            self._weights[node.outputs[0]] = self._weights[node.inputs[0]]
            return
        if size is not None:
            after = self._after(node, size)
            for name in node.outputs:
                self._sizes[name] = after

    def _after(self, node, size):
        """Height and width behind a step; what it costs is added up."""
        if node.operation in CONVOLUTIONS:
            weights = self._weights[node.inputs[CONVOLUTIONS[node.operation]]]
            after = _slid(node, size, weights[2:])
            self.total += _product(weights) * _product(after)
            return after
        if node.operation == 'ConvTranspose':
            weights = self._weights[node.inputs[1]]
            self.total += _product(weights) * _product(size)
            return tuple(side * stride for side, stride in zip(size, node.numbers('strides', [1, 1])))
        if node.operation in POOLS:
            return _slid(node, size, node.numbers('kernel_shape', [1, 1]))
        if node.operation in ('MatMul', 'Gemm') and len(self._weights.get(node.inputs[1], ())) == 2:
            self.total += _product(self._weights[node.inputs[1]]) * _product(size)
            return size
        return self._reshaped(node, size)

    def _reshaped(self, node, size):
        if node.operation in ('Resize', 'Upsample'):
            return self._resized(node, size)
        if node.operation == 'SpaceToDepth':
            return tuple(side // node.numbers('blocksize', [2])[0] for side in size)
        if node.operation in ('GlobalAveragePool', 'GlobalMaxPool'):
            return 1, 1
        if node.operation == 'Slice':
            return self._sliced(node, size)
        return size

    def _resized(self, node, size):
        known = [self._values.get(name) for name in node.inputs[1:]] + [node.attributes.get('scales')]
        for values in known:
            if values is not None and len(values) == 4:
                scale = values[2:]
                if all(isinstance(side, int) for side in scale):   # sizes, not scales
                    return tuple(scale)
                return tuple(int(side * by) for side, by in zip(size, scale))
        return tuple(side * USUAL_SCALE for side in size)

    def _sliced(self, node, size):
        """Every second row or column, as YOLOX's first step takes; other slices keep what is counted here."""
        axes, steps = (self._values.get(name) for name in (node.inputs[3:5] + ['', ''])[:2])
        if not axes or not steps:
            return size
        by = dict(zip(axes, steps))
        return tuple(-(-side // abs(by.get(axis, by.get(axis - 4, 1)) or 1)) for axis, side in zip((2, 3), size))


class _Node:
    """A step with its attributes: numbers as a list, a tensor as its bytes."""

    def __init__(self, content):
        self.inputs, self.outputs, self.attributes, self.operation = [], [], {}, ''
        for number, value in fields(content):
            if number in (1, 2):
                (self.inputs if number == 1 else self.outputs).append(text_of(value))
            elif number == 4:
                self.operation = text_of(value)
            elif number == 5:
                name, known = _attribute(value)
                self.attributes[name] = known

    def numbers(self, name, default):
        return self.attributes.get(name) or default


def _attribute(content):
    name, found = '', []
    for number, value in fields(content):
        if number == 1:
            name = text_of(value)
        elif number == 5:
            return name, value
        elif number == 3 or number == 8 and isinstance(value, int):
            found.append(value)
        elif number == 8:
            found += _numbers(value)
        elif number == 7:
            found += _floats(value)
        elif number == 4:
            found = bytes(value)
    return name, found


def _slid(node, size, kernel):
    """Height and width behind a window that slides over them."""
    strides, dilations = node.numbers('strides', [1, 1]), node.numbers('dilations', [1, 1])
    pads = node.numbers('pads', [0, 0, 0, 0])
    if bytes(node.attributes.get('auto_pad', b'NOTSET') or b'NOTSET').startswith(b'SAME'):
        return tuple(-(-side // stride) for side, stride in zip(size, strides))
    up = strides[0] - 1 if node.attributes.get('ceil_mode') == [1] else 0
    return tuple((side + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1 + up)
                 // strides[axis] + 1 for axis, side in enumerate(size))


def _small(tensor):
    """The numbers of a tensor of float32 or int64."""
    kind, found = 0, []
    for number, value in fields(tensor):
        if number == 2:
            kind = value
        elif number == 4:
            found += _floats(value)
        elif number == 7:
            found += [value] if isinstance(value, int) else _numbers(value)
        elif number == 9 and kind in (1, 7):
            found += struct.unpack('<%d%s' % (len(value) // (4 if kind == 1 else 8), 'f' if kind == 1 else 'q'), value)
    return found


def _floats(value):
    return list(struct.unpack('<%df' % (len(value) // 4), value))


def _numbers(packed):
    """Varints one after the other; negative ones take all of their 64 bits."""
    found, number, shift = [], 0, 0
    for byte in bytes(packed):
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(number - (1 << 64) if number >> 63 else number)
            number, shift = 0, 0
    return found


def _product(sides):
    total = 1
    for side in sides:
        total *= side
    return total
