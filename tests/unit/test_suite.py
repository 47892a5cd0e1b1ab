"""How the suite runs: serial files alone, one line per test in the record, and no test missing on all interpreters."""
import os
import subprocess
import sys

import pytest

from tests.support import interpreters
from tests.support.sources import ROOT

FILE = '''
import time

import pytest

{mark}
@pytest.mark.parametrize('number', range(3))
def test_it(number):
    began = time.monotonic()
    time.sleep(0.05)
    with open({spans!r}, 'a') as spans:
        spans.write('{name} %f %f\\n' % (began, time.monotonic()))
'''
BESIDE, ALONE = ('a', 'b', 'd', 'e'), ('c', 'f')


def run(folder, *options, **environment):
    """`pytest -n 2` of small files there, two of them serial, with the suite's own conftest."""
    spans = str(folder / 'spans')
    for name in BESIDE + ALONE:
        mark = '@pytest.mark.serial' if name in ALONE else ''
        (folder / ('test_%s.py' % name)).write_text(FILE.format(mark=mark, name=name, spans=spans))
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith('PYTEST_') and name != 'EDGE_APP_TEST_RECORD'}
    done = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'tests.conftest', '-p', 'no:cacheprovider', '-n',
                           '2', '--dist', 'loadfile', '--rootdir', str(folder), str(folder)] + list(options),
                          cwd=str(folder), env=dict(inherited, PYTHONPATH=ROOT, **environment), stdout=subprocess.PIPE,
                          universal_newlines=True)
    assert done.returncode == 0, done.stdout
    with open(spans) as lines:
        return [(name, float(began), float(ended)) for name, began, ended in map(str.split, lines)]


def test_a_serial_file_runs_alone_and_after_the_others(tmp_path):
    spans = run(tmp_path)
    assert len(spans) == 3 * len(BESIDE + ALONE)
    last = max(ended for name, _, ended in spans if name in BESIDE)
    for serial in ALONE:
        began, ended = (pick(span[place] for span in spans if span[0] == serial)
                        for pick, place in ((min, 1), (max, 2)))
        assert began >= last
        assert not [span for span in spans if span[0] != serial and span[1] < ended and span[2] > began]


def test_the_record_has_each_test_once_also_those_left_out(tmp_path):
    record = tmp_path / 'record'
    run(tmp_path, '-m', 'not serial', EDGE_APP_TEST_RECORD=str(record))
    outcomes = interpreters.read(str(record))
    assert len(record.read_text().splitlines()) == len(outcomes) == 3 * len(BESIDE + ALONE)
    assert {name for name, outcome in outcomes.items() if outcome == 'deselected'} == {
        'test_%s.py::test_it[%d]' % (name, number) for name in ALONE for number in range(3)}


@pytest.mark.parametrize('elsewhere, expected', [
    ('passed', ['a did not run on 3.6']), ('deselected', ['a did not run on 3.11', 'a did not run on 3.6'])])
def test_one_that_was_left_out_has_not_run(elsewhere, expected):
    runs = {'3.11': {'a': elsewhere}, '3.6': {'a': 'deselected'}}
    assert interpreters.problems(runs, {}, {}) == expected
    assert interpreters.problems(runs, {'a': ('3.11', 'slow')}, {}) == expected[:-1]


def test_a_module_that_skips_itself_must_run_somewhere():
    skipped = {'tests/test_x.py': 'skipped'}
    only = {'tests/test_x.py': ('3.11', 'needs torch')}
    assert interpreters.problems({'3.11': {'tests/test_x.py::test_a': 'passed'}, '3.6': skipped}, only, {}) == []
    assert interpreters.problems({'3.11': skipped, '3.6': skipped}, only, {}) == ['tests/test_x.py did not run on 3.11']
