"""Stand-in for TensorRT 8.2.1's Python package on a TX2 with JetPack 4.6: bindings with numbers, no tensor names.

What came later is not there: set_memory_pool_limit, execute_async_v3, get_tensor_name, UINT8, IProgressMonitor ...
Needs gpu_standin, which lies beside the stand-in for pycuda.
"""
from gpu_standin import trt_build as _build
from gpu_standin import trt_run as _run
from gpu_standin.trt_build import Calibrator as IInt8EntropyCalibrator2  # noqa: F401
from gpu_standin.trt_build import Network as INetworkDefinition  # noqa: F401
from gpu_standin.trt_build import ParserError
from gpu_standin.trt_build import Profile as IOptimizationProfile  # noqa: F401
from gpu_standin.trt_build import Tensor as ITensor
from gpu_standin.trt_build import TimingCache as ITimingCache  # noqa: F401
from gpu_standin.trt_types import NUMPY as _NUMPY
from gpu_standin.trt_types import Dims
from gpu_standin.trt_types import HostMemory as IHostMemory  # noqa: F401
from gpu_standin.trt_types import ILogger, LayerType, Logger  # noqa: F401
from gpu_standin.trt_types import enumeration as _enumeration  # noqa: F401
from gpu_standin.trt_types import volume

__version__ = '8.2.1.8'

DataType = _enumeration('DataType', 'FLOAT', 'HALF', 'INT8', 'INT32', 'BOOL')
DataType.itemsize = property(lambda kind: _NUMPY[kind.name]().itemsize)
float32, float16, int8, int32, bool = DataType
BuilderFlag = _enumeration('BuilderFlag', 'FP16', 'INT8', 'DEBUG', 'GPU_FALLBACK', 'STRICT_TYPES', 'REFIT',
                           'DISABLE_TIMING_CACHE', 'TF32', 'SPARSE_WEIGHTS', 'SAFETY_SCOPE',
                           'OBEY_PRECISION_CONSTRAINTS', 'PREFER_PRECISION_CONSTRAINTS', 'DIRECT_IO',
                           'REJECT_EMPTY_ALGORITHMS')
NetworkDefinitionCreationFlag = _enumeration('NetworkDefinitionCreationFlag', 'EXPLICIT_BATCH', 'EXPLICIT_PRECISION')
DeviceType = _enumeration('DeviceType', 'GPU', 'DLA')


def nptype(trt_type):
    return _NUMPY[trt_type.name]


def init_libnvinfer_plugins(logger, namespace):
    return True


class BuilderConfig(_build.Config):
    __slots__ = ('max_workspace_size', 'DLA_core')

    def __init__(self):
        super(BuilderConfig, self).__init__()
        self.max_workspace_size = 0


class OnnxParser(_build.Parser):
    __slots__ = ()
    # no importer; there is no gate at an opset: a newer model fails at the first operator that is missing
    UNKNOWN = frozenset(
        'BitShift CastLike Compress ConvInteger Det DynamicQuantizeLinear GridSample HardSwish Hardmax IsInf IsNaN '
        'LayerNormalization LpNormalization LpPool MatMulInteger MaxRoiPool MaxUnpool MeanVarianceNormalization Mod '
        'Multinomial NonZero OneHot Optional QLinearConv QLinearMatMul RandomNormal RandomNormalLike RoiAlign '
        'SequenceAt SequenceConstruct Shrink SplitToSequence StringNormalizer Trilu Unique Xor'.split())
    TYPES = DataType
    CASTS = {'INT64': 'INT32'}


class Builder(_build.Builder):
    __slots__ = ('max_batch_size',)
    CONFIG = BuilderConfig
    VERSION = __version__
    FLAGS = BuilderFlag

    def __init__(self, logger):
        super(Builder, self).__init__(logger)
        self.max_batch_size = 1

    def build_engine(self, network, config):
        plan = self.build_serialized_network(network, config)
        return None if plan is None else Runtime(self.logger).deserialize_cuda_engine(plan)


class IExecutionContext(_run.Context):
    __slots__ = ()

    @property
    def active_optimization_profile(self):
        return 0

    @active_optimization_profile.setter
    def active_optimization_profile(self, number):
        if number:
            self.say('3: Error Code 3: API Usage Error (no profile %d)' % number)

    def set_binding_shape(self, binding, shape):
        return self.set_shape(self.engine.port(_number(binding)), shape)

    def get_binding_shape(self, binding):
        return self.shape_of(self.engine.port(_number(binding)))

    def execute_v2(self, bindings):
        return self.execute_async_v2(bindings, 0)

    def execute_async_v2(self, bindings, stream_handle, input_consumed=None):
        return self.start(self.numbered(bindings), stream_handle)

    def execute(self, batch_size=1, bindings=()):
        return self._implicit()

    def execute_async(self, batch_size=1, bindings=(), stream_handle=0, input_consumed=None):
        return self._implicit()

    def _implicit(self):
        self.say('3: [executionContext.cpp::enqueue::276] Error Code 3: API Usage Error (Parameter check failed, '
                 'condition: mEngine.hasImplicitBatchDimension())')
        return False


def _number(binding):
    if isinstance(binding, str):
        raise TypeError('a binding of a context has a number')
    return binding


class ICudaEngine(_run.Engine):
    __slots__ = ()
    TYPES = DataType
    CONTEXT = IExecutionContext

    num_bindings = property(lambda self: len(self.ports))

    def __len__(self):
        return len(self.ports)

    has_implicit_batch_dimension = property(lambda self: False)
    max_batch_size = property(lambda self: 1)

    def binding_is_input(self, key):
        return self.port(key).is_input

    def get_binding_name(self, number):
        return self.port(_number(number)).name

    def get_binding_index(self, name):
        found = [number for number, port in enumerate(self.ports) if port.name == name]
        return found[0] if found else -1

    def get_binding_shape(self, key):
        return Dims(self.port(key).shape)

    def get_binding_dtype(self, key):
        return DataType[self.port(key).kind]

    def is_shape_binding(self, number):
        return False

    def is_execution_binding(self, number):
        return True

    def get_profile_shape(self, profile_index, binding):
        port = self.port(binding)
        if profile_index or not port.is_input:
            raise RuntimeError('no such profile, or %s is no input' % port.name)
        return [Dims(shape) for shape in self.profile.get(port.name, [port.shape] * 3)]


class Runtime(_run.Runtime):
    __slots__ = ('max_workspace',)
    ENGINE = ICudaEngine
    VERSION = __version__


IBuilderConfig = BuilderConfig
IBuilder = Builder
