"""Files that are called as models and are none: each is named for what it is before any library opens it."""
import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import pytest

from edge_app.config import Engine as Settings
from edge_app.detectors.model_file import SUFFIXES
from edge_app.engine import BACKENDS, CONVERTED, choose
from edge_app.engine.file_check import check_file
from edge_app.errors import ConfigError, EngineError

from tests.support import situations, tiny_onnx

MODEL = tiny_onnx.detector('yolov8', (64, 64))
POINTER = b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12851049\n'
PAGE = b'\n<!DOCTYPE html>\n<html lang="en"><head><title>Sign in</title></head></html>\n'


def zipped(**members):
    """Bytes of a ZIP archive of {name: bytes}; __ in a name stands for /."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, 'w') as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace('__', '/')), content)   # of 1980: ids of tests stay the same
    return memory.getvalue()


def tarred():
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode='w') as archive:
        archive.addfile(tarfile.TarInfo('best.onnx'))
    return memory.getvalue()


CHECKPOINT = zipped(**{'best__data.pkl': pickle.dumps({'epoch': 3}), 'best__data__0': b'\0' * 40})
SCRIPT = zipped(**{'best__data.pkl': b'', 'best__constants.pkl': b'', 'best__code____torch__.py': b'class M: pass'})
PICKLE = ("is not TorchScript but a checkpoint, a pickle, which would run its author's code while it is loaded: "
          'export it with the code it belongs to (`yolo export model=best.pt format=onnx`, torch.jit.trace)')
CASES = [
    ('a Git LFS pointer in place of the model, after a clone without git-lfs', 'best.onnx', POINTER,
     'is a Git LFS pointer of a few lines, not the model itself: run `git lfs pull` in its repository, or download the '
     'file from its page'),
    ('a web page saved as the model (a log-in, a page of GitHub)', 'best.onnx', PAGE,
     'is a web page, not the file itself: what the address answered when it was downloaded; use the link of the file '
     '(on GitHub: Raw), or log in first'),
    ("a server's error text saved as the model", 'best.onnx', b'404: Not Found',
     "is text, not a model; it begins with '404: Not Found'"),
    ('an empty file', 'best.onnx', b'', 'is empty, not a model: fetch or export it again'),
    ('an ONNX file whose download was cut off', 'best.onnx', MODEL[:-400],
     'not a model in ONNX format: it ends in the middle; fetch or export it again'),
    ('a ZIP archive with the model in it', 'best.onnx', zipped(**{'weights__best.onnx': MODEL}),
     'is a ZIP archive, not a model: unpack it, and give the model file in it (weights/best.onnx)'),
    ('a model packed by gzip', 'best.onnx', gzip.compress(MODEL),
     'is a gzip archive, not a model: unpack it, and give the model file in it'),
    ('a model in a tar archive', 'best.onnx', tarred(),
     'is a tar archive, not a model: unpack it, and give the model file in it'),
    ('a .pt of YOLOv5, YOLOv8 or YOLO11 as training leaves it', 'best.pt', CHECKPOINT,
     PICKLE),
    ('the same in the format before torch 1.6', 'best.pt', pickle.dumps({'model': 1}, 2),
     PICKLE),
    ('TorchScript called .onnx', 'best.onnx', SCRIPT, 'is TorchScript: give it the suffix .torchscript'),
    ('TorchScript whose download was cut off', 'best.torchscript', SCRIPT[:-30],
     'is damaged or cut off: a ZIP archive (File is not a zip file); fetch or export it again'),
    ('a model encrypted by OpenSSL', 'best.onnx', b'Salted__' + bytes(range(200)),
     'is encrypted (OpenSSL), not a model that can be read: decrypt it first'),
    ('a model encrypted by age', 'best.onnx', b'age-encryption.org/v1\n-> X25519 \xff\xfe' + bytes(range(200)),
     'is encrypted (age), not a model that can be read: decrypt it first'),
    ('a TensorRT plan called .onnx', 'best.onnx', b'ptrt' + bytes(range(200)),
     'is a TensorRT plan: give it the suffix .engine'),
    ('TFLite called .onnx', 'best.onnx', b'\x1c\0\0\0TFL3' + bytes(200),
     'is a TensorFlow model (TFLite), which no backend runs: convert it to ONNX (python -m tf2onnx.convert)'),
    ('Keras .h5 called .onnx', 'best.onnx', b'\x89HDF\r\n\x1a\n' + bytes(200),
     'is a TensorFlow model (Keras, HDF5), which no backend runs: convert it to ONNX (python -m tf2onnx.convert)'),
    ("ONNX Runtime's .ort called .onnx", 'best.onnx', b'\x20\0\0\0ORTM' + bytes(200),
     "is in ONNX Runtime's own format (ORT), which depends on its version: give the ONNX file it was made of"),
    ('safetensors called .pt', 'best.pt', struct.pack('<q', 40) + b'{"weight":{"dtype":"F32"}}' + bytes(200),
     'is weights without their network (safetensors): export the model as ONNX with the code that it belongs to'),
]
SUFFIX_CASES = [
    ("Darknet's .weights given instead of the .cfg", 'yolov4.weights',
     "is Darknet's weights: give the .cfg they belong to, with the .weights beside it"),
    ("OpenVINO's .bin given instead of the .xml", 'best.bin',
     "is weights without their network: give OpenVINO's .xml beside it"),
    ("ONNX's weights given instead of the .onnx", 'best.onnx.data',
     'is weights of an ONNX model: give the .onnx beside it'),
    ('a download that has not ended (.crdownload, .part)', 'best.onnx.crdownload',
     'is an unfinished download: let it end, or fetch it again'),
    ('a .pth or .ckpt of training', 'best.pth',
     PICKLE),
    ('.tflite, .pb, .keras', 'best.tflite', 'is a TensorFlow model (TFLite, Keras, SavedModel), which no backend runs: '
     'convert it to ONNX (python -m tf2onnx.convert)'),
    ("models of other libraries (ncnn, Core ML, RKNN, Hailo)", 'best.param',
     'is a model in the format of another library: export it as ONNX'),
    ("NVIDIA TAO's .etlt", 'best.etlt', 'is encrypted (NVIDIA TAO; `tao model ... export` writes ONNX), not a model '
     'that can be read: decrypt it first'),
]


def case(what, *values):
    return pytest.param(*values, marks=situations.model(what, situations.REFUSED, values[-1]))


@pytest.mark.parametrize('name, content, sentence', [case(*one) for one in CASES],
                         ids=[one[0].partition(':')[0] for one in CASES])   # contents differ from day to day
def test_what_is_no_model_is_named_whatever_backend_is_asked(tmp_path, situation, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        choose(Settings(), str(path))
        check_file(str(path))
    assert str(caught.value) == '%s: %s' % (path, situation.sentence)


@pytest.mark.parametrize('name, sentence', [case(*one) for one in SUFFIX_CASES])
def test_what_to_give_instead_is_said_by_the_suffix(tmp_path, situation, name, sentence):
    path = tmp_path / name
    path.write_bytes(bytes(range(100)))
    with pytest.raises(ConfigError) as caught:
        choose(Settings(), str(path))
    assert str(caught.value) == 'engine.model: %s: %s' % (path, situation.sentence)


@pytest.mark.parametrize('name, content', [
    ('a.onnx', MODEL), ('a.torchscript', SCRIPT), ('a.engine', b'ptrt' + bytes(100)), ('a.plan', b'ftrt' + bytes(100)),
    ('a.cfg', b'[net]\n'), ('a.pt', SCRIPT)], ids=['onnx', 'torchscript', 'engine', 'plan', 'cfg', 'pt'])
def test_models_of_every_format_pass(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    check_file(str(tmp_path / name))


def test_a_backend_that_does_not_run_the_file_is_told_who_does(tmp_path):
    (tmp_path / 'a.cfg').write_text('[net]\n')
    with pytest.raises(ConfigError, match=r'engine.backend: kserve does not run .cfg files .*a.cfg\); tensorrt, onnx'):
        choose(Settings(backend='kserve'), str(tmp_path / 'a.cfg'))


def test_a_folder_is_searched_for_what_the_backends_read():
    read = set(CONVERTED).union(*(backend.suffixes for backend in BACKENDS.values()))
    assert set(SUFFIXES) == {suffix for suffix in read if suffix.startswith('.')}
