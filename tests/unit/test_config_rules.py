"""What one setting cannot know of another."""
import logging
import os

import pytest

from edge_app.config import from_dict, load
from edge_app.errors import ConfigError

GATE = {'name': 'gate', 'uri': 'test://'}


def problems(**sections):
    with pytest.raises(ConfigError) as error:
        from_dict(dict({'cameras': [GATE]}, **sections))
    return list(error.value.problems)


@pytest.mark.parametrize('name', ['mosaic', 'birdseye'])
def test_reserved_names(name):
    assert problems(cameras=[dict(GATE, name=name)]) == [
        "cameras[0].name: '%s' is reserved for the mosaic" % name]


@pytest.mark.parametrize('name', ['a/b', '../a', 'a b', '', 'a.b', 'caf\u00e9', 'a' * 65, 'a\n'])
def test_illegal_names(name):
    assert problems(cameras=[dict(GATE, name=name)])[0].startswith('cameras[0].name: must be ')


def test_a_name_given_twice_is_found_beside_other_mistakes():
    found = problems(cameras=[GATE, {'name': 'gate', 'uri': 'x'}])
    assert found == ['cameras[1].uri: bad URI: must start with a scheme such as rtsp://host/path',
                     "cameras[1].name: 'gate' is already the name of cameras[0]"]


def test_a_name_that_is_the_address_of_another_view():
    assert problems(cameras=[GATE, dict(GATE, name='gate_annotated')]) == [
        "cameras[1].name: 'gate_annotated' is the address of that camera's annotated view"]


def test_more_wanted_at_least_than_at_most():
    assert problems(cameras=[dict(GATE, min_fps=10, max_fps=5)]) == [
        'cameras[0].min_fps: must not be above max_fps, which is 5']


def test_user_and_password_in_a_uri_are_kept_apart():
    camera = from_dict({'cameras': [{'name': 'gate', 'uri': 'rtsp://admin:p%40ss@host/sub',
                                     'record_uri': 'rtsp://admin:p%40ss@host/main'}]}).cameras[0]
    assert (camera.uri, camera.record_uri) == ('rtsp://host/sub', 'rtsp://host/main')
    assert (camera.user, camera.password) == ('admin', 'p@ss')
    assert 'p@ss' not in repr(camera)


def test_two_passwords_for_one_camera():
    camera = {'name': 'gate', 'uri': 'rtsp://admin:hunter2@host/sub', 'user': 'admin', 'password': 'hunter3'}
    assert problems(cameras=[camera]) == [
        'cameras[0].uri: contains another user or password than the settings beside it: remove it here']


@pytest.mark.parametrize('uri', ['rtsp://127.0.0.1:8554', 'rtsp://127.0.0.1:8554/'])
def test_an_rtsp_output_needs_a_path(uri):
    assert problems(outputs=[{'uri': uri}]) == [
        'outputs[0].uri: needs a path, such as rtsp://127.0.0.1:8554/mosaic']


def test_outputs_share_a_port_but_not_a_path():
    one, two = {'uri': 'rtsp://127.0.0.1:8554/mosaic'}, {'uri': 'rtsp://127.0.0.1:8554/small', 'size': [640, 360]}
    assert len(from_dict({'cameras': [GATE], 'outputs': [one, two, {'uri': 'window:'}, {'uri': 'null:'}]}).outputs) == 4
    assert problems(outputs=[one, two, dict(one, fps=5)]) == [
        'outputs[2].uri: is already the address of outputs[0]: use another path']


LOGIN = {'user': 'u', 'password': 'p'}


@pytest.mark.parametrize('outputs, web, found', [
    (['rtsp://127.0.0.1:8554/a', 'rtsp://0.0.0.0:8554/b'], False, 'outputs[1].uri: 8554 is the port of outputs[0].uri'),
    (['rtsp://127.0.0.1:8554/a', 'rtsp://localhost:8554/b'], False, 'outputs[1].uri: 8554 is the port of'),
    (['rtsp://127.0.0.1:8554/a'], {'port': 8554}, 'web.port: 8554 is the port of outputs[0].uri, too: use another'),
    (['rtsp://0.0.0.0:8080/a'], {'port': 8080}, 'web.port: 8080 is the port of outputs[0].uri'),
    (['rtsp://127.0.0.1:8554/a', 'rtsp://127.0.0.2:8554/b'], {'port': 8555}, None),
    (['rtsp://127.0.0.1:8554/a', 'rtsp://127.0.0.1:8554/b'], {'host': '127.0.0.2', 'port': 8554}, None),
    (['rtsp://127.0.0.1:8080/a'], {}, None)])   # the page takes the next free one
def test_a_port_serves_one_thing(outputs, web, found):
    values = {'cameras': [GATE], 'outputs': [dict(LOGIN, uri=uri) for uri in outputs], 'web': web}
    if not found:
        assert len(from_dict(values).outputs) == len(outputs)
    else:
        with pytest.raises(ConfigError) as error:
            from_dict(values)
        problem, = error.value.problems
        assert problem.startswith(found)


