"""`${NAME}`: found in four places, in order; a value never shows in a mistake."""
import os

import pytest

from edge_app.config import load
from edge_app.config.secrets import SecretRefused, Secrets, read_credentials
from edge_app.errors import ConfigError


@pytest.fixture
def credentials(tmp_path):
    """A credentials file that is believed."""
    path = tmp_path / 'credentials'
    path.write_text('# of the gate\nCAMERA_PASSWORD = hunter2 \n\nTOKEN="a=b # c"\nEMPTY=\n')
    path.chmod(0o600)
    return path


def test_lines_of_a_credentials_file(credentials):
    assert read_credentials(str(credentials)) == {'CAMERA_PASSWORD': 'hunter2', 'TOKEN': 'a=b # c', 'EMPTY': ''}


@pytest.mark.parametrize('mode, believed', [
    (0o600, True), (0o400, True), (0o700, True), (0o640, False), (0o604, False), (0o620, False), (0o644, False)])
def test_only_a_private_file_is_trusted(credentials, mode, believed):
    credentials.chmod(mode)
    if believed:
        assert read_credentials(str(credentials))['CAMERA_PASSWORD'] == 'hunter2'
        return
    with pytest.raises(SecretRefused) as error:
        read_credentials(str(credentials))
    assert str(error.value) == '%s can be read by others (mode %04o): chmod 600 it' % (credentials, mode)


def test_a_file_of_another_user_is_not_trusted(credentials, monkeypatch):
    status = os.stat(str(credentials))
    monkeypatch.setattr('os.fstat', lambda _fd: os.stat_result(
        status[:4] + (4711,) + tuple(status)[5:]))
    with pytest.raises(SecretRefused) as error:
        read_credentials(str(credentials))
    assert 'belongs to another user' in str(error.value)


def test_what_is_no_file_is_not_believed(tmp_path):
    os.mkfifo(str(tmp_path / 'pipe'), 0o600)
    for path, words in ((tmp_path / 'pipe', 'is not a file'), (tmp_path, 'cannot be read'),
                        (tmp_path / 'gone', 'No such file')):
        with pytest.raises(SecretRefused) as error:
            read_credentials(str(path))
        assert words in str(error.value)


@pytest.mark.parametrize('data', [b'hunter2', b'A=1\n=hunter2', b'A B=hunter2', b'A=hunter2\xff'])
def test_a_wrong_line_is_named_without_showing_it(credentials, data):
    credentials.write_bytes(data)
    with pytest.raises(SecretRefused) as error:
        read_credentials(str(credentials))
    assert 'hunter2' not in str(error.value)
    assert 'is not NAME=value' in str(error.value) or 'is not UTF-8 text' in str(error.value)


def test_four_places_in_order(tmp_path):
    folder, run = tmp_path / 'credentials', tmp_path / 'run'
    folder.mkdir()
    run.mkdir()
    environment = {'CREDENTIALS_DIRECTORY': str(folder)}
    stored = {}
    secrets = Secrets.of_this_machine(stored, environment, str(run))
    assert secrets.find('NAME') is None
    (run / 'NAME').write_text('fourth\n')
    assert secrets.find('NAME') == 'fourth'
    (folder / 'NAME').write_text('third\r\n')
    assert secrets.find('NAME') == 'third'
    secrets = Secrets.of_this_machine({'NAME': 'second'}, environment, str(run))
    assert secrets.find('NAME') == 'second'
    environment['NAME'] = ''
    assert secrets.find('NAME') == ''


@pytest.mark.parametrize('text, expanded', [
    ('${A}', '1'), ('x${A}y${B}z', 'x1y2z'), ('${C:default}', 'default'), ('${A:default}', '1'), ('${C:}', ''),
    ('${C:rtsp://host:554/x}', 'rtsp://host:554/x'), ('$${A}', '${A}'), ('$A $', '$A $'), ('$$', '$$'),
    ('${D}', '${A}')])
def test_placeholders(text, expanded):
    assert Secrets({'A': '1', 'B': '2', 'D': '${A}'}).expand(text) == expanded


@pytest.mark.parametrize('text', ['${', '${A', '${}', '${a b}', '${1}', '${../../etc/passwd}', '${/etc/passwd}'])
def test_wrong_placeholders(text):
    with pytest.raises(SecretRefused) as error:
        Secrets({'A': '1'}).expand(text)
    assert "'${' must be followed by NAME} or NAME:default}" in str(error.value)


