"""`make setup` on machines made of stand-ins: apt, dpkg, sudo and Python write down what they were asked to do."""
import os
import re
import stat
import subprocess
import sys

import pytest

from tests.support import sources

SCRIPT = os.path.join(sources.ROOT, 'deploy', 'setup.sh')

STAND_INS = {
    'id': 'echo $USER_ID',
    'sudo': '[ "$SUDO_WORKS" = yes ] || exit 1\n[ "$1" = -n ] || exec "$@"',
    'dpkg-query': 'sed "s/^/ii  /" "$HERE/installed"',
    'apt-cache': '[ "$NEWER_GLIB" = yes ]',
    'pkg-config': '[ "$NEWER_GLIB" = yes ]',
    'apt-get': 'for word in "$@"; do echo "$word" >> "$HERE/installed"; done',
    'python9': '''case "$*" in
    *sys.executable*) echo "$HERE/bin/python9" ;;
    *print*) echo 3.11 ;;
    "-m venv "*) mkdir -p "$3/bin"; for name in python pip edge-app; do cp "$HERE/bin/python9" "$3/bin/$name"; done ;;
esac''',
}


class Machine:
    """A PATH of stand-ins and a place for the environment."""

    def __init__(self, folder):
        self.folder = folder
        self.venv = folder / 'venv'
        self.environ = {'HERE': str(folder), 'HOME': str(folder), 'VENV': str(self.venv), 'USER_ID': '0',
                        'SUDO_WORKS': 'no', 'NEWER_GLIB': 'no', 'PATH': '%s:/usr/bin:/bin' % (folder / 'bin')}
        (folder / 'bin').mkdir()
        (folder / 'installed').write_text('')
        (folder / 'calls').write_text('')
        for name, body in STAND_INS.items():
            path = folder / 'bin' / name
            path.write_text('#!/bin/bash\necho "%s $*" >> "$HERE/calls"\n%s\n' % (name, body))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def setup(self, *arguments, **environ):
        """Exit code and all that was printed."""
        (self.folder / 'calls').write_text('')
        done = subprocess.run(['bash', SCRIPT] + list(arguments), env=dict(self.environ, **environ),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        return done.returncode, done.stdout

    def calls(self, name):
        return [line for line in (self.folder / 'calls').read_text().splitlines() if line.startswith(name + ' ')]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_from_nothing(machine):
    code, said = machine.setup('python9')
    assert code == 0, said
    update, install = machine.calls('apt-get')
    assert update == 'apt-get update -qq' and 'gstreamer1.0-libav' in install and 'ffmpeg' not in install
    assert any('install --editable .[gi] PyGObject<3.52' in call for call in machine.calls('python9')), (
        machine.calls('python9'))


def test_the_test_tools_come_when_they_are_wanted(machine):
    machine.setup('python9')
    code, said = machine.setup(WITH='dev')
    assert code == 0, said
    assert 'ffmpeg' in machine.calls('apt-get')[-1]
    assert any('install --editable .[dev,gi]' in call for call in machine.calls('python9'))
    assert machine.setup(WITH='dev') == (0, '')
    assert machine.setup() == (0, ''), 'an environment with the tools is ready without them too'


def test_a_second_time_nothing_is_touched(machine):
    machine.setup('python9')
    before = {path: path.stat().st_mtime for path in machine.venv.rglob('*')}
    code, said = machine.setup()
    assert (code, said) == (0, '')
    assert machine.calls('apt-get') == [] and not any('venv' in call for call in machine.calls('python9'))
    assert {path: path.stat().st_mtime for path in machine.venv.rglob('*')} == before


def test_only_what_is_missing_is_installed(machine):
    machine.setup('python9')
    present = (machine.folder / 'installed').read_text().splitlines()
    (machine.folder / 'installed').write_text('\n'.join(set(present) - {'gstreamer1.0-libav'}) + '\n')
    assert machine.setup('python9')[0] == 0
    assert machine.calls('apt-get')[1] == (
        'apt-get install --no-install-recommends -y gstreamer1.0-libav -qq -o DPkg::Lock::Timeout=300')


def test_sudo_is_used_by_an_ordinary_user(machine):
    code, said = machine.setup('python9', USER_ID='1000', SUDO_WORKS='yes')
    assert code == 0, said
    assert any('apt-get install' in call for call in machine.calls('sudo'))


def test_without_root_and_sudo_the_line_for_the_administrator_is_printed(machine):
    code, said = machine.setup('python9', USER_ID='1000')
    assert code == 1 and machine.calls('apt-get') == [] and not machine.venv.exists()
    line = re.search(r'sudo apt-get install \S+ -y .*', said).group()
    assert 'gstreamer1.0-plugins-good' in line and 'libgirepository1.0-dev' in line


def test_newer_glib_has_its_own_girepository(machine):
    code, said = machine.setup('python9', NEWER_GLIB='yes')
    assert code == 0, said
    assert 'libgirepository-2.0-dev' in machine.calls('apt-get')[1]
    assert not any('3.52' in call for call in machine.calls('python9'))


def test_an_environment_of_another_place_is_made_anew(machine):
    machine.setup('python9')
    stamp = machine.venv / '.edge-app-setup'
    stamp.write_text(stamp.read_text().replace(sources.ROOT, '/elsewhere'))
    code, said = machine.setup()
    assert code == 0 and 'installing edge-app' in said


def test_an_unknown_python_is_said(machine):
    code, said = machine.setup('python3.99')
    assert code == 1 and 'python3.99 is not installed' in said


def test_what_is_built_has_every_module_the_pages_and_the_models(tmp_path):
    done = subprocess.run([sys.executable, 'setup.py', '-q', 'build', '--build-base', str(tmp_path)],
                          cwd=sources.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    built = {path.relative_to(tmp_path / 'lib').as_posix() for path in (tmp_path / 'lib').rglob('*') if path.is_file()}
    wanted = {os.path.relpath(path, sources.ROOT) for path in sources.files('edge_app')}
    assert wanted <= built
    assert {'edge_app/models/drawn_scenes.onnx', 'edge_app/models/drawn_scenes.yaml',
            'edge_app/docs/architecture.md'} <= built
