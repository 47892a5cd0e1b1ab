"""The oldest Python that counts is a Jetson's 3.6: everything must compile there and use nothing newer."""
import os
import subprocess
import sys

import pytest

from tests.support import sources

PLACES = ('edge_app', 'tests', 'setup.py')


def paths():
    return [os.path.join(sources.ROOT, place) for place in PLACES]


def test_everything_compiles():
    """Under the interpreter that runs the tests, so on 3.6 this is the floor itself."""
    script = ('import sys\n'
              'for path in sys.stdin.read().split("\\n"):\n'
              '    compile(open(path, encoding="utf-8").read(), path, "exec")\n')
    everything = list(sources.files('edge_app', 'tests')) + [os.path.join(sources.ROOT, 'setup.py')]
    done = subprocess.run([sys.executable, '-W', 'error', '-c', script], input='\n'.join(everything),
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr


def vermin(*arguments):
    start = 'from vermin.main import main; main()'
    return subprocess.run([sys.executable, '-c', start, '--no-tips', '--violations', '-t=3.6-'] + list(arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)


def test_nothing_needs_a_newer_python():
    done = vermin(*paths())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('newer, since', [
    ('import dataclasses', '3.7'), ('import subprocess\nsubprocess.run([], capture_output=True)', '3.7'),
    ('import multiprocessing.shared_memory', '3.8')])
def test_the_check_finds_what_is_newer(tmp_path, newer, since):
    source = tmp_path / 'newer.py'
    source.write_text(newer + '\n')
    done = vermin(str(source))
    assert done.returncode != 0 and since in done.stdout, done.stdout
