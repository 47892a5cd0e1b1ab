"""`make bundle` where the system's Python has no pip, as on a fresh Debian: that of `make setup` fetches the wheels."""
import os
import subprocess

import pytest

from tests.support import sources

NO_PIP = '#!/bin/sh\nexit 1\n'
RECORDS = '''#!/bin/sh
echo "$@" >> "$0.log"
case "$*" in
    -c*) echo 3.11 ;;
    *--version) ;;
    *) exit 1 ;;
esac
'''


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose environment's Python can be replaced, and a PATH whose python3 has no pip."""
    for name in os.listdir(sources.ROOT):
        if name not in ('.venv', '.git'):
            os.symlink(os.path.join(sources.ROOT, name), str(tmp_path / name))
    os.unlink(str(tmp_path / 'deploy'))
    os.mkdir(str(tmp_path / 'deploy'))
    for name in os.listdir(os.path.join(sources.ROOT, 'deploy')):
        os.symlink(os.path.join(sources.ROOT, 'deploy', name), str(tmp_path / 'deploy' / name))
    _program(tmp_path / 'bin' / 'python3', NO_PIP)
    return tmp_path


def _program(path, text):
    os.makedirs(str(path.parent))
    path.write_text(text)
    os.chmod(str(path), 0o755)


def _bundle(checkout, *options):
    done = subprocess.run(
        [str(checkout / 'deploy' / 'bundle.sh'), '--output', str(checkout / 'out.tar.gz')] + list(options),
        env=dict(os.environ, PATH='%s:%s' % (checkout / 'bin', os.environ['PATH'])), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding='utf-8')
    return done.returncode, done.stdout


def test_the_environments_pip_fetches_the_wheels(checkout):
    _program(checkout / '.venv' / 'bin' / 'python', RECORDS)
    code, said = _bundle(checkout)
    assert code == 1 and 'fetching wheels for Python 3.11' in said and 'pip could not download' in said
    assert '-m pip download' in (checkout / '.venv' / 'bin' / 'python.log').read_text()


def test_without_any_pip_it_says_what_to_do(checkout):
    for options in (), ('--python', 'python3'):
        code, said = _bundle(checkout, *options)
        assert code == 2 and "'python3': that has no pip; run make setup first" in said
