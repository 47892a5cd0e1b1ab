"""Reads the structure of an ONNX file without the onnx package, which a board that only runs models does not have.

The format is protobuf (onnx/onnx.proto3): a field is a key (number << 3 | kind) and a varint, eight or four bytes, or a
length and bytes. Weights are stepped over.
"""
import contextlib
import mmap
from typing import Dict, NamedTuple, Tuple

import numpy as np

from edge_app.engine.ports import Port
from edge_app.errors import EngineError

TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16}
"""TensorProto.DataType of the kinds that detectors use."""
QUANTIZED = ('QuantizeLinear', 'DequantizeLinear', 'QLinearConv', 'ConvInteger')
"""Operations of a model in 8 bits."""
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
ENDS = 'it ends in the middle'


class Node(NamedTuple):
    """One step of the graph."""

    operation: str
    name: str


class OnnxFile(NamedTuple):
    """A model without its weights."""

    opset: int
    metadata: Dict[str, str]
    inputs: Tuple[Port, ...]
    outputs: Tuple[Port, ...]
    nodes: Tuple[Node, ...]
    """In the order of the file, which is how parsers number them."""


def read_onnx(path):
    """OnnxFile of a file. EngineError when it cannot be read or is no ONNX model."""
    with _refused(path), open(path, 'rb') as stream:
        return _model(memoryview(stream.read()))


def external_data(path):
    """{name: bytes it must have at least} of the files that hold weights outside of an ONNX file, named as it has them.

    TensorProto.external_data: weights of the graph, of constants and of graphs within it. EngineError as of read_onnx.
    """
    with _refused(path), open(path, 'rb') as stream:
        content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        if not any(number == 7 for number, _ in fields(content)):
            raise ValueError('it holds no graph')
        found = {}
        for name, end in _locations(content):
            found[name] = max(end, found.get(name, 0))
        return found


@contextlib.contextmanager
def _refused(path):
    """EngineError for what is wrong with a file."""
    try:
        yield
    except OSError as error:
        raise EngineError('%s: cannot be read: %s' % (path, error.strerror))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        what = str(error) if isinstance(error, ValueError) and str(error) else ENDS
        raise EngineError('%s: not a model in ONNX format: %s%s' % (
            path, what, '; fetch or export it again' if what == ENDS else ''))


INSIDE = {
    # message: {field: the message it holds}
    'model': {7: 'graph', 25: 'function'},
    'function': {7: 'node'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'tensor': {13: 'entry'},
}


def _locations(content):
    """(file, where in it they end) of all tensors' bytes outside of a model and all messages within, however deep."""
    waiting = [(content, 'model')]
    while waiting:
        content, kind = waiting.pop()
        entries = {}
        for number, value in fields(content):
            within = INSIDE[kind].get(number)
            if within == 'entry':
                key, text = pick(value, {1: b'', 2: b''})
                entries[bytes(key)] = text_of(text)
            elif within:
                waiting.append((value, within))
        if b'location' in entries:
            yield entries[b'location'], sum(_whole(entries.get(key)) for key in (b'offset', b'length'))


def _whole(text):
    return int(text) if text and text.isdigit() else 0


def _model(content):
    opset, metadata, graph = 0, {}, None
    for number, value in fields(content):
        if number == 7:
            graph = _graph(value)
        elif number == 8:
            domain, version = pick(value, {1: b'', 2: 0})
            opset = version if bytes(domain) in (b'', b'ai.onnx') else opset
        elif number == 14:
            key, text = pick(value, {1: b'', 2: b''})
            metadata[text_of(key)] = text_of(text)
    if graph is None or not opset:
        raise ValueError('it holds no graph')
    return OnnxFile(opset, metadata, *graph)


def _graph(content):
    nodes, weights, inputs, outputs = [], set(), [], []
    for number, value in fields(content):
        if number == 1:
            operation, name = pick(value, {4: b'', 3: b''})
            nodes.append(Node(text_of(operation), text_of(name)))
        elif number == 5:
            weights.add(text_of(pick(value, {8: b''})[0]))
        elif number in (11, 12):
            (inputs if number == 11 else outputs).append(_port(value))
    # before IR version 4 weights were listed as inputs too
    return tuple(port for port in inputs if port.name not in weights), tuple(outputs), tuple(nodes)


def _port(content):
    name, kind = pick(content, {1: b'', 2: b''})
    tensor = pick(kind, {1: b''})[0]
    number, shape = pick(tensor, {1: 0, 2: b''})
    sides = [pick(side, {1: None, 2: b''}) for field, side in fields(shape) if field == 1]
    return Port(text_of(name), TYPES.get(number),
                tuple(text_of(label) if side is None or side <= 0 else side for side, label in sides))


def pick(content, wanted):
    """Last value of each field number in `wanted`, or the default it gives: bytes, or for a number an int or None."""
    found = dict(wanted)
    for number, value in fields(content):
        if number in wanted:
            if isinstance(value, int) == isinstance(wanted[number], bytes):
                raise ValueError('a field holds another kind of value than it should')
            found[number] = value
    return [found[number] for number in wanted]


def text_of(content):
    return bytes(content).decode('utf-8')


def fields(content):
    """(number, value) of every field: int, or the bytes as a view. ValueError when it is no protobuf."""
    if isinstance(content, int):
        raise ValueError('a number where a message should be')
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(content, at)
        elif kind in (EIGHT, FOUR, BYTES):
            length, at = _varint(content, at) if kind == BYTES else ({EIGHT: 8, FOUR: 4}[kind], at)
            value, at = content[at:at + length], at + length
        else:
            raise ValueError('its bytes are not protobuf')
        if at > len(content):
            raise ValueError(ENDS)
        if not key >> 3:
            raise ValueError('its bytes are not protobuf')
        yield key >> 3, value


def _varint(content, at):
    """(value, next position); a negative int64 stays negative."""
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value - (1 << 64) if value >> 63 else value, at
    raise ValueError('its bytes are not protobuf')
