"""Stand-in for TensorRT 10.3's Python package as JetPack 6.1 has it: tensors with names, no bindings.

What 8 had is gone: num_bindings, execute_async_v2, max_workspace_size, build_engine, max_batch_size ...
Needs gpu_standin, which lies beside the stand-in for pycuda.
"""
import operator as _operator

from gpu_standin import trt_build as _build
from gpu_standin import trt_run as _run
from gpu_standin.trt_build import Calibrator as IInt8EntropyCalibrator2  # noqa: F401
from gpu_standin.trt_build import Network as INetworkDefinition  # noqa: F401
from gpu_standin.trt_build import ParserError as _ParserError
from gpu_standin.trt_build import Profile as IOptimizationProfile  # noqa: F401
from gpu_standin.trt_build import Tensor as ITensor
from gpu_standin.trt_build import TimingCache as ITimingCache  # noqa: F401
from gpu_standin.trt_types import NUMPY as _NUMPY
from gpu_standin.trt_types import Dims
from gpu_standin.trt_types import HostMemory as IHostMemory  # noqa: F401
from gpu_standin.trt_types import ILogger, LayerType, Logger  # noqa: F401
from gpu_standin.trt_types import enumeration as _enumeration  # noqa: F401
from gpu_standin.trt_types import volume

__version__ = '10.3.0'

DataType = _enumeration('DataType', 'FLOAT', 'HALF', 'INT8', 'INT32', 'BOOL', 'UINT8', 'FP8', 'BF16', 'INT64', 'INT4')
DataType.itemsize = property(lambda kind: _NUMPY[kind.name]().itemsize if kind.name in _NUMPY else
                             {'FP8': 1, 'BF16': 2, 'INT4': 0.5}[kind.name])
float32, float16, int8, int32, bool, uint8, fp8, bfloat16, int64, int4 = DataType
BuilderFlag = _enumeration('BuilderFlag', 'FP16', 'INT8', 'DEBUG', 'GPU_FALLBACK', 'REFIT', 'DISABLE_TIMING_CACHE',
                           'TF32', 'SPARSE_WEIGHTS', 'SAFETY_SCOPE', 'OBEY_PRECISION_CONSTRAINTS',
                           'PREFER_PRECISION_CONSTRAINTS', 'DIRECT_IO', 'REJECT_EMPTY_ALGORITHMS', 'VERSION_COMPATIBLE',
                           'EXCLUDE_LEAN_RUNTIME', 'FP8', 'ERROR_ON_TIMING_CACHE_MISS', 'BF16')
NetworkDefinitionCreationFlag = _enumeration('NetworkDefinitionCreationFlag', 'EXPLICIT_BATCH', 'STRONGLY_TYPED')
MemoryPoolType = _enumeration('MemoryPoolType', 'WORKSPACE', 'DLA_MANAGED_SRAM', 'DLA_LOCAL_DRAM', 'DLA_GLOBAL_DRAM',
                              'TACTIC_DRAM', 'TACTIC_SHARED_MEMORY')
TensorIOMode = _enumeration('TensorIOMode', 'NONE', 'INPUT', 'OUTPUT')
TensorLocation = _enumeration('TensorLocation', 'DEVICE', 'HOST')
DeviceType = _enumeration('DeviceType', 'GPU', 'DLA')


def nptype(trt_type):
    if trt_type.name not in _NUMPY:
        raise TypeError('Could not resolve TensorRT datatype to an equivalent numpy datatype.')
    return _NUMPY[trt_type.name]


def init_libnvinfer_plugins(logger, namespace):
    return True


class IProgressMonitor:
    def __init__(self):
        self.ready = True


class ParserError(_ParserError):
    __slots__ = ()

    def node_name(self):
        return ''

    def node_operator(self):
        return self._operator


class BuilderConfig(_build.Config):
    __slots__ = ('limits', '_monitor', 'builder_optimization_level', 'DLA_core')

    def __init__(self):
        super(BuilderConfig, self).__init__()
        self.limits, self._monitor, self.builder_optimization_level = {}, None, 3

    def set_memory_pool_limit(self, pool, pool_size):
        self.limits[MemoryPoolType(pool)] = pool_size

    def get_memory_pool_limit(self, pool):
        return self.limits.get(pool, 0)

    @property
    def progress_monitor(self):
        return self._monitor

    @progress_monitor.setter
    def progress_monitor(self, monitor):
        if not isinstance(monitor, IProgressMonitor) or not monitor.ready:
            raise TypeError('progress_monitor: an IProgressMonitor is needed')
        self._monitor = monitor


class OnnxParser(_build.Parser):
    __slots__ = ()
    MOST_OPSET = 20
    UNKNOWN = frozenset(['Unique', 'SplitToSequence'])
    TYPES = DataType


class Builder(_build.Builder):
    __slots__ = ()
    CONFIG = BuilderConfig
    VERSION = __version__
    FLAGS = BuilderFlag

    def is_explicit(self, flags):
        return True

    def _work(self, config):
        monitor = config.progress_monitor
        if monitor is not None:
            monitor.phase_start('Building Engine', None, 2)
            monitor.step_complete('Building Engine', 0)
        super(Builder, self)._work(config)
        if monitor is not None:
            monitor.step_complete('Building Engine', 1)
            monitor.phase_finish('Building Engine')


class IExecutionContext(_run.Context):
    __slots__ = ()

    def set_input_shape(self, name, shape):
        return self.set_shape(self.engine.port(name), shape)

    def get_tensor_shape(self, name):
        return self.shape_of(self.engine.port(name))

    def set_tensor_address(self, name, memory):
        if name not in [port.name for port in self.engine.ports]:
            self.say('3: Error Code 3: API Usage Error '
                     '(Parameter check failed, condition: no tensor is called %s)' % name)
            return False
        self.addresses[name] = _operator.index(memory)
        return True

    def get_tensor_address(self, name):
        return self.addresses.get(name, 0)

    def infer_shapes(self):
        return [name for name, shape in self.shapes.items() if shape is None]

    def execute_v2(self, bindings):
        return self.start(self.numbered(bindings), 0)

    def execute_async_v3(self, stream_handle):
        return self.start(self.addresses, stream_handle)


class ICudaEngine(_run.Engine):
    __slots__ = ()
    TYPES = DataType
    CONTEXT = IExecutionContext

    num_io_tensors = property(lambda self: len(self.ports))
    device_memory_size_v2 = property(lambda self: self.device_memory_size)

    def get_tensor_name(self, index):
        return self.port(int(index)).name

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if self.port(name).is_input else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return Dims(self.port(name).shape)

    def get_tensor_dtype(self, name):
        return DataType[self.port(name).kind]

    def get_tensor_location(self, name):
        return TensorLocation.DEVICE

    def is_shape_inference_io(self, name):
        return False

    def get_tensor_profile_shape(self, name, profile_index):
        port = self.port(name)
        if not port.is_input:
            raise RuntimeError('%s is no input' % name)
        return [Dims(shape) for shape in self.profile.get(name, [port.shape] * 3)]


class Runtime(_run.Runtime):
    __slots__ = ('engine_host_code_allowed',)
    ENGINE = ICudaEngine
    VERSION = __version__


IBuilderConfig = BuilderConfig
IBuilder = Builder
