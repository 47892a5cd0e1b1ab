"""OpenVINO on Intel's processors: from 2022.2 on Python 3.6 to the newest.

By itself it would compute in bfloat16 wherever the processor can; here `engine.precision` decides.
"""
import logging
import os

import numpy as np

from edge_app.engine.base import HostEngine, threads_for
from edge_app.engine.file_check import weights_beside
from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.openvino_file import metadata_of
from edge_app.engine.ports import Port
from edge_app.errors import EngineError, reason_of

try:
    from openvino import Core, PartialShape, Tensor, get_version
except ImportError:  # before 2023.1
    from openvino.runtime import Core, PartialShape, Tensor, get_version

log = logging.getLogger(__name__)

DEVICE = 'CPU'
HINTS = {'fp32': 'f32', 'bf16': 'bf16', 'fp16': 'f16'}
"""engine.precision: OpenVINO's INFERENCE_PRECISION_HINT."""
TYPES = {'f32': np.float32, 'f16': np.float16, 'u8': np.uint8}
FAILURES = (RuntimeError, ValueError, TypeError)
LARGE_BYTES = 64 << 20
"""Weights beyond this are not held once for every batch size between one and the largest."""
QUANTIZED = ('FakeQuantize', 'QuantizeLinear', 'DequantizeLinear')


def batch_sizes(most, large):
    """Batch sizes to compile, largest first: `most`, its halves and 1; for `large` models only `most` and 1.

    A model for any batch size took 11.5 ms per picture, one for exactly this size 6.2 (yolox_nano 416, four pictures).
    Other numbers of pictures are composed of these.
    """
    sizes = {1, most}
    while not large and most > 1:
        most //= 2
        sizes.add(most)
    return sorted(sizes, reverse=True)