def test_a_name_that_is_not_set_names_all_four_places():
    with pytest.raises(SecretRefused) as error:
        Secrets({}).expand('${PW}')
    assert str(error.value) == (
        '${PW} is not set: set it in the environment, as a PW=value line in the credentials_file, '
        'as a file in $CREDENTIALS_DIRECTORY, or as /run/secrets/PW')


def test_a_secret_that_cannot_be_read(tmp_path):
    (tmp_path / 'NAME').write_bytes(b'\xff')
    with pytest.raises(SecretRefused) as error:
        Secrets({}, folders=(str(tmp_path),)).expand('${NAME}')
    assert 'NAME cannot be read: not UTF-8' in str(error.value)


# in a configuration

def write(tmp_path, text):
    path = tmp_path / 'site.yaml'
    path.write_text(text)
    return str(path)


def test_a_configuration_uses_its_credentials_file(tmp_path, credentials):
    path = write(tmp_path, 'credentials_file: credentials\n'
                           'cameras: [{name: gate, uri: "rtsp://admin:${CAMERA_PASSWORD}@${HOST:10.0.0.21}/x"}]\n')
    camera = load(path, {}).cameras[0]
    assert (camera.uri, camera.user, camera.password) == ('rtsp://10.0.0.21/x', 'admin', 'hunter2')
    assert load(path, {'CAMERA_PASSWORD': 'first'}).cameras[0].password == 'first'


def test_an_untrusted_credentials_file_is_a_mistake_like_others(tmp_path, credentials):
    credentials.chmod(0o644)
    path = write(tmp_path, 'credentials_file: credentials\ncameras:\n'
                           '  - {name: gate, uri: "test://", password: "${CAMERA_PASSWORD}"}\nmemory_mb: x\n')
    with pytest.raises(ConfigError) as error:
        load(path, {})
    first, second, third = error.value.problems
    assert first.startswith('credentials_file: ') and first.endswith('chmod 600 it (%s:1)' % path)
    assert second.startswith('cameras[0].password: ${CAMERA_PASSWORD} is not set')
    assert third.startswith('memory_mb: ')


def test_numbers_and_flags_may_come_from_the_environment(tmp_path):
    path = write(tmp_path, 'cameras: [{name: gate, uri: "test://", max_fps: "${FPS:5}", enabled: "${ON}",\n'
                           '           size: ["${W:640}", 360], password: "${PIN}", user: u}]\n'
                           'web: {port: "${PORT}"}\n')
    config = load(path, {'FPS': '7.5', 'ON': 'off', 'PIN': '0123', 'PORT': '8081'})
    camera = config.cameras[0]
    assert (camera.max_fps, camera.enabled, camera.size, config.web.port) == (7.5, False, (640, 360), 8081)
    assert camera.password == '0123'


@pytest.mark.parametrize('setting', ['name', 'max_fps', 'size', 'transport', 'uri', 'enabled', 'decoder', 'priority'])
def test_a_mistake_shows_the_placeholder_and_not_its_value(tmp_path, setting):
    camera = dict({'name': 'gate', 'uri': 'test://'}, **{setting: '${SECRET}'})
    path = write(tmp_path, 'cameras:\n- {%s}\n' % ', '.join('%s: "%s"' % pair for pair in camera.items()))
    with pytest.raises(ConfigError) as error:
        load(path, {'SECRET': 'hunter2: !'})
    assert len(error.value.problems) == 1
    assert 'hunter2' not in str(error.value)
    assert 'not the value of ${SECRET}' in str(error.value)


def test_a_mistake_shows_no_default_either(tmp_path):
    path = write(tmp_path, 'cameras: [{name: gate, uri: "test://", max_fps: "x${A:hunter2}${B:hunter3}hunter4"}]\n')
    with pytest.raises(ConfigError) as error:
        load(path, {})
    assert str(error.value).startswith(
        'cameras[0].max_fps: must be a number from 0.1 to 240, not the value of ${A} and ${B} (')


def test_a_placeholder_in_a_list_is_not_shown_either(tmp_path):
    path = write(tmp_path, 'cameras: [{name: gate, uri: "test://", size: ["${SECRET}", 360]}]\n')
    with pytest.raises(ConfigError) as error:
        load(path, {'SECRET': 'hunter2'})
    assert 'not ["${SECRET}", 360]' in str(error.value)
