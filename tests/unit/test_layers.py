"""Dependencies run one way. The table is the architecture; a module missing from it fails until somebody adds it."""
import subprocess
import sys

import pytest

from tests.support import sources

LAYERS = (
    ('', 'errors', 'clock', 'files', 'schemes', 'stdio', 'uris', 'versions'),
    ('frames',),
    ('detections',),
    ('config', 'transport', 'stats', 'gst', 'supervision'),
    ('camera', 'engine', 'detectors', 'output', 'telemetry'),
    ('inference', 'compositor', 'web'),
    ('workers',),
    ('app',),
    ('testing',),
    ('cli', 'commands', '__main__'),
)
STAGES = (4, 5)
"""Layers whose members may not know each other."""

FOREIGN = {
    # library: where it may be imported, whenever
    'gi': ('edge_app.gst',),
    'onnxruntime': ('edge_app.engine.onnxruntime', 'edge_app.engine.quantization'),
    'onnx': ('edge_app.engine.quantization',),
    'pycocotools': ('edge_app.testing.bench.accuracy',),
    'tritonclient': ('edge_app.engine.kserve',),
    'openvino': ('edge_app.engine.openvino',),
    'tensorrt': ('edge_app.engine.tensorrt',),
    'pycuda': ('edge_app.engine.tensorrt',),
    'torch': ('edge_app.engine.torch',),
    'ultralytics': (),
    'streamvision': (),
    'vidgear': (),
    'stream_infer': (),
    'torch2trt': ('edge_app.engine.torch',),
    'aiohttp': ('edge_app.web', 'edge_app.workers.web'),
    'jtop': ('edge_app.telemetry.jtop',),
    'cv2': ('edge_app.detectors', 'edge_app.engine.base', 'edge_app.compositor', 'edge_app.output.window',
            'edge_app.web', 'edge_app.inference.motion_gate', 'edge_app.testing'),
}

MODULES = sources.modules()


def part(module):
    """'edge_app.output.rtsp' is of the part 'output'."""
    return module.partition('.')[2].partition('.')[0]


def layer(module):
    return next((number for number, parts in enumerate(LAYERS) if part(module) in parts), None)


def own(names):
    """Modules of ours among imported names."""
    return {name for name in names if name in MODULES}


def may_import(module, other):
    if part(module) == part(other):
        return True
    if layer(module) == layer(other):
        return layer(module) not in STAGES
    return layer(other) < layer(module)


@pytest.mark.parametrize('module', sorted(MODULES))
def test_a_module_imports_only_what_lies_below(module):
    assert layer(module) is not None, '%s stands in no layer of the table' % module
    wrong = [other for other in own(sources.imported(MODULES[module]))
             if layer(other) is not None and not may_import(module, other)]
    assert not wrong, '%s (layer %d) imports %s' % (module, layer(module), ', '.join(sorted(wrong)))


def test_the_table_finds_what_is_forbidden():
    assert not may_import('edge_app.camera.source', 'edge_app.engine.base')
    assert not may_import('edge_app.transport.ring', 'edge_app.workers.web')
    assert may_import('edge_app.workers.web', 'edge_app.transport.ring')
    assert may_import('edge_app.camera.source', 'edge_app.camera.decode_pipeline')


def test_nothing_imports_in_a_circle():
    edges = {module: own(sources.imported(tree, at_import_time_only=True)) - {module}
             for module, tree in MODULES.items()}
    # a package's __init__ re-exports its own modules, and `from package import module` runs it first: not a circle
    edges = {module: {other for other in others if not module.startswith(other + '.')}
             for module, others in edges.items()}
    while True:
        leaves = {module for module, others in edges.items() if not others}
        if not leaves:
            break
        edges = {module: others - leaves for module, others in edges.items() if module not in leaves}
    assert not edges, 'these import each other: %s' % ', '.join(sorted(edges))


@pytest.mark.parametrize('library', sorted(FOREIGN))
def test_a_library_is_imported_in_its_place_only(library):
    allowed = FOREIGN[library]
    for module, tree in MODULES.items():
        if any(name.split('.')[0] == library for name in sources.imported(tree)):
            assert any(module == place or module.startswith(place + '.') for place in allowed), (
                '%s imports %s, which belongs into %s' % (module, library, ' or '.join(allowed)))


@pytest.mark.parametrize('module, unwanted', [
    ('edge_app.cli', 'gi numpy cv2 aiohttp onnxruntime'),
    ('edge_app.supervision.supervisor', 'gi cv2 aiohttp onnxruntime'),
    ('edge_app.app.appliance', 'gi cv2 aiohttp onnxruntime'),
    ('edge_app.supervision.worker', 'numpy shutil'),
    ('edge_app.workers.capture', 'onnxruntime aiohttp numpy attr yaml shutil difflib'),
    ('edge_app.camera.gstreamer', 'onnxruntime aiohttp numpy attr yaml'),
    ('edge_app.workers.analyze', 'gi onnxruntime aiohttp'),
    ('edge_app.workers.compositor', 'onnxruntime aiohttp'),
    ('edge_app.workers.web', 'gi onnxruntime'),
])
def test_a_process_does_not_load_what_it_does_not_use(module, unwanted):
    code = ('import sys; import %s; loaded = [name for name in %r.split() if name in sys.modules]; '
            'sys.exit(" ".join(loaded) or 0)' % (module, unwanted))
    done = subprocess.run([sys.executable, '-c', code], cwd=sources.ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, 'importing %s: %s' % (module, done.stderr)
