"""TensorRT's own promises, kept under 8.2 and 10 alike by the same code; the libraries are stand-ins without mercy."""
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.model_card import read_card
from edge_app.engine import choose, create
from edge_app.errors import ConfigError, EngineError, EngineUnavailable

from tests.support import nvidia, situations, tiny_onnx


@pytest.fixture(params=nvidia.PERSONALITIES)
def personality(request, monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('STANDIN_BUILD_LOG', str(tmp_path / 'builds'))
    with nvidia.standing_in(request.param):
        yield request.param


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'model.onnx').write_bytes(tiny_onnx.detector('yolov8', metadata={'imgsz': '[32, 64]'}))
    return str(tmp_path / 'model.onnx')


def opened(path, **settings):
    return create('tensorrt', path, Settings(**settings))


def builds(path):
    """How often TensorRT has built anything beside this model."""
    log = os.path.join(os.path.dirname(path), 'builds')
    return len(open_lines(log)) if os.path.exists(log) else 0


def open_lines(path):
    with open(path) as stream:
        return stream.read().splitlines()


def record(path):
    with open(path + '.json') as stream:
        return json.load(stream)


def pictures(count, size=(64, 32), seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, size[1], size[0], 3)).astype(np.uint8)


def written(path, content):
    with open(path, 'wb') as stream:
        stream.write(content)
    return path


def plan_of(path, **settings):
    """A plan built for this model under this TensorRT."""
    with opened(path, **settings) as engine:
        engine.read()
        return engine.plan_path


# the answers

@pytest.mark.parametrize('layout', ['yolox', 'yolov5', 'yolov8'])
def test_answers_are_onnxruntimes(personality, tmp_path, layout):
    path = written(str(tmp_path / 'model.onnx'), tiny_onnx.detector(layout))
    preparation = {'colour': 'rgb', 'mean': (10, 20, 30), 'scale': (0.02, 0.03, 0.04)}
    with opened(path) as engine, create('onnxruntime', path, Settings(threads=1)) as reference:
        for one in (engine, reference):
            one.read()
            one.load(**preparation)
        assert engine.outputs == reference.outputs and engine.input_size == reference.input_size
        for count in (3, 1, 4, 2):
            batch = pictures(count, seed=count)
            for got, wanted in zip(engine.infer(batch), reference.infer(batch)):
                np.testing.assert_allclose(got, wanted, atol=1e-4)


@pytest.mark.parametrize('kind', [tiny_onnx.FLOAT, tiny_onnx.HALF, tiny_onnx.UINT8])
@pytest.mark.parametrize('planar', [True, False])
def test_the_network_gets_its_numbers_in_its_type_and_order(personality, tmp_path, kind, planar):
    path = written(str(tmp_path / 'model.onnx'), tiny_onnx.identity(kind, planar))
    if kind == tiny_onnx.UINT8 and personality == 'tensorrt_8':  # bytes as input came later
        with opened(path) as engine, pytest.raises(EngineError, match='Failed to convert ONNX'):
            engine.read()
        return
    scale = 1.0 if kind == tiny_onnx.UINT8 else 0.25
    batch = pictures(3, (4, 2))
    with opened(path) as engine:
        engine.read()
        engine.load('rgb', mean=8, scale=0.25)
        got = engine.infer(batch)[0]
    wanted = (batch[..., ::-1].astype(np.float32) - (8 if scale != 1 else 0)) * scale
    np.testing.assert_array_equal(got, wanted.transpose(0, 3, 1, 2) if planar else wanted)


def test_an_output_that_is_the_same_for_all_pictures_comes_along(personality, tmp_path):
    """As EfficientDet's anchors."""
    nodes = [tiny_onnx.node('Identity', ['images'], ['output']), tiny_onnx.node('Identity', ['fixed'], ['anchors'])]
    shape, anchors = ['batch', 3, 2, 4], np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    path = written(str(tmp_path / 'model.onnx'), tiny_onnx.model(
        nodes, [tiny_onnx.tensor('fixed', anchors)], [tiny_onnx.value_info('images', shape)],
        [tiny_onnx.value_info('output', shape), tiny_onnx.value_info('anchors', [1, 5, 2])], {}))
    with opened(path) as engine:
        engine.load()
        assert engine.outputs == (('output', (3, 2, 4)), ('anchors', (5, 2)))
        for count in (1, 4, 2):
            answers = engine.infer(pictures(count, (4, 2)))
            assert answers[0].shape == (count, 3, 2, 4)
            np.testing.assert_array_equal(answers[1], anchors)


