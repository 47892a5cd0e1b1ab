"""The stand-ins for pycuda, cudart and TensorRT: programs written for their versions run, mistakes fail."""
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.support import nvidia, tiny_onnx

IMAGES = (2, 3, 32, 64)

NUMBERED = '''
import sys
import numpy as np
import pycuda.autoinit
import pycuda.driver as cuda
import tensorrt as trt

logger = trt.Logger(trt.Logger.WARNING)
model, pictures, answers = sys.argv[1:]
batch = np.load(pictures)
with trt.Builder(logger) as builder, builder.create_builder_config() as config, \\
        builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)) as network, \\
        trt.OnnxParser(network, logger) as parser, trt.Runtime(logger) as runtime:
    config.max_workspace_size = 1 << 28
    builder.max_batch_size = 1
    with open(model, 'rb') as file:
        if not parser.parse(file.read()):
            for number in range(parser.num_errors):
                print(parser.get_error(number))
            sys.exit('not parsed')
    network.get_input(0).shape = list(batch.shape)
    plan = builder.build_serialized_network(network, config)
    with open(model + '.trt', 'wb') as file:
        file.write(plan)
    with open(model + '.trt', 'rb') as file:
        engine = runtime.deserialize_cuda_engine(file.read())

inputs, outputs, bindings, stream = [], [], [], cuda.Stream()
for binding in engine:
    size = trt.volume(engine.get_binding_shape(binding)) * engine.max_batch_size
    host = cuda.pagelocked_empty(size, trt.nptype(engine.get_binding_dtype(binding)))
    device = cuda.mem_alloc(host.nbytes)
    bindings.append(int(device))
    (inputs if engine.binding_is_input(binding) else outputs).append((host, device))
with engine.create_execution_context() as context:
    np.copyto(inputs[0][0], batch.ravel())
    for host, device in inputs:
        cuda.memcpy_htod_async(device, host, stream)
    context.execute_async_v2(bindings=bindings, stream_handle=stream.handle)
    for host, device in outputs:
        cuda.memcpy_dtoh_async(host, device, stream)
    stream.synchronize()
np.save(answers, outputs[0][0].reshape(engine.get_binding_shape(1)))
'''

NAMED = '''
import sys
import numpy as np
import pycuda.autoprimaryctx
import pycuda.driver as cuda
import tensorrt as trt

logger = trt.Logger(trt.Logger.INFO)
model, pictures, answers = sys.argv[1:]
batch = np.load(pictures)
builder = trt.Builder(logger)
network = builder.create_network(0)
config = builder.create_builder_config()
config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 28)
if not trt.OnnxParser(network, logger).parse_from_file(model):
    sys.exit('not parsed')
profile = builder.create_optimization_profile()
profile.set_shape(network.get_input(0).name, (1,) + batch.shape[1:], batch.shape, (4,) + batch.shape[1:])
config.add_optimization_profile(profile)
engine = trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))
context = engine.create_execution_context()
stream = cuda.Stream()
host = {}
for number in range(engine.num_io_tensors):
    name = engine.get_tensor_name(number)
    if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
        context.set_input_shape(name, batch.shape)
        host[name] = np.ascontiguousarray(batch)
    else:
        kind = trt.nptype(engine.get_tensor_dtype(name))
        host[name] = cuda.pagelocked_empty(tuple(context.get_tensor_shape(name)), kind)
device = {name: cuda.mem_alloc(array.nbytes) for name, array in host.items()}
for name, memory in device.items():
    context.set_tensor_address(name, int(memory))
cuda.memcpy_htod_async(device['images'], host['images'], stream)
assert context.execute_async_v3(stream_handle=stream.handle)
cuda.memcpy_dtoh_async(host['output'], device['output'], stream)
stream.synchronize()
np.save(answers, host['output'])
'''

