"""ONNX Runtime on the CPU, the backend that runs everywhere: from 1.10 on Python 3.6 to the newest."""
import logging

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from edge_app.engine.base import HostEngine, threads_for
from edge_app.engine.onnx_file import QUANTIZED, read_onnx
from edge_app.engine.ports import Port
from edge_app.errors import EngineError, reason_of

log = logging.getLogger(__name__)

FAILURES = tuple(kind for kind in vars(native).values()
                 if isinstance(kind, type) and issubclass(kind, Exception)) + (RuntimeError, ValueError)
"""The library's own exceptions share no base class but Exception, and their number grows by version."""

TYPES = {'tensor(float)': np.float32, 'tensor(float16)': np.float16, 'tensor(uint8)': np.uint8}


def session_options(config):
    """Sequential and without spinning: waiting threads would otherwise eat the decoders' cores."""
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = False      # it would keep separate memory for each batch size
    options.intra_op_num_threads = threads_for(config)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return options


class OnnxRuntime(HostEngine):
    """One InferenceSession. Runs models with one picture input: [n, 3, h, w] float or [n, h, w, 3] uint8."""

    backend = 'onnxruntime'
    session = None

    def read(self, size=None):
        try:
            self.session = onnxruntime.InferenceSession(self.path, session_options(self.config),
                                                        providers=['CPUExecutionProvider'])
        except FAILURES as error:
            raise EngineError('%s: not a model ONNX Runtime %s can run: %s'
                              % (self.path, onnxruntime.__version__, reason_of(error)))
        self.metadata = dict(self.session.get_modelmeta().custom_metadata_map)
        self.set_input([Port(put.name, TYPES.get(put.type, put.type), tuple(put.shape))
                        for put in self.session.get_inputs()], size)
        if any(node.operation in QUANTIZED for node in read_onnx(self.path).nodes):
            self.precision = 'int8'
        # One run on a black picture: exact shapes, even where they are declared open, and proof that it runs.
        arrays = self._call(np.zeros(self.input_shape(self.fixed_batch or 1), self.dtype))
        self.outputs = tuple((put.name, tuple(np.shape(array)[1:]))
                             for put, array in zip(self.session.get_outputs(), arrays))

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.session is None:
            self.read()
        if self.config.precision not in ('auto', self.precision):
            log.warning('%s: ONNX Runtime runs a model in its own precision, %s; engine.precision %s is ignored',
                        self.path, self.precision, self.config.precision)
        super(OnnxRuntime, self).load(colour, mean, scale)

    def run_pixels(self, pixels):
        return [np.asarray(array, np.float32) for array in self._call(pixels)]

    def raw_runner(self, batch):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads_for(self.config)
        session = onnxruntime.InferenceSession(self.path, options, providers=['CPUExecutionProvider'])
        feed = {self.input_name: self.pixels(batch).copy()}
        return lambda: session.run(None, feed)

    def _call(self, pixels):
        try:
            return self.session.run(None, {self.input_name: pixels})
        except FAILURES as error:
            raise EngineError('%s: ONNX Runtime failed on a batch of %d: %s'
                              % (self.path, len(pixels), reason_of(error)))

    def close(self):
        self.session = None
        super(OnnxRuntime, self).close()