@pytest.mark.parametrize('text, found', [
    ('outputs: [{uri: "file://a.mkv"}, {uri: "file:///FOLDER/a.mkv"}]',
     'outputs[1].uri: is already the file of outputs[0]'),
    ('sinks: [{uri: "file://a.jsonl"}, {uri: "file://./a.jsonl"}]', 'sinks[1].uri: is already the file of sinks[0]'),
    ('outputs: [{uri: "file://clip.mkv"}]', 'outputs[0].uri: is already the file of cameras[0]'),
    ('outputs: [{uri: "file://mosaic.avi"}]', 'outputs[0].uri: bad URI: the name of the file must end with .mkv or'),
    ('outputs: [{uri: "file://mosaic"}]', 'outputs[0].uri: bad URI: the name of the file must end with .mkv or')])
def test_a_file_is_written_by_one_and_can_be(tmp_path, text, found):
    (tmp_path / 'clip.mkv').write_text('')
    path = tmp_path / 'site.yaml'
    path.write_text('cameras: [{name: gate, uri: "file://clip.mkv"}]\n' + text.replace('/FOLDER', str(tmp_path)))
    with pytest.raises(ConfigError) as error:
        load(str(path))
    problem, = error.value.problems
    assert problem.startswith(found) and problem.endswith('(%s:2)' % path)


@pytest.mark.parametrize('path, raw, good', [('gate', True, False), ('gate', False, True),
                                             ('gate_annotated', True, False)])
def test_an_output_does_not_take_a_cameras_path(path, raw, good):
    outputs = [{'uri': 'rtsp://127.0.0.1:8554/' + path, 'raw': raw}]
    if good:
        assert from_dict({'cameras': [GATE], 'outputs': outputs}).outputs[0].uri.endswith('/gate')
    else:
        assert problems(outputs=outputs) == ["outputs[0].uri: is the address of camera 'gate': use another path"]


def test_memory_for_at_least_three_frames_of_each_camera():
    cameras = [dict(GATE, name='c%d' % n, size=[3840, 2160]) for n in range(4)]
    # 3840 x 2160 x 1.5 x 3 slots x 4 cameras = 142.4 MiB
    assert problems(cameras=cameras, memory_mb=142) == [
        'memory_mb: the rings of these cameras need 143, not 142; or set smaller sizes']
    assert from_dict({'cameras': cameras, 'memory_mb': 143}).memory_mb == 143
    cameras[0]['enabled'] = False
    assert from_dict({'cameras': cameras, 'memory_mb': 142}).memory_mb == 142


# what works but is unwise

def warnings(tmp_path, text, mode=0o600):
    path = tmp_path / 'site.yaml'
    path.write_text(text)
    path.chmod(mode)
    config = load(str(path), {'PW': 'hunter2'})
    return [warning.replace(str(path), 'site.yaml') for warning in config.warnings]


def test_nothing_unwise_about_a_good_file(tmp_path):
    assert warnings(tmp_path, 'cameras: [{name: gate, uri: "rtsp://admin:${PW}@host/x"}]', 0o644) == []