RUN_TIME = '''
import ctypes
import sys
import numpy as np
import tensorrt as trt
from cuda import cudart


def call(answer):
    error, values = answer[0], answer[1:]
    if error != cudart.cudaError_t.cudaSuccess:
        raise RuntimeError(error)
    return values[0] if len(values) == 1 else values


logger = trt.Logger(trt.Logger.WARNING)
model, pictures, answers = sys.argv[1:]
batch = np.load(pictures)
builder = trt.Builder(logger)
network = builder.create_network(0)
parser = trt.OnnxParser(network, logger)
with open(model, 'rb') as file:
    assert parser.parse(file.read())
network.get_input(0).shape = batch.shape
plan = builder.build_serialized_network(network, builder.create_builder_config())
engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
context = engine.create_execution_context()
stream = call(cudart.cudaStreamCreate())
memory = {}
for name in [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]:
    size, dtype = trt.volume(engine.get_tensor_shape(name)), np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
    pointer = ctypes.cast(call(cudart.cudaMallocHost(size * dtype.itemsize)), ctypes.POINTER(ctypes.c_float))
    memory[name] = (np.ctypeslib.as_array(pointer, (size,)), call(cudart.cudaMalloc(size * dtype.itemsize)))
    context.set_tensor_address(name, memory[name][1])
np.copyto(memory['images'][0], batch.ravel())
host, device = memory['images']
call(cudart.cudaMemcpyAsync(device, host, host.nbytes, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, stream))
context.execute_async_v3(stream_handle=stream)
host, device = memory['output']
call(cudart.cudaMemcpyAsync(host, device, host.nbytes, cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream))
call(cudart.cudaStreamSynchronize(stream))
np.save(answers, host.reshape(engine.get_tensor_shape('output')))
for host, device in memory.values():
    call(cudart.cudaFree(device))
    call(cudart.cudaFreeHost(host))
call(cudart.cudaStreamDestroy(stream))
'''


def run(program, personality, folder):
    """A program's answers on a model and pictures of ours; its exit status must be 0."""
    model, pictures, answers = (str(folder / name) for name in ('model.onnx', 'pictures.npy', 'answers.npy'))
    with open(model, 'wb') as stream:
        stream.write(tiny_onnx.detector('yolov8'))
    batch = np.random.RandomState(0).rand(*IMAGES).astype(np.float32)
    np.save(pictures, batch)
    done = subprocess.run([sys.executable, '-c', program, model, pictures, answers], stderr=subprocess.PIPE,
                          env=nvidia.environment(personality), universal_newlines=True)
    assert done.returncode == 0, done.stderr
    return batch, model, np.load(answers)


@pytest.mark.parametrize('personality, program', [('tensorrt_8', NUMBERED), ('tensorrt_10', NAMED),
                                                  ('tensorrt_10', RUN_TIME)])
def test_a_program_in_the_way_of_its_version_runs(personality, program, tmp_path):
    import onnxruntime
    batch, model, answers = run(program, personality, tmp_path)
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    np.testing.assert_allclose(answers, session.run(None, {'images': batch})[0], atol=1e-5)


@pytest.mark.parametrize('personality, program, missing', [
    ('tensorrt_10', NUMBERED, 'max_workspace_size'), ('tensorrt_8', NAMED, 'set_memory_pool_limit')])
def test_a_program_in_the_way_of_another_version_does_not(personality, program, missing, tmp_path):
    with pytest.raises(AssertionError, match="AttributeError: .*'?%s" % missing):
        run(program, personality, tmp_path)


LATER = ['MemoryPoolType', 'TensorIOMode', 'IProgressMonitor', 'uint8', 'int64']


def test_what_a_version_lacks_is_not_there():
    with nvidia.standing_in('tensorrt_8'):
        import tensorrt
        assert tensorrt.__version__.startswith('8.2.') and not any(hasattr(tensorrt, name) for name in LATER)
        assert not hasattr(tensorrt.ICudaEngine, 'num_io_tensors')
        assert not hasattr(tensorrt.IExecutionContext, 'execute_async_v3')
    with nvidia.standing_in('tensorrt_10'):
        import tensorrt
        assert tensorrt.__version__.startswith('10.') and all(hasattr(tensorrt, name) for name in LATER)
        assert not hasattr(tensorrt.ICudaEngine, 'num_bindings') and not hasattr(tensorrt.Builder, 'build_engine')
        assert not hasattr(tensorrt.IExecutionContext, 'execute_async_v2')


