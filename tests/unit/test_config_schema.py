"""The classes of a configuration: made in code, from addresses, and back and forth through plain values."""
import json
import pickle

import attrs
import pytest

from edge_app.config import Camera, Config, Display, Engine, Output, Sink, Tls, Web, from_dict, from_uris, to_dict
from edge_app.config.schema import settings
from edge_app.config.types import ListOf, Section
from edge_app.engine import BACKENDS
from edge_app.errors import ConfigError

FULL = Config(
    cameras=(Camera('gate', 'rtsp://10.0.0.21/live', user='admin', password='hunter2', transport='udp', latency_ms=0,
                    size=(1280, 720), max_fps=12.5, min_fps=2, priority=3, motion_percent=0.5, max_staleness_s=0.5,
                    enabled=False, record_uri='rtsp://10.0.0.21/main', decoder='software', parser='none',
                    low_delay='on', first_frame_s=20.0, silence_s=3.0, allow_basic=True,
                    tls_fingerprint=':'.join(['AB'] * 32), process_memory_mb=500),
             Camera('yard', 'test://')),
    engine=Engine(model='/models/a.onnx', card='/models/b.yaml', backend='onnxruntime', batch=2, score=0.3, iou=0.5,
                  precision='fp16', threads=2, classes=('person', 'car')),
    outputs=(Output('rtsp://127.0.0.1:8554/mosaic', size=(1920, 1080), fps=12.5, bitrate_kbit=800, overlay='exact',
                    align_ms=200, user='viewer', password='hunter3', raw=False, annotated=False), Output('window:')),
    sinks=(Sink('stdout:'), Sink('file:///tmp/events.jsonl')),
    web=Web(enabled=False, host='0.0.0.0', port=9000, token='0123456789abcdefXYZ', user='guest',
            password_hash='pbkdf2-sha256:1000:' + 's' * 24 + ':' + 'h' * 43),
    tls=Tls('/etc/edge-app/tls.pem', '/etc/edge-app/tls.key'),
    display=Display(labels=False, names=False, warnings=False, no_signal_s=1.5),
    memory_mb=64, credentials_file='/etc/edge-app/credentials')


@pytest.mark.parametrize('section', [FULL, FULL.cameras[0], FULL.cameras[1], FULL.engine, FULL.outputs[0],
                                     FULL.sinks[1], FULL.web, FULL.tls, FULL.display, Engine(enabled=False), Web()])
def test_plain_values_round_trip(section):
    plain = to_dict(section, secrets=True)
    assert from_dict(json.loads(json.dumps(plain)), type(section)) == section
    assert pickle.loads(pickle.dumps(section)) == section


def test_every_setting_of_the_full_example_is_not_its_default():
    # else there_and_back would not notice one that is lost
    for section in (FULL.cameras[0], FULL.outputs[0], FULL.web, FULL.tls, FULL.display):
        for name, field in settings(type(section)).items():
            assert getattr(section, name) != field.default, name


def test_to_dict_follows_the_schema():
    plain = to_dict(FULL)
    assert list(plain) == list(settings(Config))
    assert list(plain['cameras'][0]) == list(settings(Camera))
    assert plain['cameras'][0]['size'] == [1280, 720]


def test_secrets_are_masked_unless_requested():
    for text in (repr(FULL), str(FULL), json.dumps(to_dict(FULL))):
        assert 'hunter' not in text
    assert to_dict(FULL)['cameras'][0]['password'] == '***'
    assert to_dict(FULL)['cameras'][1]['password'] == ''
    assert to_dict(FULL, secrets=True)['cameras'][0]['password'] == 'hunter2'


def test_a_password_in_a_query_is_masked():
    camera = Camera('gate', 'http://host/v.cgi?user=a&pwd=hunter2')
    assert to_dict(camera)['uri'] == camera.address == 'http://host/v.cgi?user=a&pwd=***'
    assert from_dict(to_dict(camera, secrets=True), Camera) == camera


@pytest.mark.parametrize('make, problem', [
    (lambda: Camera('gate yard', 'test://'), "name: must be letters, digits, '-' and '_' (at most 64)"),
    (lambda: Camera('gate', 'tset://'), "uri: unknown scheme 'tset', did you mean 'test'?"),
    (lambda: Camera('gate', 'rtsp://a:b@host/x'), 'uri: give user and password as settings of their own'),
    (lambda: Camera('gate', 'test://', size=(641, 360)), 'size: must have a width that is a multiple of 16 and an even '
                                                         'height, such as [640, 360]'),
    (lambda: Web(port=0), 'port: must be a whole number from 1 to 65535'),
    (lambda: Engine(classes='person'), 'classes: must be a list of text')])
