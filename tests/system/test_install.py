"""`deploy/install.sh` over root file systems made for it: a TX2's, other boards', a PC's. Real parts, shown commands.

Nothing here was checked on a board: the fake trees hold what the sources of deploy/README.md say a board has.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.support import private_machine, sources

DEPLOY = os.path.join(sources.ROOT, 'deploy')
SCRIPT = os.path.join(DEPLOY, 'install.sh')
TX2 = ('# R32 (release), REVISION: 7.6, GCID: 38896156, BOARD: t186ref, EABI: aarch64, '
       'DATE: Tue Nov  5 07:46:14 UTC 2024\n')
PINS = ['libnvidia-container0=0.10.0+jetpack', 'libnvidia-container1=1.7.0-1', 'libnvidia-container-tools=1.7.0-1',
        'nvidia-container-toolkit=1.7.0-1', 'nvidia-container-runtime=3.7.0-1', 'nvidia-docker2=2.8.0-1']
DAEMON = 'etc/docker/daemon.json'


class Root:
    """A root file system with as little in it as the script looks at."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.write('usr/bin/apt-get', '')
        self.write('etc/passwd', 'root:x:0:0::/root:/bin/bash\n')
        self.write('etc/group', 'root:x:0:\nvideo:x:44:\n')
        self.write('var/lib/dpkg/status', '')
        self.write('run/.keep', '')

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'w', encoding='utf-8') as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding='utf-8') as file:
            return file.read()

    def board(self, release=TX2, module='quill\0'):
        self.write('etc/nv_tegra_release', release)
        self.write('proc/device-tree/model', module)
        return self

    def packages(self, **versions):
        """Installed packages; a version beginning with '=' is held."""
        for name, version in versions.items():
            self.write('var/lib/dpkg/status', self.read('var/lib/dpkg/status') + (
                'Package: %s\nStatus: %s ok installed\nMaintainer: x <x@x>\nArchitecture: arm64\nVersion: %s\n'
                'Description: x\n\n' % (name.replace('_', '-'), 'hold' if version[0] == '=' else 'install',
                                        version.lstrip('='))))
        return self

    def docker(self, daemon=None):
        self.write('usr/bin/docker', '')
        if daemon is not None:
            self.write(DAEMON, daemon)
        return self

    def everything(self):
        """Path and content of every file."""
        return {str(path): path.read_bytes() for path in pathlib.Path(self.folder).rglob('*') if path.is_file()}


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path / 'root')