# mistakes

class Program:
    """An engine for 1 to 4 pictures with a context, and memory of the right size for two."""

    def __init__(self, personality, model):
        import pycuda.driver as cuda
        import tensorrt as trt
        self.cuda, self.trt, self.old = cuda, trt, personality == 'tensorrt_8'
        cuda.init()
        self.context = cuda.Device(0).make_context()
        self.said = []

        class Log(trt.ILogger):
            def log(inner, severity, message):
                self.said.append(message)
        self.logger = Log()
        builder = trt.Builder(self.logger)
        network = builder.create_network(1)
        assert trt.OnnxParser(network, self.logger).parse(model)
        config = builder.create_builder_config()
        profile = builder.create_optimization_profile()
        profile.set_shape('images', *[(count,) + IMAGES[1:] for count in (1, 2, 4)])
        config.add_optimization_profile(profile)
        self.plan = builder.build_serialized_network(network, config)
        self.engine = trt.Runtime(self.logger).deserialize_cuda_engine(self.plan)
        self.execution = self.engine.create_execution_context()
        self.stream = cuda.Stream()
        self.memory = [cuda.mem_alloc(4 * int(np.prod(shape))) for shape in (IMAGES, (2, 7, 42))]

    def set_shape(self, shape=IMAGES):
        return self.execution.set_binding_shape(0, shape) if self.old else self.execution.set_input_shape('images',
                                                                                                          shape)

    def execute(self, addresses=None, stream=None):
        addresses = [int(one) for one in self.memory] if addresses is None else addresses
        handle = self.stream.handle if stream is None else stream
        if self.old:
            return self.execution.execute_async_v2(addresses, handle)
        for name, address in zip(('images', 'output'), addresses):
            self.execution.set_tensor_address(name, address)
        return self.execution.execute_async_v3(handle)

    def end(self):
        for one in self.memory:
            if one.address is not None:
                one.free()
        self.stream = None
        self.context.pop()
        self.context.detach()


@pytest.fixture(params=nvidia.PERSONALITIES)
def program(request):
    with nvidia.standing_in(request.param):
        made = Program(request.param, tiny_onnx.detector('yolov8'))
        yield made
        made.end()


@pytest.fixture
def violation(program):
    import gpu_standin
    return gpu_standin.Violation


def test_it_runs_when_nothing_is_wrong(program):
    assert program.set_shape() and program.execute()
    program.stream.synchronize()
    assert program.said == []


def test_shapes_must_be_set_first(program):
    assert program.execute() is False
    assert 'shape' in program.said[-1]


@pytest.mark.parametrize('shape', [(5, 3, 32, 64), (0, 3, 32, 64), (2, 3, 32, 65), (2, 3, 32)])
def test_shapes_must_fit_the_profile(program, shape):
    assert program.set_shape(shape) is False and program.said


def test_every_address_must_be_set(program):
    program.set_shape()
    assert program.execute([int(program.memory[0]), 0]) is False
    assert 'Address is not set for output' in program.said[-1]


def test_buffers_must_be_large_enough(program, violation):
    program.set_shape((3,) + IMAGES[1:])
    with pytest.raises(violation, match='tensor images .* bytes at offset 0 of a buffer'):
        program.execute()


def test_buffers_must_be_alive(program, violation):
    program.set_shape()
    address = int(program.memory[1])
    program.memory[1].free()
    with pytest.raises(violation, match='tensor output .*freed, or never allocated'):
        program.execute([int(program.memory[0]), address])


