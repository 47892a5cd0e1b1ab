"""`edge-app chaos --short`: what must hold on any machine, however busy; times and rates are in the report."""
import contextlib
import json
import os
import subprocess
import sys

import pytest

from edge_app import cli

from tests.support.waiting import until

pytestmark = [pytest.mark.serial, pytest.mark.timeout(600)]  # five turns of each fault take two minutes

KEYS = {'name', 'target', 'healthy_gap_frames', 'healthy_p95_ratio', 'frames_lost', 'detected_s', 'recovered_s',
        'ledger_balanced', 'left_behind'}
KINDS = {'analyze', 'board', 'capture', 'compositor', 'results', 'supervisor', 'web'}
KILLS = 12


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    file = str(tmp_path_factory.mktemp('chaos') / 'chaos.json')
    done = subprocess.run([sys.executable, '-m', 'edge_app', 'chaos', '--short', '--json', file],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)      # it adopts orphans: not in this process
    assert done.returncode in (0, 1), done.stdout
    with open(file) as stream:
        found = json.load(stream)
    assert done.returncode == (0 if found['good'] else 1)
    assert all(row['name'] in done.stdout for row in found['faults'])
    return found


def children(pid):
    """{pid: command line} of what a process has started and what that has."""
    found = {}
    for entry in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            with open('/proc/%s/stat' % entry) as stat, open('/proc/%s/cmdline' % entry) as line:
                state, parent = stat.read().rpartition(')')[2].split()[:2]
                if state != 'Z':
                    found.setdefault(int(parent), {})[int(entry)] = line.read().replace('\0', ' ')
    family, todo = {}, [pid]
    while todo:
        of_this = found.get(todo.pop(), {})
        family.update(of_this)
        todo += of_this
    return family


def test_sigterm_leaves_no_appliance_behind():
    """As Ctrl-C: with the report of what was done by then."""
    chaos = subprocess.Popen([sys.executable, '-m', 'edge_app', 'chaos', '--short'], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    try:
        family = until(lambda: any('worker capture' in line for line in children(chaos.pid).values())
                       and children(chaos.pid), 60, 'an appliance')
        chaos.terminate()
        said = chaos.communicate(timeout=60)[0].decode()
        assert chaos.returncode == 1 and 'interrupted before the end' in said
        until(lambda: not any(os.path.exists('/proc/%d' % pid) for pid in family), 10, 'the end of all')
    finally:
        chaos.kill()


def rows(found, *names):
    return [row for row in found['faults'] if not names or row['name'] in names]


def test_the_report_has_what_its_readers_look_for(found):
    assert found['schema'] == 1 and set(found) >= {'faults', 'memory'}
    for row in rows(found):
        assert KEYS <= set(row)
        assert (row['target'] == 'all') == (row['healthy_gap_frames'] is None)


def test_everything_was_killed_and_came_back(found):
    kills = [row for row in rows(found) if row['name'].startswith('kill ')]
    assert {row['name'].partition(' ')[2] for row in kills} == KINDS
    assert sum(row['times'] for row in kills) == KILLS
    assert all(row['recovered_s'] > 0 for row in kills)


def test_a_camera_that_fails_is_noticed_and_comes_back(found):
    for row in rows(found, 'freeze', 'rst'):
        assert row['detected_s'] >= 0 and row['recovered_s'] > 0        # a reset is noticed within a millisecond


def test_every_frame_is_accounted_for_and_nothing_is_left_behind(found):
    for row in rows(found):
        assert row['ledger_balanced'] is True and row['left_behind'] == [] and row['trouble'] == []


def test_no_picture_is_torn_or_comes_twice_or_late(found):
    measured = [row['disorder'] for row in rows(found) if row['disorder']]
    assert len(measured) == len(rows(found)) - 1     # of all but the supervisor's
    assert all(set(one.values()) == {0} for one in measured)


def test_healthy_cameras_were_observed(found):
    for row in rows(found):
        if row['target'] != 'all':
            assert None not in (row['healthy_gap_frames']['p99.5'], row['healthy_gap_frames']['fault_free'])
            assert row['frames_lost'] >= 0


@pytest.mark.parametrize('arguments', [['--only', 'earthquake'], ['--json', '/nowhere/chaos.json']])
def test_what_cannot_be_done_is_refused_before_anything_is_started(arguments):
    assert cli.main(['chaos'] + arguments) == 2
