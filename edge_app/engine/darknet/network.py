"""The layers a `.cfg` draws, with the shape of what each gives: decided here, before any weight is read."""
from typing import NamedTuple, Tuple

import attrs

from edge_app.engine.darknet.cfg import read_cfg
from edge_app.errors import EngineError

PICTURE = -1
"""As a source: the network's input."""
ACTIVATIONS = ('linear', 'leaky', 'mish', 'relu', 'swish', 'logistic')
NUMBERS = 1 << 28
"""Most numbers of one layer's output or weights: 1 GB of float32, more than any published network has."""


@attrs.frozen
class Layer:
    """One section after [net]."""

    index = attrs.field()
    """Counted from 0, as `route` and `shortcut` count."""
    section = attrs.field(repr=False)
    sources = attrs.field()
    """Indexes of the layers it takes its input from, PICTURE for the network's."""
    shape = attrs.field()
    """(channels, height, width) of its output."""

    @property
    def title(self):
        return 'layer %d, %s' % (self.index, self.section.title)


@attrs.frozen
class Convolution(Layer):
    inputs = attrs.field()
    size = attrs.field()
    stride = attrs.field()
    padding = attrs.field()
    groups = attrs.field()
    normalised = attrs.field()
    activation = attrs.field()

    @property
    def filters(self):
        return self.shape[0]

    @property
    def kernel(self):
        """Shape of its weights."""
        return self.filters, self.inputs // self.groups, self.size, self.size


@attrs.frozen
class Maxpool(Layer):
    size = attrs.field()
    stride = attrs.field()
    before = attrs.field()
    """Rows and columns of padding, which never win, above and left."""
    after = attrs.field()
    """The same below and right."""


@attrs.frozen
class Upsample(Layer):
    factor = attrs.field()
    scale = attrs.field()


@attrs.frozen
class Route(Layer):
    groups = attrs.field()
    """Every source is cut into this many parts by channels."""
    group = attrs.field()
    """Which part of each is taken."""


@attrs.frozen
class Shortcut(Layer):
    activation = attrs.field()


@attrs.frozen
class Dropout(Layer):
    """Does nothing outside training."""


@attrs.frozen
class Head(Layer):
    """[yolo]: its output is that of the layer before, to be decoded."""

    anchors = attrs.field()
    """((width, height), ...) in pixels of the network's picture."""
    classes = attrs.field()
    scale_x_y = attrs.field()
    new_coords = attrs.field()


class Network(NamedTuple):
    """A whole `.cfg`."""

    path: str
    size: Tuple[int, int]
    """(width, height)."""
    layers: Tuple[Layer, ...]
    letter_box: bool = False
    """Pictures keep their shape; otherwise they are stretched."""

    @property
    def convolutions(self):
        return [layer for layer in self.layers if isinstance(layer, Convolution)]

    @property
    def heads(self):
        return [layer for layer in self.layers if isinstance(layer, Head)]

    @property
    def classes(self):
        return self.heads[0].classes

    @property
    def rows(self):
        """Boxes of one picture."""
        return sum(len(head.anchors) * head.shape[1] * head.shape[2] for head in self.heads)


def read_network(path):
    """Network of a `.cfg` file. EngineError names layer and line of what is wrong or not supported."""
    return network(read_cfg(path), path)


def network(sections, path):
    net = sections[0]
    if net.name not in ('net', 'network'):
        raise net.wrong('a .cfg begins with [net]')
    if net.whole('channels', 3) != 3:
        raise net.wrong('channels=%s; only colour pictures, channels=3, are supported' % net.text('channels'))
    size = net.whole('width', 0, 8, 4096), net.whole('height', 0, 8, 4096)
    shapes = Shapes((3, size[1], size[0]))
    layers = []
    for section in sections[1:]:
        if section.name not in READERS:
            raise section.wrong('layer %d is of a kind that is not supported; supported: %s'
                                % (len(layers), ', '.join(sorted(READERS))))
        layers.append(READERS[section.name](section, shapes))
        shapes.append(section, layers[-1])
    result = Network(path, size, tuple(layers), bool(net.whole('letter_box', 0, 0, 1)))
    _check_heads(result)
    return result


