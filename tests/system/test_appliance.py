"""The whole appliance on simulated cameras: it delivers, it survives the death of any part, it leaves nothing."""
import os
import signal
import socket
import subprocess
import sys

import pytest

from edge_app.testing.simulator.process import Simulator

from tests.support.running import Running, free_port, leftovers, site
from tests.support.waiting import until

SMALL = {'size': (320, 180), 'fps': 10.0}


@pytest.fixture(scope='module')
def cameras():
    with Simulator(cameras=3, apart=True, die_with_parent=True, **SMALL) as simulator:
        yield simulator


@pytest.fixture(scope='module')
def running(cameras, tmp_path_factory):
    """One for the tests it survives, and the one that stops it."""
    folder = tmp_path_factory.mktemp('running')
    with Running(site(cameras.uris, cameras.user), folder, CAMERA_PASSWORD=cameras.password) as appliance:
        appliance.wait_live('cam1', 'cam2', 'cam3')
        yield appliance


def alive(pid):
    """Whether there is such a process; one that has ended and was not waited for is gone too."""
    try:
        with open('/proc/%d/stat' % pid) as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def counted(appliance, name):
    cells = appliance.counters.cameras[name].snapshot()
    return cells['received'], cells['reconnects'], cells['resync'] + cells['undecodable']


@pytest.mark.parametrize('victim', ['capture:cam2', 'analyze', 'compositor'])
def test_a_killed_worker_restarts_and_affects_no_other(running, victim):
    workers = running.workers()
    before = {name: counted(running, name) for name in ('cam1', 'cam3')}
    shown = running.counters.cameras['cam2'].shown
    os.kill(workers[victim]['pid'], signal.SIGKILL)
    until(lambda: running.workers().get(victim, {}).get('pid') not in (None, workers[victim]['pid']), 10, 'a new pid')
    inferred = running.counters.cameras['cam2'].inferred
    until(lambda: running.counters.cameras['cam2'].inferred > inferred + 3, 20, 'cam2 inferred again')
    until(lambda: running.counters.cameras['cam2'].shown > shown, 20, 'cam2 shown again')
    for name, (received, reconnects, lost) in before.items():
        until(lambda: counted(running, name)[0] > received + 3, 10, name + ' goes on')
        assert counted(running, name)[1:] == (reconnects, lost)
    others = {name: row['pid'] for name, row in workers.items() if name != victim}
    assert {name: row['pid'] for name, row in running.workers().items() if name in others} == others
    until(lambda: all(not running.counters.balance(name).error for name in ('cam1', 'cam2', 'cam3')), 10, 'balance')


def test_a_clean_stop_is_quick_and_complete(running):
    """The last of this appliance."""
    pids = [row['pid'] for row in running.workers().values()]
    running.counters.close()
    running.counters = None
    assert running.stop() == 0, running.text()
    assert not any(alive(pid) for pid in pids)
    assert not os.path.exists(running.run_dir)


def test_the_supervisor_killed_leaves_no_process_and_no_memory(cameras, tmp_path):
    with Running(site(cameras.uris, cameras.user), tmp_path, CAMERA_PASSWORD=cameras.password) as appliance:
        appliance.wait_live('cam1', 'cam2', 'cam3')
        workers = appliance.workers()
        assert set(workers) == {'capture:cam1', 'capture:cam2', 'capture:cam3', 'analyze', 'compositor', 'board'}
        pids = [row['pid'] for row in workers.values()]
        appliance.process.kill()
        until(lambda: not any(alive(pid) for pid in pids), 6, 'every worker gone')
        until(lambda: not os.path.exists(appliance.run_dir), 3, 'the run directory gone')


def test_an_absent_and_a_refusing_camera_affect_no_other(cameras, tmp_path):
    uris = [cameras.uris[0], 'rtsp://127.0.0.1:%d/Streaming/Channels/101' % free_port(),
            cameras.uris[1].replace('101', '901')]
    with Running(site(uris, cameras.user), tmp_path, CAMERA_PASSWORD=cameras.password) as appliance:
        appliance.wait_live('cam1')
        until(lambda: appliance.state('cam3') == 'refused', 10, 'cam3 refused')
        until(lambda: appliance.state('cam2') == 'no_signal', 10, 'cam2 no signal')
        assert appliance.counters.cameras['cam3'].info['reason']
        appliance.counters.close()
        appliance.counters = None
        assert appliance.stop() == 1
        assert 'FAILED cam2' in appliance.text() and 'FAILED cam3' in appliance.text()
        assert 'FAILED cam1' not in appliance.text()


def test_a_port_in_use_is_reported_before_anything_is_started(cameras, tmp_path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        text = site(cameras.uris, cameras.user, port=port)
        path = tmp_path / 'site.yaml'
        path.write_text(text)
        run = subprocess.Popen([sys.executable, '-m', 'edge_app', 'run', str(path)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=dict(os.environ, CAMERA_PASSWORD='x'))
        said = run.communicate(timeout=60)[1].decode()
        assert run.returncode == 2
        assert 'outputs[0].uri' in said and str(port) in said
        assert leftovers(run.pid) == []
