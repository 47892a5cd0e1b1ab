"""Writes ONNX files without the onnx package, the counterpart of onnx_file.py.

The format is protobuf (onnx/onnx.proto3): a field is a key (number << 3 | kind) and a varint, four bytes, or a length
and bytes. Weights go from their arrays into the file without a copy of the whole.
"""
import struct

import numpy as np

from edge_app.errors import EngineError

OPSET = 13
"""The newest that TensorRT 8.2, JetPack 4's, reads."""
IR_VERSION = 7
"""The one of ONNX 1.8, which brought opset 13."""
LARGEST = (1 << 31) - 1
"""Bytes a protobuf file may have."""
TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}
"""TensorProto.DataType."""
FLOAT, INT, STRING, INTS = 1, 2, 3, 7
"""AttributeProto.AttributeType."""


class Message:
    """A protobuf message as pieces of bytes; a message within is copied piece by piece."""

    def __init__(self, *fields):
        self.pieces = []
        self.size = 0
        for number, value in fields:
            self.put(number, value)

    def put(self, number, value):
        """Add a field: an int, a float, a text, bytes, an array (its bytes) or a Message."""
        if isinstance(value, int):
            return self._add(varint(number << 3) + varint(value))
        if isinstance(value, float):
            return self._add(varint(number << 3 | 5) + struct.pack('<f', value))
        if isinstance(value, str):
            value = value.encode()
        size = value.size if isinstance(value, Message) else memoryview(value).nbytes
        self._add(varint(number << 3 | 2) + varint(size))
        if isinstance(value, Message):
            self.pieces += value.pieces
            self.size += size
        else:
            self._add(value)

    def _add(self, piece):
        self.pieces.append(piece)
        self.size += memoryview(piece).nbytes

    def write(self, stream):
        for piece in self.pieces:
            stream.write(piece)


def varint(number):
    """Seven bits a byte, lowest first; a negative number as its 64 bits."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def _attribute(name, value):
    if isinstance(value, str):
        return Message((1, name), (4, value), (20, STRING))
    if isinstance(value, float):
        return Message((1, name), (2, value), (20, FLOAT))
    if isinstance(value, int):
        return Message((1, name), (3, value), (20, INT))
    return Message(*[(1, name)] + [(8, one) for one in value] + [(20, INTS)])


def _port(name, shape):
    """A float input or output; a side is a number or the name of an open one."""
    sides = [(1, Message((1, side) if isinstance(side, int) else (2, side))) for side in shape]
    return Message((1, name), (2, Message((1, Message((1, TYPES[np.dtype(np.float32)]), (2, Message(*sides)))))))


class Graph:
    """Nodes, constants and ports, added in the order in which they run."""

    def __init__(self, name):
        self.name = name
        self.parts = Message()
        self.count = 0
        self.nodes = []
        self.ports = []

    def node(self, operation, inputs, name, **attributes):
        """Add a step with one output, which is called `name`, as the step is. Returns `name`."""
        return self.split(operation, inputs, (name,), **attributes)[0]

    def split(self, operation, inputs, outputs, **attributes):
        """Add a step with several outputs. Returns their names."""
        self.nodes.append(Message(*[(1, one) for one in inputs] + [(2, one) for one in outputs] + [
            (3, outputs[0]), (4, operation)] + [(5, _attribute(*one)) for one in sorted(attributes.items())]))
        return outputs

    def constant(self, array, name=None):
        """Add an array of float32 or int64. Returns its name."""
        array = np.ascontiguousarray(array)
        self.count += 1
        name = name or 'constant%d' % self.count
        little = array.astype(array.dtype.newbyteorder('<'), copy=False)
        self.parts.put(5, Message(*[(1, side) for side in array.shape] + [
            (2, TYPES[array.dtype]), (8, name), (9, little.reshape(-1).view(np.uint8))]))
        return name

    def input(self, name, shape):
        self.ports.append((11, _port(name, shape)))
        return name

    def output(self, name, shape):
        self.ports.append((12, _port(name, shape)))

    def write(self, stream, metadata):
        """Write a model with `metadata` ({text: text}). EngineError when it is too large for the format."""
        graph = Message(*[(1, one) for one in self.nodes] + [(2, self.name)])
        graph.pieces += self.parts.pieces
        graph.size += self.parts.size
        for number, port in self.ports:
            graph.put(number, port)
        model = Message((1, IR_VERSION), (2, 'edge-app'), (7, graph), (8, Message((1, ''), (2, OPSET))))
        for key, text in sorted(metadata.items()):
            model.put(14, Message((1, key), (2, text)))
        if model.size > LARGEST:
            raise EngineError('%s: %d MB are more than an ONNX file can hold' % (self.name, model.size >> 20))
        model.write(stream)