def _check_heads(net):
    if not net.heads:
        raise EngineError('%s: it has no [yolo] layer; only detectors with such heads are supported' % net.path)
    for head in net.heads:
        if head.classes != net.classes:
            raise head.section.wrong('classes=%d, but the first [yolo] has %d' % (head.classes, net.classes))


class Shapes:
    """Shapes of the layers read so far, looked up the ways a `.cfg` counts."""

    def __init__(self, picture):
        self.picture = picture
        self.layers = []

    def append(self, section, layer):
        numbers = layer.shape[0] * layer.shape[1] * layer.shape[2]
        if min(layer.shape) < 1 or numbers > NUMBERS:
            raise section.wrong('layer %d gives %d x %d x %d numbers' % ((layer.index,) + layer.shape))
        self.layers.append(layer)

    @property
    def index(self):
        """Of the layer being read."""
        return len(self.layers)

    @property
    def last(self):
        """((index of the layer before,), its shape)."""
        return (self.index - 1,), self.shape(self.index - 1)

    def shape(self, index):
        return self.picture if index == PICTURE else self.layers[index].shape

    def resolve(self, section, key):
        """Indexes an option names: negative ones count back from this layer, others from the first."""
        wanted = section.numbers(key)
        if not wanted:
            raise section.wrong('%s= is missing' % key)
        found = [number + self.index if number < 0 else number for number in wanted]
        for number, index in zip(wanted, found):
            if not 0 <= index < self.index or isinstance(self.layers[index], Head):
                raise section.wrong('layer %d refers to layer %d (%s=%d), which is not an earlier layer with an output'
                                    % (self.index, index, key, number))
        return tuple(found)


def _refuse(section, *keys):
    """EngineError for an option that would change the result and is not supported; 0 is as good as not given."""
    for key in keys:
        if section.text(key, '0') not in ('0', '', 'none'):
            raise section.wrong('%s=%s is not supported' % (key, section.text(key)[:50]))


def _one_stride(section, default):
    """The stride; Darknet can have two, of which published detectors make no use."""
    stride = section.whole('stride', default, 1, 64)
    for key in ('stride_x', 'stride_y'):
        if section.whole(key, stride, 1, 64) != stride:
            raise section.wrong('%s is not the same as stride=%d, which is not supported' % (key, stride))
    return stride


def _activation(section, default):
    activation = section.text('activation', default)
    if activation not in ACTIVATIONS:
        raise section.wrong('activation=%s is not supported; supported: %s' % (activation[:50], ', '.join(ACTIVATIONS)))
    return activation


