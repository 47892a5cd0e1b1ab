"""Engines that have read a model, as far as cards and detectors look at them, without any library."""
import attrs


def cells(size, strides):
    """Cells of the grids of each stride, the last counted where a picture cuts it off."""
    return sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in strides)


@attrs.define
class Read:
    """Outputs, size and metadata of a model."""

    outputs = attrs.field()
    input_size = attrs.field(default=(64, 64))
    metadata = attrs.field(factory=dict)
    path = attrs.field(default='some.onnx')


class Answering:
    """An engine that gives the same arrays to every batch."""

    max_batch = 1
    fixed_batch = 0

    def __init__(self, arrays, read):
        self.arrays = arrays
        self.outputs, self.input_size = read.outputs, read.input_size
        self.metadata, self.path = read.metadata, read.path

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        self.preparation = (colour, mean, scale)

    def prepare(self, slot, picture, rows):
        pass

    def infer(self, batch, prepared=False):
        return self.arrays
