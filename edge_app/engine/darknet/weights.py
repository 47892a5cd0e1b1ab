"""A `.weights` file: a header of four numbers, then float32 for each convolution in order, and nothing else.

    int32 major, minor, revision; number of pictures seen: int64 where major * 10 + minor >= 2, else int32
    per convolution: biases [n]; with batch normalisation scales, means, variances [n] each; kernels [n, c, size, size]

All little-endian (parser.c, load_weights_upto and load_convolutional_weights).
"""
import os
import struct
from typing import NamedTuple

import numpy as np

from edge_app.errors import EngineError

HEADER = struct.Struct('<3i')
WIDE = struct.Struct('<q')
NARROW = struct.Struct('<i')
NUMBER_BYTES = 4
EPSILON = 1e-6
"""Added to a variance before its root, as pjreddie's Darknet and OpenCV do; AlexeyAB's adds 1e-5."""


class Header(NamedTuple):
    """What the file says of itself."""

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0
    """Pictures seen in training."""

    @property
    def seen_format(self):
        """Versions from 0.2 on count pictures in 64 bits."""
        return WIDE if self.major * 10 + self.minor >= 2 and self.major < 1000 and self.minor < 1000 else NARROW

    def pack(self):
        return HEADER.pack(self.major, self.minor, self.revision) + self.seen_format.pack(self.seen)


class Numbers(NamedTuple):
    """Weights of one convolution; without batch normalisation the three in the middle are None."""

    biases: np.ndarray
    scales: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    kernels: np.ndarray
    """[filters, channels / groups, size, size]."""

    def folded(self):
        """(kernels, biases) that do the same without batch normalisation."""
        if self.scales is None:
            return self.kernels, self.biases
        factor = self.scales.astype(np.float64) / np.sqrt(self.variances.astype(np.float64) + EPSILON)
        kernels = self.kernels * factor.reshape(-1, 1, 1, 1)
        return kernels.astype(np.float32), (self.biases - self.means * factor).astype(np.float32)


def weights_path(cfg_path):
    """The `.weights` that belongs to a `.cfg`: beside it, of the same name."""
    return os.path.splitext(cfg_path)[0] + '.weights'


def needed(layer):
    """How many numbers a convolution has."""
    filters, channels, height, width = layer.kernel
    return filters * (4 if layer.normalised else 1) + filters * channels * height * width


def read_weights(path, network):
    """(Header, {layer index: Numbers}) for a network. EngineError with layer and counts when the file does not fit."""
    try:
        with open(path, 'rb') as stream:
            header = _header(stream, path)
            held = (os.fstat(stream.fileno()).st_size - stream.tell()) / NUMBER_BYTES
            _check(path, network, held)
            return header, {layer.index: _numbers(stream, layer) for layer in network.convolutions}
    except OSError as error:
        raise EngineError('%s: cannot be read: %s' % (path, error.strerror))


def _header(stream, path):
    try:
        header = Header(*HEADER.unpack(stream.read(HEADER.size)))
        return header._replace(seen=header.seen_format.unpack(stream.read(header.seen_format.size))[0])
    except struct.error:
        raise EngineError('%s: not Darknet weights: it ends within the header' % path)


def _check(path, network, held):
    """Count all numbers before any is read, so that the error of a file too short or too long names the place."""
    start = 0
    for layer in network.convolutions:
        if start + needed(layer) > held:
            raise EngineError('%s: truncated, or of another network than %s: %s needs %d numbers from number %d on, '
                              'but the file holds %s'
                              % (path, network.path, layer.title, needed(layer), start, _count(held)))
        start += needed(layer)
    if start != held:
        raise EngineError('%s: of another network than %s: its %d convolutions, the last of them %s, need %d numbers, '
                          'but the file holds %s' % (path, network.path, len(network.convolutions),
                                                     network.convolutions[-1].title, start, _count(held)))


def _count(held):
    return '%d' % held if held == int(held) else '%d and a part of one' % held


def _numbers(stream, layer):
    def take(*shape):
        count = int(np.prod(shape))
        content = stream.read(count * NUMBER_BYTES)
        if len(content) != count * NUMBER_BYTES:
            raise EngineError('%s: ended while %s was read: another process is writing it' % (stream.name, layer.title))
        return np.frombuffer(content, '<f4').astype(np.float32).reshape(shape)

    biases = take(layer.filters)
    scales, means, variances = (take(layer.filters) for _ in range(3)) if layer.normalised else (None,) * 3
    return Numbers(biases, scales, means, variances, take(*layer.kernel))
