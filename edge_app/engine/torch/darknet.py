"""A Darknet network as a torch module, batch normalisation folded into the kernels."""
import torch
from torch import nn
from torch.nn import functional

from edge_app.engine.darknet import network as kinds
from edge_app.engine.darknet.export import SLOPE, grid


def mish(x):
    """x * tanh(softplus(x)), which is x * p / (2 - p) with p = s * (2 - s), s = sigmoid(x).

    So it is exact at both ends and made of functions that torch2trt has converters for.
    """
    sure = torch.sigmoid(x)
    part = sure * (2 - sure)
    return x * part / (2 - part)


ACTIVATIONS = {
    'linear': lambda x: x,
    'leaky': lambda x: functional.leaky_relu(x, SLOPE),
    'relu': lambda x: functional.relu(x),
    'logistic': lambda x: torch.sigmoid(x),
    'swish': lambda x: x * torch.sigmoid(x),
    'mish': mish,
}
"""Functions are looked up when they are called: torch2trt puts others in their place while it converts."""


class Network(nn.Module):
    """Pictures [n, 3, h, w], RGB 0 to 1, to a tuple of every [yolo]'s planes, [n, anchors x (5 + classes), h, w]."""

    def __init__(self, network, numbers):
        """`network` and its {layer index: Numbers}."""
        super(Network, self).__init__()
        self.layers = network.layers
        self.convolutions = nn.ModuleDict({str(layer.index): _convolution(layer, numbers[layer.index])
                                           for layer in network.convolutions})
        self.last_use = {source: layer.index for layer in network.layers for source in layer.sources}

    def forward(self, pictures):
        values, heads = {kinds.PICTURE: pictures}, []
        for layer in self.layers:
            values[layer.index] = self._value(layer, [values[source] for source in layer.sources])
            if isinstance(layer, kinds.Head):
                heads.append(values[layer.index])
            for source in layer.sources:  # memory of what no later layer asks for
                if self.last_use[source] == layer.index:
                    values.pop(source, None)
        return tuple(heads)

    def _value(self, layer, inputs):
        if isinstance(layer, kinds.Convolution):
            return ACTIVATIONS[layer.activation](self.convolutions[str(layer.index)](inputs[0]))
        if isinstance(layer, kinds.Maxpool):
            return _pooled(layer, inputs[0])
        if isinstance(layer, kinds.Upsample):
            large = functional.interpolate(inputs[0], scale_factor=float(layer.factor), mode='nearest')
            return large if layer.scale == 1 else large * layer.scale
        if isinstance(layer, kinds.Route):
            parts = [_part(layer, x) for x in inputs]
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if isinstance(layer, kinds.Shortcut):
            total = inputs[0]
            for x in inputs[1:]:
                total = total + x
            return ACTIVATIONS[layer.activation](total)
        return inputs[0]


def _convolution(layer, numbers):
    module = nn.Conv2d(layer.inputs, layer.filters, layer.size, layer.stride, layer.padding, groups=layer.groups)
    kernels, biases = numbers.folded()
    module.weight.data = torch.from_numpy(kernels)
    module.bias.data = torch.from_numpy(biases)
    return module


def _part(layer, x):
    if layer.groups == 1:
        return x
    share = x.shape[1] // layer.groups
    return x[:, layer.group * share:(layer.group + 1) * share]


def _pooled(layer, x):
    """Darknet pads the far end more than torch does: here the edge is repeated, which changes no maximum."""
    further = [(out - 1) * layer.stride + layer.size - layer.before - side
               for out, side in zip(layer.shape[1:], x.shape[2:])]
    for axis, count in zip((2, 3), further):
        if count > layer.before:
            x = torch.cat([x] + [x.narrow(axis, x.shape[axis] - 1, 1)] * (count - layer.before), dim=axis)
    return functional.max_pool2d(x, layer.size, layer.stride, layer.before)


class Decoder(nn.Module):
    """From the planes of all heads to rows [n, boxes, 5 + classes] as engine/darknet/export.py documents them."""

    def __init__(self, network):
        super(Decoder, self).__init__()
        self.heads = network.heads
        for number, head in enumerate(self.heads):
            corners, sizes, step = grid(head, network.size)
            moved = corners - (head.scale_x_y - 1) / 2 * step
            for name, array in (('corners', moved), ('sizes', sizes[None, :, :, None]),
                                ('steps', head.scale_x_y * step)):
                self.register_buffer('%s%d' % (name, number), torch.from_numpy(array).float())

    def forward(self, planes):
        if isinstance(planes, torch.Tensor):  # of one head, torch2trt gives no tuple
            planes = (planes,)
        return torch.cat([self._rows(number, head, value)
                          for number, (head, value) in enumerate(zip(self.heads, planes))], 1)

    def _rows(self, number, head, value):
        corners, sizes, steps = (getattr(self, '%s%d' % (name, number)) for name in ('corners', 'sizes', 'steps'))
        value = value.float().reshape(len(value), len(head.anchors), 5 + head.classes, -1)
        centre, extent, scores = value[:, :, :2], value[:, :, 2:4], value[:, :, 4:]
        if head.new_coords:
            extent = (2 * extent) ** 2
        else:
            centre, extent, scores = torch.sigmoid(centre), torch.exp(extent), torch.sigmoid(scores)
        boxes = torch.cat([centre * steps + corners, extent * sizes, scores], 2)
        return boxes.permute(0, 3, 1, 2).reshape(len(value), -1, 5 + head.classes)