def test_addresses_of_the_host_are_none(program, violation):
    program.set_shape()
    with pytest.raises(violation, match='never allocated'):
        program.execute([int(program.memory[0]), np.empty(4096, np.float32).ctypes.data])


def test_streams_must_be_alive(program, violation):
    program.set_shape()
    handle = program.stream.handle
    program.stream = None
    with pytest.raises(violation, match='stream .* is closed'):
        program.execute(stream=handle)


def test_another_thread_has_no_context(program, violation):
    program.set_shape()
    caught = []

    def elsewhere():
        for attempt in (program.execute, lambda: program.cuda.mem_alloc(4)):
            try:
                attempt()
            except (violation, program.cuda.LogicError) as error:
                caught.append(str(error))
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "this thread's CUDA context is not the one" in caught[0]


def test_a_thread_without_a_context_gets_nothing_of_the_driver(program):
    caught = []

    def elsewhere():
        try:
            program.cuda.mem_alloc(4)
        except program.cuda.LogicError as error:
            caught.append(str(error))
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert 'no currently active context' in caught[0]


def test_nothing_is_done_before_somebody_waits(program):
    cuda = program.cuda
    source, target = cuda.pagelocked_empty(8, np.float32), cuda.pagelocked_zeros(8, np.float32)
    source[:] = 7
    memory = cuda.mem_alloc(32)
    cuda.memcpy_htod_async(memory, source, program.stream)
    source[:] = 9
    cuda.memcpy_dtoh_async(target, memory, program.stream)
    assert (target == 0).all()
    program.stream.synchronize()
    assert (target == 9).all(), 'page-locked memory is read when the copy happens'
    memory.free()


def test_copies_must_fit_and_be_in_one_piece(program):
    cuda = program.cuda
    memory = cuda.mem_alloc(32)
    with pytest.raises(cuda.LogicError, match='invalid argument'):
        cuda.memcpy_htod(memory, np.zeros(9, np.float32))
    with pytest.raises(cuda.LogicError, match='invalid argument'):
        cuda.memcpy_dtoh_async(np.zeros(9, np.float32), memory, program.stream)
    with pytest.raises(ValueError, match='not contiguous'):
        cuda.memcpy_htod(memory, np.zeros((4, 4), np.float32)[:, ::2])
    memory.free()


def test_memory_is_freed_once_and_new_memory_is_no_zeros(program):
    memory = program.cuda.mem_alloc(32)
    assert program.cuda.from_device(memory, 32, np.uint8).tolist() == [0xCD] * 32
    memory.free()
    for use in (memory.free, lambda: int(memory)):
        with pytest.raises(program.cuda.LogicError):
            use()


def test_the_gpu_gets_full(program, monkeypatch):
    with pytest.raises(program.cuda.MemoryError, match='out of memory'):
        program.cuda.mem_alloc(100 << 30)


KERNEL = '__global__ void fill(float *to, int count) { int i = blockIdx.x * blockDim.x + threadIdx.x; to[i] = count; }'


def test_kernels_run_and_what_they_write_outside_is_seen(program, violation):
    from pycuda.compiler import SourceModule
    fill = SourceModule(KERNEL).get_function('fill')
    memory = program.cuda.mem_alloc(32)
    fill(memory, np.int32(3), block=(4, 1, 1), grid=(2, 1))
    assert program.cuda.from_device(memory, 8, np.float32).tolist() == [3.0] * 8
    with pytest.raises(violation, match='outside of a buffer of 32 bytes'):
        fill(memory, np.int32(3), block=(3, 1, 1), grid=(3, 1))
    import gpu_standin.memory
    block = gpu_standin.memory._live[int(memory)].block
    block[:] = gpu_standin.memory.PATTERN
    memory.free()


