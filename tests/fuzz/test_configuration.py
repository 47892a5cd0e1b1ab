"""Configurations nobody meant: every one is read or refused with ConfigError, and what is refused shows no password."""
import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from edge_app import uris
from edge_app.config import from_dict, load, to_dict
from edge_app.config.dump import changes, everything
from edge_app.config.schema import Camera, Config, Engine, Output, Web, settings
from edge_app.config.secrets import SecretRefused, Secrets, read_credentials
from edge_app.config.types import InvalidValue, ListOf, Section
from edge_app.errors import ConfigError
from edge_app.schemes import CAMERAS, NETWORK

from tests.support.fuzzing import fuzzed, odd_numbers, plain_values, spoilt_text

pytestmark = pytest.mark.timeout(3600)

SITES = ('''\
credentials_file: none
cameras:
  - &gate {name: gate, uri: "rtsp://10.0.0.21/Streaming/Channels/102", user: admin, password: "${PW:hunter2}"}
  - {<<: *gate, name: yard, uri: "rtsp://u:hunter2@10.0.0.22:554/live?a=b", max_fps: 10, size: [640, 360]}
engine: {score: 0.4, classes: [person, car], batch: 4}
outputs: [{uri: "rtsp://127.0.0.1:8554/mosaic", size: [1280, 720], fps: 25}]
sinks: [{uri: "stdout:"}]
web: {port: 8080, token: "hunter2-0123456789", host: 127.0.0.1}
''', '{"cameras": [{"name": "a", "uri": "test://", "latency_ms": 1e2, "enabled": true}], "web": null, "memory_mb": 64}',
         'cameras:\n- name: a\n  uri: test://\nengine: off\noutputs: []\n')
PIECES = ('\n', '  ', '- ', ': ', '${', '}', '${PW}', '&a ', '*a', '!!python/object:os.system ', '!<x> ', '{', '[', ']',
          '"', "'", '#', '|', '>', '%', '---\n', '<<: ', '0x_', '0b_', '1e999', '-.inf', '.nan', '1_0', '~', 'null',
          '2001-02-30',
          '1:30', '=', '\t', '\x85', '\u2028', '\ud800', '\x00', '\ufeff', '\\uD83D\\uDE00', '9' * 50, '[' * 50,
          'cameras')
FIELDS = [(cls, name) for cls in (Camera, Engine, Output, Web, Config) for name, field in settings(cls).items()
          if not isinstance(field.metadata['kind'], (Section, ListOf))]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    return tmp_path_factory.mktemp('fuzz') / 'site.yaml'


def kept(path, text):
    path.write_bytes(text.encode('utf-8', 'surrogatepass'))
    path.chmod(0o600)
    return str(path)


@given(spoilt_text(SITES, PIECES))
@fuzzed
def test_a_file(site, text):
    try:
        config = load(kept(site, text), {'PW': 'hunter2'})
    except ConfigError as error:
        assert error.problems and all(error.problems)
        return
    assert from_dict(to_dict(config, secrets=True)) == config
    assert everything(config) and changes(config) is not None


@given(some.dictionaries(some.sampled_from(list(settings(Config))), plain_values, max_size=4),
       some.dictionaries(some.sampled_from(list(settings(Camera))), plain_values, max_size=4))
@fuzzed
def test_plain_values(sections, camera):
    values = dict({'cameras': [dict({'name': 'gate', 'uri': 'test://'}, **camera)]}, **sections)
    try:
        config = from_dict(values)
    except ConfigError as error:
        assert error.problems
    else:
        assert from_dict(to_dict(config, secrets=True)) == config


@given(some.sampled_from(FIELDS), plain_values | odd_numbers)
@fuzzed
def test_every_kind_of_setting(field, value):
    cls, name = field
    kind = settings(cls)[name].metadata['kind']
    try:
        normal = kind.read(value)
    except InvalidValue as unfit:
        assert unfit.text
    else:
        assert kind.read(normal) == normal


@given(spoilt_text(['rtsp://user:hunter2@10.0.0.21:554/Streaming/Channels/101?x=1#y',
                    'http://[fe80::1%eth0]:80/v.cgi?pwd=hunter2',
                    'file:///a%20b.mp4', 'v4l2:///dev/video0?format=jpeg', 'rtsp://u:p%40%2F@h', 'test://'],
                   ['@', ':', '/', '//', '%', '%00', '[', ']', '?', '#', '://', '_password=', '::', '\u0661',
                    '0' * 400]))
@fuzzed
def test_addresses(text):
    try:
        uri = uris.check(text, CAMERAS)
    except ValueError as error:
        assert str(error)
        return
    apart = uris.split_credentials(uri)
    again = uris.split_credentials(apart.uri)
    assert (again.uri, again.user, again.password) == (apart.uri, '', '') and uris.masked(apart.uri)
    assert uris.camera_name(apart.uri, 1)
    if uris.scheme_of(uri) in NETWORK:
        host, port = uris.host_port(apart.uri)
        assert host and 1 <= port <= 65535 and uris.path_of(apart.uri) is not None


@given(some.text(alphabet='abcXYZ0189-_.~!$%', min_size=3, max_size=12), some.text(max_size=8), some.text(max_size=8))
@fuzzed
def test_a_password_is_never_in_what_is_said_of_it(password, before, after):
    secret = 'cAnArY' + password
    try:
        camera = attrs.evolve(Camera('gate', 'test://'), uri='http://h/v.cgi%s?pwd=%s&%s' % (before, secret, after))
    except ConfigError as error:
        assert secret not in str(error)
        return
    assert secret not in camera.address and secret not in str(to_dict(camera))


@given(spoilt_text(['A=1\nB="two"\n# c\n\nC.d-e = three\n'], ['=', '\n', '"', '#', '\x00', '\ud800']))
@fuzzed
def test_a_file_of_credentials(site, text):
    path = site.parent / 'secrets'
    try:
        found = read_credentials(kept(path, text))
    except SecretRefused as refused:
        assert str(refused).startswith(str(path))
    else:
        assert all(isinstance(value, str) for pair in found.items() for value in pair)


@given(spoilt_text(['${A}', '$${A}', 'x${B:y${}z', '${C:}'], ['$', '{', '}', ':', '\n']))
@fuzzed
def test_placeholders(text):
    assume('\ud800' not in text)
    try:
        assert isinstance(Secrets({'A': '1', 'B': '${A}'}).expand(text), str)
    except SecretRefused as refused:
        assert '${' in str(refused)