def test_code_is_held_to_the_same_rules(make, problem):
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value) == problem


def test_a_config_does_not_change():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        FULL.memory_mb = 1
    assert Camera('gate', 'test://', size=[640, 360]).size == (640, 360)


def test_from_dict_names_every_mistake_without_a_file():
    with pytest.raises(ConfigError) as error:
        from_dict({'cameras': [{'name': 'a', 'uri': 'tset://'}], 'memory_mb': 'x'})
    assert error.value.problems == ("cameras[0].uri: unknown scheme 'tset', did you mean 'test'?",
                                    "memory_mb: must be a whole number from 16 to 65536, not 'x'")


def test_from_dict_looks_nothing_up(monkeypatch):
    monkeypatch.setenv('NAME', 'value')
    values = {'name': 'gate', 'uri': 'test://', 'password': '${NAME}'}
    assert from_dict(values, Camera).password == '${NAME}'


def test_backends_are_those_there_are():
    assert settings(Engine)['backend'].metadata['kind'].choices == ('auto',) + tuple(BACKENDS)


def test_every_setting_says_what_it_means_and_has_a_good_default():
    pages = [Config] + [field.metadata['kind'].cls for field in settings(Config).values()
                        if isinstance(field.metadata['kind'], (Section, ListOf))]
    for cls in pages:
        for name, field in settings(cls).items():
            assert field.metadata['means'].endswith('.'), name
            if field.default not in (attrs.NOTHING, None) and not isinstance(field.metadata['kind'], (Section, ListOf)):
                assert field.metadata['kind'].read(field.default) == field.default


# cameras of a command line

def test_addresses_become_cameras_with_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'front door.mp4').write_bytes(b'')
    (tmp_path / 'mosaic.mp4').write_bytes(b'')
    config = from_uris(['rtsp://admin:p%40ss@10.0.0.21/Streaming/Channels/101', 'rtsp://127.0.0.1:8554/gate',
                        'rtsp://127.0.0.1:8555/gate', 'front door.mp4', '/dev/video0', 'file://mosaic.mp4'])
    assert [camera.name for camera in config.cameras] == ['cam1', 'gate', 'gate-2', 'front-door', 'cam5', 'mosaic-2']
    assert [camera.uri for camera in config.cameras] == [
        'rtsp://10.0.0.21/Streaming/Channels/101', 'rtsp://127.0.0.1:8554/gate', 'rtsp://127.0.0.1:8555/gate',
        'file://%s/front%%20door.mp4' % tmp_path, 'v4l2:///dev/video0', 'file://%s/mosaic.mp4' % tmp_path]
    assert (config.cameras[0].user, config.cameras[0].password) == ('admin', 'p@ss')


def test_a_file_that_is_not_there_is_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        from_uris(['gone.mp4', '10.0.0.21', 'below/Gone.MKV'])
    assert sorted(error.value.problems) == [
        'cameras[0].uri: no such file: %s/gone.mp4' % tmp_path,
        'cameras[1].uri: bad URI: must start with a scheme such as rtsp://host/path',
        'cameras[2].uri: no such file: %s/below/Gone.MKV' % tmp_path]


def test_addresses_with_settings_for_all_and_sections():
    config = from_uris(['test://', 'test://'], each={'max_fps': 5}, engine={'enabled': False}, outputs=[],
                       web={'port': 8081})
    assert [camera.max_fps for camera in config.cameras] == [5, 5]
    assert (config.engine.enabled, config.outputs, config.web.port) == (False, (), 8081)


def test_wrong_addresses_are_all_named():
    with pytest.raises(ConfigError) as error:
        from_uris(['rstp://h/x', 'gone'])
    assert error.value.problems == ("cameras[0].uri: unknown scheme 'rstp', did you mean 'rtsp'?",
                                    'cameras[1].uri: bad URI: must start with a scheme such as rtsp://host/path')
    with pytest.raises(ConfigError) as error:
        from_uris([])
    assert 'no cameras' in str(error.value)
