"""Darknet's `.weights`: headers old and new, every number in its place, and files that do not fit."""
import os
import struct

import numpy as np
import pytest

from edge_app.engine.darknet.weights import Header, Numbers, needed, read_weights, weights_path
from edge_app.errors import EngineError

from tests.support.darknet_models import parse_network, write_weights

CFG = '''[net]
width=32
height=32
[convolutional]
batch_normalize=1
filters=4
size=3
pad=1
activation=leaky
[convolutional]
filters=12
groups=2
size=1
activation=linear
[yolo]
mask=0,1
anchors=1,2,3,4
classes=1
'''
FIRST, SECOND = 4 * 4 + 4 * 3 * 9, 12 + 12 * 2
"""Numbers of the two convolutions, counted by hand."""


@pytest.fixture
def network():
    return parse_network(CFG, 'some.cfg')


def counted(network):
    """Numbers that count up through the whole file."""
    return {
        0: Numbers(*(np.arange(start, start + 4, dtype=np.float32) for start in (0, 4, 8, 12)),
                   kernels=np.arange(16, FIRST, dtype=np.float32).reshape(4, 3, 3, 3)),
        1: Numbers(np.arange(FIRST, FIRST + 12, dtype=np.float32), None, None, None,
                   np.arange(FIRST + 12, FIRST + SECOND, dtype=np.float32).reshape(12, 2, 1, 1))}


def file_of(tmp_path, header, count=FIRST + SECOND, more=b''):
    path = tmp_path / 'some.weights'
    path.write_bytes(header + np.arange(count, dtype='<f4').tobytes() + more)
    return str(path)


NEW = struct.pack('<iiiq', 0, 2, 5, 1 << 33)


def test_how_many_numbers(network):
    assert [needed(layer) for layer in network.convolutions] == [FIRST, SECOND]


@pytest.mark.parametrize('packed, seen', [(struct.pack('<iiii', 0, 1, 0, 77), 77), (NEW, 1 << 33),
                                          (struct.pack('<iiiq', 1, 0, 0, 9), 9),
                                          (struct.pack('<iiii', 2000, 0, 0, 5), 5)])
def test_headers_old_and_new(tmp_path, network, packed, seen):
    header, numbers = read_weights(file_of(tmp_path, packed), network)
    assert header.seen == seen and header.pack() == packed
    for index, expected in counted(network).items():
        for got, want in zip(numbers[index], expected):
            np.testing.assert_array_equal(got, want)


def test_written_is_what_darknet_would_write(tmp_path, network):
    path = str(tmp_path / 'written.weights')
    write_weights(path, network, counted(network), Header(seen=1 << 33))
    with open(path, 'rb') as written, open(file_of(tmp_path, NEW), 'rb') as expected:
        assert written.read() == expected.read()


def test_shapes_that_are_not_the_networks_are_not_written(tmp_path, network):
    numbers = counted(network)
    numbers[1] = numbers[1]._replace(biases=np.zeros(11, np.float32))
    with pytest.raises(EngineError, match=r'layer 1, \[convolutional\] in line 10: .* \[11\] where \[12\]'):
        write_weights(str(tmp_path / 'w'), network, numbers)


@pytest.mark.parametrize('count, more, words', [
    (0, b'',
     r'truncated, .*some.cfg: layer 0, \[convolutional\] in line 4 needs 124 numbers from number 0 on, but .* 0$'),
    (FIRST - 1, b'', 'layer 0.* needs 124 .* holds 123$'),
    (FIRST + 1, b'', r'layer 1, \[convolutional\] in line 10 needs 36 numbers from number 124 on, .* holds 125'),
    (FIRST + SECOND - 1, b'\0\0', 'layer 1.* holds 159 and a part of one'),
    (FIRST + SECOND + 9, b'',
     r'of another network than some.cfg: its 2 convolutions, .*line 10, need 160 .* holds 169')])
def test_too_short_or_too_long_is_told_with_layer_and_counts(tmp_path, network, count, more, words):
    with pytest.raises(EngineError, match=words):
        read_weights(file_of(tmp_path, NEW, count, more), network)


@pytest.mark.parametrize('content', [b'', NEW[:-1]])
def test_less_than_a_header(tmp_path, network, content):
    (tmp_path / 'some.weights').write_bytes(content)
    with pytest.raises(EngineError, match='ends within the header'):
        read_weights(str(tmp_path / 'some.weights'), network)


def test_a_missing_file(tmp_path, network):
    with pytest.raises(EngineError, match='cannot be read: No such file'):
        read_weights(str(tmp_path / 'no.weights'), network)


def test_the_weights_lie_beside_the_cfg():
    assert weights_path(os.path.join('a.b', 'c.cfg')) == os.path.join('a.b', 'c.weights')


def test_batch_normalisation_folds_into_kernels(network):
    random = np.random.RandomState(0)
    numbers = Numbers(*(random.uniform(0.5, 2, 4).astype(np.float32) for _ in range(4)),
                      kernels=random.standard_normal((4, 3, 3, 3)).astype(np.float32))
    kernels, biases = numbers.folded()
    x = random.standard_normal((3, 3, 3))
    sums = (numbers.kernels * x).sum(axis=(1, 2, 3))
    normalised = (sums - numbers.means) / np.sqrt(numbers.variances + 1e-6) * numbers.scales + numbers.biases
    np.testing.assert_allclose((kernels * x).sum(axis=(1, 2, 3)) + biases, normalised, rtol=1e-5, atol=1e-5)
