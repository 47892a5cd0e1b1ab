"""The container files: what the compose file says of a configuration; Dockerfiles as the lock and the scripts say."""
import http.server
import importlib.util
import os
import re
import subprocess
import threading

import pytest
import yaml

from edge_app import versions
from edge_app.web.listen import announce

from tests.support import private_machine, sources

DOCKER = os.path.join(sources.ROOT, 'docker')
DOCKERFILES = ('Dockerfile', 'Dockerfile.cpu')
SITE = '''
credentials_file: /etc/edge-app/credentials
cameras:
  - {name: gate, uri: "rtsp://10.0.0.21/1", user: admin, password: "${GATE_PASSWORD}", size: [1280, 720]}
  - {name: door, uri: "v4l2:///dev/video2"}
  - {name: yard, uri: "rtsp://10.0.0.22/1", user: admin, password: "camera secret"}
  - {name: dock, uri: "rtsp://10.0.0.23/1"}
web: {host: 0.0.0.0, port: 8090, token: "${PAGE_TOKEN}"}
'''


def read(*path):
    with open(os.path.join(sources.ROOT, *path), encoding='utf-8') as file:
        return file.read()


@pytest.fixture(scope='module')
def compose():
    spec = importlib.util.spec_from_file_location('compose', os.path.join(DOCKER, 'compose.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write(compose, tmp_path):
    """What compose.py writes for a configuration: its text and its one service."""
    def run(site, *options):
        path, output = str(tmp_path / 'site.yaml'), str(tmp_path / 'compose.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(site)
        assert compose.main(list(options) + ['--output', output, path]) == 0
        text = read(output)
        return text, yaml.safe_load(text)['services']['edge-app']
    return run


def test_what_depends_on_the_cameras(write):
    text, service = write(SITE)
    # of one camera of 1280x720 and three of the default size
    assert int(service['shm_size'].rstrip('m')) > 64
    assert service['devices'] == ['/dev/video2']
    assert service['healthcheck']['test'] == ['CMD', 'edge-app-health']
    assert 'secret' not in text and 'PASSWORD' not in text and 'TOKEN' not in text


def test_more_cameras_take_more_shared_memory(write):
    def megabytes(count):
        cameras = ''.join('  - {name: c%d, uri: "test://%d", size: [1920, 1080]}\n' % (n, n) for n in range(count))
        return int(write('memory_mb: 4096\ncameras:\n' + cameras)[1]['shm_size'].rstrip('m'))
    one, four = megabytes(1), megabytes(4)
    assert 4 * one - 4 <= four <= 4 * one + 4
    assert one >= 3 * 1920 * 1080 * 1.5 / 2 ** 20, 'three frames of it, at the least 1.5 bytes a pixel'


def test_a_tx2s_has_its_runtime_and_jtop_and_neither_has_rights(write):
    _, board = write(SITE, '--for', 'tx2', '--jtop', 'yes')
    assert board['runtime'] == 'nvidia'
    assert {'type': 'bind', 'source': '/run/jtop.sock', 'target': '/run/jtop.sock'} in board['volumes']
    assert '/run/jtop.sock' not in write(SITE, '--for', 'tx2', '--jtop', 'no')[0]
    assert ('/run/jtop.sock' in write(SITE, '--for', 'tx2')[0]) is os.path.exists('/run/jtop.sock')
    _, desk = write(SITE, '--for', 'pc')
    assert 'runtime' not in desk and '/run/jtop.sock' not in str(desk)
    for service in board, desk:
        assert service['read_only'] is True and service['cap_drop'] == ['ALL'] and 'privileged' not in service
        assert 1000 <= int(service['mem_limit'].rstrip('m')) and service['pids_limit'] == 4096
        assert service['security_opt'] == ['no-new-privileges:true'] and service['ulimits']['core'] == 0
        assert '/etc/edge-app:/etc/edge-app:ro' in service['volumes']


def test_it_is_for_this_machine_and_no_file_of_the_checkout_is_written(compose, tmp_path, monkeypatch):
    assert compose.read_arguments(['site.yaml']).target == ('tx2' if os.path.exists(compose.JETSON) else 'pc')
    monkeypatch.setattr(compose, 'JETSON', str(tmp_path))       # there
    assert compose.read_arguments(['site.yaml']).target == 'tx2'
    written = os.path.relpath(compose.read_arguments(['site.yaml']).output, sources.ROOT)
    assert '/' + written in read('.gitignore').splitlines()


def test_without_a_page_nothing_asks_for_it(write):
    assert write(SITE.split('web:')[0] + 'web: off\n')[1]['healthcheck'] == {'disable': True}


@pytest.mark.parametrize('site, words', [
    ('cameras:\n  - {uri: "rtsp://x", colour: red}\n', 'colour'),
    ('just text', 'is not a configuration'),
    ('a: [', 'cannot be read'), ('a: &a [%s]\ncameras: [%s]' % ('x,' * 999, '*a,' * 999), 'more than 20000 values'),
])
def test_a_configuration_that_is_not_good(compose, tmp_path, capsys, site, words):
    path, output = tmp_path / 'site.yaml', tmp_path / 'compose.yaml'
    path.write_text(site)
    assert compose.main(['--output', str(output), str(path)]) == 2
    assert words in capsys.readouterr().err and not output.exists()


def test_the_file_in_the_checkout_is_that_of_the_shipped_configuration(compose, tmp_path):
    output = str(tmp_path / 'compose.yaml')
    compose.main(['--for', 'tx2', '--jtop', 'yes', '--output', output,
                  os.path.join(sources.ROOT, 'deploy', 'site.yaml')])
    assert read('docker', 'compose.yaml') == read(output)


def runs(name):
    """Each RUN's shell line."""
    text = re.sub(r'(?m)^#.*\n', '', read('docker', name)).replace('\\\n', ' ')
    return re.findall(r'(?m)^RUN (.*)$', text)


@pytest.mark.parametrize('name', DOCKERFILES)
def test_every_step_is_shell(name):
    """Read, not run: Ubuntu 18.04's sh runs what `-n -c` gives it."""
    assert len(runs(name)) >= 4
    for line in runs(name):
        done = subprocess.run(['bash', '-n'], input=line, stderr=subprocess.PIPE, encoding='utf-8')
        assert (done.returncode, done.stderr) == (0, ''), line


@pytest.mark.parametrize('name', DOCKERFILES)
def test_it_takes_the_packages_the_device_takes_and_runs_without_rights(name):
    text = read('docker', name)
    wanted = re.search(r'(?ms)^PACKAGES=\((.*?)\)', read('deploy', 'install.sh')).group(1).split()
    missing = [package for package in wanted if package not in text]
    assert missing == ['gstreamer1.0-tools'], 'those are for people'
    assert re.search(r'(?m)^USER edge-app$', text) and re.search(r'(?m)^HEALTHCHECK .*"edge-app-health"\]$', text)
    assert '\nCOPY docker/health.sh /usr/local/bin/edge-app-health\n' in text
    assert '--uid 990' in text


def test_the_boards_has_the_fixes_the_board_needs():
    text = read('docker', 'Dockerfile')
    assert text.count('\nARG BASE=nvcr.io/nvidia/l4t-base:r32.7.1\n') == 1
    for line in ('OPENBLAS_CORETYPE=ARMV8', 'NVIDIA_REQUIRE_JETPACK=csv-mounts=all',
                 'LD_PRELOAD=/usr/lib/aarch64-linux-gnu/libgomp.so.1',
                 '576f852981855e5c6cfb9b625ffb51b984ca451f1181b2e70435b005034fad55'):
        assert line in text


def test_the_lock_of_a_tx2_has_the_versions_of_the_table():
    lock = dict(line.split()[0].split('==') for line in read('deploy', 'tx2.lock').splitlines() if line[0] != '#')
    needed = [name for name in versions.NEEDED if name not in versions.JETPACK] + ['numpy', 'pycuda', 'setuptools']
    assert {name: lock[name] for name in needed} == {name: versions.wanted(name, '3.6') for name in needed}
    for line in read('deploy', 'tx2.lock').splitlines():
        assert re.match(r'#|[A-Za-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}$', line), line


def test_a_tx2_gets_the_same_numpy_on_every_way():
    """The device by install.sh, a developer's checkout by setup.sh, the image: one version."""
    version = versions.wanted('numpy', '3.6')
    assert "'numpy==%s'" % version in read('deploy', 'release.sh')
    assert 'python3-numpy' not in read('deploy', 'setup.sh') and '"numpy==$(wanted numpy)"' in read('deploy',
                                                                                                    'setup.sh')


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/healthz' and self.server.well else 503)
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def page():
    with_port = http.server.HTTPServer(('127.0.0.1', 0), Page)
    thread = threading.Thread(target=with_port.serve_forever)
    thread.start()
    yield with_port
    with_port.shutdown()
    thread.join()
    with_port.server_close()


@pytest.mark.skipif(private_machine.why_not() is not None, reason=str(private_machine.why_not()))
def test_the_health_check_asks_where_the_page_says_it_is(tmp_path, page):
    machine = private_machine.PrivateMachine(tmp_path)
    try:
        ask = os.path.join(DOCKER, 'health.sh')
        assert machine.run(ask)[0] == 1, 'nobody has said yet where'
        machine.do('mkdir /dev/shm/edge-app-1 /dev/shm/edge-app-7')
        machine.put('/dev/shm/edge-app-1/web.json', '{"half of')
        announce(machine.path('run'), 'http', '0.0.0.0', page.server_port)
        machine.do('cp %s /dev/shm/edge-app-7/' % machine.path('run/web.json'))
        for page.well, code in (True, 0), (False, 1):
            assert machine.run(ask)[0] == code
    finally:
        machine.close()
