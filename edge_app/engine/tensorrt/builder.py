"""Builds a plan from ONNX: minutes of measuring on the board itself, with progress and in bounded memory."""
import contextlib
import logging

import tensorrt as trt

from edge_app.engine.progress import Progress
from edge_app.engine.tensorrt.tensors import MESSAGES, made
from edge_app.errors import EngineError, EngineUnavailable

log = logging.getLogger(__name__)

OPSETS = {'8.0': 13, '8.2': 13, '8.4': 17, '8.5': 17, '8.6': 17, '10.0': 20}
"""Newest ONNX opset that NVIDIA states for a TensorRT, for the hint in an error: a newer model fails at an operator."""


def monitor(progress):
    """An object for config.progress_monitor that notes how far a phase is, where TensorRT has such (10)."""
    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.steps = {}

        def phase_start(self, phase_name, parent_phase, num_steps):
            self.steps[phase_name] = num_steps

        def step_complete(self, phase_name, step):
            steps = self.steps.get(phase_name)
            if steps:
                progress.phase = ', %s %d of %d' % (phase_name, step + 1, steps)
            return True  # False would end the build

        def phase_finish(self, phase_name):
            self.steps.pop(phase_name, None)

    return Monitor()


class Builder:
    """One build of a model for a BuildRequest."""

    def __init__(self, path, onnx, request, channels_last):
        """`onnx` is its OnnxFile, `request` a plans.BuildRequest."""
        self.path = path
        self.onnx = onnx
        self.request = request
        self.channels_last = channels_last
        self.measured = b''
        """TensorRT's timing cache: an earlier build's or empty before the build, its own after it."""

    def build(self, tell):
        """(plan, facts for its record). EngineError names the step of the graph that fails, or the missing memory."""
        builder = made(trt.Builder)
        flags = getattr(trt, 'NetworkDefinitionCreationFlag', None)
        # ONNX needs an explicit batch: a flag up to TensorRT 9, the only way from 10 on
        network = builder.create_network(1 << int(flags.EXPLICIT_BATCH) if hasattr(flags, 'EXPLICIT_BATCH') else 0)
        self._parse(network)
        config = builder.create_builder_config()
        workspace = self.request.workspace_mb << 20     # limited, because GPU and processor of a board share its memory
        if hasattr(config, 'set_memory_pool_limit'):
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
        else:
            config.max_workspace_size = workspace
        precision = self._set_precision(builder, config)
        self._set_profile(builder, network, config)
        with self._timing(config), Progress('building the plan of %s for this GPU' % self.path, tell) as progress:
            if hasattr(trt, 'IProgressMonitor') and hasattr(config, 'progress_monitor'):
                config.progress_monitor = monitor(progress)
            plan = serialized(builder, network, config)
        if plan is None:
            raise EngineError('%s: TensorRT %s cannot build it: %s. If memory is short: lower engine.batch, add swap, '
                              'end the desktop'
                              % (self.path, trt.__version__, MESSAGES.taken() or 'it does not say why'))
        return bytes(plan), {'precision_built': precision, 'metadata': self.onnx.metadata}

    def _parse(self, network):
        parser = trt.OnnxParser(network, MESSAGES)
        if hasattr(parser, 'parse_from_file'):  # finds weights in files beside it
            good = parser.parse_from_file(self.path)
        else:
            with open(self.path, 'rb') as stream:
                good = parser.parse(stream.read())
        if not good:
            raise EngineError(self._parse_error([parser.get_error(number) for number in range(parser.num_errors)]))

    def _parse_error(self, errors):
        """What the parser refuses, by the names in the model, and how to fix it."""
        lines = []
        for error in errors:
            number = error.node()
            known = 0 <= number < len(self.onnx.nodes)
            where = 'step %d, %s %r: ' % ((number,) + tuple(self.onnx.nodes[number])) if known else ''
            lines.append(where + str(error.desc()).strip())
        limit = OPSETS.get('.'.join(trt.__version__.split('.')[:2]))
        most = ', made for opset %d and older' % limit if limit else ''
        return ('%s: TensorRT %s%s, cannot read this model of opset %d: %s. Export it again with opset 11 to 13, '
                'simplified, without NMS in the graph and with only the batch axis dynamic; or choose engine.backend '
                'onnxruntime' % (self.path, trt.__version__, most, self.onnx.opset,
                                 '; '.join(lines) or MESSAGES.taken() or 'it does not say why'))

    def _set_precision(self, builder, config):
        """Set the requested precision if the GPU has it; returns the one used."""
        wanted = self.request.precision
        if wanted == 'fp32':
            return wanted
        if wanted == 'int8':
            self._check_int8(builder)
        if not hasattr(trt.BuilderFlag, wanted.upper()):
            if wanted == 'fp16':  # strongly typed only, from 11 on
                log.warning('TensorRT %s takes the precision from the model; engine.precision fp16 is ignored',
                            trt.__version__)
                return 'fp32'
            raise EngineUnavailable('engine.precision: TensorRT %s has no %s; choose fp16' % (trt.__version__, wanted))
        if wanted == 'fp16' and not getattr(builder, 'platform_has_fast_fp16', True):
            log.warning('this GPU computes no faster in fp16; the plan is built in fp32')
            return 'fp32'
        config.set_flag(getattr(trt.BuilderFlag, wanted.upper()))
        return wanted

    def _check_int8(self, builder):
        if not getattr(builder, 'platform_has_fast_int8', True):
            raise EngineUnavailable('engine.precision: this GPU has no int8 arithmetic (int8 begins with Xavier, a TX2 '
                                    'has none); choose fp16')
        if not any(node.operation == 'QuantizeLinear' for node in self.onnx.nodes):
            raise EngineUnavailable('engine.precision: int8 needs a model that was quantised (with QuantizeLinear '
                                    'steps), and %s has none; choose fp16' % self.path)

    def _set_profile(self, builder, network, config):
        """Set the batch sizes and the picture size of the plan, unless the model fixes both."""
        if network.num_inputs != 1:
            raise EngineError('%s: takes %d inputs; it must have one image input' % (self.path, network.num_inputs))
        put = network.get_input(0)
        if -1 not in tuple(put.shape):
            return
        width, height = self.request.size
        picture = (height, width, 3) if self.channels_last else (3, height, width)
        profile = builder.create_optimization_profile()
        profile.set_shape(put.name, *[(count,) + picture for count in self.request.batch])
        config.add_optimization_profile(profile)

    @contextlib.contextmanager
    def _timing(self, config):
        """Use earlier measurements and keep those of this build, if TensorRT can (8.0 on)."""
        if not hasattr(config, 'create_timing_cache'):
            yield
            return
        for measured in (self.measured, b''):  # those of another GPU or version are refused
            cache = config.create_timing_cache(measured)
            if cache is not None and config.set_timing_cache(cache, False):
                break
        yield
        kept = config.get_timing_cache()
        self.measured = bytes(kept.serialize()) if kept is not None else b''


def serialized(builder, network, config):
    """The plan, or None."""
    if hasattr(builder, 'build_serialized_network'):
        return builder.build_serialized_network(network, config)
    engine = builder.build_engine(network, config)
    return engine.serialize() if engine is not None else None
