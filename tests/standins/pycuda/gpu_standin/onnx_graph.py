"""The little of an ONNX file that a parser's complaints are about: opset, steps, kinds of inputs and outputs.

Written apart from the product's reader, so that one mistake cannot hide in both.
"""
import struct


def parse(content):
    """{'opset', 'nodes': [(operation, name, type a Cast asks for)], 'kinds': {input: number}}; or ValueError."""
    model = {'opset': 0, 'nodes': [], 'kinds': {}, 'graph': False}
    for number, value in fields(content):
        if number == 8:
            inner = dict(fields(value))
            if not inner.get(1):
                model['opset'] = inner.get(2, 0)
        elif number == 7:
            model['graph'] = True
            for part, inside in fields(value):
                if part == 1:
                    model['nodes'].append(node(inside))
                elif part == 11:
                    model['kinds'].update([kind(inside)])
    if not model['graph']:
        raise ValueError('no graph')
    return model


def node(content):
    inner, cast_to = dict(fields(content)), 0
    for number, value in fields(content):
        attribute = dict(fields(value)) if number == 5 else {}
        if attribute.get(1) == b'to':
            cast_to = attribute.get(3, 0)
    return inner.get(4, b'').decode(), inner.get(3, b'').decode(), cast_to


def with_input_shapes(content, shapes):
    """The model with other fixed sides of its inputs, {name: sides}: what the network API may change."""
    return rewritten(content, 7, lambda graph: rewritten(graph, 11, lambda put: _reshaped(put, shapes)))


def _reshaped(put, shapes):
    sides = shapes.get(dict(fields(put)).get(1, b'').decode())
    if sides is None:
        return put
    shape = b''.join(length_of(1, b'\x08' + number_of(side)) for side in sides)
    return rewritten(put, 2, lambda kind: rewritten(kind, 1, lambda tensor: rewritten(tensor, 2, lambda _: shape)))


def rewritten(content, wanted, change):
    """A message whose parts with the number `wanted` are changed; the others stay byte for byte."""
    at, parts = 0, []
    while at < len(content):
        start = at
        key, at = varint(content, at)
        if key & 7 == 0:
            _, at = varint(content, at)
        elif key & 7 == 2:
            length, at = varint(content, at)
            at += length
        else:
            at += 8 if key & 7 == 1 else 4
        changed = key == wanted << 3 | 2
        parts.append(length_of(wanted, change(content[at - length:at])) if changed else content[start:at])
    return b''.join(parts)


def length_of(number, content):
    return number_of(number << 3 | 2) + number_of(len(content)) + content


def number_of(value):
    """A varint."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes(digits + bytearray([value]))


def kind(content):
    inner = dict(fields(content))
    tensor = dict(fields(dict(fields(inner.get(2, b''))).get(1, b'')))
    return inner.get(1, b'').decode(), tensor.get(1, 0)


def fields(content):
    """(number, int or bytes) of each field of a protobuf message."""
    at, found = 0, []
    while at < len(content):
        key, at = varint(content, at)
        if key & 7 == 0:
            value, at = varint(content, at)
        elif key & 7 == 2:
            length, at = varint(content, at)
            if at + length > len(content):
                raise ValueError('truncated')
            value, at = content[at:at + length], at + length
        elif key & 7 in (1, 5):
            form = '<q' if key & 7 == 1 else '<i'
            value, at = struct.unpack_from(form, content, at)[0], at + struct.calcsize(form)
        else:
            raise ValueError('not protobuf')
        found.append((key >> 3, value))
    return found


def varint(content, at):
    value = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise ValueError('truncated')
        value |= (content[at] & 127) << shift
        shift += 7
        at += 1
        if content[at - 1] < 128:
            return value, at
