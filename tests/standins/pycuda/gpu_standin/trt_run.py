"""From a plan to answers: engines, contexts, and the checks before each run."""
import operator

import numpy as np
from gpu_standin import Violation, memory, streams, trt_build
from gpu_standin.trt_types import NUMPY, Dims, HostMemory, Managed, Severity, checked


ALIGNMENT = 256
"""Bytes; what TensorRT demands of every tensor's address."""


class Runtime(Managed):
    """IRuntime. `ENGINE` and `VERSION` come from the version."""

    __slots__ = ('logger',)
    ENGINE = None
    VERSION = ''

    def __init__(self, logger):
        self.logger = checked(logger)
        memory.runtime_context()

    def deserialize_cuda_engine(self, serialized_engine):
        content = bytes(serialized_engine)
        header, model, problem = trt_build.read_plan(content, self.VERSION)
        if problem:
            self.logger.log(Severity.ERROR, problem)
            return None
        return self.ENGINE(self.logger, header, model, content)


class Port:
    __slots__ = ('name', 'kind', 'shape', 'is_input')

    def __init__(self, name, kind, shape, is_input):
        self.name, self.kind, self.shape, self.is_input = name, kind, list(shape), is_input


class Engine(Managed):
    """ICudaEngine: what every version's is built on."""

    __slots__ = ('logger', 'content', 'session', 'profile', 'ports', 'cuda', 'known', 'model', 'refittable')
    TYPES = None
    CONTEXT = None

    def __init__(self, logger, header, model, content):
        self.logger, self.content, self.model = logger, content, model
        self.cuda = memory.runtime_context()
        self.session = trt_build.session_of(model)
        self.profile = header['profile']
        self.ports = [Port(*put, is_input=True) for put in header['inputs']]
        self.ports += [Port(*put, is_input=False) for put in header['outputs']]
        self.known, self.refittable = {}, False
        self._settle_outputs()

    def _settle_outputs(self):
        """TensorRT works shapes out; here they are seen by running: what changes with the inputs stays open."""
        extremes = [self.output_shapes(self._inputs_at(at)) for at in (0, 2)]
        for number, port in enumerate(self.outputs()):
            least, most = extremes[0][number], extremes[1][number]
            port.shape = [low if low == high else -1 for low, high in zip(least, most)]
            if -1 in self.inputs()[0].shape[:1]:
                port.shape[0] = -1

    def _inputs_at(self, at):
        return tuple(tuple(self.profile[port.name][at] if port.name in self.profile else port.shape)
                     for port in self.inputs())

    def inputs(self):
        return [port for port in self.ports if port.is_input]

    def outputs(self):
        return [port for port in self.ports if not port.is_input]

    def output_shapes(self, input_shapes):
        """Shapes of all outputs for shapes of all inputs."""
        if input_shapes not in self.known:
            zeros = {port.name: np.zeros(shape, self._own_dtype(port.name))
                     for port, shape in zip(self.inputs(), input_shapes)}
            self.known[input_shapes] = [np.shape(array) for array in self.session.run(None, zeros)]
        return self.known[input_shapes]

    def _own_dtype(self, name):
        kind = next(put.type for put in self.session.get_inputs() if put.name == name)
        return {'tensor(int64)': np.int64}.get(kind) or NUMPY[self.port(name).kind]

    def port(self, key):
        """By number or name; the mistakes that TensorRT answers with are answered so."""
        if isinstance(key, str):
            found = [port for port in self.ports if port.name == key]
            if not found:
                raise IndexError('no tensor is called %r' % key)
            return found[0]
        if not -len(self.ports) <= int(key) < len(self.ports):
            raise IndexError('no tensor has the number %r' % key)
        return self.ports[int(key)]

    num_optimization_profiles = property(lambda self: max(1, len(self.profile)))
    device_memory_size = property(lambda self: 1 << 20)
    name = property(lambda self: 'Unnamed Network 0')
    num_layers = property(lambda self: self.session.get_modelmeta() and 1)

    def serialize(self):
        return HostMemory(self.content)

    def create_execution_context(self):
        return self.CONTEXT(self)

    def __getitem__(self, key):
        return self.ports.index(self.port(key)) if isinstance(key, str) else self.port(key).name

    def run(self, arrays):
        """Answers in the kinds the plan says."""
        wanted = {name: array.astype(self._own_dtype(name), copy=False) for name, array in arrays.items()}
        return [np.asarray(array, NUMPY[port.kind])
                for port, array in zip(self.outputs(), self.session.run(None, wanted))]


