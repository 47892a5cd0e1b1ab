"""ONNX Runtime on the CPU: the backend that runs everywhere, from 1.10 on Python 3.6 to the newest."""
import logging

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from edge_app.engine.base import Engine, Planes, open_size
from edge_app.engine.onnx_file import QUANTIZED, read_onnx
from edge_app.engine.threads import threads_for
from edge_app.errors import EngineError

log = logging.getLogger(__name__)

FAILURES = tuple(kind for kind in vars(native).values()
                 if isinstance(kind, type) and issubclass(kind, Exception)) + (RuntimeError, ValueError)
"""The library's own exceptions share no base class but Exception, and their number grows by version."""

TYPES = {'tensor(float)': np.float32, 'tensor(float16)': np.float16, 'tensor(uint8)': np.uint8}


def session_options(config):
    """Sequential and without spinning: waiting threads would otherwise eat the decoders' cores."""
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = False      # it plans, and keeps, other memory for each number of pictures
    options.intra_op_num_threads = threads_for(config)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return options


class OnnxRuntime(Engine):
    """One InferenceSession. Runs models with one picture input: [n, 3, h, w] float or [n, h, w, 3] uint8."""

    backend = 'onnxruntime'
    session = None

    def read(self, size=None):
        try:
            self.session = onnxruntime.InferenceSession(self.path, session_options(self.config),
                                                        providers=['CPUExecutionProvider'])
        except FAILURES as error:
            raise EngineError('%s: not a model ONNX Runtime %s can run: %s'
                              % (self.path, onnxruntime.__version__, first_line(error)))
        self.metadata = dict(self.session.get_modelmeta().custom_metadata_map)
        self._read_input(size)
        if any(node.operation in QUANTIZED for node in read_onnx(self.path).nodes):
            self.precision = 'int8'
        self._read_outputs()

    def _read_input(self, size):
        """The one input's name, type and order of axes; open dimensions are filled in."""
        inputs = self.session.get_inputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]) or inputs[0].type not in TYPES:
            raise EngineError('%s: takes %s; needed is one input of pictures, [n, 3, height, width]' % (
                self.path, ', '.join('%s %s %s' % (put.name, put.type, put.shape) for put in inputs) or 'nothing'))
        self.input_name = inputs[0].name
        self.dtype = TYPES[inputs[0].type]
        self.channels_last = shape[1] != 3
        self.precision = 'fp16' if self.dtype == np.float16 else 'fp32'
        self.fixed_batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
        height, width = shape[1:3] if self.channels_last else shape[2:4]
        if isinstance(width, int) and isinstance(height, int):
            self.input_size = (width, height)
        else:
            self.input_size = open_size(size, self.metadata)

    def _read_outputs(self):
        """One run on a black picture: exact shapes, however openly they are declared, and proof that it runs."""
        width, height = self.input_size
        black = np.zeros((self.fixed_batch or 1,) + ((height, width, 3) if self.channels_last else (3, height, width)),
                         self.dtype)
        names = [put.name for put in self.session.get_outputs()]
        self.outputs = tuple((name, tuple(np.shape(array)[1:])) for name, array in zip(names, self._call(black)))

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.session is None:
            self.read()
        if self.config.precision not in ('auto', self.precision):
            log.warning('%s: ONNX Runtime runs a model in its own precision, %s; engine.precision %s is left aside',
                        self.path, self.precision, self.config.precision)
        if self.dtype == np.uint8:  # such a model normalises in its own graph
            mean, scale = (0, 0, 0), 1.0
        self.planes = Planes(colour, mean, scale, self.dtype)
        self.loaded = True

    def prepare(self, slot, picture, rows=slice(None)):
        self.planes.put(slot, picture, rows, self.max_batch)

    def run(self, batch):
        return self._arrays(self._pixels(batch))

    def run_prepared(self, batch):
        return self._arrays(self._pixels(batch, self.planes.prepared(len(batch))))

    def _arrays(self, pixels):
        return [np.asarray(array, np.float32) for array in self._call(pixels)]

    def _pixels(self, batch, planes=None):
        pixels = self.planes(batch) if planes is None else planes
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) if self.channels_last else pixels

    def bare(self, batch):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads_for(self.config)
        session = onnxruntime.InferenceSession(self.path, options, providers=['CPUExecutionProvider'])
        feed = {self.input_name: self._pixels(batch).copy()}
        return lambda: session.run(None, feed)

    def _call(self, pixels):
        try:
            return self.session.run(None, {self.input_name: pixels})
        except FAILURES as error:
            raise EngineError('%s: ONNX Runtime failed on a batch of %d: %s'
                              % (self.path, len(pixels), first_line(error)))

    def close(self):
        self.session = None
        super(OnnxRuntime, self).close()


def first_line(error):
    """The library's messages run over pages; the first line says it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
