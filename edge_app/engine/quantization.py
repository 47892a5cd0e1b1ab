"""A float ONNX model made an INT8 one: convolutions in 8 bits, their ranges fitted to pictures (static QDQ)."""
import contextlib
import logging
import os
import shutil
import tempfile

from edge_app.engine.onnx_file import QUANTIZED, read_onnx
from edge_app.engine.onnxruntime import FAILURES
from edge_app.errors import ConfigError, EngineError, EngineUnavailable, reason_of

log = logging.getLogger(__name__)

PER_CHANNEL_OPSET = 13
"""DequantizeLinear takes a scale per channel from here on."""


class CalibrationPictures:
    """Pictures as ONNX Runtime's calibration asks for them: one by one, then None."""

    def __init__(self, name, pictures):
        self.rows = ({name: picture} for picture in pictures)

    def get_next(self):
        return next(self.rows, None)


def quantize(source, target, pictures):
    """Write the ONNX model `target` from `source`.

    `pictures`: iterable of float32 [n, 3, height, width] just as the model takes them. Only convolutions are turned:
    decoding, sigmoids and the last layer of each head keep their floats, or small boxes and low scores are lost.
    EngineUnavailable without onnx, EngineError when it cannot be done.
    """
    try:
        import onnx  # noqa: F401
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    except ImportError as error:
        raise EngineUnavailable("quantising needs onnx (%s): pip install 'edge_app[quantize]'" % error)
    model = read_onnx(source)
    if any(node.operation in QUANTIZED for node in model.nodes):
        raise ConfigError('%s: is quantised already' % source)
    reader = type('Reader', (CalibrationPictures, CalibrationDataReader), {})(model.inputs[0].name, pictures)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(target)), prefix='.quantize-') as folder:
        named, made = (os.path.join(os.path.abspath(folder), name) for name in ('named.onnx', 'made.onnx'))
        try:
            _named(source, named)
            with inside(folder):
                quantize_static(named, made, reader, quant_format=QuantFormat.QDQ, per_channel=True,
                                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                                op_types_to_quantize=['Conv'], nodes_to_exclude=delicate_convolutions(named),
                                extra_options={'CalibMovingAverage': True})  # a single bright picture widens no range
        except FAILURES as error:
            raise EngineError('%s: cannot be quantised: %s' % (source, reason_of(error)))
        shutil.move(made, target)


@contextlib.contextmanager
def inside(folder):
    """The working directory for a while: ONNX Runtime 1.10 leaves a model lying in it."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _named(source, target):
    """Save the model with a name for every node (needed to exclude nodes) and an opset with scales per channel."""
    import onnx
    from onnx import version_converter
    model = onnx.load(source)
    if any(one.domain in ('', 'ai.onnx') and one.version < PER_CHANNEL_OPSET for one in model.opset_import):
        model = version_converter.convert_version(model, PER_CHANNEL_OPSET)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or '%s_%d' % (node.op_type, number)
    onnx.save(model, target)


def delicate_convolutions(path):
    """Names of the convolutions that keep their floats: the first, the last of each head, and the depthwise.

    With all of them in 8 bits yolox_nano falls from 0.342 mAP to 0.093, with all but the last ones too; with these left
    out it has 0.337 (COCO, 64 pictures).
    """
    import onnx
    nodes = [node for node in onnx.load(path).graph.node]
    depthwise = [node.name for node in nodes if node.op_type == 'Conv'
                 and any(one.name == 'group' and one.i > 1 for one in node.attribute)]
    first = _unconnected(nodes, lambda node: (node.input, node.output))
    last = _unconnected(reversed(nodes), lambda node: (node.output, node.input))
    return depthwise + first + last


def _unconnected(nodes, ends):
    """Names of the convolutions that no other convolution leads to; `ends(node)` are the values it has from before, and
    those it hands on. ONNX keeps its nodes in the order they run."""
    reached, names = set(), []
    for node in nodes:
        before, after = ends(node)
        reached_here = any(name in reached for name in before)
        if node.op_type == 'Conv' and not reached_here:
            names.append(node.name)
        if reached_here or node.op_type == 'Conv':
            reached.update(after)
    return names