def test_parameters_of_kernels_have_their_types(program, violation):
    from pycuda.compiler import SourceModule
    fill = SourceModule(KERNEL).get_function('fill')
    memory = program.cuda.mem_alloc(32)
    for wrong, error in ((3, TypeError), (np.float32(3), violation), (np.int64(3), violation)):
        with pytest.raises(error, match='parameter #1'):
            fill(memory, wrong, block=(8, 1, 1), grid=(1, 1))
    with pytest.raises(program.cuda.LogicError, match='takes 2 parameters'):
        fill(memory, block=(8, 1, 1), grid=(1, 1))
    with pytest.raises(program.cuda.LogicError, match='invalid argument'):
        fill(memory, np.int32(3), block=(1025, 1, 1), grid=(1, 1))
    with pytest.raises(program.cuda.CompileError, match='nowhere'):
        SourceModule('__global__ void wrong(int *a) { a[0] = nowhere; }')
    memory.free()


@pytest.mark.parametrize('damage',
                         [lambda plan: plan[:-1], lambda plan: plan[1:], lambda plan: b'', lambda plan: plan + b'x'])
def test_a_damaged_plan_is_none(program, damage):
    runtime = program.trt.Runtime(program.logger)
    assert runtime.deserialize_cuda_engine(damage(bytes(program.plan))) is None and program.said


def test_a_plan_of_another_gpu_is_none(program, monkeypatch):
    monkeypatch.setenv('STANDIN_GPU', 'orin' if program.old else 'tx2')
    assert program.trt.Runtime(program.logger).deserialize_cuda_engine(program.plan) is None
    assert 'generated on an incompatible device' in program.said[-1]


def test_a_logger_must_be_one(program):
    class Forgets(program.trt.ILogger):
        def __init__(self):
            pass
    for wrong in (None, Forgets()):
        with pytest.raises(TypeError):
            program.trt.Runtime(wrong)


def test_open_shapes_need_a_profile(program):
    builder = program.trt.Builder(program.logger)
    network = builder.create_network(1)
    program.trt.OnnxParser(network, program.logger).parse(tiny_onnx.detector('yolov8'))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert 'no optimization profile has been defined' in program.said[-1]


