"""A configuration file: every mistake at once, each with its path, its line and what to write instead."""
import json
import os
import random
import resource

import pytest
import yaml

from edge_app.config import load, yaml_nodes
from edge_app.config.yaml_nodes import parse
from edge_app.errors import ConfigError

GOOD = '''\
cameras:
  - {name: gate, uri: "rtsp://10.0.0.21/Streaming/Channels/101"}
'''


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Writes site.yaml into the current folder and loads it."""
    monkeypatch.chdir(tmp_path)

    def read(text, name='site.yaml', environment=None):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(name, environment or {})
    return read


@pytest.fixture
def problems(site):
    """The problems of a text, one line each."""
    def find(*arguments, **options):
        with pytest.raises(ConfigError) as error:
            site(*arguments, **options)
        assert error.value.exit_code == 2
        return list(error.value.problems)
    return find


def test_the_smallest_file_is_one_camera(site, tmp_path):
    config = site(GOOD)
    assert [camera.name for camera in config.cameras] == ['gate']
    assert config.engine.enabled and config.web.host == '127.0.0.1'
    assert config.path == str(tmp_path / 'site.yaml')


def test_the_page_of_the_design(site, tmp_path):
    (tmp_path / 'yolox_nano.onnx').write_bytes(b'')
    config = site('''\
cameras:
  - {name: gate, uri: "rtsp://10.0.0.21/Streaming/Channels/101", user: admin, password: "${CAMERA_PASSWORD}"}
  - {name: yard, uri: "rtsp://10.0.0.22/c/102", record_uri: "rtsp://10.0.0.22/c/101", max_fps: 10, priority: 2}
engine:  {model: yolox_nano.onnx, backend: auto, batch: 4, score: 0.4}
outputs: [{uri: "rtsp://127.0.0.1:8554/mosaic", size: [1280, 720], fps: 25}]
sinks:   [{uri: "file://events.jsonl"}]
web:     {port: 8080}
''', environment={'CAMERA_PASSWORD': 'hunter2'})
    gate, yard = config.cameras
    assert (gate.user, gate.password) == ('admin', 'hunter2')
    assert (yard.max_fps, yard.priority, yard.record_uri) == (10, 2, 'rtsp://10.0.0.22/c/101')
    assert config.engine.model == str(tmp_path / 'yolox_nano.onnx')
    assert config.outputs[0].size == (1280, 720)
    assert config.sinks[0].uri == 'file://%s/events.jsonl' % tmp_path
    assert config.web.port == 8080


def test_all_mistakes_at_once_in_the_order_of_the_file(problems):
    assert problems('''\
cameras:
  - {name: gate, uri: "test://"}
  - name: yard
    uri: rstp://10.0.0.22/live
    max_fps: 500
    sise: [640, 360]
  - {name: gate, uri: "test://"}
web:
  port: eighty
''') == [
        "cameras[1].uri: unknown scheme 'rstp', did you mean 'rtsp'? (site.yaml:4)",
        'cameras[1].max_fps: must be a number from 0.1 to 240, not 500 (site.yaml:5)',
        "cameras[1].sise: unknown key, did you mean 'size'? (site.yaml:6)",
        "cameras[2].name: 'gate' is already the name of cameras[0] (site.yaml:7)",
        "web.port: must be a whole number from 1 to 65535, not 'eighty' (site.yaml:9)"]


@pytest.mark.parametrize('line, problem', [
    ('size: [650, 361]', 'size: must have a width that is a multiple of 16 and an even height, such as [656, 360], '
                         'not [650, 361]'),
    ('size: [640]', 'size: must be [width, height] in pixels, the width a multiple of 16, the height even, not [640]'),
    ('size: [16, 360]', 'size: must be 32 to 7680 pixels wide and high, not [16, 360]'),
    ('max_fps: true', 'max_fps: must be a number from 0.1 to 240, not true'),
    ('max_fps: .nan', 'max_fps: must be a number from 0.1 to 240, not NaN'),
    ('latency_ms: 1.5', 'latency_ms: must be a whole number from 0 to 10000, not 1.5'),
    ('enabled: 1', 'enabled: must be true or false, not 1'),
    ('transport: upd', "transport: must be one of tcp, udp, auto, not 'upd', did you mean 'udp'?"),
    ('user: 007', 'user: must be text in quotes, not 7'),
    ('user: [a]', 'user: must be text, not ["a"]'),
    ('user: "a\\rb"', "user: must be one line of text without control characters, not 'a\\rb'"),
    ('password: 12345', 'password: must be text in quotes'),
    ('priority:', 'priority: must be a number from 0.1 to 100, not empty'),
    ('color: red', 'color: unknown key, known: name, uri, user, password, allow_basic, tls_fingerprint, '
                   'transport, latency_ms, size, max_fps, min_fps, priority, motion_percent, max_staleness_s, '
                   'enabled, record_uri, decoder, parser, low_delay, first_frame_s, silence_s, process_memory_mb'),
    ('"na\\nme": x', "'na\\nme': unknown key, did you mean 'name'?"),
    ('user: a\n    user: b', 'user: given twice, first on line 4'),
])
def test_a_wrong_setting(problems, line, problem):
    text = 'cameras:\n  - name: gate\n    uri: test://\n    %s\n' % line
    number = 5 if '\n' in line else 4
    assert problems(text) == ['cameras[0].%s (site.yaml:%d)' % (problem, number)]


@pytest.mark.parametrize('text, problem', [
    ('', 'configuration: must be a mapping of settings (site.yaml:1)'),
    ('just words', 'configuration: must be a mapping of settings (site.yaml:1)'),
    ('web: {port: 80}', "cameras: missing: a list: one '- {...}' for each camera (site.yaml:1)"),
    ('cameras: []', "cameras: no cameras: add one, such as '- {name: gate, uri: \"rtsp://host/path\"}' (site.yaml:1)"),
    ('cameras: {gate: {uri: "test://"}}',
     "cameras: must be a list: one '- {...}' for each camera, not a mapping (site.yaml:1)"),
    ('cameras:\n  - gate', 'cameras[0]: must be a mapping of settings (site.yaml:2)'),
    ('cameras:\n  - {name: gate}',
     'cameras[0].uri: missing: a URI: rtsp://host/path, rtsps://host/path, rtmp://host/path, http://host/path, '
     'https://host/path, file://name, v4l2:///dev/video0, test://, drawn:// (site.yaml:2)'),
    (GOOD + 'engine: 5', 'engine: must be a mapping of settings (site.yaml:3)'),
    (GOOD + 'camera: []', "camera: unknown key, did you mean 'cameras'? (site.yaml:3)"),
    (GOOD + 'engine:\n  model: gone.onnx', None),
])
def test_a_wrong_shape(problems, tmp_path, text, problem):
    problem = problem or ('engine.model: no such file: %s/gone.onnx; leave the line out for the bundled '
                          'demo model (site.yaml:4)' % tmp_path)
    assert problem in problems(text)


@pytest.mark.parametrize('password', ['hun@ter2/x', 'hunter2#x', 'hun:ter2?x', '12/hunter2', 'hunter2 %x'])
def test_a_bad_password_in_a_uri_is_one_mistake_beside_the_others(tmp_path, password):
    path = tmp_path / 'site.yaml'
    path.write_text('cameras:\n  - {name: gate, uri: "rtsp://admin:%s@10.0.0.21/x", max_fps: lots}\n'
                    '  - name: yard\n    uri: "rtsp://admin:${PW}@10.0.0.22/x"\nmemory_mb: 1\n' % password)
    with pytest.raises(ConfigError) as error:
        load(str(path), environment={'PW': password})
    places = [problem.partition(':')[0] for problem in error.value.problems]
    assert places == ['cameras[0].uri', 'cameras[0].max_fps', 'cameras[1].uri', 'memory_mb']
    for problem, line in zip(error.value.problems[::2], (2, 4)):
        assert '%' in problem and problem.endswith('(%s:%d)' % (path, line))
    assert 'hun' not in str(error.value) and 'ter2' not in str(error.value)


@pytest.mark.parametrize('loader', [yaml.SafeLoader, getattr(yaml, 'CSafeLoader', yaml.SafeLoader)])
@pytest.mark.parametrize('text, line, words', [
    ('cameras:\n\t- {name: a}', 2, 'indent with spaces, not tabs'),
    ('cameras: [{name: gate}', None, 'not valid YAML'),
    ('outputs:\n  - uri: window:\n    x: y', 2, 'belongs in quotes'),
    ('a: 1\n---\nb: 2', 2, 'second document'),
    ('cameras: !!python/object/apply:os.system ["touch pwned"]', 1, 'tags are not understood'),
    ('cameras: *nothing', 1, 'alias of nothing'),
    ('a: &a [*a]', 1, 'alias of nothing'),
    ('? [a, b]\n: c', 1, 'a key must be one word'),
    ('a: "\x01"', 1, 'not valid YAML'),
    ('<<: [1]', 1, 'must be an alias of a mapping'),
])
def test_text_that_is_not_one_configuration(problems, tmp_path, monkeypatch, loader, text, line, words):
    monkeypatch.setattr(yaml_nodes, '_LOADER', loader)
    found = problems(text)
    assert any(words in problem and (not line or problem.endswith('(site.yaml:%d)' % line)) for problem in found), found
    assert os.listdir(str(tmp_path)) == ['site.yaml']


def test_syntax_errors_show_nothing_of_the_text(problems):
    for text in ('password: hunter2: x', 'password: @hunter2', 'password: *hunter2', 'password: !hunter2 x',
                 'password: "hunter2', 'hunter2', 'password: {hunter2', '- &hunter2 *hunter2'):
        assert 'hunter2' not in '\n'.join(problems(text)), text


def test_values_that_only_yaml_would_change_stay_text(site):
    config = site('cameras: [{name: 2026-01-02, uri: "test://", user: 12:30:45}]')
    assert (config.cameras[0].name, config.cameras[0].user) == ('2026-01-02', '12:30:45')


@pytest.mark.parametrize('text', ['0x_', '0b_', '-0x_', '0b__'])
def test_what_yaml_takes_for_a_number_and_cannot_read_is_text(site, text):
    assert site('cameras: [{name: a, uri: "test://", user: %s}]' % text).cameras[0].user == text


def test_settings_shared_by_cameras_are_written_once(site):
    config = site('cameras:\n'
                  '  - &gate {name: gate, uri: "test://", max_fps: 5}\n'
                  '  - {<<: *gate, name: yard}\n'
                  '  - {name: hall, <<: [*gate], max_fps: 7}\n')
    assert [(camera.name, camera.max_fps) for camera in config.cameras] == [('gate', 5), ('yard', 5), ('hall', 7)]


@pytest.mark.parametrize('switch, enabled', [('off', False), ('false', False), ('on', True), ('{}', True), ('', True)])
def test_engine_and_web_have_a_switch(site, switch, enabled):
    config = site(GOOD + 'engine: %s\nweb: %s\n' % (switch, switch))
    assert (config.engine.enabled, config.web.enabled) == (enabled, enabled)


# JSON

def test_json_with_tabs_and_pairs_of_halves(site):
    text = json.dumps({'cameras': [{'name': 'gate', 'uri': 'test://', 'user': '\U0001f600/', 'max_fps': 12.0}]},
                      indent='\t').replace('/', '\\/').replace('12.0', '1.2e1').replace('"uri":', '"uri"\n:')
    assert '\\ud83d' in text and '\n\t' in text
    for name in ('site.json', 'site.yaml'):
        camera = site(text, name).cameras[0]
        assert (camera.user, camera.max_fps) == ('\U0001f600/', 12)


def test_json_mistakes_have_lines_too(problems):
    text = json.dumps({'cameras': [{'name': 'gate', 'uri': 'rstp://h'}], 'web': {'port': 0}}, indent=2)
    assert problems(text, 'site.json') == [
        "cameras[0].uri: unknown scheme 'rstp', did you mean 'rtsp'? (site.json:5)",
        'web.port: must be a whole number from 1 to 65535, not 0 (site.json:9)']
    assert problems('{"web": {},\n "web": {}}', 'site.json') == ['web: given twice, first on line 1 (site.json:2)']
    assert problems('{"web":\n {},}', 'site.json')[0].endswith('(site.json:2)')


# what a hostile file could do

def test_an_anchor_may_be_given_again(site):
    config = site('cameras:\n  - &a {name: gate, uri: "test://1"}\n  - &a {name: yard, uri: "test://2"}\n'
                  '  - {<<: *a, name: dock}\n')
    assert [camera.uri for camera in config.cameras] == ['test://1', 'test://2', 'test://2']


def test_an_alias_bomb_is_refused_at_once(problems):
    bomb = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n' + ''.join(
        'a%d: &a%d [%s]\n' % (n, n, ', '.join(['*a%d' % (n - 1)] * 10)) for n in range(1, 10))
    assert 'more than 20000 values' in problems(bomb)[0]


def test_a_bomb_of_merges_is_refused(problems):
    bomb = 'a0: &a0 {%s}\n' % ', '.join('k%d: 1' % n for n in range(1000)) + ''.join(
        'b%d: {<<: [%s]}\n' % (n, ', '.join(['*a0'] * 10)) for n in range(10))
    assert 'more than 20000 values' in problems(bomb)[0]


@pytest.mark.parametrize('name', ['site.yaml', 'site.json'])
@pytest.mark.parametrize('text', ['[' * 100000, '{"a":' * 100000, '[' * 30 + ']' * 30])
def test_deep_nesting_is_refused(problems, name, text):
    found = problems(text, name)
    assert 'nested deeper than 20 levels' in found[0] or 'not valid JSON' in found[0]


def test_a_deep_indentation_is_refused(problems):
    text = ''.join('%sa:\n' % (' ' * depth) for depth in range(100))
    assert problems(text) == ['%s: nested deeper than 20 levels (site.yaml:21)' % '.'.join('a' * 20)]


def test_a_very_long_name_in_json_is_a_mistake_like_any(problems):
    found = problems('{"cameras": [{"name": "a", "uri": "test://", "%s": 1}]}' % ('9' * 2000))
    assert found and all('site.yaml:1' in problem and len(problem) < 400 for problem in found)


def test_a_very_long_number_is_text(problems):
    found = problems(GOOD + 'web: {port: %s}' % ('9' * 9999))
    assert found[0].startswith('web.port: must be a whole number from 1 to 65535, not') and len(found[0]) < 200


def test_a_file_above_1_mb_is_refused(problems):
    assert problems(GOOD + '#' * (1 << 20)) == ['site.yaml: larger than 1 MB; a configuration is a few kB']


# files that cannot be read

def test_a_missing_file(problems, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, words in (('gone.yaml', 'No such file or directory'), (str(tmp_path), 'is a folder, not a file'),
                        ('/dev/zero', 'is a device or socket, not a file')):
        with pytest.raises(ConfigError) as error:
            load(path)
        assert str(error.value) == '%s: %s; it must be a YAML or JSON file this user can read' % (path, words)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    path = str(tmp_path / 'site.yaml')
    os.mkfifo(path)
    with pytest.raises(ConfigError, match='is a pipe, not a file'):     # nobody writes to it: reading would hang
        load(path)


def test_more_values_than_a_configuration_has_are_not_built_first():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError, match='more than 20000 values'):
        parse('cameras: [%s]' % ','.join(['a'] * 500000), 'site.yaml')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_long_text_that_aliases_repeat_counts_by_its_length():
    with pytest.raises(ConfigError, match='more than 20000 values'):
        parse('a: &a %s\ncameras: [%s]' % ('x' * 500000, ','.join(['*a'] * 100)), 'site.yaml')


def test_an_unreadable_file(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr('os.open', refuse)  # root may read everything
    with pytest.raises(ConfigError) as error:
        load('site.yaml')
    monkeypatch.undo()
    assert 'site.yaml: Permission denied' in str(error.value)


def test_text_that_is_not_utf8(problems):
    assert problems(b'cameras:\n  - name: caf\xe9\n') == ['site.yaml: not UTF-8 text, save it as UTF-8 (site.yaml:2)']


def test_a_byte_order_mark_is_no_mistake(site):
    assert site(b'\xef\xbb\xbf' + GOOD.encode()).cameras[0].name == 'gate'


def test_a_missing_video_is_found_before_anything_starts(problems, tmp_path):
    assert problems('cameras: [{name: gate, uri: "file://gone.mp4"}]') == [
        'cameras[0].uri: no such file: %s/gone.mp4 (site.yaml:1)' % tmp_path]


def test_paths_are_relative_to_the_file_whoever_reads_it(tmp_path, monkeypatch):
    folder = tmp_path / 'sub folder'
    folder.mkdir()
    (folder / 'my clip.mp4').write_bytes(b'')
    (folder / 'site.yaml').write_text('cameras: [{name: gate, uri: "file://my clip.mp4"}]\n'
                                      'sinks: [{uri: "file:///dev/null"}, {uri: "file://out.jsonl"}]\n')
    monkeypatch.chdir('/')
    config = load(str(folder / 'site.yaml'))
    assert config.cameras[0].uri == 'file://%s/my%%20clip.mp4' % str(folder).replace(' ', '%20')
    assert config.sinks[1].uri.endswith('/sub%20folder/out.jsonl')


def test_a_file_that_cannot_be_written(problems, tmp_path):
    (tmp_path / 'plain').write_text('')
    assert problems(GOOD + 'sinks: [{uri: "file://gone/out.jsonl"}, {uri: "file://plain/out.jsonl"}]') == [
        'sinks[0].uri: no such folder: %s/gone; create it (site.yaml:3)' % tmp_path,
        'sinks[1].uri: no such folder: %s/plain; create it (site.yaml:3)' % tmp_path]


def test_no_text_makes_anything_but_a_config_or_a_config_error(site):
    chance = random.Random(7)
    pieces = ['{', '}', '[', ']', ':', ' ', '\n', '  ', '- ', '"', "'", '&a ', '*a', '<<: *a', '!!int ', '!x ', '#',
              '|\n', '${', '${A}', '}', '%', '\t', '\0', '\x85', '\u2028', '\ud7ff', '.inf', '0x', '~', 'null', '1e9',
              '9' * 50, 'on', '2026-02-30', '---\n', '...', '? ', '=', 'test://', 'name: ', 'size: [1, 2]',
              'cameras: ', 'web: ']
    for _ in range(400):
        text = list(GOOD + 'engine: {score: 0.4}\nweb: {port: 8080}\noutputs: [{uri: "rtsp://127.0.0.1/mosaic"}]\n')
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(text))
            text[start:start + chance.choice([0, 0, 1, 5])] = chance.choice(pieces)
        try:
            assert site(''.join(text), chance.choice(['site.yaml', 'site.json']), {'A': 'x'}).cameras
        except ConfigError as error:
            assert all(problem.strip() and '\n' not in problem for problem in error.problems)
