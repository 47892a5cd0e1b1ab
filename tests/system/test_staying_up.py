"""What may happen under a running appliance: its reader goes, its configuration becomes a pipe, its files are gone."""
import os
import shutil
import signal
import subprocess
import sys

import pytest

from edge_app.errors import EXIT_FAILED
from edge_app.stats import STATES, Counters
from edge_app.stats.report import read_status
from edge_app.supervision.run_dir import BASE

from tests.support.waiting import until

SITE = 'cameras: [{name: gate, uri: "test://", size: [64, 48], max_fps: 10}]\nengine: off\noutputs: []\nweb: off\n'


@pytest.fixture
def started(tmp_path):
    """(process, run directory, path of the configuration) of an appliance whose camera is live; its news is piped."""
    path = tmp_path / 'site.yaml'
    path.write_text(SITE)
    path.chmod(0o600)
    with open(str(tmp_path / 'log'), 'w') as log:
        process = subprocess.Popen([sys.executable, '-m', 'edge_app', '--log-level', 'info', 'run', str(path)],
                                   stdout=subprocess.PIPE, stderr=log)
    run_dir = os.path.join(BASE, 'edge-app-%d' % process.pid)
    try:
        assert process.stdout.readline().startswith(b'edge-app is running')
        until(lambda: is_live(run_dir), 30, 'the camera is live')
        yield process, run_dir, str(path)
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def is_live(run_dir):
    with Counters.open(run_dir) as counters:
        return STATES[counters.cameras['gate'].state] == 'live'


def capture_pid(run_dir):
    return {row['name']: row['pid'] for row in read_status(run_dir)['workers']}.get('capture:gate')


def log_of(path):
    with open(os.path.join(os.path.dirname(path), 'log')) as log:
        return log.read()


def test_the_end_of_its_outputs_reader_and_a_configuration_that_is_a_pipe_stop_nothing(started):
    process, run_dir, path = started
    process.stdout.close()      # what it says from now on finds no reader
    os.unlink(path)
    os.mkfifo(path)             # nobody ever writes to it: opening it would wait for ever
    process.send_signal(signal.SIGHUP)
    victim = capture_pid(run_dir)
    os.kill(victim, signal.SIGKILL)
    until(lambda: capture_pid(run_dir) not in (None, victim), 20, 'the capture is started again')
    until(lambda: is_live(run_dir), 20, 'the camera is live again')
    os.unlink(path)
    with open(path, 'w') as file:
        file.write(SITE.replace('gate', 'yard'))
    os.chmod(path, 0o600)
    until(lambda: 'capture:yard' in [row['name'] for row in read_status(run_dir)['workers']], 20, 'it is read again')
    assert process.poll() is None
    process.terminate()
    assert process.wait(20) in (0, EXIT_FAILED)
    assert 'Traceback' not in log_of(path) and 'BrokenPipe' not in log_of(path)


@pytest.mark.parametrize('lost', ['', 'counters', 'gate.frames'], ids=['all', 'counters', 'a ring'])
def test_without_its_files_it_ends_with_a_code_that_systemd_restarts(started, lost):
    process, run_dir, path = started
    pids = [row['pid'] for row in read_status(run_dir)['workers']] + [process.pid]
    if lost:
        os.unlink(os.path.join(run_dir, lost))
    else:
        shutil.rmtree(run_dir)
    assert process.wait(20) == EXIT_FAILED
    assert 'removed while edge-app was running' in log_of(path) and 'Traceback' not in log_of(path)
    assert not os.path.exists(run_dir)
    assert not [pid for pid in pids if os.path.exists('/proc/%d' % pid)]