def parsed(program, model):
    """A builder and a network filled from a model, or the parser's first complaint."""
    builder = program.trt.Builder(program.logger)
    network = builder.create_network(1 << int(program.trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = program.trt.OnnxParser(network, program.logger)
    return (builder, network) if parser.parse(model) else parser.get_error(0).desc()


def one_step(operation, **attributes):
    return tiny_onnx.model([tiny_onnx.node(operation, ['images'], ['output'], **attributes)], [],
                           [tiny_onnx.value_info('images', IMAGES)], [tiny_onnx.value_info('output', IMAGES)], {})


def test_8_2_has_no_importer_for_many_operations_and_no_gate_at_an_opset(program):
    if not program.old:
        assert not isinstance(parsed(program, tiny_onnx.detector('yolov8')), str)
        return
    for operation in ('IsInf', 'Hardmax', 'Xor', 'QLinearConv', 'OneHot', 'GridSample', 'LayerNormalization'):
        assert 'Plugin not found' in parsed(program, one_step(operation)), operation
    assert 'Unsupported cast' in parsed(program, one_step('Cast', to=2))
    assert not isinstance(parsed(program, tiny_onnx.identity(opset=14)), str)


def test_int8_needs_scales_and_a_calibrator_gives_them(program):
    trt, (builder, network) = program.trt, parsed(program, tiny_onnx.detector('yolov8'))
    network.get_input(0).shape = IMAGES
    config = builder.create_builder_config()
    config.set_flag(trt.BuilderFlag.INT8)
    assert builder.build_serialized_network(network, config) is None
    assert ('platform has none' if program.old else 'scaling factors') in program.said[-1]

    class Calibrator(trt.IInt8EntropyCalibrator2):
        batches = [[int(program.memory[0])], None]

        def get_batch_size(self):
            return 1

        def get_batch(self, names):
            assert names == ['images']
            return self.batches.pop(0)
    config.int8_calibrator = Calibrator()
    built = builder.build_serialized_network(network, config)
    assert (built is None, len(Calibrator.batches)) == ((True, 2) if program.old else (False, 0))


def test_a_dla_must_be_there(program):
    builder, network = parsed(program, tiny_onnx.detector('yolov8'))
    network.get_input(0).shape = IMAGES
    config = builder.create_builder_config()
    config.default_device_type = program.trt.DeviceType.DLA
    assert (builder.build_serialized_network(network, config) is None) is program.old


def test_flags_are_no_numbers_and_a_plan_has_no_length(program):
    for wrong in (lambda: 1 << program.trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH, lambda: len(program.plan),
                  lambda: program.plan[:4], lambda: list(program.plan)):
        with pytest.raises(TypeError):
            wrong()
    assert program.plan.nbytes == len(bytes(program.plan))
    if not program.old:
        with pytest.raises(TypeError):
            len(program.engine)
    assert program.engine[-1] == 'output'


def test_addresses_are_aligned_and_each_tensor_has_its_own(program, violation):
    program.set_shape()
    room = program.cuda.mem_alloc(1 << 20)
    with pytest.raises(violation, match='not aligned to 256'):
        program.execute([int(room) + 4, int(program.memory[1])])
    with pytest.raises(violation, match='two tensors have one buffer'):
        program.execute([int(room), int(room)])
    room.free()


def test_bindings_may_be_a_tuple_of_allocations(program):
    program.set_shape()
    assert program.execute(tuple(program.memory))
    program.stream.synchronize()
    assert program.said == []


def test_memory_is_freed_where_a_context_is(program):
    memory, caught = program.cuda.mem_alloc(32), []

    def elsewhere():
        try:
            memory.free()
        except program.cuda.LogicError as error:
            caught.append(str(error))
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert 'no currently active context' in caught[0]
    memory.free()


def test_a_static_batch_may_be_changed_in_the_network(program):
    import onnxruntime
    model = tiny_onnx.detector('yolov8', batch=1)
    builder, network = parsed(program, model)
    network.get_input(0).shape = IMAGES
    kinds = [network.get_layer(number).type for number in range(network.num_layers)]
    assert program.trt.LayerType.CONCATENATION in kinds or program.trt.LayerType.CONVOLUTION in kinds
    engine = program.trt.Runtime(program.logger).deserialize_cuda_engine(
        builder.build_serialized_network(network, builder.create_builder_config()))
    if program.old:
        assert [tuple(shape) for shape in engine.get_profile_shape(0, 0)] == [IMAGES] * 3
    execution, pictures = engine.create_execution_context(), np.random.RandomState(0).rand(*IMAGES).astype(np.float32)
    answers = np.empty((2, 7, 42), np.float32)
    program.cuda.memcpy_htod(program.memory[0], pictures)
    assert execution.execute_v2([int(one) for one in program.memory])
    program.cuda.memcpy_dtoh(answers, program.memory[1])
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    for number in range(2):
        np.testing.assert_allclose(answers[number], session.run(None, {'images': pictures[number:number + 1]})[0][0],
                                   atol=1e-5)


FORKS = '''
import os
import pycuda.driver as cuda
cuda.init()
device = cuda.Device(0)
child = os.fork()
if child == 0:
    try:
        device.make_context()
    except cuda.LogicError as error:
        os._exit(7 if 'does not survive fork' in str(error) else 1)
    os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1] >> 8)
'''


def test_cuda_does_not_survive_a_fork():
    assert subprocess.call([sys.executable, '-c', FORKS], env=nvidia.environment('tensorrt_8')) == 7


LEAVES = 'import pycuda.driver as cuda\ncuda.init()\ncontext = cuda.Device(0).make_context()\n'


def test_a_process_that_leaves_a_context_behind_is_aborted():
    done = subprocess.run([sys.executable, '-c', LEAVES], env=nvidia.environment('tensorrt_8'), stderr=subprocess.PIPE,
                          universal_newlines=True)
    assert done.returncode == 134 and 'context stack was not empty' in done.stderr
