"""From ONNX to a plan: the parser's complaints, profiles, flags; a plan is the ONNX itself with what it was built for.

STANDIN_BUILD_LOG names a file that gets one line per build, STANDIN_BUILD_S makes each take that long.
"""
import hashlib
import json
import os
import time

import onnxruntime
from gpu_standin import device, memory, onnx_graph
from gpu_standin.trt_types import (OF_ONNX, OF_OPERATION, OF_ORT, Dims, HostMemory, LayerType, Managed, Severity,
                                   checked)

MAGIC = b'ftrt stand-in '


class Tensor:
    """ITensor."""

    __slots__ = ('name', 'dtype', '_shape', 'is_network_input', 'is_network_output')

    def __init__(self, name, dtype, shape, is_input):
        self.name, self.dtype, self._shape = name, dtype, Dims(shape)
        self.is_network_input, self.is_network_output = is_input, not is_input

    @property
    def shape(self):
        return self._shape

    @shape.setter
    def shape(self, sides):
        self._shape = Dims(sides)


class Layer:
    """ILayer, one for each ONNX operation."""

    __slots__ = ('name', 'type', 'precision')

    def __init__(self, operation, name):
        self.name, self.precision = name or '(Unnamed Layer* 0) [%s]' % operation, None
        self.type = LayerType[OF_OPERATION.get(operation, 'PLUGIN_V2')]


class Network(Managed):
    """INetworkDefinition, filled by a parser only."""

    __slots__ = ('logger', 'explicit', 'content', 'graph', 'inputs', 'outputs', 'name')

    def __init__(self, logger, explicit):
        self.logger, self.explicit, self.name = logger, explicit, ''
        self.content, self.graph, self.inputs, self.outputs = b'', None, [], []

    num_inputs = property(lambda self: len(self.inputs))
    num_outputs = property(lambda self: len(self.outputs))
    num_layers = property(lambda self: len(self.graph['nodes']) if self.graph else 0)

    def get_input(self, number):
        return self.inputs[number]

    def get_output(self, number):
        return self.outputs[number]

    def get_layer(self, number):
        operation, name, _ = self.graph['nodes'][number]
        return Layer(operation, name)


class ParserError:
    __slots__ = ('_node', '_desc', '_operator')

    def __init__(self, node, desc, operator=''):
        self._node, self._desc, self._operator = node, desc, operator

    def code(self):
        return 8

    def desc(self):
        return self._desc

    def file(self):
        return 'ModelImporter.cpp'

    def func(self):
        return 'parseGraph'

    def line(self):
        return 773

    def node(self):
        return self._node

    def __str__(self):
        return 'In node %d (parseGraph): UNSUPPORTED_NODE: %s' % (self._node, self._desc)


class Parser(Managed):
    """OnnxParser: `MOST_OPSET` (None: any), `UNKNOWN` operations and `TYPES` come from the version."""

    __slots__ = ('network', 'logger', 'errors')
    MOST_OPSET = None
    UNKNOWN = frozenset()
    TYPES = None
    CASTS = {}

    def __init__(self, network, logger):
        self.network, self.logger, self.errors = network, checked(logger), []

    num_errors = property(lambda self: len(self.errors))

    def get_error(self, number):
        return self.errors[number]

    def clear_errors(self):
        self.errors = []

    def parse(self, model, path=None):
        content = bytes(model)
        try:
            graph = onnx_graph.parse(content)
        except ValueError as error:
            return self._fail(-1, 'Failed to parse the model: ModelProto deserialization failed (%s)' % error)
        if not self.network.explicit:
            return self._fail(-1, 'Assertion failed: !_importer_ctx.network()->hasImplicitBatchDimension() && "This '
                              'version of the ONNX parser only supports networks with an explicit batch dimension."')
        if self.MOST_OPSET is not None and graph['opset'] > self.MOST_OPSET:
            return self._fail(-1, 'Assertion failed: the opset %d of the model is newer than %d'
                              % (graph['opset'], self.MOST_OPSET))
        for number, (operation, _, cast_to) in enumerate(graph['nodes']):
            if operation == 'Cast' and OF_ONNX.get(cast_to) not in self.TYPES.__members__:
                return self._fail(number, 'Assertion failed: convertDtype(onnxType, &dtype) && "Unsupported cast!"')
            if operation in self.UNKNOWN:
                self.logger.log(Severity.INFO, 'No importer registered for op: %s. Attempting to import as plugin.'
                                % operation)
                return self._fail(number,
                                  'Assertion failed: creator && "Plugin not found, are the plugin name, version, '
                                  'and namespace correct?"', operation)
        return self._fill(content, graph)

    def parse_from_file(self, path):
        with open(path, 'rb') as stream:
            return self.parse(stream.read())

    def supports_model(self, model, path=None):
        return self.parse(model), []

    def _fill(self, content, graph):
        try:
            session = session_of(content)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            return self._fail(-1, str(error).splitlines()[0])
        for put in session.get_inputs():
            if OF_ORT.get(put.type) not in self.TYPES.__members__:
                return self._fail(-1,
                                  'UNSUPPORTED_NODE: Assertion failed: convertDtype(onnxDtype.elem_type(), &trtDtype) '
                                  '&& "Failed to convert ONNX date type to TensorRT data type."')
        network = self.network
        network.content, network.graph = content, graph
        network.inputs = [self._tensor(put, True) for put in session.get_inputs()]
        network.outputs = [self._tensor(put, False) for put in session.get_outputs()]
        return True

    def _tensor(self, put, is_input):
        kind = OF_ORT[put.type]
        shape = [side if isinstance(side, int) and side > 0 else -1 for side in put.shape]
        return Tensor(put.name, self.TYPES[self.CASTS.get(kind, kind)], shape, is_input)

    def _fail(self, node, desc, operator=''):
        self.errors.append(ParserError(node, desc, operator))
        self.logger.log(Severity.ERROR, str(self.errors[-1]))
        return False