@pytest.mark.parametrize('mode, warned', [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_password_in_a_file_others_can_read(tmp_path, caplog, mode, warned):
    text = ('cameras:\n  - {name: a, uri: "rtsp://u:hunter2@h/x"}\n'
            '  - {name: b, uri: "test://", user: u, password: pw}\n')
    with caplog.at_level(logging.WARNING):
        found = warnings(tmp_path, text, mode)
    expected = ['cameras[0].uri: a password in a file others can read: chmod 600 the file, or write ${NAME} '
                '(site.yaml:2)',
                'cameras[1].password: a password in a file others can read: chmod 600 the file, or write ${NAME} '
                '(site.yaml:3)']
    assert found == (expected if warned else [])
    assert len(caplog.records) == len(found)
    assert 'hunter2' not in caplog.text


@pytest.mark.parametrize('mode', [0o666, 0o602, 0o777])
def test_one_that_anybody_may_change_is_refused(tmp_path, mode):
    """They could have the cameras' passwords sent to an address of their own."""
    with pytest.raises(ConfigError) as error:
        warnings(tmp_path, 'cameras: [{name: gate, uri: "rtsp://admin:${PW}@host/x"}]', mode)
    assert str(error.value) == (
        "configuration: anybody on this machine may change it (mode %04o), and so have the cameras' passwords sent "
        'elsewhere: chmod o-w it (%s:1)' % (mode, tmp_path / 'site.yaml'))


def test_one_of_another_user_is_taken_with_a_warning(tmp_path, monkeypatch):
    """Usual with sudo and in containers; its owner may read what its reader may."""
    monkeypatch.setattr(os, 'geteuid', lambda: os.getuid() + 4321)
    text = 'cameras: [{name: gate, uri: "test://"}]'
    (tmp_path / 'site.yaml').write_text(text)
    if os.getuid() == 0:
        os.chown(str(tmp_path / 'site.yaml'), 65534, 65534)
    owner = os.stat(str(tmp_path / 'site.yaml')).st_uid
    assert warnings(tmp_path, text) == [
        'configuration: belongs to another user (%d), who may change it: chown it to the user that runs edge-app '
        '(site.yaml:1)' % owner]
    monkeypatch.setattr(os, 'geteuid', lambda: owner)
    assert warnings(tmp_path, text) == []


@pytest.mark.parametrize('text, words', [
    ('web: {host: 0.0.0.0, token: "0123456789abcdef-${PW}"}', 'web.host: credentials travel unencrypted'),
    ('cameras: [{name: a, uri: "test://", password: "${PW}"}]', 'cameras[0].password: a password without a user'),
    ('cameras: [{name: a, uri: "test://", record_uri: "test://"}]', 'cameras[0].record_uri: has no effect yet'),
    ('cameras: [{name: a, uri: "test://", user: u, password: "***"}]',
     "cameras[0].password: '***' is what a dump shows")])
def test_warnings(tmp_path, text, words):
    text = text if text.startswith('cameras') else 'cameras: [{name: a, uri: "test://"}]\n' + text
    found = warnings(tmp_path, text)
    assert len(found) == 1 and found[0].startswith(words)


def test_an_output_with_a_password_may_be_for_everybody(tmp_path):
    assert warnings(tmp_path, 'cameras: [{name: a, uri: "test://"}]\n'
                              'outputs: [{uri: "rtsp://viewer:${PW}@0.0.0.0:8554/mosaic"}]') == []


# nothing is open to the network that asks for nothing

HASHED = {'user': 'guest', 'password_hash': 'pbkdf2-sha256:1000:%s:%s' % ('s' * 24, 'h' * 43)}
TOKEN = {'token': '0123456789abcdef'}


@pytest.mark.parametrize('host', ['0.0.0.0', '10.0.0.5', '::', 'gate-box'])
def test_the_page_on_the_network_needs_credentials(host):
    problem, = problems(web={'host': host})
    assert problem.startswith('web.host: anyone who can reach %s' % host) and '--hash-password' in problem
    for asked in (HASHED, TOKEN):
        assert from_dict({'cameras': [GATE], 'web': dict(asked, host=host)}).web.protected
    assert not from_dict({'cameras': [GATE], 'web': {'enabled': False, 'host': host}}).web.protected


@pytest.mark.parametrize('host', ['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'LOCALHOST'])
def test_the_page_on_loopback_need_not(host):
    assert from_dict({'cameras': [GATE], 'web': {'host': host}}).web.host == host


@pytest.mark.parametrize('host, written', [('0.0.0.0', '0.0.0.0'), ('10.0.0.5', '10.0.0.5'), ('::', '[::]')])
def test_a_stream_on_the_network_needs_user_and_password(host, written):
    output = {'uri': 'rtsp://%s:8554/mosaic' % written}
    assert problems(outputs=[output]) == [
        'outputs[0].uri: anyone who can reach %s could watch: set user and password, or use 127.0.0.1' % host]
    assert from_dict({'cameras': [GATE], 'outputs': [dict(output, user='viewer', password='pw')]}).outputs[0].password


@pytest.mark.parametrize('section, place', [
    ({'outputs': [{'uri': 'rtsp://127.0.0.1:8554/x', 'password': 'pw'}]}, 'outputs[0]'),
    ({'outputs': [{'uri': 'rtsp://127.0.0.1:8554/x', 'user': 'u'}]}, 'outputs[0]'),
    ({'web': {'user': 'u'}}, 'web'), ({'web': {'password_hash': HASHED['password_hash']}}, 'web')])
def test_a_user_and_a_password_go_together(section, place):
    problem, = problems(**section)
    assert problem.startswith(place + '.user: user and password')


def test_a_weak_token_is_refused_and_not_shown():
    problem, = problems(web={'token': 'hunter2'})
    assert problem.startswith('web.token: must be 16 to 256') and 'hunter2' not in problem


def test_tls_needs_a_certificate():
    outputs = [{'uri': 'rtsps://127.0.0.1:8554/mosaic'}]
    assert problems(outputs=outputs) == ['outputs[0].uri: rtsps:// needs tls.certificate']
    assert problems(tls={'key': '/k.pem'}) == ['tls.key: a key without tls.certificate']
    outputs.append({'uri': 'rtsp://127.0.0.1:8554/other'})
    assert problems(outputs=outputs, tls={'certificate': '/c.pem'}) == [
        'outputs[1].uri: rtsp:// and rtsps:// need different ports: use another port']
