"""Multiply-adds counted in files whose sum is known by hand."""
import os

import numpy as np
import pytest

from edge_app.engine.onnx_work import multiply_adds
from edge_app.errors import EngineError

from tests.support.tiny_onnx import field, message, model, node, tensor, value_info

SIZE = (64, 32)
"""Width, height."""


def weights(name, *shape):
    return tensor(name, np.zeros(shape, np.float32))


def whole(name, *values):
    return tensor(name, np.array(values, np.int64))


def count(tmp_path, nodes, initializers, size=SIZE):
    path = str(tmp_path / 'model.onnx')
    with open(path, 'wb') as stream:
        stream.write(model(nodes, initializers, [value_info('x', ['batch', 3, size[1], size[0]])],
                           [value_info('y', ['batch', 'a', 'b', 'c'])], {}))
    return multiply_adds(path, size)


@pytest.mark.parametrize('attributes, shape, after', [
    (dict(pads=[1, 1, 1, 1]), (8, 3, 3, 3), 32 * 64),
    (dict(pads=[1, 1, 1, 1], strides=[2, 2]), (8, 3, 3, 3), 16 * 32),
    (dict(), (8, 3, 3, 3), 30 * 62),
    (dict(dilations=[2, 2]), (8, 3, 3, 3), 28 * 60),
    (dict(strides=[4, 2], pads=[0, 1, 0, 1]), (8, 3, 1, 3), 8 * 32),
    (dict(pads=[1, 1, 1, 1], group=3), (6, 1, 3, 3), 32 * 64),
])
def test_a_convolution(tmp_path, attributes, shape, after):
    product = int(np.prod(shape))
    assert count(tmp_path, [node('Conv', ['x', 'w'], ['y'], **attributes)], [weights('w', *shape)]) == product * after


CONV = [node('Conv', ['between', 'w'], ['y'])]
ONE = [weights('w', 2, 3, 1, 1)]
"""Six products at every place of what comes before: its height times width is the count by six."""


@pytest.mark.parametrize('before, constants, places', [
    ([node('MaxPool', ['x'], ['between'], kernel_shape=[2, 2], strides=[2, 2])], [], 16 * 32),
    ([node('MaxPool', ['x'], ['between'], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], [], 16 * 32),
    ([node('MaxPool', ['x'], ['between'], kernel_shape=[3, 3], strides=[2, 2])], [], 15 * 31),
    ([node('GlobalAveragePool', ['x'], ['between'])], [], 1),
    ([node('Resize', ['x', '', 's'], ['between'])], [tensor('s', np.array([1, 1, 3, 3], np.float32))], 96 * 192),
    ([node('Resize', ['x', '', '', 's'], ['between'])], [whole('s', 1, 3, 7, 9)], 7 * 9),
    ([node('Resize', ['x', '', 'computed'], ['between'])], [], 64 * 128),
    ([node('Slice', ['x', 'from', 'to', 'axes', 'steps'], ['between'])],
     [whole('from', 0), whole('to', 99), whole('axes', 2), whole('steps', 2)], 16 * 64),
    ([node('Slice', ['x', 'from', 'to', 'axes', 'steps'], ['between'])],
     [whole('from', 0), whole('to', 99), whole('axes', -1), whole('steps', 2)], 32 * 32),
    ([node('Slice', ['x', 'from', 'to'], ['between'])], [whole('from', 0), whole('to', 2)], 32 * 64),
    ([node('SpaceToDepth', ['x'], ['between'], blocksize=2)], [], 16 * 32),
    ([node('Sigmoid', ['x'], ['s']), node('Mul', ['s', 'x'], ['between'])], [], 32 * 64),
    ([node('Concat', ['constant', 'x'], ['between'], axis=1)], [], 32 * 64),
])
def test_places_behind_other_steps(tmp_path, before, constants, places):
    assert count(tmp_path, before + CONV, ONE + constants) == 6 * places


def test_products_and_transposed_convolutions(tmp_path):
    steps = [node('ConvTranspose', ['x', 'up'], ['large'], strides=[2, 2]), node('Conv', ['large', 'w'], ['c']),
             node('GlobalAveragePool', ['c'], ['one']), node('Gemm', ['one', 'full'], ['y'])]
    known = [weights('up', 3, 3, 2, 2), weights('w', 2, 3, 1, 1), weights('full', 2, 10)]
    assert count(tmp_path, steps, known) == 36 * 32 * 64 + 6 * 64 * 128 + 20


def test_weights_that_come_by_another_step(tmp_path):
    constant = message((2, 'w'), (4, 'Constant'),
                       (5, message((1, 'value'), (5, tensor('', np.zeros((2, 3, 1, 1), np.float32))), (20, 4))))
    assert count(tmp_path, [constant, node('Conv', ['x', 'w'], ['y'])], []) == 6 * 32 * 64
    for step in ('Identity', 'DequantizeLinear'):
        assert count(tmp_path, [node(step, ['v'], ['w']), node('Conv', ['x', 'w'], ['y'])], [weights('v', 2, 3, 1, 1)]
                     ) == 6 * 32 * 64


def test_eight_bit_convolutions(tmp_path):
    assert count(tmp_path, [node('QLinearConv', ['x', 'a', 'b', 'w'], ['y'])], ONE) == 6 * 32 * 64
    assert count(tmp_path, [node('ConvInteger', ['x', 'w'], ['y'])], ONE) == 6 * 32 * 64


@pytest.mark.parametrize('content', [b'', b'text', b'\x3a\xff', field(7, b'\x0a\x05ab')])
def test_what_is_no_model(tmp_path, content):
    path = str(tmp_path / 'm.onnx')
    with open(path, 'wb') as stream:
        stream.write(content)
    with pytest.raises(EngineError, match='m.onnx'):
        multiply_adds(path, SIZE)
    os.unlink(path)
    with pytest.raises(EngineError, match='cannot be read'):
        multiply_adds(path, SIZE)
