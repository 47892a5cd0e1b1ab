"""The whole appliance on simulated cameras: it delivers, it survives the death of any part, it leaves nothing."""
import json
import os
import signal
import socket
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge_app.commands.demo import SEED
from edge_app.compositor.layout import grid
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator
from edge_app.testing.simulator.scene import Scene

from tests.running import Running, free_port, leftovers, site
from tests.waiting import until

SMALL = {'size': (320, 180), 'fps': 10.0}


@pytest.fixture(scope='module')
def cameras():
    with Simulator(cameras=3, apart=True, die_with_parent=True, **SMALL) as simulator:
        yield simulator


@pytest.fixture
def running(cameras, tmp_path):
    with Running(site(cameras.uris, cameras.user), tmp_path, CAMERA_PASSWORD=cameras.password) as appliance:
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


def test_the_supervisor_killed_leaves_no_process_and_no_memory(running):
    workers = running.workers()
    assert set(workers) == {'capture:cam1', 'capture:cam2', 'capture:cam3', 'analyze', 'compositor', 'board'}
    pids = [row['pid'] for row in workers.values()]
    running.process.kill()
    until(lambda: not any(alive(pid) for pid in pids), 6, 'every worker gone')
    until(lambda: not os.path.exists(running.run_dir), 3, 'the run directory gone')


def test_a_clean_stop_is_quick_and_complete(running):
    pids = [row['pid'] for row in running.workers().values()]
    running.counters.close()
    running.counters = None
    assert running.stop() == 0, running.text()
    assert not any(alive(pid) for pid in pids)
    assert not os.path.exists(running.run_dir)


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


def test_demo_writes_its_report_and_the_picture_a_viewer_sees(tmp_path):
    report, picture = tmp_path / 'report.json', tmp_path / 'mosaic.png'
    done = subprocess.run([sys.executable, '-m', 'edge_app', 'demo', '--duration', '9', '--json', str(report),
                           '--snapshot', str(picture)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    found = json.loads(report.read_text())
    assert found['schema'] == 1 and len(found['cameras']) == 4
    for name, camera in found['cameras'].items():
        assert camera['state'] == 'live' and camera['inferred'] > 0, name
        assert camera['received'] == camera['inferred'] + sum(camera['dropped'].values()) + camera['in_flight'], name
        assert camera['latency_ms']['result']['p95'] > 0 and camera['latency_ms']['mosaic']['p95'] > 0, name
    assert found['engine']['backend'] and found['engine']['model'] and found['first_mosaic_s'] > 0
    assert {'supervisor', 'analyze', 'compositor', 'web'} < {process['name'] for process in found['processes']}
    mosaic = cv2.imread(str(picture))
    size = mosaic.shape[1], mosaic.shape[0]
    for number, tile in enumerate(grid(4, size), 1):
        part = mosaic[tile.y:tile.bottom, tile.x:tile.right]
        scenes = [Scene(SEED + other, timecode=False).background.picture for other in (1, 2, 3, 4)]
        apart = [np.median(cv2.absdiff(cv2.resize(scene, part.shape[1::-1]), part)) for scene in scenes]
        assert np.argmin(apart) == number - 1 and min(apart) < 12, apart
        assert timecode.read(part) is None, 'no strip for programs'


def test_a_port_in_use_is_reported_before_anything_is_started(cameras, tmp_path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        before = leftovers()
        text = site(cameras.uris, cameras.user, port=port)
        path = tmp_path / 'site.yaml'
        path.write_text(text)
        done = subprocess.run([sys.executable, '-m', 'edge_app', 'run', str(path)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=dict(os.environ, CAMERA_PASSWORD='x'))
        assert done.returncode == 2
        assert 'outputs[0].uri' in done.stderr.decode() and str(port) in done.stderr.decode()
        assert leftovers() == before
