"""Generated ONNX models with a given inference time.

They take 64x64 pixels and find nothing, in YOLOX's layout, after a chain of convolutions that leave the picture as it
is: as many as take the time on this machine.
"""
import logging
import os
import time

import numpy as np

from edge_app.config.schema import Engine
from edge_app.engine.onnx_graph import Graph
from edge_app.inference.load_detector import open_detector

SIDE_PX = 64
STRIDES = (8, 16, 32)
COLUMNS = 6
"""Box, objectness and one class."""
CHANNELS = 32
FIRST_LAYERS = 8
"""Convolutions of the first attempt, from whose time the number needed is calculated."""
ATTEMPTS = 3
RUNS = 7
MOST_SHARE = 0.5
"""Share of a core that the model may take where the effect on others is measured."""
LIGHT_SHARE = 0.25
"""Share of a core of the model that replaces it."""
CARD = 'family: yolox\nnames: [thing]\n'


def lasting(path, milliseconds):
    """Write a model that takes this long for a picture here, with one thread; the settings of `engine:` for it."""
    with open(os.path.splitext(path)[0] + '.yaml', 'w') as stream:
        stream.write(CARD)
    layers = FIRST_LAYERS
    for _ in range(ATTEMPTS):
        write(path, layers)
        layers = max(1, int(round(layers * milliseconds / picture_ms(settings_of(path)))))
    write(path, layers)
    return settings_of(path)


def with_room(folder, pictures_per_s):
    """(settings of `engine:`, description): the usual model, or a light one where that takes more than MOST_SHARE."""
    usual_ms = picture_ms({'threads': 1, 'batch': 1})
    if usual_ms * pictures_per_s / 1000 <= MOST_SHARE:
        return {}, 'the usual one, %.0f ms a picture' % usual_ms
    light_ms = 1000 * LIGHT_SHARE / pictures_per_s
    return (lasting(os.path.join(folder, 'model.onnx'), light_ms),
            'a generated one of %.0f ms a picture, because the usual one takes %.0f' % (light_ms, usual_ms))


def settings_of(path):
    """`engine:` of a configuration for such a model: one picture at a time, on one thread."""
    return {'model': path, 'backend': 'onnxruntime', 'threads': 1, 'batch': 1}


def write(path, layers):
    """Write the model with this many convolutions of CHANNELS planes each."""
    graph = Graph('testbed-in')
    picture = graph.input('images', ['batch', 3, SIDE_PX, SIDE_PX])
    picture = chain(graph, picture, layers)
    parts = []
    for stride in STRIDES:
        pooled = graph.node('AveragePool', [picture], 'pool%d' % stride, kernel_shape=[stride] * 2,
                            strides=[stride] * 2)
        parts.append(graph.node('Reshape', [pooled, graph.constant(np.array([0, 3, -1]))], 'flat%d' % stride))
    rows = graph.node('Concat', parts, 'cells', axis=2)
    nothing = graph.constant(np.zeros((COLUMNS, 3), np.float32))
    graph.node('Transpose', [graph.node('MatMul', [nothing, rows], 'rows')], 'output', perm=[0, 2, 1])
    graph.output('output', ['batch', sum((SIDE_PX // stride) ** 2 for stride in STRIDES), COLUMNS])
    with open(path, 'wb') as stream:
        graph.write(stream, {})
    return path


def chain(graph, picture, layers):
    """3 planes into CHANNELS, `layers` times into as many, and back into 3."""
    middle = graph.constant(kernel(CHANNELS, CHANNELS))
    picture = convolution(graph, picture, graph.constant(kernel(CHANNELS, 3)), 'widened')
    for number in range(layers):
        picture = convolution(graph, picture, middle, 'step%d' % number)
    return convolution(graph, picture, graph.constant(kernel(3, CHANNELS)), 'narrowed')


def convolution(graph, picture, weights, name):
    return graph.node('Conv', [picture, weights], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def kernel(planes_out, planes_in):
    """Weights [out, in, 3, 3] that copy each plane to the one of its number."""
    weights = np.zeros((planes_out, planes_in, 3, 3), np.float32)
    both = np.arange(min(planes_out, planes_in))
    weights[both, both, 1, 1] = 1
    return weights


def picture_ms(settings):
    """CPU milliseconds of one picture with these settings, the least of several because the machine may be busy."""
    logging.getLogger(open_detector.__module__).setLevel(logging.ERROR)     # warnings about the model do not matter
    detector, _ = open_detector(Engine(**settings))
    with detector.engine:
        took = []
        for _ in range(RUNS):
            began_s = time.process_time()
            detector.engine.infer(detector.batch[:1])
            took.append(time.process_time() - began_s)
    return min(took) * 1000
