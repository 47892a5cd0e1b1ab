"""A Darknet network as ONNX: batch normalisation folded into the kernels, boxes decoded in the graph, any batch.

Written node by node: the graph is the `.cfg`, so nothing has to be traced, no torch is needed on either end, and every
operation is one TensorRT 8.2 knows (opset 13, no NonMaxSuppression, no shape worked out at run time).
"""
import numpy as np

from edge_app.engine.darknet import network as kinds
from edge_app.engine.onnx_graph import Graph

SLOPE = 0.1
"""Of `leaky` below 0 (activations.h)."""


def grid(head, size):
    """(float32 [2, cells] corners of the cells, float32 [anchors, 2] sizes, [2, 1] pixels per cell), all in pixels."""
    _, height, width = head.shape
    step = np.array([[size[0] / width], [size[1] / height]], np.float32)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    cells = np.stack([x.reshape(-1), y.reshape(-1)]).astype(np.float32)
    return cells * step, np.array(head.anchors, np.float32), step


def onnx_graph(network, numbers):
    """Graph of a Network with its Numbers: 'images' [batch, 3, h, w] RGB 0 to 1 in, 'output' [batch, rows, 5 + classes]
    out: centre, size in pixels of the network's picture, objectness, classes. Rows as Darknet and OpenCV order them."""
    graph = Graph('darknet')
    values = {kinds.PICTURE: graph.input('images', ['batch', 3, network.size[1], network.size[0]])}
    for layer in network.layers:
        sources = [values[source] for source in layer.sources]
        values[layer.index] = WRITERS[type(layer)](graph, layer, sources, 'layer%d' % layer.index, numbers)
    rows = [_decoded(graph, head, values[head.index], network.size) for head in network.heads]
    graph.node('Concat', rows, 'output', axis=1)
    graph.output('output', ['batch', network.rows, 5 + network.classes])
    return graph


def _activated(graph, value, activation, name):
    """`value` after an activation function; the result is called `name`."""
    if activation == 'leaky':
        return graph.node('LeakyRelu', [value], name, alpha=SLOPE)
    if activation == 'swish':
        return graph.node('Mul', [value, graph.node('Sigmoid', [value], name + '_sigmoid')], name)
    if activation == 'mish':
        soft = graph.node('Softplus', [value], name + '_softplus')
        return graph.node('Mul', [value, graph.node('Tanh', [soft], name + '_tanh')], name)
    return graph.node({'relu': 'Relu', 'logistic': 'Sigmoid'}[activation], [value], name)


def _convolution(graph, layer, sources, name, numbers):
    kernels, biases = numbers[layer.index].folded()
    weights = [graph.constant(kernels, name + '_kernels'), graph.constant(biases, name + '_biases')]
    plain = layer.activation == 'linear'
    value = graph.node('Conv', sources + weights, name if plain else name + '_sum', group=layer.groups,
                       kernel_shape=[layer.size] * 2, strides=[layer.stride] * 2, pads=[layer.padding] * 4)
    return value if plain else _activated(graph, value, layer.activation, name)


def _maxpool(graph, layer, sources, name, numbers):
    return graph.node('MaxPool', sources, name, kernel_shape=[layer.size] * 2, strides=[layer.stride] * 2,
                      pads=[layer.before] * 2 + [layer.after] * 2)


def _upsample(graph, layer, sources, name, numbers):
    factors = graph.constant(np.array([1, 1, layer.factor, layer.factor], np.float32))
    plain = layer.scale == 1
    value = graph.node('Resize', sources + ['', factors], name if plain else name + '_enlarged', mode='nearest',
                       coordinate_transformation_mode='asymmetric', nearest_mode='floor')
    return value if plain else graph.node('Mul', [value, graph.constant(np.array([layer.scale], np.float32))], name)


def _route(graph, layer, sources, name, numbers):
    """The channels joined; with groups, a slice of each."""
    if layer.groups > 1:
        share = layer.shape[0] // len(sources)
        start = layer.group * share
        bounds = [graph.constant(np.array([one], np.int64)) for one in (start, start + share, 1)]
        sources = [graph.node('Slice', [source] + bounds, '%s_part%d' % (name, number))
                   for number, source in enumerate(sources)]
    if len(sources) == 1:
        return sources[0]
    return graph.node('Concat', sources, name, axis=1)


def _shortcut(graph, layer, sources, name, numbers):
    total = sources[0]
    plain = layer.activation == 'linear'
    for number, source in enumerate(sources[1:], 1):
        last = plain and number == len(sources) - 1
        total = graph.node('Add', [total, source], name if last else '%s_sum%d' % (name, number))
    return total if plain else _activated(graph, total, layer.activation, name)


def _unchanged(graph, layer, sources, name, numbers):
    return sources[0]


WRITERS = {kinds.Convolution: _convolution, kinds.Maxpool: _maxpool, kinds.Upsample: _upsample, kinds.Route: _route,
           kinds.Shortcut: _shortcut, kinds.Dropout: _unchanged, kinds.Head: _unchanged}


def _decoded(graph, head, value, size):
    """[batch, cells x anchors, 5 + classes] of a head's planes (yolo_layer.c, get_yolo_box and scal_add_cpu).

    Centre (cell + s * sigmoid(x) - (s - 1) / 2) * pixels per cell with s = scale_x_y, size exp(w) * anchor, all else
    sigmoid; with new_coords the planes come out of a sigmoid and the size is (2 w)^2 * anchor.
    """
    name = 'head%d' % head.index
    anchors, cells = len(head.anchors), head.shape[1] * head.shape[2]
    corners, sizes, step = grid(head, size)
    planes = graph.node('Reshape', [value, _shape(graph, anchors, 5 + head.classes, cells)], name + '_planes')
    lengths = graph.constant(np.array([2, 2, 1 + head.classes], np.int64))
    parts = name + '_xy', name + '_wh', name + '_sure'
    centre, extent, scores = graph.split('Split', [planes, lengths], parts, axis=2)
    if head.new_coords:
        extent = graph.node('Mul', [extent, extent], name + '_squares')
        sizes = sizes * 4
    else:
        centre = graph.node('Sigmoid', [centre], name + '_within')
        extent = graph.node('Exp', [extent], name + '_times')
        scores = graph.node('Sigmoid', [scores], name + '_scores')
    centre = graph.node('Mul', [centre, graph.constant(np.float32(head.scale_x_y) * step)], name + '_steps')
    moved = corners - np.float32((head.scale_x_y - 1) / 2) * step
    centre = graph.node('Add', [centre, graph.constant(moved)], name + '_centres')
    extent = graph.node('Mul', [extent, graph.constant(sizes.reshape(1, anchors, 2, 1))], name + '_sizes')
    boxes = graph.node('Concat', [centre, extent, scores], name + '_boxes', axis=2)
    turned = graph.node('Transpose', [boxes], name + '_turned', perm=[0, 3, 1, 2])
    return graph.node('Reshape', [turned, _shape(graph, cells * anchors, 5 + head.classes)], name + '_rows')


def _shape(graph, *sides):
    """The constant shape [batch as it is, sides...]."""
    return graph.constant(np.array((0,) + sides, np.int64))