class Context(Managed):
    """IExecutionContext: shapes, addresses, and a run that trusts nobody."""

    __slots__ = ('_engine', 'shapes', 'addresses', 'name', 'profiler', 'debug_sync')

    def __init__(self, engine):
        self._engine = engine
        self.name, self.profiler, self.debug_sync = '', None, False
        self.shapes = {port.name: None if -1 in port.shape else tuple(port.shape) for port in engine.inputs()}
        self.addresses = {}

    engine = property(lambda self: self._engine)
    all_binding_shapes_specified = property(lambda self: all(self.shapes.values()))
    all_shape_inputs_specified = property(lambda self: True)
    active_optimization_profile = property(lambda self: 0)

    def set_optimization_profile_async(self, profile_index, stream_handle):
        streams.find(stream_handle, memory.runtime_context())
        return profile_index == 0

    def say(self, text):
        self._engine.logger.log(Severity.ERROR, text)

    def set_shape(self, port, shape):
        """True when the profile has room for it."""
        shape = tuple(int(side) for side in shape)
        problem = self._shape_problem(port, shape)
        if problem:
            self.say('3: [executionContext.cpp::setInputShape::2278] Error Code 3: API Usage Error (Parameter check '
                     'failed, condition: %s)' % problem)
            return False
        self.shapes[port.name] = shape
        return True

    def _shape_problem(self, port, shape):
        if not port.is_input:
            return '%s is no input' % port.name
        if len(shape) != len(port.shape):
            return 'engineDims.nbDims == dims.nbDims. %s has %d' % (port.name, len(port.shape))
        if any(own not in (-1, side) for own, side in zip(port.shape, shape)):
            return 'engineDims.d[i] == dims.d[i]. Static dimension mismatch while setting input shape %s' % (shape,)
        if port.name in self._engine.profile:
            least, _, most = self._engine.profile[port.name]
            if not all(low <= side <= high for low, side, high in zip(least, shape, most)):
                return ('satisfyProfile. Set dimension %s for tensor %s does not satisfy any optimization profiles. '
                        'Valid range: %s..%s' % (list(shape), port.name, least, most))
        return ''

    def shape_of(self, port):
        """Dims of a tensor for the inputs as set; -1 where they are not."""
        if port.is_input:
            return Dims(self.shapes[port.name] or port.shape)
        if not all(self.shapes.values()):
            return Dims(port.shape)
        return Dims(self._output_shapes()[self._engine.outputs().index(port)])

    def _output_shapes(self):
        return self._engine.output_shapes(tuple(self.shapes[port.name] for port in self._engine.inputs()))

    def numbered(self, bindings):
        """{name: address} of a sequence of addresses or allocations in the order of the ports."""
        if not isinstance(bindings, (list, tuple)) or not all(hasattr(one, '__index__') for one in bindings):
            raise TypeError('incompatible function arguments: bindings is a List[int]')
        ports = self._engine.ports
        if len(bindings) != len(ports):
            raise Violation('%d bindings for an engine of %d' % (len(bindings), len(ports)))
        return {port.name: operator.index(one) for port, one in zip(ports, bindings)}

    def start(self, addresses, stream_handle):
        """Queue one run over {name: address}; False, with a word in the log, as TensorRT does."""
        engine = self._engine
        context = memory.runtime_context()
        if context is not engine.cuda:
            raise Violation('this thread\'s CUDA context is not the one the engine was made in')
        if not all(self.shapes.values()):
            self.say('3: [executionContext.cpp::enqueueInternal::612] Error Code 3: API Usage Error (Parameter check '
                     'failed, condition: bindings[x] || nullBindingOK, or a shape was not set)')
            return False
        for port in engine.ports:
            if not addresses.get(port.name):
                self.say('3: [executionContext.cpp::enqueueInternal::795] Error Code 3: API Usage Error (Parameter check '
                         'failed, condition: mContext.profileObliviousBindings.at(profileObliviousIndex) || '
                         'getPtrOrNull(mOutputAllocators, profileObliviousIndex). Address is not set for %s)' % port.name)
                return False
            self.place(port, addresses[port.name], context)
            if int(addresses[port.name]) % ALIGNMENT:
                raise Violation('%s: address %#x is not aligned to %d bytes'
                                % (port.name, addresses[port.name], ALIGNMENT))
        if len({int(addresses[port.name]) for port in engine.ports}) < len(engine.ports):
            raise Violation('two tensors have one buffer')
        taken, shapes = dict(addresses), dict(self.shapes)
        streams.put(stream_handle, context, lambda: self._work(taken, shapes, context))
        return True

    def place(self, port, address, context):
        """The bytes of a tensor. Violation when its buffer is too small, freed or elsewhere."""
        size = int(np.prod(list(self.shape_of(port)))) * np.dtype(NUMPY[port.kind]).itemsize
        return memory.place(address, size, context, 'tensor %s of %r' % (port.name, list(self.shape_of(port))))

    def _work(self, addresses, shapes, context):
        self.shapes, before = shapes, self.shapes
        inputs = {port.name: self.place(port, addresses[port.name], context)
                  .view(NUMPY[port.kind]).reshape(shapes[port.name]) for port in self._engine.inputs()}
        for port, array in zip(self._engine.outputs(), self._engine.run(inputs)):
            self.place(port, addresses[port.name], context)[:] = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        self.shapes = before
        memory.check_guards()
