"""What each part of a configuration takes of a TX2's memory, decoder, encoder, GPU and CPU."""
import os
from typing import NamedTuple

from edge_app import uris
from edge_app.app.budget.figures import COMPUTED, FIGURES
from edge_app.app.rings import PACKET_BYTES, frame_ring_bytes
from edge_app.detectors.model_card import card_file
from edge_app.detectors.model_file import find_model
from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.onnx_work import multiply_adds
from edge_app.errors import EngineError
from edge_app.schemes import CAMERAS

USUAL_STREAM = (1920, 1080, 25)
"""Width, height and frames per second of a camera's stream, which only the camera knows."""
HARDWARE = ('auto', 'jetson')
UNKNOWN_SIZE = (640, 640)


class BudgetRow(NamedTuple):
    """One part of one resource."""

    resource: str
    """memory, decoder, encoder, gpu or cpu."""
    who: str
    amount: float
    unit: str
    kind: str
    """measured, published, estimate or computed."""
    source: str


def rows(config, stream=USUAL_STREAM):
    """All BudgetRows of a Config on a TX2; `stream` of every camera: (width, height, frames per second)."""
    cameras = config.enabled_cameras
    for part in (_memory(config, cameras, stream), _decoder(cameras, stream), _encoder(config, cameras, stream),
                 _gpu(config, cameras, stream), _cpu(config, cameras, stream)):
        yield from part


def figure(resource, who, name, times=1.0, unit=None):
    """A BudgetRow of one figure of the table, multiplied by `times`."""
    found = FIGURES[name]
    return BudgetRow(resource, who, found.value * times, unit or found.unit, found.kind, found.origin)


# -- memory ---------------------------------------------------------------------------------------------------------

def _memory(config, cameras, stream):
    yield figure('memory', 'the system', 'system')
    yield figure('memory', 'supervisor', 'supervisor')
    for camera in cameras:
        yield figure('memory', 'capture:%s' % camera.name, 'capture')
        if _in_hardware(camera):
            yield figure('memory', 'decoder of %s' % camera.name, 'decoder_surfaces', _frame_mb(stream), 'MB')
    for name, ring_bytes in frame_ring_bytes(config).items():
        yield BudgetRow('memory', 'rings of %s' % name, (ring_bytes + PACKET_BYTES) / 2 ** 20, 'MB', COMPUTED,
                        'memory_mb, size; 4 MB of encoded packets')
    for name, wanted in (('compositor', True), ('board', True), ('results', config.sinks), ('web', config.web.enabled)):
        if wanted:
            yield figure('memory', name, name)
    for output in _encoding(config):
        yield figure('memory', 'encoder of %s' % output.address, 'encoder_surfaces', _frame_mb(output.size), 'MB')
    yield from _engine_memory(config)


def _engine_memory(config):
    if not config.engine.enabled:
        return
    yield figure('memory', 'analyze', 'analyze')
    model = model_of(config)
    if not model.local:
        return
    yield figure('memory', 'CUDA and TensorRT', 'cuda')
    if config.engine.backend in ('torch', 'torch2trt'):
        yield figure('memory', 'torch', 'torch')
    found = FIGURES['activations']
    each_mb = found.value * model.file_mb + 4 * 3 * 4 * model.size[0] * model.size[1] / 2 ** 20
    batch = config.engine.batch
    yield BudgetRow('memory', 'the plan at batch %d' % batch, each_mb * batch, 'MB', found.kind,
                    '%s; and its frames' % found.origin)


def _frame_mb(size):
    return size[0] * size[1] * 1.5 / 2 ** 20


# -- codecs ---------------------------------------------------------------------------------------------------------

def _in_hardware(camera):
    return camera.decoder in HARDWARE and not CAMERAS[uris.scheme_of(camera.uri)].synthetic


def _decoder(cameras, stream):
    for camera in cameras:
        if _in_hardware(camera):
            yield BudgetRow('decoder', camera.name, _rate(stream), 'Mpx/s', COMPUTED, '%dx%d at %g frames/s' % stream)


def _encoding(config):
    return [output for output in config.outputs if output.scheme.encoded]


