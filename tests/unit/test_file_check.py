"""Model files that are refused before any library opens them."""
import os

import pytest

from edge_app.config import Engine as Settings
from edge_app.engine import create, file_check
from edge_app.engine.file_check import available_bytes, check_file, files_of
from edge_app.engine.onnx_file import external_data
from edge_app.engine.tensorrt import plans
from edge_app.errors import EngineError

from tests.support import situations, tiny_onnx


def outside(location, **more):
    """Bytes of a model whose one weight lies in the file `location`; `more`: other entries of its place there."""
    entries = [(13, tiny_onnx.message((1, key), (2, value))) for key, value in dict(more, location=location).items()]
    tensor = tiny_onnx.message(*[(1, 3), (2, 1), (8, 'weights')] + entries + [(14, 1)])
    return tiny_onnx.model([tiny_onnx.node('Mul', ['images', 'weights'], ['output'])], [tensor],
                           [tiny_onnx.value_info('images', ['batch', 3])],
                           [tiny_onnx.value_info('output', ['batch', 3])], {})


@pytest.fixture
def written(tmp_path):
    def write(content):
        (tmp_path / 'in').mkdir(exist_ok=True)
        (tmp_path / 'in' / 'model.onnx').write_bytes(content)
        return str(tmp_path / 'in' / 'model.onnx')
    return write


@pytest.mark.parametrize('location', ['../secret', '/etc/passwd', 'a/../../secret', 'link'])
@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_weights_outside_of_the_models_folder_are_refused(written, tmp_path, location, backend):
    (tmp_path / 'secret').write_bytes(b'\0' * 12)
    path = written(outside(location))
    os.symlink(str(tmp_path / 'secret'), str(tmp_path / 'in' / 'link'))
    with pytest.raises(EngineError, match='keeps weights outside of its folder.*save it as one file'):
        create(backend, path, Settings())


def test_weights_beside_the_model_are_counted_with_it_and_missed(written, tmp_path, monkeypatch):
    path = written(outside('weights.bin'))
    with pytest.raises(EngineError, match='its weights are missing: no file .*weights.bin; put it beside'):
        check_file(path)
    (tmp_path / 'in' / 'weights.bin').write_bytes(b'\0' * 5000000)
    check_file(path)
    monkeypatch.setattr(file_check, 'available_bytes', lambda: 4000000)
    with pytest.raises(EngineError, match='the model has 4 MB, and 3 MB of memory are available: end other programs'):
        check_file(path)


@pytest.mark.parametrize('content', [
    pytest.param(None, marks=situations.model('ONNX without the .onnx.data beside it', situations.REFUSED,
                                              'its weights are missing: no file')),
    pytest.param(b'\0' * 27, marks=situations.model(
        'ONNX whose weights beside it were cut off or are of another model', situations.REFUSED,
        'its weights are cut off or of another model: it needs 28 bytes')),
    pytest.param(b'version https://git-lfs.github.com/spec/', marks=situations.model(
        'ONNX whose weights beside it are a Git LFS pointer', situations.REFUSED,
        'is a Git LFS pointer of a few lines')),
])
def test_weights_that_do_not_fit_the_model_are_named(written, tmp_path, situation, content):
    path = written(outside('model.onnx.data', offset='16', length='100' if content and b'git' in content else '12'))
    if content is not None:
        (tmp_path / 'in' / 'model.onnx.data').write_bytes(content)
    with pytest.raises(EngineError) as caught:
        check_file(path)
    assert situation.sentence in str(caught.value)


@situations.model('ONNX with its weights in a file beside it')
def test_a_model_is_another_one_when_its_weights_are(written, tmp_path):
    """One that was trained further: the .onnx is the same, byte by byte. A plan of the first would be used on."""
    path = written(outside('model.onnx.data', offset='0', length='12'))
    digests = set()
    for weight in (b'\1', b'\2'):
        (tmp_path / 'in' / 'model.onnx.data').write_bytes(weight * 12)
        check_file(path)
        digests.add(plans.digest_of(files_of(path)))
    assert len(digests) == 2 and plans.digest_of([path]) not in digests


def test_a_model_larger_than_memory_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / 'vast.onnx'
    with open(str(path), 'wb') as stream:
        stream.truncate(available_bytes() + (64 << 30))  # takes no room on the disk
    with pytest.raises(EngineError, match='vast.onnx: the model has .* MB of memory are available'):
        create('onnxruntime', str(path), Settings())


def test_names_of_outside_files_are_found_within_constants_too(written):
    inner = tiny_onnx.message((1, 3), (2, 1), (13, tiny_onnx.message((1, 'location'), (2, 'deep.bin'))), (14, 1))
    constant = tiny_onnx.message((2, 'value'), (4, 'Constant'),
                                 (5, tiny_onnx.message((1, 'value'), (5, inner), (20, 4))))
    model = tiny_onnx.model([constant], [], [], [tiny_onnx.value_info('value', [3])], {})
    assert external_data(written(model)) == {'deep.bin': 0}
    assert external_data(written(tiny_onnx.detector('yolox'))) == {}


def test_memory_is_what_the_system_estimates():
    assert 1 << 20 < available_bytes() < os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