@pytest.mark.parametrize('batch', [1, 3])
def test_a_fixed_batch_is_run_as_often_as_needed(personality, tmp_path, batch):
    path = written(str(tmp_path / 'model.onnx'), tiny_onnx.detector('yolox', batch=batch))
    free = written(str(tmp_path / 'free.onnx'), tiny_onnx.detector('yolox'))
    with opened(path) as fixed:
        fixed.read()
        fixed.load()
        assert (fixed.fixed_batch, fixed.max_batch) == (batch, 4)
        got = fixed.infer(pictures(4))[0]
    with opened(free) as engine:
        engine.load()
        np.testing.assert_array_equal(got, engine.infer(pictures(4))[0])


def test_an_open_size_is_the_cards_or_the_metadatas(personality, tmp_path):
    model = tiny_onnx.detector('yolov5', (96, 64), declared=False, open_size=True, metadata={'imgsz': '[64, 96]'})
    path = written(str(tmp_path / 'model.onnx'), model)
    for size in (None, (96, 64)):
        with opened(path) as engine:
            engine.read(size)
            engine.load()
            assert engine.input_size == (96, 64)
            assert engine.infer(pictures(2, (96, 64)))[0].shape == (2,) + engine.outputs[0][1]
    assert builds(path) == 1


# precision

def flags_of(plan):
    with open(plan, 'rb') as stream:
        return json.loads(stream.read().splitlines()[1].decode())['flags']


def test_fp16_is_asked_for_where_the_gpu_has_it(personality, path):
    with opened(path, precision='fp16') as engine:
        engine.read()
        import tensorrt
        assert engine.precision == 'fp16' and flags_of(engine.plan_path) == 1 << int(tensorrt.BuilderFlag.FP16)


def test_fp16_on_a_gpu_without_it_is_fp32_and_said(personality, path, monkeypatch, caplog):
    import gpu_standin.trt_build as standin
    monkeypatch.setattr(standin.Builder, 'platform_has_fast_fp16', property(lambda self: False))
    with opened(path, precision='fp16') as engine:
        engine.read()
        assert engine.precision == 'fp32' and flags_of(engine.plan_path) == 0
    assert 'computes no faster in fp16' in caplog.text


def test_int8_is_refused_with_the_reason(personality, path):
    reason = {'tensorrt_8': 'this GPU has no int8 arithmetic', 'tensorrt_10': 'needs a model that was quantised'}
    with opened(path, precision='int8') as engine:
        with pytest.raises(EngineUnavailable, match=reason[personality]) as caught:
            engine.read()
    assert caught.value.exit_code == 3 and 'choose fp16' in str(caught.value)


def test_bf16_is_for_those_who_know_it(personality, path):
    with opened(path, precision='bf16') as engine:
        if personality == 'tensorrt_10':
            engine.read()
            assert engine.precision == 'bf16'
        else:
            with pytest.raises(EngineUnavailable, match='TensorRT 8.2.1.8 has no bf16; choose fp16'):
                engine.read()


# what it refuses

def test_a_step_that_tensorrt_cannot_do_is_named_with_what_helps(tmp_path):
    nodes = [tiny_onnx.node('Identity', ['images'], ['same']),
             tiny_onnx.node('Mod', ['same', 'same'], ['output'], fmod=1)]
    shape = ['batch', 3, 2, 4]
    path = written(str(tmp_path / 'model.onnx'),
                   tiny_onnx.model(nodes, [], [tiny_onnx.value_info('images', shape)],
                                   [tiny_onnx.value_info('output', shape)], {}))
    with nvidia.standing_in('tensorrt_8'), opened(path) as engine:
        with pytest.raises(EngineError) as caught:
            engine.read()
    words = str(caught.value)
    assert ("model.onnx: TensorRT 8.2.1.8, made for opset 13 and older, cannot read this model of opset 11: "
            "step 1, Mod ''") in words
    assert 'Plugin not found' in words and 'Export it again with opset 11 to 13' in words and 'onnxruntime' in words
    with nvidia.standing_in('tensorrt_10'), opened(path) as engine:
        engine.read()
        engine.load()
        assert engine.infer(pictures(1, (4, 2)))[0].shape == (1, 3, 2, 4)


def test_an_opset_that_is_too_new_is_named(tmp_path):
    shape = tiny_onnx.value_info('images', ['batch', 3, 2, 4])
    path = written(str(tmp_path / 'model.onnx'), tiny_onnx.model(
        [tiny_onnx.node('HardSwish', ['images'], ['output'])], [], [shape],
        [tiny_onnx.value_info('output', ['batch', 3, 2, 4])], {}, opset=14))
    with nvidia.standing_in('tensorrt_8'), opened(path) as engine:
        with pytest.raises(EngineError,
                           match='made for opset 13 and older, cannot read this model of opset 14.*Export it again'):
            engine.read()


# plans as others wrap them