def _encoder(config, cameras, stream):
    for output in _encoding(config):
        yield BudgetRow('encoder', output.address, _rate(output.size + (output.fps,)), 'Mpx/s', COMPUTED,
                        '%dx%d at %g frames/s, while somebody watches' % (output.size + (output.fps,)))
        if output.annotated and output.scheme.listens:
            fps = min(output.fps, stream[2])
            for camera in cameras:
                yield BudgetRow('encoder', '%s_annotated' % camera.name, _rate(camera.size + (fps,)), 'Mpx/s', COMPUTED,
                                '%dx%d at %g frames/s, while somebody watches' % (camera.size + (fps,)))


def _rate(stream):
    return stream[0] * stream[1] * stream[2] / 1e6


# -- GPU ------------------------------------------------------------------------------------------------------------

class Model(NamedTuple):
    """What the budget needs to know of a model."""

    path: str
    local: bool
    """Whether it runs on the board."""
    size: tuple
    file_mb: float
    gflop: float
    """Of one frame; None when unknown."""
    why: str


def model_of(config):
    """The Model of a Config; ConfigError when there is none."""
    path = find_model(config.engine.model)[0] if config.engine.backend != 'fake' else ''
    if '://' in path or not path:
        return Model(path, False, UNKNOWN_SIZE, 0.0, None, 'it does not run on the board')
    file_mb = os.path.getsize(path) / 2 ** 20
    try:
        sides = read_onnx(path).inputs[0].shape
        size = tuple(card_file(path).get('size') or _sides(sides))
        return Model(path, True, size, file_mb, 2 * multiply_adds(path, size) / 1e9, '')
    except (EngineError, IndexError) as error:
        return Model(path, True, UNKNOWN_SIZE, file_mb, None, str(error) or 'it has no input')


def _sides(shape):
    """(width, height) of an input; UNKNOWN_SIZE where the model leaves it open."""
    sides = shape[2:4] if len(shape) == 4 and shape[1] in (1, 3) else shape[1:3]
    return tuple(sides[::-1]) if len(sides) == 2 and all(isinstance(side, int) for side in sides) else UNKNOWN_SIZE


def picture_ms(config):
    """(GPU milliseconds per frame, source of the figure, its kind); None for a model that cannot be estimated."""
    model = model_of(config)
    if not model.local or model.gflop is None:
        return None
    speed = FIGURES['gpu_fp16' if config.engine.precision == 'fp16' else 'gpu_fp32']
    each = FIGURES['gpu_each']
    return (model.gflop / speed.value * 1000 + each.value,
            '%.2f GFLOP at %dx%d; %g GFLOP/s: %s; %g ms: %s' % ((model.gflop,) + model.size + (
                speed.value, speed.origin, each.value, each.origin)), each.kind)


def _gpu(config, cameras, stream):
    found = picture_ms(config) if config.engine.enabled else None
    if found is None:
        return
    ms, source, kind = found
    for camera in cameras:
        fps = wanted_fps(camera, stream)
        yield BudgetRow('gpu', camera.name, fps * ms / 10, '%', kind,
                        '%g frames/s of %.1f ms: %s' % (fps, ms, source))


def wanted_fps(camera, stream):
    """Frames per second to analyse of a camera."""
    return min(camera.max_fps or stream[2], stream[2])


# -- processor ------------------------------------------------------------------------------------------------------

def _cpu(config, cameras, stream):
    yield figure('cpu', 'everything idle', 'cpu_idle', unit='%')
    for camera in cameras:
        yield figure('cpu', 'receiving %s' % camera.name, 'cpu_receive', stream[2], '%')
        if not _in_hardware(camera):
            yield figure('cpu', 'decoding %s' % camera.name, 'cpu_decode', _rate(stream), '%')
    found = picture_ms(config) if config.engine.enabled else None
    if config.engine.enabled:
        wanted = sum(wanted_fps(camera, stream) for camera in cameras)
        attained = wanted if found is None else min(wanted, 1000 / found[0])
        yield figure('cpu', 'detections, at %.0f frames/s' % attained, 'cpu_infer', attained / 10, '%')
    for output in config.outputs:
        yield figure('cpu', 'drawing %s' % output.address, 'cpu_compose', _rate(output.size + (output.fps,)), '%')