def portions(count, sizes):
    """`count` as a sum of `sizes` (largest first, the last is 1)."""
    parts = []
    for size in sizes:
        parts += [size] * (count // size)
        count %= size
    return parts


class OpenVino(HostEngine):
    """One compiled model per batch size.

    Pixels are converted outside of it: as part of its graph (uint8, NHWC) that took 0.3 ms per picture, with OpenCV and
    numpy 0.05 (416 x 416, 2026.4; 0.1 on 2022.2).
    """

    backend = 'openvino'
    model = None
    requests = None

    def read(self, size=None):
        self.metadata = metadata_of(self.path) if self.path.lower().endswith('.xml') else read_onnx(self.path).metadata
        try:
            self.core = Core()
            self.model = self.core.read_model(self.path)
        except FAILURES as error:
            raise EngineError('%s: not a model OpenVINO %s can read: %s' % (self.path, get_version(), reason_of(error)))
        precision = self._choose_precision()
        kinds = [one.element_type.get_type_name() for one in self.model.inputs]
        self.set_input([Port(one.get_any_name(), TYPES.get(kind, kind), sides(one.partial_shape) or ())
                        for one, kind in zip(self.model.inputs, kinds)], size)
        self.precision = precision
        self._read_outputs()

    def _choose_precision(self):
        """The precision to compute in; EngineError when this processor or this model cannot."""
        quantized = any(step.get_type_name() in QUANTIZED for step in self.model.get_ops())
        wanted = self.config.precision
        if quantized or wanted == 'int8':
            if not quantized:
                raise EngineError('engine.precision int8: %s holds no quantised weights; '
                                  'make one with `edge-app models quantize %s`' % (self.path, self.path))
            return 'int8'
        able = [kind.lower() for kind in self.core.get_property(DEVICE, 'OPTIMIZATION_CAPABILITIES')]
        if wanted not in able:
            raise EngineError('engine.precision %s: OpenVINO %s cannot compute in it on this processor, which has %s; '
                              'use fp32' % (wanted, get_version(), ', '.join(kind for kind in HINTS if kind in able)))
        return wanted

    def _read_outputs(self):
        """Exact shapes of one picture's outputs: as the graph has them, else found by running it on black."""
        try:
            self.model.reshape(PartialShape(list(self.input_shape(self.fixed_batch or 1))))
            shapes = [sides(output.partial_shape) for output in self.model.outputs]
            if any(shape is None or None in shape for shape in shapes):
                black = np.zeros(sides(self.model.input().partial_shape), self.dtype)
                shapes = [array.shape for array in self._call(self._request(len(black)), black)]
        except FAILURES as error:
            raise EngineError('%s: OpenVINO %s cannot run it on pictures of %dx%d: %s'
                              % ((self.path, get_version()) + self.input_size + (reason_of(error),)))
        self.outputs = tuple((name_of(output, number), tuple(shape[1:]))
                             for number, (output, shape) in enumerate(zip(self.model.outputs, shapes)))

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.model is None:
            self.read()
        files = [self.path] + list(weights_beside(self.path))
        large = sum(map(os.path.getsize, files)) > LARGE_BYTES
        sizes = [self.fixed_batch] if self.fixed_batch else batch_sizes(self.max_batch, large)
        self.requests = {}
        for size in sizes:
            try:
                self.requests[size] = self._request(size)
            except FAILURES as error:
                if size == sizes[-1]:
                    raise EngineError('%s: OpenVINO %s cannot compile it: %s'
                                      % (self.path, get_version(), reason_of(error)))
                log.info('%s: a batch of %d: %s', self.path, size, reason_of(error))
                self.fixed_batch = 1  # whatever it declares
        self.arrays = [np.empty((self.max_batch,) + shape, np.float32) for _, shape in self.outputs]
        super(OpenVino, self).load(colour, mean, scale)

    def _request(self, count):
        """An inference request for exactly `count` pictures."""
        self.model.reshape(PartialShape(list(self.input_shape(count))))
        return self.core.compile_model(self.model, DEVICE, self._settings()).create_infer_request()

    def _settings(self):
        """One picture's threads and no more, none tied to a core: decoders need theirs now and then."""
        settings = {'INFERENCE_NUM_THREADS': str(threads_for(self.config)), 'NUM_STREAMS': '1',
                    'INFERENCE_PRECISION_HINT': HINTS.get(self.precision, 'f32')}
        known = self.core.get_property(DEVICE, 'SUPPORTED_PROPERTIES')
        settings.update({name: value for name, value in (('ENABLE_CPU_PINNING', 'NO'), ('AFFINITY', 'NONE'))
                         if name in known})
        return settings

    def run_pixels(self, pixels):
        count = len(pixels)
        if count in self.requests:
            return self._call(self.requests[count], pixels)
        if count > len(self.arrays[0]):
            self.arrays = [np.empty((count,) + array.shape[1:], np.float32) for array in self.arrays]
        start = 0
        for size in portions(count, sorted(self.requests, reverse=True)):
            for array, part in zip(self.arrays, self._call(self.requests[size], pixels[start:start + size])):
                array[start:start + size] = part
            start += size
        return [array[:start] for array in self.arrays]

    def raw_runner(self, batch):
        request, pixels = self._request(len(batch)), self.pixels(batch).copy()

        def once():
            request.set_input_tensor(Tensor(pixels, shared_memory=True))
            request.infer()
        return once

    def _call(self, request, pixels):
        try:
            request.set_input_tensor(Tensor(pixels, shared_memory=True))  # points at the pixels: they outlive the call
            request.infer()
            return [np.asarray(request.get_output_tensor(number).data, np.float32)
                    for number in range(len(self.model.outputs))]
        except FAILURES as error:
            raise EngineError('%s: OpenVINO failed on a batch of %d: %s' % (self.path, len(pixels), reason_of(error)))

    def close(self):
        self.requests = None
        self.model = None
        super(OpenVino, self).close()


def sides(shape):
    """A PartialShape as a tuple, None where a side is open; None when even their number is."""
    if shape.rank.is_dynamic:
        return None
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


def name_of(output, number):
    return output.get_any_name() if output.names else 'output%d' % number
