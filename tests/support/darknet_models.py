"""Published Darknet networks, written here as `.cfg` text from their architecture, with weights of a seed.

YOLOv3 and its tiny (Redmon, Farhadi 2018), YOLOv4 (Bochkovskiy et al. 2020) and its tiny: which layers, in which order,
joined how. The weights see nothing; they give every layer numbers of a size that real ones have, so that two readers of
the same files can be compared to many digits.
"""
import numpy as np

from edge_app.engine.darknet.cfg import parse_cfg
from edge_app.engine.darknet.network import network as network_of
from edge_app.engine.darknet.weights import Header, Numbers
from edge_app.errors import EngineError

from tests.support import darknet_numpy

ANCHORS = {
    'v3': '10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326',
    'v3-tiny': '10,14, 23,27, 37,58, 81,82, 135,169, 344,319',
    'v4': '12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401',
}


class Cfg:
    """A `.cfg` being written; `count` is the number of layers so far."""

    def __init__(self, size, classes):
        self.classes = classes
        self.count = 0
        self.lines = ['[net]', 'batch=1', 'width=%d' % size[0], 'height=%d' % size[1], 'channels=3', '']

    @property
    def text(self):
        return '\n'.join(self.lines)

    def section(self, kind, **options):
        """Add a layer. Returns its index."""
        self.lines += ['[%s]' % kind] + ['%s=%s' % option for option in sorted(options.items())] + ['']
        self.count += 1
        return self.count - 1

    def conv(self, filters, size, stride=1, activation='leaky', **options):
        return self.section('convolutional', batch_normalize=1, filters=filters, size=size, stride=stride, pad=1,
                            activation=activation, **options)

    def route(self, *layers, **options):
        return self.section('route', layers=','.join(str(layer) for layer in layers), **options)

    def shortcut(self, source=-3):
        return self.section('shortcut', activation='linear', **{'from': source})

    def pool(self, size, stride):
        return self.section('maxpool', size=size, stride=stride)

    def head(self, anchors, mask, **options):
        """The convolution without normalisation and the [yolo] that reads it; `thresh` is OpenCV's own option."""
        self.section('convolutional', size=1, stride=1, pad=1, filters=3 * (5 + self.classes), activation='linear')
        return self.section('yolo', mask=mask, anchors=ANCHORS[anchors], classes=self.classes,
                            num=len(ANCHORS[anchors].split(',')) // 2, thresh=0, **options)


def yolov3(size=(96, 96), classes=4):
    """Darknet-53, then three heads, each fed by the one before and a finer stage."""
    cfg = Cfg(size, classes)
    cfg.conv(32, 3)
    for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        cfg.conv(filters, 3, 2)
        for _ in range(blocks):
            cfg.conv(filters // 2, 1)
            cfg.conv(filters, 3)
            last = cfg.shortcut()
        if filters == 256:
            fine = last
        elif filters == 512:
            middle = last
    for filters, mask, lateral in ((512, '6,7,8', middle), (256, '3,4,5', fine), (128, '0,1,2', None)):
        for number in range(3):
            cfg.conv(filters, 1)
            cfg.conv(filters * 2, 3)
        cfg.head('v3', mask)
        if lateral is not None:
            cfg.route(-4)
            cfg.conv(filters // 2, 1)
            cfg.section('upsample', stride=2)
            cfg.route(-1, lateral)
    return cfg.text


def yolov3_tiny(size=(96, 96), classes=4):
    """Six poolings, the last of stride 1, and two heads."""
    cfg = Cfg(size, classes)
    for filters in (16, 32, 64, 128, 256):
        fine = cfg.conv(filters, 3)
        cfg.pool(2, 2)
    cfg.conv(512, 3)
    cfg.pool(2, 1)
    cfg.conv(1024, 3)
    cfg.conv(256, 1)
    cfg.conv(512, 3)
    cfg.head('v3-tiny', '3,4,5')
    cfg.route(-4)
    cfg.conv(128, 1)
    cfg.section('upsample', stride=2)
    cfg.route(-1, fine)
    cfg.conv(256, 3)
    cfg.head('v3-tiny', '0,1,2')
    return cfg.text


def _cross_stage(cfg, filters, blocks):
    """A stage of CSPDarknet-53: half of the channels around the residual blocks, half through them. Returns its end."""
    half = filters // 2 if blocks > 1 else filters
    cfg.conv(filters, 3, 2, 'mish')
    cfg.conv(half, 1, activation='mish')
    cfg.route(-2)
    cfg.conv(half, 1, activation='mish')
    for _ in range(blocks):
        cfg.conv(filters // 2, 1, activation='mish')
        cfg.conv(half, 3, activation='mish')
        cfg.shortcut()
    cfg.conv(half, 1, activation='mish')
    cfg.route(-1, -(3 * blocks + 4))
    return cfg.conv(filters, 1, activation='mish')


def _pyramid(cfg):
    """Three poolings of growing size over the same layer, joined with it."""
    cfg.pool(5, 1)
    cfg.route(-2)
    cfg.pool(9, 1)
    cfg.route(-4)
    cfg.pool(13, 1)
    cfg.route(-1, -3, -5, -6)


def _alternate(cfg, filters, count):
    """1x1 and 3x3 alternating, beginning and ending with 1x1. Returns the last."""
    for number in range(count):
        last = cfg.conv(filters, 1) if number % 2 == 0 else cfg.conv(filters * 2, 3)
    return last


def yolov4(size=(96, 96), classes=4):
    """CSPDarknet-53 with mish, pyramid pooling, paths up and down, three heads with scale_x_y."""
    cfg = Cfg(size, classes)
    cfg.conv(32, 3, activation='mish')
    ends = [_cross_stage(cfg, filters, blocks)
            for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))]
    _alternate(cfg, 512, 3)
    _pyramid(cfg)
    waiting = [_alternate(cfg, 512, 3)]
    for filters, lateral in ((256, ends[3]), (128, ends[2])):
        cfg.conv(filters, 1)
        cfg.section('upsample', stride=2)
        cfg.route(lateral)
        cfg.conv(filters, 1)
        cfg.route(-1, -3)
        waiting.append(_alternate(cfg, filters, 5))
    waiting.pop()
    for filters, mask, scale in ((128, '0,1,2', 1.2), (256, '3,4,5', 1.1), (512, '6,7,8', 1.05)):
        if filters > 128:
            cfg.route(-4)
            cfg.conv(filters, 3, 2)
            cfg.route(-1, waiting.pop())
            _alternate(cfg, filters, 5)
        cfg.conv(filters * 2, 3)
        cfg.head('v4', mask, scale_x_y=scale)
    return cfg.text


def yolov4_tiny(size=(96, 96), classes=4):
    """Stages that send half of the channels through (route with groups), two heads."""
    cfg = Cfg(size, classes)
    cfg.conv(32, 3, 2)
    cfg.conv(64, 3, 2)
    for filters in (64, 128, 256):
        cfg.conv(filters, 3)
        cfg.route(-1, groups=2, group_id=1)
        cfg.conv(filters // 2, 3)
        cfg.conv(filters // 2, 3)
        cfg.route(-1, -2)
        fine = cfg.conv(filters, 1)
        cfg.route(-6, -1)
        cfg.pool(2, 2)
    cfg.conv(512, 3)
    cfg.conv(256, 1)
    cfg.conv(512, 3)
    cfg.head('v3-tiny', '3,4,5', scale_x_y=1.05)
    cfg.route(-4)
    cfg.conv(128, 1)
    cfg.section('upsample', stride=2)
    cfg.route(-1, fine)
    cfg.conv(256, 3)
    cfg.head('v3-tiny', '1,2,3', scale_x_y=1.05)
    return cfg.text


PUBLISHED = {
    # the text; layers, convolutions; for 80 classes the numbers in the published file: 20 bytes and 4 for each
    'yolov3': (yolov3, 107, 75, 62001757),
    'yolov3-tiny': (yolov3_tiny, 24, 13, 8858734),
    'yolov4': (yolov4, 162, 110, 64429405),
    'yolov4-tiny': (yolov4_tiny, 38, 21, 6062814),
}


def random_numbers(network, seed=0):
    """{layer index: Numbers} of a seed, with the means and variances that one picture of noise gives.

    Kernels are pieces of one pool of normal numbers: drawing 62 million takes seconds.
    """
    random = np.random.RandomState(seed)
    pool = random.standard_normal(1 << 20).astype(np.float32)
    numbers = {}
    for layer in network.convolutions:
        inputs = int(np.prod(layer.kernel[1:]))
        spread = (1 if layer.normalised else 0.3) / np.sqrt(inputs)  # the heads' exponentials are kept within reason
        kernels = np.resize(pool[random.randint(1 << 19):], layer.kernel) * np.float32(spread)
        biases, scales, unset = (random.uniform(least, least + 0.5, layer.filters).astype(np.float32)
                                 for least in (1 if layer.normalised else -0.25, 0.75, 1))
        middle = (scales, unset, unset) if layer.normalised else (None,) * 3
        numbers[layer.index] = Numbers(biases, middle[0], middle[1], middle[2], kernels)
    darknet_numpy.run(network, numbers, noise(network.size, seed), measure=True)
    return numbers


def noise(size, seed=0):
    """float32 [3, height, width] of 0 to 1, RGB: soft blotches of all sizes."""
    random = np.random.RandomState(seed)
    picture = np.zeros((3, size[1], size[0]), np.float32)
    for step in (4, 16, 32):
        blotches = random.uniform(0, 1 / 3, (3, -(-size[1] // step), -(-size[0] // step)))
        picture += np.kron(blotches, np.ones((1, step, step)))[:, :size[1], :size[0]].astype(np.float32)
    return picture


def parse_network(text, path='cfg'):
    """Network of the text of a `.cfg` file."""
    return network_of(parse_cfg(text, path), path)


def write_weights(path, network, numbers, header=Header()):
    """Write {layer index: Numbers} of a network. EngineError when a shape is not the network's."""
    with open(path, 'wb') as stream:
        stream.write(header.pack())
        for layer in network.convolutions:
            for array, shape in zip(numbers[layer.index], _shapes(layer)):
                if np.shape(array) != shape:
                    raise EngineError('%s: numbers of shape %s where %s are needed'
                                      % (layer.title, list(np.shape(array)), list(shape)))
                stream.write(np.ascontiguousarray(array, '<f4').tobytes() if shape else b'')


def _shapes(layer):
    """Shapes of Numbers' fields; () where there is None."""
    middle = (layer.filters,) if layer.normalised else ()
    return (layer.filters,), middle, middle, middle, layer.kernel