HEADER = {'description': 'Ultralytics YOLOv8n model', 'task': 'detect', 'stride': 32, 'batch': 1, 'imgsz': [32, 64],
          'names': {'0': 'helmet', '1': 'no helmet', '2': 'vest'}}


def with_header(plan, target, header):
    with open(plan, 'rb') as stream:
        content = stream.read()
    notes = json.dumps(header).encode()
    return written(target, len(notes).to_bytes(4, 'little') + notes + content)


@situations.model('TensorRT .engine of `yolo export format=engine`: length and JSON in front of the plan')
def test_metadata_in_front_of_a_plan_is_read(personality, path, tmp_path):
    with opened(path) as engine:
        engine.read()
        plan = engine.plan_path
    (tmp_path / 'alone').mkdir()
    with opened(with_header(plan, str(tmp_path / 'alone' / 'best.engine'), HEADER)) as engine:
        engine.read()
        assert read_card(engine, {}).names == ('helmet', 'no helmet', 'vest')
        engine.load('rgb', scale=1 / 255)
        found = engine.infer(pictures(1))[0].copy()
    with opened(path) as engine:
        engine.read()
        engine.load('rgb', scale=1 / 255)
        np.testing.assert_allclose(found, engine.infer(pictures(1))[0])


@situations.model('TensorRT .engine of an oriented-box model', situations.REFUSED,
                  "made for the task 'obb'; edge-app runs models for")
def test_the_task_of_a_plan_that_is_not_ours_is_refused(personality, path, tmp_path, situation):
    with opened(path) as engine:
        engine.read()
        plan = engine.plan_path
    with opened(with_header(plan, str(tmp_path / 'best.engine'), dict(HEADER, task='obb'))) as engine:
        engine.read()
        with pytest.raises(ConfigError) as caught:
            read_card(engine, {})
    assert situation.sentence in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'not a model', tiny_onnx.detector('yolox')[:-200]])
def test_a_file_that_is_no_model_is_named(personality, tmp_path, content):
    path = written(str(tmp_path / 'model.onnx'), content)
    with pytest.raises(EngineError, match='model.onnx: .*not a model'), opened(path) as engine:
        engine.read()


def test_a_model_that_takes_no_pictures_is_told_what_it_takes(personality, tmp_path):
    shape = tiny_onnx.value_info('images', ['batch', 7])
    path = written(str(tmp_path / 'model.onnx'), tiny_onnx.model(
        [tiny_onnx.node('Identity', ['images'], ['output'])], [], [shape],
        [tiny_onnx.value_info('output', ['batch', 7])], {}))
    with opened(path) as engine:
        with pytest.raises(EngineError, match=r"takes images float32 \['batch', 7\]; it must have one image input"):
            engine.read()


def test_a_build_without_room_says_what_helps(personality, path, monkeypatch):
    import gpu_standin.trt_build as standin
    monkeypatch.setattr(standin.Builder, '_problem', lambda *arguments: '2: Tactic Device request: insufficient memory')
    with opened(path) as engine:
        with pytest.raises(EngineError, match='insufficient memory.*lower engine.batch, add swap'):
            engine.read()


# the GPU

def test_a_gpu_without_room_says_what_helps(personality, path, monkeypatch):
    monkeypatch.setenv('STANDIN_GPU_MEMORY_MB', '0')
    with opened(path) as engine:
        engine.read()
        with pytest.raises(EngineError, match='no room .*lower engine.batch'):
            engine.load()


def test_a_context_or_a_library_without_room_is_an_error_of_the_engine(personality, path, monkeypatch):
    import pycuda.driver as cuda
    import tensorrt

    def full(*arguments):
        raise cuda.MemoryError('cuStreamCreate failed: out of memory')

    def null(*arguments):
        raise TypeError('pybind11::init(): factory function returned nullptr')
    for module, name, broken, words in ((cuda, 'Stream', full, 'cuStreamCreate failed'),
                                        (tensorrt, 'Runtime', null, 'does not start: pybind11'),
                                        (tensorrt, 'Builder', null, 'does not start: pybind11')):
        with monkeypatch.context() as patch, opened(path) as engine:
            patch.setattr(module, name, broken)
            with pytest.raises(EngineError, match=words):
                engine.read()


def test_without_a_gpu_auto_takes_the_next_and_says_why(personality, path, monkeypatch):
    monkeypatch.setenv('STANDIN_GPU', 'none')
    name, why = choose(Settings(), path)
    assert name != 'tensorrt' and 'no CUDA-capable device' in why
    with opened(path, backend='tensorrt') as engine:
        with pytest.raises(EngineUnavailable, match='needs an NVIDIA GPU: CUDA does not start') as caught:
            engine.read()
    assert caught.value.exit_code == 3


def test_with_a_gpu_auto_takes_tensorrt(personality, path):
    name, why = choose(Settings(), path)
    assert name == 'tensorrt' and '.onnx' in why