def _convolution(section, shapes):
    _refuse(section, 'binary', 'xnor', 'antialiasing', 'share_index', 'deform', 'sway', 'rotate', 'stretch',
            'stretch_sway', 'flipped', 'dot')
    if section.whole('dilation', 1) != 1:
        raise section.wrong('dilation=%s is not supported' % section.text('dilation'))
    sources, (inputs, height, width) = shapes.last
    filters, groups = section.whole('filters', 1, 1), section.whole('groups', 1, 1)
    size = section.whole('size', 1, 1, 64)
    stride = _one_stride(section, 1)
    padding = size // 2 if section.whole('pad', 0, 0, 1) else section.whole('padding', 0, 0, 64)
    if inputs % groups or filters % groups:
        raise section.wrong('groups=%d does not divide both %d channels and filters=%d' % (groups, inputs, filters))
    if filters * (inputs // groups) * size * size > NUMBERS:
        raise section.wrong('%d filters of %d x %d x %d are too many numbers' % (filters, inputs // groups, size, size))
    shape = (filters,) + tuple((side + 2 * padding - size) // stride + 1 for side in (height, width))
    return Convolution(shapes.index, section, sources, shape, inputs, size, stride, padding, groups,
                       bool(section.whole('batch_normalize', 0)), _activation(section, 'logistic'))


def _maxpool(section, shapes):
    """maxpool_layer.c: out = (side + padding - size) / stride + 1, the first window begins at -padding / 2."""
    _refuse(section, 'maxpool_depth', 'antialiasing')
    sources, (channels, height, width) = shapes.last
    stride = _one_stride(section, 1)
    size = section.whole('size', stride, 1, 64)
    padding = section.whole('padding', size - 1, 0, size - 1)
    shape = (channels,) + tuple((side + padding - size) // stride + 1 for side in (height, width))
    return Maxpool(shapes.index, section, sources, shape, size, stride, padding // 2, padding - padding // 2)


def _upsample(section, shapes):
    sources, (channels, height, width) = shapes.last
    factor = section.whole('stride', 2, 1, 32)
    return Upsample(shapes.index, section, sources, (channels, height * factor, width * factor), factor,
                    section.real('scale', 1))


def _route(section, shapes):
    _refuse(section, 'stream')
    sources = shapes.resolve(section, 'layers')
    groups = section.whole('groups', 1, 1)
    group = section.whole('group_id', 0, 0, groups - 1)
    for source in sources:
        if shapes.shape(source)[0] % groups:
            raise section.wrong('groups=%d does not divide the %d channels of layer %d'
                                % (groups, shapes.shape(source)[0], source))
        if shapes.shape(source)[1:] != shapes.shape(sources[0])[1:]:
            raise section.wrong('layer %d joins %s, which are of different size' % (shapes.index, ' and '.join(
                'layer %d (%d x %d x %d)' % ((one,) + shapes.shape(one)) for one in sources)))
    channels = sum(shapes.shape(source)[0] // groups for source in sources)
    return Route(shapes.index, section, sources, (channels,) + shapes.shape(sources[0])[1:], groups, group)


def _shortcut(section, shapes):
    _refuse(section, 'weights_type')
    last, shape = shapes.last
    sources = last + shapes.resolve(section, 'from')
    for source in sources:
        if shapes.shape(source) != shape:
            raise section.wrong('layer %d adds layer %d (%d x %d x %d) to %d x %d x %d; only equal shapes are supported'
                                % ((shapes.index, source) + shapes.shape(source) + shape))
    return Shortcut(shapes.index, section, sources, shape, _activation(section, 'linear'))


def _dropout(section, shapes):
    sources, shape = shapes.last
    return Dropout(shapes.index, section, sources, shape)


def _head(section, shapes):
    """yolo_layer.c: per anchor x, y, width, height, objectness and classes, each a plane."""
    sources, shape = shapes.last
    if sources == (PICTURE,) or isinstance(shapes.layers[-1], Head):
        raise section.wrong('layer %d has no layer before it to decode' % shapes.index)
    values = section.numbers('anchors', float)
    anchors = list(zip(values[::2], values[1::2]))
    mask = section.numbers('mask') or list(range(len(anchors)))
    if len(values) % 2 or not mask or not all(0 <= number < len(anchors) for number in mask):
        raise section.wrong('mask=%s does not fit %d numbers in anchors=' % (section.text('mask')[:50], len(values)))
    if not all(0 < side < 1e5 for side in values):
        raise section.wrong('anchors= must be sizes in pixels, above 0')
    classes = section.whole('classes', 20, 1, 10000)
    if shape[0] != len(mask) * (5 + classes):
        raise section.wrong('layer %d: %d anchors of 5 + %d classes need %d channels, but the layer before gives %d'
                            % (shapes.index, len(mask), classes, len(mask) * (5 + classes), shape[0]))
    new_coords = bool(section.whole('new_coords', 0))
    if new_coords and getattr(shapes.layers[-1], 'activation', 'logistic') != 'logistic':
        raise section.wrong('new_coords=1 needs activation=logistic in layer %d, not %s: use the .cfg published with '
                            'the weights' % (sources[0], shapes.layers[-1].activation))
    return Head(shapes.index, section, sources, shape, tuple(anchors[number] for number in mask), classes,
                section.real('scale_x_y', 1, 0.1, 10), new_coords)


READERS = {'convolutional': _convolution, 'conv': _convolution, 'maxpool': _maxpool, 'max': _maxpool,
           'upsample': _upsample, 'route': _route, 'shortcut': _shortcut, 'dropout': _dropout, 'yolo': _head}
"""The kinds of section there are, each with what makes a layer of it."""