class Profile:
    """IOptimizationProfile."""

    __slots__ = ('shapes',)

    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):
        shapes = [list(shape) for shape in (min, opt, max)]
        if len({len(shape) for shape in shapes}) != 1:
            raise ValueError('min, opt and max must have the same number of dimensions')
        self.shapes[input] = shapes

    def get_shape(self, input):
        return [Dims(shape) for shape in self.shapes.get(input, [])]

    def __bool__(self):
        return bool(self.shapes)


class TimingCache:
    __slots__ = ('content',)

    def __init__(self, content):
        self.content = bytes(content)

    def serialize(self):
        return HostMemory(self.content)

    def reset(self):
        self.content = b''


class Config(Managed):
    """IBuilderConfig without what versions differ in."""

    __slots__ = ('flags', 'profiles', 'cache', 'profile_stream', 'int8_calibrator', 'default_device_type',
                 'avg_timing_iterations')

    def __init__(self):
        self.flags, self.profiles, self.cache = 0, [], None
        self.default_device_type = None
        self.profile_stream, self.int8_calibrator, self.avg_timing_iterations = 0, None, 1

    num_optimization_profiles = property(lambda self: len(self.profiles))

    def set_flag(self, flag):
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag):
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag):
        return bool(self.flags >> int(flag) & 1)

    def add_optimization_profile(self, profile):
        if not profile:
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        """None is a legal answer, which STANDIN_TIMING_CACHE=none makes it give."""
        return None if os.environ.get('STANDIN_TIMING_CACHE') == 'none' else TimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache, ignore_mismatch):
        if not isinstance(cache, TimingCache):
            raise TypeError('set_timing_cache(): incompatible function arguments')
        mine = ('timing ' + device.facts().name).encode()
        if cache.content and cache.content != mine and not ignore_mismatch:
            return False
        self.cache = cache
        return True

    def get_timing_cache(self):
        return self.cache


class Builder(Managed):
    """IBuilder. `CONFIG`, `VERSION` and `FLAGS` come from the version."""

    __slots__ = ('logger', 'context')
    CONFIG = Config
    VERSION = ''
    FLAGS = None

    def __init__(self, logger):
        self.logger, self.context = checked(logger), memory.runtime_context()

    platform_has_fast_fp16 = property(lambda self: device.facts().compute not in ((6, 1), (5, 2)))
    platform_has_fast_int8 = property(lambda self: device.facts().int8)
    platform_has_tf32 = property(lambda self: device.facts().compute >= (8, 0))
    num_DLA_cores = property(lambda self: 0 if device.facts().compute < (7, 2) else 2)

    def create_network(self, flags=0):
        return Network(self.logger, self.is_explicit(flags))

    def is_explicit(self, flags):
        return bool(flags & 1)

    def create_builder_config(self):
        return self.CONFIG()

    def create_optimization_profile(self):
        return Profile()

    def build_serialized_network(self, network, config):
        problem = self._problem(network, config)
        if problem:
            self.logger.log(Severity.ERROR, problem)
            return None
        self._work(config)
        if config.cache is not None:
            config.cache.content = ('timing ' + device.facts().name).encode()
        return HostMemory(plan(network, config, self.VERSION))

    def _problem(self, network, config):
        """What TensorRT would refuse to build for, '' when nothing."""
        if not network.outputs:
            return ('4: [network.cpp::validate::2410] Error Code 4: Internal Error '
                    '(Network must have at least one output)')
        if memory.runtime_context() is not self.context:
            return '1: Error Code 1: Cuda Runtime (invalid resource handle)'
        if getattr(config.default_device_type, 'name', 'GPU') == 'DLA' and not self.num_DLA_cores:
            return '9: Error Code 9: API Usage Error (Default DLA is enabled but no DLA core is available)'
        if config.get_flag(self.FLAGS['INT8']):
            if not device.facts().int8:
                return ('9: Error Code 9: API Usage Error (Int8 precision has been set for a layer but platform has '
                        'none)')
            if config.int8_calibrator is not None:
                calibrate(config.int8_calibrator, [put.name for put in network.inputs])
            elif not any(operation == 'QuantizeLinear' for operation, _, _ in network.graph['nodes']):
                return ('4: Error Code 4: Internal Error (Calibration failure occurred with no scaling factors '
                        'detected. This could be due to no int8 calibrator or insufficient custom scales)')
        for put in network.inputs:
            if -1 in put.shape:
                shapes = config.profiles[0].shapes.get(put.name) if config.profiles else None
                if shapes is None:
                    return ('4: Error Code 4: Internal Error (Network has dynamic or shape inputs, but no optimization '
                            'profile has been defined.)')
                for low, usual, high in zip(*shapes):
                    if not low <= usual <= high:
                        return '4: Error Code 4: Internal Error (input %s: kMIN <= kOPT <= kMAX)' % put.name
                if any(mine not in (-1, side) for shape in shapes for mine, side in zip(put.shape, shape)):
                    return '4: Error Code 4: Internal Error (input %s: profile does not fit %s)' % (put.name, put.shape)
        return ''

    def _work(self, config):
        if os.environ.get('STANDIN_BUILD_LOG'):
            with open(os.environ['STANDIN_BUILD_LOG'], 'a') as stream:
                stream.write('%d %s\n' % (os.getpid(), self.VERSION))
        time.sleep(float(os.environ.get('STANDIN_BUILD_S', 0)))