def test_pictures_go_up_as_bytes_and_answers_come_down_once(personality, path, monkeypatch):
    import gpu_standin.memory as memory
    import pycuda.driver as cuda
    up, down = [], []
    htod, dtoh = cuda.memcpy_htod_async, cuda.memcpy_dtoh_async
    monkeypatch.setattr(cuda, 'memcpy_htod_async', lambda to, array, stream: (
        up.append((array.dtype, array.shape, memory.is_pinned(array))), htod(to, array, stream)))
    monkeypatch.setattr(cuda, 'memcpy_dtoh_async', lambda array, source, stream: (
        down.append((array.shape, memory.is_pinned(array))), dtoh(array, source, stream)))
    with opened(path) as engine:
        engine.load()
        answer = engine.infer(pictures(3))[0]
        assert up == [(np.uint8, (3, 32, 64, 3), True)] and down == [((3, 7, 42), True)]
        assert not memory.is_pinned(answer), 'a TX2 does not cache pinned memory: what follows must not read it'


def test_the_network_alone_can_be_measured(personality, path, monkeypatch):
    import pycuda.driver as cuda
    with opened(path) as engine:
        engine.load()
        run = engine.raw_runner(pictures(3))
        wanted = engine.answers[0][:3].copy()
        engine.answers[0][:] = 0
        monkeypatch.delattr(cuda, 'memcpy_htod_async')
        cuda.memset_d8(engine.results[0], 0, engine.answers[0].nbytes)
        run()
        cuda.memcpy_dtoh(engine.answers[0], engine.results[0])
        np.testing.assert_array_equal(engine.answers[0][:3], wanted)


def test_it_belongs_to_the_thread_that_read_it(personality, path):
    with opened(path) as engine:
        engine.load()
        caught = []

        def elsewhere():
            try:
                engine.infer(pictures(1))
            except EngineError as error:
                caught.append(str(error))
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert 'belongs to the thread that read its model' in caught[0]
        assert len(engine.infer(pictures(1))[0]) == 1


def test_it_can_be_loaded_again_and_leaves_nothing(personality, path):
    import gpu_standin.memory as memory
    with opened(path) as engine:
        engine.load()
        used = memory.live()
        engine.load('rgb')
        assert memory.live() == used
        first = engine.infer(pictures(2))[0]
        engine.close()
        assert memory.live() == 0 and not memory.stack()
        engine.load('rgb')
        np.testing.assert_array_equal(engine.infer(pictures(2))[0], first)


def test_an_older_pycuda_without_primary_contexts_will_do(personality, path, monkeypatch):
    import pycuda.driver as cuda
    monkeypatch.delattr(cuda.Device, 'retain_primary_context')
    with opened(path) as engine:
        engine.load()
        assert len(engine.infer(pictures(1))[0]) == 1


def test_without_nvcc_the_kernels_come_from_nvrtc(personality, path, monkeypatch):
    import pycuda.compiler
    import pycuda.driver as cuda

    from edge_app.engine.tensorrt import gpu, kernels
    host, given = pycuda.compiler.SourceModule, []

    def no_nvcc(*arguments, **options):
        raise OSError('nvcc was not found (is it on the PATH?)')
    monkeypatch.setattr(gpu, 'SourceModule', no_nvcc)
    monkeypatch.setattr(cuda, 'module_from_buffer', lambda code: given.append(code) or host(kernels.SOURCE))
    with opened(path) as engine:
        engine.load()
        assert len(engine.infer(pictures(1))[0]) == 1
    assert given[0][:4] == b'\x7fELF'


ENDS = '''
import sys
import numpy as np
from edge_app.config import Engine
from edge_app.engine import create
engine = create('tensorrt', sys.argv[1], Engine())
engine.load()
engine.infer(np.zeros((1, 32, 64, 3), np.uint8))
if sys.argv[2] == 'raise':
    raise ValueError('on purpose')
'''


@pytest.mark.parametrize('how, code', [('return', 0), ('raise', 1)])
def test_a_process_may_end_without_closing(path, how, code):
    """pycuda aborts a process that ends with a context in use."""
    nvidia.need_gcc()
    done = subprocess.run([sys.executable, '-c', ENDS, path, how], env=nvidia.environment('tensorrt_8'),
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == code, done.stderr
    assert 'context stack' not in done.stderr


def test_the_host_sleeps_while_the_gpu_works(personality, path):
    engine = opened(path)
    engine.load()
    import gpu_standin.streams as streams
    streams.waits.clear()
    engine.infer(pictures(1))
    engine.raw_runner(pictures(1))()
    assert streams.waits['asleep'] == 3 and not streams.waits['spinning']
    engine.close()
