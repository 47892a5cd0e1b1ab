"""URIs: what is accepted, what a mistake says, and that a password never shows."""
import re

import pytest

from edge_app import uris
from edge_app.schemes import CAMERAS, OUTPUTS, SINKS


@pytest.mark.parametrize('uri', [
    'rtsp://10.0.0.21/Streaming/Channels/101', 'rtsps://host:322/x?a=b&c=d', 'rtmp://host/live/key',
    'http://host:80/video.mjpg', 'https://host', 'rtsp://[fe80::1%25eth0]:554/x', 'rtsp://[::1]/x',
    'rtsp://admin:p@ss:w@host/x', 'rtsp://under_score/x', 'rtsp://10.0.0.1/live@main', 'rtsp://cam.lan:554/a@b?c=@',
    'file://clip.mp4', 'file:///a b/c.mp4', 'file:clip.mp4',
    'v4l2:///dev/video0', 'test://', 'test://boxes?fps=10'])
def test_cameras(uri):
    assert uris.check(uri, CAMERAS) == uri


@pytest.mark.parametrize('uri, normal', [
    ('window:', 'window:'), ('window', 'window:'), ('windows:', 'windows:'), ('null', 'null:'), ('null:', 'null:'),
    ('RTSP://host/Path', 'rtsp://host/Path'), ('file:///tmp/mosaic.mp4', 'file:///tmp/mosaic.mp4')])
def test_outputs(uri, normal):
    assert uris.check(uri, OUTPUTS) == normal


def test_sinks():
    assert uris.check('stdout', SINKS) == 'stdout:'
    with pytest.raises(ValueError) as error:
        uris.check('mqtt://broker/edge', SINKS)
    assert str(error.value) == "unknown scheme 'mqtt', use file, stdout"


@pytest.mark.parametrize('uri, words', [
    ('rstp://host/x', "unknown scheme 'rstp', did you mean 'rtsp'?"),
    ('rtp://host/x', "unknown scheme 'rtp', did you mean"),
    ('gopher://host/x', "unknown scheme 'gopher', use rtsp, rtsps"),
    ('x ! filesink location=/tmp/y', 'must start with a scheme such as rtsp://host/path'),
    ('rtsp://host/x ! filesink location=/tmp/y', 'spaces and control characters'),
    ('rtsp://host/x\nGET', 'spaces and control characters'),
    ('10.0.0.21', 'must start with a scheme'), ('', 'must start with a scheme'),
    ('rtsp:/host/x', "'//' and a host must follow"), ('rtsp:host', "'//' and a host must follow"),
    ('rtsp://', 'no host'), ('rtsp:///x', 'no host'), ('rtsp://admin:pw@/x', 'no host'), ('rtsp://h!st/x', 'no host'),
    ('rtsp://host:0/x', 'a port is a number from 1 to 65535'), ('rtsp://host:70000/x', 'a port is a number'),
    ('rtsp://host:' + '9' * 5000, 'a port is a number'),
    ('rtsp://admin:a%0d%0ab@host/x', 'control characters in its user or password'),
    ('file://', 'names no file'), ('v4l2://video0', 'v4l2:///dev/video0')])
def test_mistakes(uri, words):
    with pytest.raises(ValueError) as error:
        uris.check(uri, CAMERAS)
    assert words in str(error.value)


@pytest.mark.parametrize('host', ['host', '10.0.0.21', 'cam.lan:554', '[fe80::1]', 'localhost'])
@pytest.mark.parametrize('password', [
    'hunter2/x', 'hunter2?x', 'hunter2#x', 'hunter2 x', 'hunter2\tx', 'hun@ter2/x', 'hun@ter2#x', '12/hunter2',
    'hunter2@#', 'hun:ter@2?', 'h%u@nter2/@x', 'a.b@hunter2/'])
def test_a_mistake_shows_no_password(password, host):
    with pytest.raises(ValueError) as error:
        uris.check('rtsp://admin:%s@%s/live' % (password, host), CAMERAS)
    assert not [part for part in ('hunter2', 'hun', 'ter2', 'nter2') if part in str(error.value)]
    assert '%' in str(error.value)      # the escapes


def test_the_escapes_are_right():
    for character, escape in re.findall("'(.)' as (%..)", uris.ESCAPES):
        uri = uris.check('rtsp://admin:a%sb@10.0.0.21/live' % escape, CAMERAS)
        assert uris.split_credentials(uri) == ('rtsp://10.0.0.21/live', 'admin', 'a%sb' % character)
        assert uris.is_escaped(uri)


