"""What a simulator may be asked to do, its addresses, and where its password does not go."""
import json
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from edge_app.commands.simulate import simulate, snippet
from edge_app.errors import ConfigError
from edge_app.testing.simulator.settings import DEMO_PASSWORD, MAIN, SUB, Settings


def test_behind_one_port_cameras_are_channels_of_a_recorder():
    settings = Settings(cameras=12, port=5540)
    assert settings.uri(1, MAIN, [5540]) == 'rtsp://127.0.0.1:5540/Streaming/Channels/101'
    assert settings.uri(12, SUB, [5540]) == 'rtsp://127.0.0.1:5540/Streaming/Channels/1202'


def test_with_a_port_each_every_camera_is_channel_one():
    settings = Settings(cameras=2, first=3, port_per_camera=True)
    assert settings.uri(4, SUB, [7001, 7002]) == 'rtsp://127.0.0.1:7002/Streaming/Channels/102'


@pytest.mark.parametrize('size, sub', [((640, 360), (320, 180)), ((320, 180), (160, 90)), ((1920, 1080), (960, 540)),
                                       ((720, 576), (360, 288)), ((80, 36), (40, 18))])
def test_the_sub_stream_is_half_as_large_and_needs_no_padding(size, sub):
    settings = Settings(size=size)
    assert settings.sub_size == sub
    assert settings.sub_size[0] % 8 == 0 and settings.sub_size[1] % 2 == 0


def test_the_timecode_is_burnt_in_unless_switched_off(monkeypatch):
    served = []
    monkeypatch.setattr('edge_app.testing.simulator.serve.serve', lambda settings, _ready: served.append(settings))
    for options in ([], ['--no-timecode']):
        assert CliRunner().invoke(simulate, options, catch_exceptions=False).exit_code == 0
    assert [settings.timecode for settings in served] == [True, False]
    assert Settings.from_json(served[1].to_json()).timecode is False


def test_a_key_frame_each_second_unless_asked_otherwise():
    assert Settings(fps=12.5).key_interval == 12
    assert Settings(fps=0.5).key_interval == 1
    assert Settings(fps=12.5, gop=50).key_interval == 50


@pytest.mark.parametrize('wrong, word', [
    ({'cameras': 0}, '--cameras'), ({'cameras': 251}, '--cameras'), ({'size': (650, 360)}, '--size'),
    ({'size': (640, 361)}, '--size'), ({'fps': 0}, '--fps'), ({'gop': 0}, '--gop'), ({'bitrate_kbit': 0}, '--bitrate'),
    ({'codec': 'vp8'}, '--codec'), ({'port': 65530, 'cameras': 9, 'port_per_camera': True}, '--port'),
    ({'user': ''}, '--user'), ({'password': ''}, 'password'), ({'files': ['/no/such.mp4']}, '/no/such.mp4')])
def test_each_mistake_is_named(wrong, word):
    with pytest.raises(ConfigError) as caught:
        Settings(**wrong)
    assert word in str(caught.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Settings(cameras=0, fps=0, codec='vp8')
    assert len(caught.value.problems) == 3


def test_the_demo_password_serves_the_loopback_only():
    assert Settings(host='127.0.0.1').password == DEMO_PASSWORD
    assert Settings(host='0.0.0.0', password='of my own').host == '0.0.0.0'
    with pytest.raises(ConfigError) as caught:
        Settings(host='0.0.0.0')
    assert '--password-env' in str(caught.value)


def test_settings_survive_the_pipe_and_hide_the_password():
    settings = Settings(cameras=3, size=(320, 180), password='p@ss:w/rd', conditions='dusk rain')
    assert Settings.from_json(settings.to_json()) == settings
    assert 'p@ss' not in repr(settings)


@pytest.mark.parametrize('line', ['', '[]', '{"cameras": "three"}', '{"camera": 3}'])
def test_other_settings_are_refused(line):
    with pytest.raises(ConfigError):
        Settings.from_json(line)


def test_files_go_round_the_cameras(tmp_path):
    paths = [str(tmp_path / name) for name in ('a.mp4', 'b.mp4')]
    for path in paths:
        open(path, 'w').close()
    settings = Settings(cameras=3, files=paths)
    assert [settings.file_of(number) for number in settings.numbers] == [paths[0], paths[1], paths[0]]
    assert Settings(cameras=3).file_of(1) is None


def test_the_printed_configuration_names_the_cameras_and_not_the_password():
    text = snippet(Settings(cameras=2, user='ad: min', password='secret-9'), [5540])
    cameras = yaml.safe_load(text)['cameras']
    assert [camera['uri'] for camera in cameras] == ['rtsp://127.0.0.1:5540/Streaming/Channels/101',
                                                     'rtsp://127.0.0.1:5540/Streaming/Channels/201']
    assert {camera['user'] for camera in cameras} == {'ad: min'}
    assert {camera['password'] for camera in cameras} == {'${CAMERA_PASSWORD}'}
    assert 'secret-9' not in text


@pytest.mark.parametrize('options, environment, written', [
    ([], {}, '${CAMERA_PASSWORD:drawn-cameras}'), ([], {'EDGE_APP_SIMULATE_PASSWORD': 'x'},
                                                   '${EDGE_APP_SIMULATE_PASSWORD}'),
    (['--password-env', 'MINE'], {'MINE': 'x'}, '${MINE}'), (['--password-file', 'FILE'], {}, '${CAMERA_PASSWORD}')])
def test_the_printed_configuration_names_the_variable_that_holds_the_password(
        options, environment, written, tmp_path, monkeypatch):
    path = tmp_path / 'password'
    path.write_text('s e:cret\n')
    monkeypatch.setattr('edge_app.testing.simulator.serve.serve',
                        lambda _settings, ready: ready(SimpleNamespace(ports=[5540])))
    options = [str(path) if option == 'FILE' else option for option in options]
    output = CliRunner().invoke(simulate, options + ['--cameras', '1'], env=environment, catch_exceptions=False).output
    assert [camera['password'] for camera in yaml.safe_load(output)['cameras']] == [written]


def test_an_address_of_ipv6_has_brackets():
    assert Settings(host='::1').uri(1, MAIN, [5540]) == 'rtsp://[::1]:5540/Streaming/Channels/101'


def test_list_prints_every_address_and_starts_nothing():
    result = CliRunner().invoke(simulate, ['--list', '--cameras', '2', '--port-per-camera', '--port', '6000'])
    assert result.exit_code == 0
    assert [line.split()[3] for line in result.output.splitlines()] == [
        'rtsp://127.0.0.1:6000/Streaming/Channels/101', 'rtsp://127.0.0.1:6001/Streaming/Channels/101']


def test_a_password_comes_from_a_file_or_the_environment_never_from_an_argument(tmp_path):
    path = tmp_path / 'password'
    path.write_text('s e:cret\n')
    outside = ['--list', '--host', '0.0.0.0']
    assert CliRunner().invoke(simulate, outside + ['--password-file', str(path)]).exit_code == 0
    assert CliRunner().invoke(simulate, outside, env={'EDGE_APP_SIMULATE_PASSWORD': 'x'}).exit_code == 0
    assert isinstance(CliRunner().invoke(simulate, outside).exception, ConfigError)
    missing = CliRunner().invoke(simulate, ['--list', '--password-env', 'NOT_SET_ANYWHERE'])
    assert 'NOT_SET_ANYWHERE' in str(missing.exception)
    assert not [option for option in simulate.params if '--password' in option.opts]


def test_settings_hold_nothing_json_cannot_carry():
    assert json.loads(Settings(files=()).to_json())['size'] == [640, 360]
