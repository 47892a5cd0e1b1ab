"""TensorRT: pictures are uploaded as bytes, converted on the GPU, and results are downloaded once."""
import atexit
import contextlib
import logging
import os

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt

from edge_app.engine.base import Engine, open_size
from edge_app.engine.file_check import files_of
from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.ports import check_input
from edge_app.engine.tensorrt import fingerprint, plans, tensors
from edge_app.engine.tensorrt.builder import Builder
from edge_app.engine.tensorrt.gpu import Gpu, Preparation
from edge_app.errors import EngineError, EngineMismatch
from edge_app.files import write_atomic

log = logging.getLogger(__name__)


class TensorRt(Engine):
    """One engine with one execution context, in the thread that calls `read`.

    `read` finds the plan that fits this machine or builds it from the ONNX file, which takes minutes.
    """

    backend = 'tensorrt'
    plan_path = None
    """File of the plan; None when it is not saved."""
    key = None
    """What the plan was built for, once read."""
    gpu = None
    runtime = None
    engine = None
    tensors = None
    asked_size = None
    count = 0

    def read(self, size=None):
        self.close()
        self.asked_size = size
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            tensors.start()
            self.gpu = Gpu()
            atexit.register(self.close)  # pycuda aborts a process that ends with a context in use
            self.runtime = tensors.runtime()
            if self.path.lower().endswith(plans.SUFFIXES):
                self._own_plan()
            else:
                self._from_onnx(self.path, size)
            self.tensors = tensors.tensors_of(self.engine)
            self._read_input()
            self._read_outputs()
            undo.pop_all()

    def _tell(self, text):
        if self.on_progress is not None:
            self.on_progress(text)

    def _fingerprint(self):
        return fingerprint.facts(trt.__version__, self.gpu)

    def _from_onnx(self, path, size, force=False):
        """Make the engine of an ONNX file, from a cached plan or a new one."""
        onnx = read_onnx(path)
        channels_last = check_input(path, onnx.inputs)
        digest = plans.digest_of(files_of(path))
        request = self._build_request(onnx, channels_last, size)
        builder = Builder(path, onnx, request, channels_last)
        self.key = plans.key_of(digest, request, self._fingerprint())
        cache = plans.Cache(plans.plan_paths(path, digest, request), self.key, self._accept,
                            lambda plan_path: self._build(builder, plan_path), self._tell)
        self.engine, plan, plan_path = cache.obtain(force)
        self._apply_record(plan.record)
        self.plan_path = plan_path.plan if plan_path else None
        log.info('%s: plan %s', path, self.plan_path or 'not saved')

    def _accept(self, plan):
        """An engine of a plans.Plan, None when the library refuses it."""
        return self.runtime.deserialize_cuda_engine(plan.content)

    def _build(self, builder, path):
        """A plan's bytes and facts; the timing cache of earlier builds is read from and written to `path`."""
        with contextlib.suppress(OSError):
            if path is not None:
                with open(path.timing, 'rb') as stream:
                    builder.measured = stream.read()
        content, facts = builder.build(self._tell)
        with contextlib.suppress(OSError):
            if path is not None and builder.measured:
                write_atomic(path.timing, builder.measured, durable=True, mode=0o644)
        return content, dict(facts, model=os.path.basename(builder.path))

    def _build_request(self, onnx, channels_last, size):
        shape = onnx.inputs[0].shape
        batch = (shape[0],) * 3 if isinstance(shape[0], int) else (1, self.max_batch, self.max_batch)
        height, width = shape[1:3] if channels_last else shape[2:4]
        fixed = isinstance(width, int) and isinstance(height, int)
        size = (width, height) if fixed else open_size(size, onnx.metadata)
        return plans.BuildRequest(self.config.precision, batch, size)

    def _apply_record(self, record):
        self.metadata = dict(record.get('metadata') or {})
        self.precision = record.get('precision_built', 'as built')

    def _own_plan(self):
        """Make the engine of a plan given as the model; if it does not fit, of the ONNX file beside it."""
        record = plans.read_record(plans.PlanPath(self.path))
        try:
            with open(self.path, 'rb') as stream:
                content = stream.read()
        except OSError as error:
            raise EngineError('%s: cannot be read: %s' % (self.path, error.strerror))
        notes, content = plans.split_header(content)
        reason = self._misfit(content, record)
        self.engine = None if reason else self._accept(plans.Plan(content, record))
        if self.engine is not None:
            self.key, self.plan_path = record.get('key'), self.path
            self._apply_record(record)
            self.metadata.update(notes)
            return
        reason = reason or tensors.MESSAGES.taken() or 'TensorRT refuses it'
        source = plans.onnx_beside(self.path, record)
        if source is None:
            raise EngineMismatch('%s does not fit this machine: %s. A plan runs only on the GPU and TensorRT it was '
                                 'built with: put its ONNX file beside it, or build it here with '
                                 '`edge-app models build MODEL.onnx --backend tensorrt`' % (self.path, reason))
        log.warning('%s does not fit this machine (%s): %s is used instead', self.path, reason, source)
        self._from_onnx(source, self.asked_size)

    def _misfit(self, content, record):
        """Why a given plan cannot fit, by its record; '' when it may."""
        if not record:
            return ''
        if record.get('sha256') != plans.sha256(content):
            return 'it is damaged: its checksum is not that of %s' % os.path.basename(plans.PlanPath(self.path).record)
        here = self._fingerprint()
        return '; '.join(plans.differences({part: record['key'].get(part) for part in here}, here))

    def _read_input(self):
        inputs = [port for port in self.tensors.ports if port.is_input]
        check_input(self.path, inputs)
        self.input = inputs[0]
        shape = self.input.shape
        self.channels_last = shape[1] != 3
        if -1 in shape:
            shape = self.tensors.profile(self.input)[2]
            if shape[0] < self.max_batch and self.input.shape[0] == -1:
                log.warning('%s: built for at most %d pictures; engine.batch %d is ignored',
                            self.path, shape[0], self.max_batch)
        self.fixed_batch = 0 if self.input.shape[0] == -1 else shape[0]
        self.max_batch = max(1, self.config.batch) if self.fixed_batch else min(max(1, self.config.batch), shape[0])
        height, width = shape[1:3] if self.channels_last else shape[2:4]
        self.input_size = (int(width), int(height))

    def _read_outputs(self):
        """Shapes for the largest batch, for which memory is reserved."""
        self._set_count(self.fixed_batch or self.max_batch)
        self.output_ports = [port for port in self.tensors.ports if not port.is_input]
        self.shapes = [self.tensors.shape(port) for port in self.output_ports]
        for port, shape in zip(self.output_ports, self.shapes):
            if not shape or min(shape) < 1:
                raise EngineError('%s: output %r has the shape %s; it must have a fixed number of rows per picture'
                                  % (self.path, port.name, list(shape)))
        self.outputs = tuple((port.name, shape[1:]) for port, shape in zip(self.output_ports, self.shapes))

    def _set_count(self, count):
        """Tell TensorRT how many pictures follow, when that changes."""
        if -1 in self.input.shape and count != self.count:
            width, height = self.input_size
            picture = (height, width, 3) if self.channels_last else (3, height, width)
            self.tensors.set_shape(self.input, (count,) + picture)
        self.count = count

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.tensors is None:
            self.read(self.asked_size)
        self.gpu.check_thread()
        self.gpu.free()
        if self.input.dtype == np.uint8:  # such a model normalises in its own graph
            mean, scale = (0, 0, 0), 1.0
        try:
            self.preparation = Preparation(self.gpu, self.input.dtype, not self.channels_last, colour, mean, scale)
            self._allocate(self.fixed_batch or self.max_batch)
        except cuda.Error as error:
            raise EngineError('%s: %s' % (self.path, error))
        self.loaded = True

    def _allocate(self, count):
        """Memory for the largest batch, once: pinned and on the GPU, for pictures and answers."""
        width, height = self.input_size
        self.staging = self.gpu.pinned((count, height, width, 3), np.uint8)
        self.pixels = self.gpu.allocate(self.staging.nbytes)
        self.numbers = self.gpu.allocate(self.staging.size * self.input.dtype.itemsize)
        self.answers = [self.gpu.pinned(shape, port.dtype) for port, shape in zip(self.output_ports, self.shapes)]
        self.results = [self.gpu.allocate(answer.nbytes) for answer in self.answers]
        memory = dict(zip([port.name for port in self.output_ports], self.results))
        memory[self.input.name] = self.numbers
        self.addresses = [int(memory[port.name]) for port in self.tensors.ports]

    def run(self, batch):
        self.gpu.check_thread()
        count = len(batch)
        if count > len(self.staging):
            raise EngineError('%d pictures at once: the engine was loaded for %d' % (count, len(self.staging)))
        width, height = self.input_size
        try:
            np.copyto(self.staging[:count], batch)
            self.gpu.upload(self.pixels, self.staging[:count])
            self.preparation.queue(self.pixels, self.numbers, count, width * height)
            self._set_count(count)
            self._queue()
            # an output that is the same for every picture, such as anchors, has fewer rows than the greatest batch
            answers = [answer[:count] if len(answer) == len(self.staging) else answer for answer in self.answers]
            for answer, result in zip(answers, self.results):
                self.gpu.download(answer, result)
            self.gpu.wait()
        except cuda.Error as error:
            raise EngineError('%s: the GPU failed on a batch of %d: %s' % (self.path, count, error))
        # one copy out of pinned memory: a TX2 does not cache it, and what follows reads it many times
        return [np.array(answer, np.float32) for answer in answers]

    def _queue(self):
        """Queue the network on the prepared input."""
        if not self.tensors.run(self.addresses, self.gpu.stream.handle):
            raise EngineError('%s: TensorRT failed on a batch of %d: %s'
                              % (self.path, self.count, tensors.MESSAGES.taken()))

    def raw_runner(self, batch):
        """A function that runs only the network on these pictures, which are on the GPU already."""
        self.infer(batch)

        def run():
            self._queue()
            self.gpu.wait()
        return run

    def close(self):
        """Release TensorRT's objects and all memory before their context."""
        super(TensorRt, self).close()
        atexit.unregister(self.close)
        self.staging = self.answers = self.preparation = None
        self.tensors = self.engine = self.runtime = None
        self.count = 0
        if self.gpu is not None:
            gpu, self.gpu = self.gpu, None
            gpu.close()