def shell(*command):
    done = subprocess.run(list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8')
    return done.returncode, done.stdout


def install(root, *options):
    return shell(SCRIPT, '--root', root.folder, *options)


def shown(root, *options):
    """The commands of a dry run, without `chroot DIR`, each as a list of words; and all that was said."""
    code, said = install(root, '--dry-run', *options)
    assert code == 0, said
    found = []
    for line in re.findall(r'(?m)^would run: (.*)$', said):
        words = shlex.split(line.replace("$'", "'"))
        found.append(words[2:] if words[:2] == ['chroot', root.folder] else words)
    return found, said


def function(root, line, kind='tx2'):
    """One function of the scripts, for real, in `root`."""
    return shell('bash', '-c', '''set -euo pipefail; cd "$0"; . ./steps.sh; . ./board.sh; NAME=install; ROOT=$1; KIND=$2
inside() { run "$@"; }; apt_install() { run apt-get install "$@"; }
remember() { printf "%%s\n" "${@:2}" > "$ROOT/$1.list"; }
%s''' % line, DEPLOY, root.folder, kind)


def test_a_dry_run_on_a_tx2_shows_what_the_sources_say_it_needs(root):
    root.board().docker().packages(nvidia_l4t_core='32.7.6-2024', docker_io='20.10', containerd='=1.5')
    before = root.everything()
    commands, said = shown(root)
    assert root.everything() == before
    assert 'quill, L4T R32.7.6' in said
    packages, containers = [words for words in commands if 'install' in words and 'apt-get' in words]
    assert packages[:2] == ['env', 'DEBIAN_FRONTEND=noninteractive']
    assert set(packages) >= {'cuda-toolkit-10-2', 'libcudnn8', 'tensorrt', 'python3-libnvinfer', 'libopencv-python',
                             'python3-gi'}
    assert {'nvidia-container-csv-cuda', 'nvidia-container-csv-cudnn', 'nvidia-container-csv-tensorrt'} <= set(packages)
    assert '--allow-downgrades' in containers and set(PINS) <= set(containers)
    pip = [words[words.index('install') + 1:] for words in commands if words[-1] != 'env' and any(
        word.endswith('/pip') for word in words)]
    assert ['pip==21.3.1', 'setuptools==59.6.0', 'wheel==0.37.1'] == pip[0][-3:]
    assert pip[1][-1] == 'numpy==1.19.5' and pip[3][-2:] == ['--no-build-isolation', 'pycuda==2022.1']
    assert all('OPENBLAS_CORETYPE=ARMV8' in words for words in commands if 'numpy==1.19.5' in words
               or '-c' in words[-2:-1]
               and 'numpy' in words[-1])
    assert ['systemctl', 'enable', 'nvpmodel.service'] in commands
    assert ['systemctl', 'enable', 'edge-app-clocks.service'] in commands
    assert not any('torch' in word for words in commands for word in words)


@pytest.mark.skipif(private_machine.why_not() is not None, reason=str(private_machine.why_not()))
def test_a_dry_run_on_the_board_itself_shows_every_step_whatever_one_would_refuse(tmp_path):
    machine = private_machine.PrivateMachine(tmp_path)   # its disk is too small for swap
    try:
        machine.put('/etc/nv_tegra_release', TX2)
        code, said = machine.run(SCRIPT, '--dry-run')
        left = machine.do('ls -A /opt /var/lib /var/log; '
                          'ls -d /etc/edge-app /etc/systemd/system/edge-app* 2>/dev/null; true')
    finally:
        machine.close()
    assert code == 0 and re.findall(r'(?m)^install: (\d) of 9', said) == list('123456789')
    assert 'swap: refused' in said and left.split() == ['/opt:', '/var/lib:', '/var/log:']
    shown = [shlex.split(line.replace("$'", "'")) for line in re.findall(r'(?m)^would run: (.*)$', said)]
    assert [words[1:] for words in shown if words[0] == 'systemctl'] == [
        ['enable', 'nvpmodel.service'], ['enable', 'edge-app-clocks.service'], ['enable', 'edge-app.service'],
        ['daemon-reload'], ['try-restart', 'systemd-journald'], ['restart', 'edge-app-clocks.service'],
        ['restart', 'edge-app.service']]
    assert [words for words in shown if 'models' in words and words[:3] == ['runuser', '-u', 'edge-app']]
    assert all(shutil.which(words[0]) for words in shown), 'each is a command, none a function of the script'


def test_numpy_is_told_what_it_runs_on_whoever_starts_it(root):
    site = 'venv/lib/python3.6/site-packages'
    os.makedirs(root.path(site))
    assert function(root, '. ./release.sh; VENV=$ROOT/venv; guard_numpy') == (0, '')
    line = 'import os, site; site.addsitedir(%r); print(os.environ["OPENBLAS_CORETYPE"])' % root.path(site)
    clean = {name: value for name, value in os.environ.items() if name != 'OPENBLAS_CORETYPE'}
    for given, wanted in (({}, 'ARMV8'), ({'OPENBLAS_CORETYPE': 'CORTEXA57'}, 'CORTEXA57')):
        said = subprocess.check_output([sys.executable, '-c', line], env=dict(clean, **given))
        assert said.decode().strip() == wanted


def test_a_dry_run_with_torch_has_nvidias_wheel_and_says_what_it_costs(root):
    commands, said = shown(root.board(), '--with-torch2trt')
    text = '\n'.join(' '.join(words) for words in commands)
    assert 'fjtbno0vpo676a25cgvuqc1wty0fkkg6.whl' in text and 'torch-1.10.0-cp36-cp36m-linux_aarch64.whl' in text
    assert 'torch2trt/archive/refs/tags/v0.5.0.tar.gz' in text
    assert '1 GB on disk, and 1 GB of memory' in said and '2 GB of memory' in said
    assert not re.search(r'install \S*( --\S+)* torch( |$)', text), 'PyPI has no CUDA for it'


def test_a_dry_run_on_a_pc_leaves_out_what_only_a_jetson_has(root):
    commands, said = shown(root)
    assert 'not a Jetson: power modes, clocks, CUDA paths, container pins and swap are left out' in said
    words = {word for words in commands for word in words}
    assert not words & {'cuda-toolkit-10-2', 'nvpmodel.service', 'edge-app-clocks.service', 'numpy==1.19.5', 'apt-mark'}
    assert ['systemctl', 'enable', 'edge-app.service'] in commands


@pytest.mark.parametrize('release, words', [
    (TX2.replace('7.6', '6.1'), 'L4T R32.6.1 is too old'),
    ('garbage\n', 'does not say which L4T this is'),
], ids=['old', 'garbage'])
def test_a_board_it_is_not_for_is_refused(root, release, words):
    root.board(release)
    before = root.everything()
    code, said = install(root, '--dry-run')
    assert code == 1 and words in said and root.everything() == before


def test_a_later_jetson_gets_no_pins_of_r32(root):
    commands, said = shown(root.board('# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n', 'Orin\0').docker())
    assert 'Orin, L4T R36.4.3: not the board this was written for' in said
    words = {word for words in commands for word in words}
    assert not words & set(PINS + ['numpy==1.19.5', 'cuda-toolkit-10-2']) and 'nvpmodel.service' in words


def test_torch2trt_is_refused_where_there_is_no_tensorrt(root):
    code, said = install(root, '--dry-run', '--with-torch2trt')
    assert code == 1 and 'nothing was changed' in said


@pytest.mark.parametrize('options',
                         [('--force',), ('--config',), ('--config', '/nowhere.yaml'), ('--root', '/nowhere')],
                         ids=' '.join)
def test_arguments_that_make_no_sense(options):
    code, said = shell(SCRIPT, '--dry-run', *options)
    assert code == 2 and '--help' in said


@pytest.mark.parametrize('before, changed', [
    (None, {'default-runtime': 'nvidia', 'log-driver': 'json-file', 'log-opts': {'max-size': '10m', 'max-file': '3'}}),
    ({'data-root': '/data', 'runtimes': {'kata': {'path': 'kata'}}, 'default-runtime': 'runc'}, {
        'data-root': '/data', 'default-runtime': 'runc'}),
    ({'log-driver': 'journald', 'x-unknown': [1, {'a': None}]},
     {'log-driver': 'journald', 'x-unknown': [1, {'a': None}]}),
], ids=['none', 'other runtime', 'other log'])
def test_dockers_settings_are_merged_and_come_back_byte_for_byte(root, before, changed):
    text = None if before is None else json.dumps(before, indent=7) + '\n\n'
    root.docker(text)
    code, said = function(root, 'merge_daemon')
    assert code == 0, said
    merged = json.loads(root.read(DAEMON))
    assert {name: merged[name] for name in changed} == changed
    assert merged['runtimes']['nvidia'] == {'path': 'nvidia-container-runtime', 'runtimeArgs': []}
    assert set((before or {}).get('runtimes', {})) <= set(merged['runtimes'])
    assert ('log-opts' in merged) == (merged['log-driver'] == 'json-file')
    once = root.everything()
    assert function(root, 'merge_daemon') == (0, '') and root.everything() == once
    assert function(root, 'take_back ' + '/' + DAEMON)[0] == 0
    assert (root.read(DAEMON) if text else os.path.exists(root.path(DAEMON))) == (text or False)


@pytest.mark.parametrize('text', ['{"runtimes": {},}', '[]', '{"a": 1} // why'],
                         ids=['comma', 'list', 'comment'])
def test_docker_settings_that_are_no_json_are_left_and_said(root, text):
    root.docker(text)
    code, said = function(root, 'merge_daemon')
    assert code == 1 and 'is not valid JSON' in said and root.read(DAEMON) == text


def test_a_change_by_somebody_else_is_not_taken_back(root):
    root.docker('{}')
    assert function(root, 'merge_daemon')[0] == 0
    root.write(DAEMON, root.read(DAEMON) + '\n')
    assert function(root, 'take_back /' + DAEMON)[0] == 1
    assert 'nvidia' in root.read(DAEMON)


def test_container_packages_at_the_right_version_are_left(root):
    root.docker().packages(**{pin.split('=')[0].replace('-', '_'): pin.split('=')[1] for pin in PINS})
    code, said = function(root, 'DRY_RUN=yes; pin_containers')
    assert code == 0 and 'apt-get' not in said
    code, said = function(root, 'pin_containers; cat "$ROOT$PREFERENCES"')
    assert code == 0 and 'Package: nvidia-docker2\nPin: version 2.8.0-1\nPin-Priority: 1001\n' in said


def test_what_was_held_before_is_not_released_later(root):
    root.packages(nvidia_l4t_core='32.7', nvidia_l4t_kernel='=4.9', containerd='1.5', vim='8')
    code, said = function(root, 'inside() { echo "$@"; }; hold_packages; cat "$ROOT/held.list"')
    assert code == 0, said
    assert 'apt-mark hold containerd nvidia-l4t-core\n' in said and said.endswith('containerd\nnvidia-l4t-core\n')


def test_cuda_paths_for_people_and_the_guards_for_the_service(root):
    code, said = function(root, 'write_cuda_paths; board_environment')
    assert code == 0
    profile = root.read('etc/profile.d/edge-app.sh')
    shown = shell('bash', '-c', 'PATH=/bin; . "$0"; . "$0"; echo "$PATH $OPENBLAS_CORETYPE $CUDA_ROOT"',
                  root.path('etc/profile.d/edge-app.sh'))[1]
    assert shown == '/usr/local/cuda/bin:/bin ARMV8 /usr/local/cuda\n' and 'LD_PRELOAD' not in profile
    assert 'OPENBLAS_CORETYPE=ARMV8\nLD_PRELOAD=/usr/lib/aarch64-linux-gnu/libgomp.so.1\n' in said
    assert function(root, 'board_environment', 'pc') == (0, '')


def test_a_download_that_changed_is_refused(root, tmp_path):
    source = tmp_path / 'wheel.whl'
    source.write_bytes(b'one')
    line = 'mkdir -p "$ROOT$BEFORE"; download file://%s $BEFORE/wheel.whl' % source
    code, said = function(root, line)
    assert code == 0 and 'none is published' in said
    assert function(root, line) == (0, '')
    source.write_bytes(b'two')
    code, said = function(root, line)
    assert code == 1 and 'has changed' in said and not os.path.exists(root.path('var/lib/edge-app-deploy/wheel.whl'))


def test_packages_are_those_of_make_setup():
    def words(script, name):
        with open(os.path.join(DEPLOY, script), encoding='utf-8') as file:
            return set(re.search(r'(?ms)^%s=\((.*?)\)' % name, file.read()).group(1).split())
    assert words('setup.sh', 'MEDIA') <= words('install.sh', 'PACKAGES')
