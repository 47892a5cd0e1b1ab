"""The command line: exit codes, one line per problem, never a traceback."""
import json
import os
import socket
import subprocess
import sys

import pytest

import edge_app
from edge_app import cli
from edge_app.commands.run import chosen
from edge_app.errors import ConfigError, EngineUnavailable, SourceLost
from edge_app.testing.harness.site import demo_config

from tests.support.running import free_port

ROOT = os.path.dirname(os.path.dirname(edge_app.__file__))

CAMERAS = 'cameras: [{name: gate, uri: "test://"}, {name: yard, uri: "test://", enabled: false}]\n'
ADDRESS = 'rtsp://127.0.0.1:%d/mosaic' % free_port()
GOOD = CAMERAS + 'outputs: [{uri: "%s"}]\n' % ADDRESS


@pytest.fixture
def edge(capfd, tmp_path, monkeypatch):
    """Runs edge-app in a folder of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = cli.main(list(arguments))
        return (code,) + tuple(capfd.readouterr())
    return run


@pytest.fixture
def site(tmp_path):
    path = tmp_path / 'site.yaml'
    path.write_text(GOOD)
    return path


def process(*arguments, **options):
    """(exit code, stdout, stderr) of a real edge-app process."""
    environment = dict(os.environ, PYTHONPATH=ROOT, **options)
    done = subprocess.Popen([sys.executable, '-m', 'edge_app'] + list(arguments), env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.communicate(timeout=60)
    return done.returncode, out.decode(), err.decode()


def test_version(edge):
    assert edge('--version') == (0, 'edge-app %s\n' % edge_app.__version__, '')


def test_help_names_every_command_there_is_and_imports_none(edge, monkeypatch):
    monkeypatch.setattr('importlib.import_module', lambda name: pytest.fail('imported ' + name))
    code, out, _ = edge('--help')
    assert code == 0
    for name in ('check', 'config', 'simulate'):
        assert '  %s ' % name in out
    assert edge()[1] == out


def test_every_command_teaches_by_example(edge):
    for name in ('check', 'config'):
        code, out, _ = edge(name, '--help')
        assert code == 0
        assert '  edge-app %s ' % name in out and 'Examples:' in out


def test_every_command_has_a_purpose():
    commands = os.listdir(os.path.join(os.path.dirname(edge_app.__file__), 'commands'))
    names = {name[:-3] for name in commands if name.endswith('.py') and name != '__init__.py'}
    assert names <= set(cli.COMMANDS)


@pytest.mark.parametrize('arguments, words', [
    (['chekc'], "No such command 'chekc'"), (['chekc'], "'check'"), (['check'], "Missing argument"),
    (['check', '-x'], '-x'), (['config'], 'FILE is needed'), (['--log-level', 'loud', 'check', 'x'], 'loud')])
def test_wrong_usage(edge, arguments, words):
    code, out, err = edge(*arguments)
    assert (code, out) == (2, '')
    assert words in err


@pytest.mark.parametrize('error, code', [
    (ConfigError('a: one (f:1)', 'b: two (f:2)'), 2), (EngineUnavailable('install it'), 3),
    (SourceLost('gate: away'), 1)])
def test_an_error_is_its_message_and_its_code(edge, monkeypatch, error, code):
    def fail(*_arguments, **_options):
        raise error
    monkeypatch.setattr('edge_app.cli.cli.main', fail)
    assert edge('check', 'x') == (code, '', str(error) + '\n')


def test_ctrl_c(edge, monkeypatch):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt
    monkeypatch.setattr('edge_app.cli.cli.main', interrupt)
    assert edge('check', 'x')[0] == 130


# check

def test_check_prints_a_summary(edge, site):
    code, out, err = edge('check', 'site.yaml')
    assert (code, err) == (0, '')
    lines = out.splitlines()
    assert lines[0] == 'site.yaml: no mistakes found'
    assert '           gate: test://' in lines
    assert '           yard: test:// (disabled)' in lines
    assert '  output   %s, 1280x720 at 25 fps' % ADDRESS in lines
    assert '  web      http://127.0.0.1:8080 or the next free port' in lines


def test_check_counts_the_memory_of_enabled_cameras(edge, site):
    from edge_app.app.rings import ring_slots
    frame = 640 * 360 * 3 // 2
    expected = ring_slots(frame, 256 << 20) * frame / 2.0 ** 20
    assert '  memory   %.1f MB of 256 MB for the frame rings' % expected in edge('check', 'site.yaml')[1]


def test_check_says_what_is_off(edge, site):
    site.write_text(CAMERAS + 'engine: off\nweb: off\noutputs: []\n')
    out = edge('check', 'site.yaml')[1]
    assert '  engine   off: pictures only' in out and '  web      off' in out and 'output ' not in out


def test_check_names_every_mistake(edge, site):
    site.write_text('cameras:\n  - name: gate\n    uri: rstp://h/x\nmemory: 5\n')
    code, out, err = edge('check', 'site.yaml')
    assert (code, out) == (2, '')
    assert err.splitlines() == [
        "cameras[0].uri: unknown scheme 'rstp', did you mean 'rtsp'? (site.yaml:3)",
        "memory: unknown key, did you mean 'memory_mb'? (site.yaml:4)"]


@pytest.mark.parametrize('text, words', [
    ('cameras: [{name: gate, uri: "test://", enabled: false}]\noutputs: []\n', 'cameras: none is enabled'),
    (CAMERAS + 'outputs: [{uri: "window:"}]\n', 'window: no display'),
    (CAMERAS + 'outputs: [{uri: "file://mosaic.avi"}]\n', 'must end with .mkv or .mp4 or .ts (site.yaml:2)'),
    (CAMERAS + 'outputs: [{uri: "rtsp://127.0.0.1:HELD/m"}]\nweb: {port: HELD2}\n', 'in use; stop the other program'),
    (CAMERAS + 'outputs: []\nengine: {model: gone.onnx}\n', 'no such file'),
    (CAMERAS + 'outputs: []\nengine: {model: site.yaml}\n', 'engine.model')])
def test_check_and_run_find_the_same(edge, site, monkeypatch, text, words):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(site.parent))
    with socket.socket() as one, socket.socket() as two:
        for taken, name in ((two, 'HELD2'), (one, 'HELD')):
            taken.bind(('127.0.0.1', 0))
            taken.listen(1)
            text = text.replace(name, str(taken.getsockname()[1]))
        site.write_text(text)
        checked, run = edge('check', 'site.yaml'), edge('run', 'site.yaml', '--duration', '1')
    assert checked == run
    assert checked[0] in (2, 3) and checked[2].count(words) == (2 if 'port:' in text else 1)
    assert 'Traceback' not in checked[2]


@pytest.mark.parametrize('name', ['site.yaml', 'SITE.YML', 'site.conf', 'site'])
def test_run_takes_for_a_configuration_what_check_does(edge, tmp_path, name):
    (tmp_path / name).write_text(GOOD)
    assert edge('check', name)[0] == 0 and chosen([name]).path == str(tmp_path / name)


@pytest.mark.parametrize('name, content', [('clip.mp4', b'\0\0\0 ftypisom cameras'), ('clip', b'RIFF no text\xff')])
def test_a_video_is_no_configuration(edge, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert chosen([name]).cameras[0].uri == 'file://%s/%s' % (tmp_path, name)


def test_check_of_nothing(edge):
    assert edge('check', 'gone.yaml') == (
        2, '', 'gone.yaml: No such file or directory; it must be a YAML or JSON file this user can read\n')


# config

def test_config_shows_masked_yaml(edge, site):
    site.write_text('cameras: [{name: gate, uri: "rtsp://admin:hunter2@h/x"}]\n')
    site.chmod(0o600)
    for arguments in (['site.yaml'], ['site.yaml', '--effective'], ['--diff', 'site.yaml']):
        code, out, err = edge('config', *arguments)
        assert (code, err) == (0, '')
        assert "password: '***'" in out and 'hunter2' not in out
        assert ('latency_ms' in out) == ('--diff' not in arguments)


def test_config_schema_is_json(edge):
    code, out, _ = edge('config', '--schema')
    assert code == 0
    assert json.loads(out)['$schema'] == 'http://json-schema.org/draft-07/schema#'


def test_config_reference_is_markdown(edge):
    assert edge('config', '--reference')[1].startswith('# Configuration\n')


# as processes

def test_a_real_process_ends_with_the_code_and_without_a_traceback(tmp_path):
    path = tmp_path / 'site.yaml'
    path.write_text('cameras: [{name: gate, uri: "rtsp://admin:hunter2@h/x", size: 5}]\n')
    code, out, err = process('check', str(path))
    assert (code, out) == (2, '')
    assert err.startswith('cameras[0].size: must be [width, height]') and err.count('\n') == 1
    assert 'Traceback' not in err and 'hunter2' not in err


def test_a_service_without_a_locale_reads_utf8(tmp_path):
    path = tmp_path / 'caf\u00e9.yaml'
    path.write_bytes(('# caf\u00e9\n' + GOOD).encode())
    code, out, err = process('check', str(path), LC_ALL='C', LANG='')
    assert (code, err) == (0, '')
    assert out.startswith('%s: no mistakes found' % path)


def test_a_reader_that_leaves_early_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.Popen([sys.executable, '-m', 'edge_app', 'config', '--schema'], stdout=write,
                            stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=ROOT))
    os.close(write)
    err = done.communicate(timeout=60)[1].decode()
    assert (done.returncode, err) == (1, '')


def test_check_needs_no_heavy_module(tmp_path):
    path = tmp_path / 'site.yaml'
    path.write_text(GOOD)
    text = ('import sys; from edge_app.cli import main; print(main(["check", %r]), '
            '[name for name in ("gi", "cv2", "onnxruntime", "aiohttp") if name in sys.modules])' % str(path))
    done = subprocess.Popen([sys.executable, '-c', text], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=dict(os.environ, PYTHONPATH=ROOT))
    assert done.communicate(timeout=60)[0].splitlines()[-1] == b'0 []'


class FakeSimulator:
    """What the demo needs to know of its cameras."""

    user, password, uris = 'admin', 'secret', ['rtsp://127.0.0.1:1/Streaming/Channels/101']


def test_the_demo_keeps_to_the_model_of_its_scenes_whatever_else_is_there():
    model = demo_config(FakeSimulator()).engine.model
    assert os.path.basename(model) == 'drawn_scenes.onnx' and os.path.isfile(model)