@pytest.mark.parametrize('uri, escaped', [
    ('rtsp://admin:p@ss@10.0.0.21/x', False), ('rtsp://admin:a:b@10.0.0.21/x', False), ('rtsp://a:100%@host/x', False),
    ('rtsp://admin:p%40ss@10.0.0.21/a:b:c%', True), ('rtsp://10.0.0.21/a:b:c%', True), ('file:///a:b:c@100%', True)])
def test_characters_that_others_read_differently(uri, escaped):
    assert uris.is_escaped(uris.check(uri, CAMERAS)) == escaped


def test_an_at_sign_may_be_in_the_path_of_a_host_with_a_dot():
    assert uris.check('rtsp://admin:pw@10.0.0.21/live@main', CAMERAS) == 'rtsp://admin:pw@10.0.0.21/live@main'


@pytest.mark.parametrize('uri, split', [
    ('rtsp://host/x', ('rtsp://host/x', '', '')),
    ('rtsp://admin:pw@host:554/x?y=1#z', ('rtsp://host:554/x?y=1#z', 'admin', 'pw')),
    ('rtsp://admin@host/x', ('rtsp://host/x', 'admin', '')),
    ('rtsp://:pw@host/x', ('rtsp://host/x', '', 'pw')),
    ('rtsp://us%40er:p%40%2Fs%3As%25@host/x', ('rtsp://host/x', 'us@er', 'p@/s:s%')),
    ('rtsp://admin:p@ss:w@[::1]:554/x', ('rtsp://[::1]:554/x', 'admin', 'p@ss:w')),
    ('http://admin:gr%C3%BCn@host', ('http://host', 'admin', 'gr\u00fcn')),
    ('file:///a@b:c', ('file:///a@b:c', '', '')),
    ('test://', ('test://', '', ''))])
def test_user_and_password_are_taken_out(uri, split):
    assert uris.split_credentials(uri) == split


@pytest.mark.parametrize('uri, shown', [
    ('rtsp://admin:hunter2@host/x', 'rtsp://host/x'),
    ('rtsp://admin:hun@ter2@host/x', 'rtsp://host/x'),
    ('http://host/v.cgi?user=admin&password=hunter2&n=1', 'http://host/v.cgi?user=admin&password=***&n=1'),
    ('http://host/v.cgi?pwd=hunter2', 'http://host/v.cgi?pwd=***'),
    ('http://host/v?TOKEN=hunter2#x', 'http://host/v?TOKEN=***#x'),
    ('rtsp://host/user=admin_password=hun_ter2_channel=1_stream=0.sdp?real_stream',
     'rtsp://host/user=admin_password=***_channel=1_stream=0.sdp?real_stream'),
    ('rtsp://host/monkey=1?x=2', 'rtsp://host/monkey=1?x=2'),
    ('rtsp://host/Streaming/Channels/101', 'rtsp://host/Streaming/Channels/101'),
    ('not a uri', 'not a uri')])
def test_what_is_shown_holds_no_secret(uri, shown):
    assert uris.masked(uri) == shown


@pytest.mark.parametrize('uri, name', [
    ('rtsp://10.0.0.21/Streaming/Channels/101', 'cam3'), ('rtsp://127.0.0.1:8554/gate', 'gate'),
    ('rtsp://admin:secret@host/gate?x=1', 'gate'), ('rtsp://host', 'cam3'), ('rtsp://host/101', 'cam3'),
    ('file:///videos/front door.mp4', 'front-door'), ('file://1.mp4', 'cam3'), ('file://a%20b.mp4', 'a-b'),
    ('v4l2:///dev/video0', 'cam3'), ('test://', 'cam3')])
def test_names(uri, name):
    assert uris.camera_name(uri, 3) == name


def test_parts():
    assert uris.host_port('rtsp://[::1]:8554/x') == ('::1', 8554)
    assert uris.host_port('rtsp://host/x', OUTPUTS) == ('host', 8554)
    assert uris.path_of('rtsp://host:1/a/b?c') == '/a/b?c'
    assert uris.file_path('file://events.jsonl') == 'events.jsonl'
    assert uris.file_path('file:///a%20b/c') == '/a b/c'
    assert uris.file_path(uris.file_uri('/a b/100%/\u00e9')) == '/a b/100%/\u00e9'
