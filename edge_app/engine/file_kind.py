"""What a file is by its first bytes, and what to do where it is not the model that its name says."""
import os
import re
import zipfile

from edge_app.errors import EngineError

START_BYTES = 512
TEXTS = ('.cfg', '.xml')
"""Suffixes of model files that are text."""
PLANS = ('.plan', '.engine', '.trt')
SCRIPTS = ('.pt', '.torchscript')
PAGE = re.compile(rb'\s*<(!doctype html|html|head|body)\b', re.I)
PRINTABLE = bytes(range(32, 127)) + b'\t\n\r\f'

ARCHIVE = 'a %s archive, not a model: unpack it, and give the model file in it'
ENCRYPTED = 'encrypted (%s), not a model that can be read: decrypt it first'
TENSORFLOW = "a TensorFlow model (%s), which no backend runs: convert it to ONNX (python -m tf2onnx.convert)"
WEIGHTS = 'weights without their network (%s): export the model as ONNX with the code that it belongs to'

KINDS = (
    # (offset, bytes there, what the file is, what it may be called)
    (0, b'version https://git-lfs', 'a Git LFS pointer of a few lines, not the model itself: run `git lfs pull` in its '
     'repository, or download the file from its page', ()),
    (0, b'Salted__', ENCRYPTED % 'OpenSSL', ()),
    (0, b'age-encryption.org/', ENCRYPTED % 'age', ()),
    (0, b'-----BEGIN PGP', ENCRYPTED % 'PGP', ()),
    (0, b'\x1f\x8b\x08', ARCHIVE % 'gzip', ()),
    (0, b'BZh', ARCHIVE % 'bzip2', ()),
    (0, b'\xfd7zXZ', ARCHIVE % 'xz', ()),
    (0, b'\x28\xb5\x2f\xfd', ARCHIVE % 'Zstandard', ()),
    (0, b'7z\xbc\xaf\x27\x1c', ARCHIVE % '7z', ()),
    (0, b'Rar!', ARCHIVE % 'RAR', ()),
    (257, b'ustar', ARCHIVE % 'tar', ()),
    (0, b'\x89HDF', TENSORFLOW % 'Keras, HDF5', ()),
    (4, b'TFL3', TENSORFLOW % 'TFLite', ()),
    (4, b'ORTM', "in ONNX Runtime's own format (ORT), which depends on its version: give the ONNX file it was made of",
     ()),
    (0, b'RKNN', 'a model for Rockchip\'s NPU (RKNN): give the ONNX file it was made of', ()),
    (0, b'GGUF', WEIGHTS % 'GGUF', ()),
    (8, b'{"', WEIGHTS % 'safetensors', ()),
    (0, b'ptrt', "a TensorRT plan: give it the suffix .engine", PLANS),
    (0, b'ftrt', "a TensorRT plan: give it the suffix .engine", PLANS),
)

CHECKPOINT = ('not TorchScript but a checkpoint, a pickle, which would run its author\'s code while it is loaded: '
              'export it with the code it belongs to (`yolo export model=best.pt format=onnx`, torch.jit.trace)')

ELSEWHERE = (
    # (suffixes, what such files are and what to give instead)
    (('.weights',), "Darknet's weights: give the .cfg they belong to, with the .weights beside it"),
    (('.bin',), "weights without their network: give OpenVINO's .xml beside it"),
    (('.data',), 'weights of an ONNX model: give the .onnx beside it'),
    (('.pth', '.ckpt', '.pkl', '.safetensors'), CHECKPOINT),
    (('.tflite', '.pb', '.h5', '.keras', '.hdf5'), TENSORFLOW % 'TFLite, Keras, SavedModel'),
    (('.param', '.mlmodel', '.mlpackage', '.rknn', '.hef', '.blob', '.mnn', '.pdmodel', '.caffemodel', '.prototxt',
      '.ort', '.pt2'), 'a model in the format of another library: export it as ONNX'),
    (('.ts', '.jit'), 'TorchScript: give it the suffix .torchscript'),
    (('.etlt', '.tlt'), ENCRYPTED % 'NVIDIA TAO; `tao model ... export` writes ONNX'),
    (('.zip', '.gz', '.tgz', '.tar', '.7z', '.rar', '.xz', '.mar'), ARCHIVE % 'packed'),
    (('.part', '.crdownload', '.download', '.aria2', '.tmp'), 'an unfinished download: let it end, or fetch it again'),
    (('.yaml', '.yml', '.names', '.txt', '.json'), 'a text about a model: give the model file itself'),
)


def instead_of(suffix):
    """What to give instead of a file of this suffix, '' where nothing is known."""
    return next((what for suffixes, what in ELSEWHERE if suffix in suffixes), '')


def check_kind(path):
    """EngineError for a file that is something else than its suffix says, naming what it is."""
    try:
        with open(path, 'rb') as stream:
            start = stream.read(START_BYTES)
    except OSError as error:
        raise EngineError('%s: cannot be read: %s' % (path, error.strerror))
    what = _what(start, os.path.splitext(path)[1].lower(), path)
    if what:
        raise EngineError('%s: is %s' % (path, what))


def _what(start, suffix, path):
    if not start:
        return 'empty, not a model: fetch or export it again'
    if PAGE.match(start):
        return ('a web page, not the file itself: what the address answered when it was downloaded; use the link of '
                'the file (on GitHub: Raw), or log in first')
    if start.startswith(b'PK\3\4'):
        return _packed(path, suffix)
    for offset, mark, what, names in KINDS:
        if start[offset:offset + len(mark)] == mark and suffix not in names:
            return what
    if start[:1] == b'\x80' and start[1:2] in b'\2\3\4\5' and suffix not in PLANS:
        return CHECKPOINT
    if suffix not in TEXTS and not start.translate(None, PRINTABLE):
        return 'text, not a model; it begins with %r' % start[:100].decode()
    return ''


def _packed(path, suffix):
    """What a ZIP archive is, '' where it is TorchScript that is called so."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        return 'damaged or cut off: a ZIP archive (%s); fetch or export it again' % error
    if any(name.endswith('/constants.pkl') or '/code/' in name for name in names):
        return '' if suffix in SCRIPTS else 'TorchScript: give it the suffix .torchscript'
    if any(name.endswith('data.pkl') for name in names):
        return CHECKPOINT
    if 'model.weights.h5' in names:
        return TENSORFLOW % 'Keras'
    return (ARCHIVE % 'ZIP') + ' (%s)' % ', '.join(names[:5])
