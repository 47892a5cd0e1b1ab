"""TensorRT through pycuda: the engine of Jetson boards, from TensorRT 8.2 (JetPack 4) to 10.

`backend` is the Engine, `builder` makes plans of ONNX files, `plans` caches them, `tensors` hides differences between
versions of the library, `gpu` is the CUDA side, `kernels` what runs there. Nothing is imported until it is chosen.
"""


def build_plan(model_path, config, on_progress=None, size=None):
    """Make sure that a plan for this machine exists, building it if need be: (its path or None, its key as a dict).

    `config` with `batch` and `precision`, `size` (width, height) as for Engine.read; `on_progress` is called with a
    line of text every second or two, also from other threads. The path is None when no folder for it can be written.
    EngineUnavailable without library or GPU, EngineError when the model cannot be built.
    """
    from edge_app.engine.tensorrt.backend import TensorRt
    with TensorRt(model_path, config) as engine:
        engine.on_progress = on_progress
        engine.read(size)
        return engine.plan_path, engine.key
