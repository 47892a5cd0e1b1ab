"""The little of an ONNX file that a parser's complaints are about: opset, steps, kinds of inputs and outputs.

Written apart from the product's reader, so that one mistake cannot hide in both.
"""
import struct


def parse(content):
    """{'opset', 'nodes': [(operation, name)], 'kinds': {input: number}}; ValueError for what is no model."""
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
    inner = dict(fields(content))
    return inner.get(4, b'').decode(), inner.get(3, b'').decode()


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
