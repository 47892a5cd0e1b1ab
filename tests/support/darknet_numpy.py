"""Runs a Darknet network in plain numpy, one layer after the other: slow, and short enough to be believed."""
import numpy as np

from edge_app.engine.darknet import network as kinds
from edge_app.engine.darknet.weights import EPSILON

ACTIVATIONS = {
    'linear': lambda x: x,
    'leaky': lambda x: np.where(x > 0, x, 0.1 * x),
    'relu': lambda x: np.maximum(x, 0),
    'logistic': lambda x: 1 / (1 + np.exp(-x)),
    'swish': lambda x: x / (1 + np.exp(-x)),
    'mish': lambda x: x * np.tanh(np.logaddexp(0, x)),
}


def windows(x, size, stride, shape, before, after, fill):
    """float [channels, size, size, out height, out width]: what each place of the output looks at."""
    padded = np.pad(x, ((0, 0), (before, after), (before, after)), 'constant', constant_values=fill)
    channel, row, column = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded, (len(x), size, size) + tuple(shape[1:]),
        (channel, row, column, row * stride, column * stride), writeable=False)


def convolve(layer, x, kernels):
    parts = np.split(windows(x, layer.size, layer.stride, layer.shape, layer.padding, layer.padding, 0), layer.groups)
    return np.concatenate([np.tensordot(weights, part, axes=3)
                           for weights, part in zip(np.split(kernels, layer.groups), parts)])


def convolution(layer, x, numbers, measure):
    one = numbers[layer.index]
    y = convolve(layer, x, one.kernels)
    if one.scales is not None:
        if measure:
            one = one._replace(means=y.mean(axis=(1, 2)), variances=y.var(axis=(1, 2)))
            numbers[layer.index] = one
        y = (y - one.means[:, None, None]) / np.sqrt(one.variances[:, None, None] + EPSILON) * one.scales[:, None, None]
    return ACTIVATIONS[layer.activation](y + one.biases[:, None, None])


def combined(layer, inputs):
    """Every layer without weights."""
    if isinstance(layer, kinds.Maxpool):
        seen = windows(inputs[0], layer.size, layer.stride, layer.shape, layer.before, layer.after, -np.inf)
        return seen.max(axis=(1, 2))
    if isinstance(layer, kinds.Upsample):
        return inputs[0].repeat(layer.factor, axis=1).repeat(layer.factor, axis=2) * layer.scale
    if isinstance(layer, kinds.Route):
        return np.concatenate([np.split(x, layer.groups)[layer.group] for x in inputs])
    if isinstance(layer, kinds.Shortcut):
        return ACTIVATIONS[layer.activation](sum(inputs))
    return inputs[0]


def run(network, numbers, picture, measure=False):
    """{index of a [yolo] layer: its planes} of a picture [3, height, width].

    `measure`: means and variances become this picture's, in `numbers` too.
    """
    values = {kinds.PICTURE: picture}
    for layer in network.layers:
        inputs = [values[source] for source in layer.sources]
        if isinstance(layer, kinds.Convolution):
            value = convolution(layer, inputs[0], numbers, measure)
        else:
            value = combined(layer, inputs)
        assert value.shape == layer.shape, layer.title
        values[layer.index] = value.astype(np.float32)
    return {head.index: values[head.index] for head in network.heads}
