"""The tables of what has been tried: camera situations and model exports, each with its outcome, from the tests.

A test names what it tries and what becomes of it; `make docs` collects the tests and writes the page:

    @situations.camera('H.264, several slices a picture, the RTP marker on each')
    @situations.model('TensorFlow SSD, four outputs', situations.REFUSED)

Where the input is refused, or works with a remark, give the sentence; the test takes it from `situation.sentence` and
compares it with what the product said, so that the page cannot promise another one:

    @situations.camera('Digest with SHA-256 alone', situations.REFUSED, 'the camera wants ...')
    def test_...(situation):
        assert situation.sentence in reason

In a parametrized test they are marks: `pytest.param(..., marks=situations.camera(...))`.
"""
import contextlib
import io
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, 'edge_app', 'docs', 'compatibility.md')
WORKS, REFUSED = 'works', 'refused'
TEXT = '''\
# What has been tried: cameras and models

<!-- Written by `make docs` from the tests that try each of these; change it there -->

Every row is a test that runs with each change of edge-app. *refused*: edge-app says the sentence and goes on with
everything else. Where a camera or model of yours behaves otherwise, please report it.

## Cameras and streams: %d

%s

## Models: %d

%s
'''


class Situation(NamedTuple):
    """What a test tries; `kind` is camera or model, `sentence` what the user is told, or empty."""

    kind: str
    what: str
    outcome: str
    sentence: str


def camera(what, outcome=WORKS, sentence=''):
    """Mark a test as one camera situation."""
    return pytest.mark.situation(Situation('camera', what, outcome, sentence))


def model(what, outcome=WORKS, sentence=''):
    """Mark a test as one model export."""
    return pytest.mark.situation(Situation('model', what, outcome, sentence))


class Collector(object):
    """A plugin of pytest that keeps the situations of all tests it collects."""

    def __init__(self):
        self.found = set()

    def pytest_collection_modifyitems(self, items):
        """Called with the tests; several tests of one situation are one row."""
        self.found.update(mark.args[0] for item in items for mark in item.iter_markers('situation'))


def collect():
    """The situations of the suite, those of the files that use this module."""
    files = []
    for folder, _, names in os.walk(os.path.join(ROOT, 'tests')):
        for path in (os.path.join(folder, name) for name in names
                     if name.startswith('test_') and name.endswith('.py')):
            with open(path, encoding='utf-8') as file:
                if 'import situations' in file.read():
                    files.append(path)
    if not files:
        return set()
    collector = Collector()
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        status = pytest.main(['--collect-only', '-p', 'no:cacheprovider'] + sorted(files), plugins=[collector])
    if status:
        raise RuntimeError('the tests cannot be collected: %s' % report.getvalue())
    return collector.found


def page(found):
    """The page's text."""
    parts = []
    for kind in ('camera', 'model'):
        rows = sorted(one for one in found if one.kind == kind)
        lines = ['| situation | outcome |', '|---|---|']
        lines += ['| %s | %s |' % (one.what, one.outcome + (': "%s"' % one.sentence if one.sentence else ''))
                  for one in rows]
        parts += [len(rows), '\n'.join(lines)]
    return TEXT % tuple(parts)


def current():
    """The page as another process collects it: pytest does not run within itself."""
    command = [sys.executable, '-m', 'tests.support.situations', '-']
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()


if __name__ == '__main__':
    text = page(collect())
    if sys.argv[1:] == ['-']:
        sys.stdout.buffer.write(text.encode())
    else:
        with open(PAGE, 'w', encoding='utf-8') as target:
            target.write(text)