class Calibrator:
    """IInt8EntropyCalibrator2, to be derived from; its __init__ must be called."""

    def __init__(self):
        self.ready = True

    def get_batch_size(self):
        raise NotImplementedError

    def get_batch(self, names):
        raise NotImplementedError

    def read_calibration_cache(self):
        return None

    def write_calibration_cache(self, cache):
        pass


def calibrate(calibrator, names):
    """Ask for batches, addresses on the GPU, until None; not at all where there is a cache."""
    if not isinstance(calibrator, Calibrator) or not getattr(calibrator, 'ready', False):
        raise TypeError('int8_calibrator: an IInt8Calibrator is needed, and its __init__ must be called')
    if calibrator.read_calibration_cache():
        return
    if calibrator.get_batch_size() < 1:
        raise ValueError('get_batch_size() must be positive')
    while True:
        addresses = calibrator.get_batch(names)
        if addresses is None:
            break
        for address in addresses:
            memory.place(int(address), 1, memory.runtime_context(), 'calibration')
    calibrator.write_calibration_cache(b'TRT-8201-EntropyCalibration2\n')


def plan(network, config, version):
    """Bytes of a plan: what it is for, a checksum, the ONNX."""
    gpu = device.facts()
    header = json.dumps({
        'version': version, 'gpu': gpu.name, 'compute': list(gpu.compute), 'flags': config.flags,
        'inputs': [[put.name, put.dtype.name, list(put.shape)] for put in network.inputs],
        'outputs': [[put.name, put.dtype.name, list(put.shape)] for put in network.outputs],
        'profile': config.profiles[0].shapes if config.profiles else {}}).encode()
    body = header + b'\n' + onnx_graph.with_input_shapes(network.content, {
        put.name: list(put.shape) for put in network.inputs if -1 not in put.shape})
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b'\n' + body


def read_plan(content, version):
    """(header, ONNX bytes, '') of a plan, or (None, None, what TensorRT says)."""
    current = '(Serialization assertion %s failed.%s tag does not match'
    if not content.startswith(MAGIC):
        return None, None, '1: Error Code 1: Serialization ' + current % ('magicTagRead == kMAGIC_TAG', 'Magic') + ')'
    digest, _, body = content[len(MAGIC):].partition(b'\n')
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None, None, '3: Error Code 3: Serialization (the plan is truncated or damaged)'
    head, _, model = body.partition(b'\n')
    header = json.loads(head.decode())
    if header['version'] != version:
        return None, None, ('1: Error Code 1: Serialization ' + current % ('stdVersionRead == serializationVersion',
                                                                           'Version')
                            + '. Note: Current Version: %s, Serialized Engine Version: %s)' % (version,
                                                                                               header['version']))
    gpu = device.facts()
    if header['compute'] != list(gpu.compute):
        return None, None, ('6: The engine plan file is generated on an incompatible device, expecting compute %d.%d got '
                            'compute %d.%d, please rebuild.' % (gpu.compute + tuple(header['compute'])))
    return header, model, ''


def session_of(content):
    """ONNX Runtime stands behind all of it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
