"""The configuration of a running appliance changes: what is meant changes, and nothing else notices."""
import os
import signal

import pytest

from edge_app.clock import now_ns
from edge_app.testing.simulator.process import Simulator

from tests.support import tiny_onnx
from tests.support.rtsp_player import Player, Refused
from tests.support.running import Running, free_port
from tests.support.waiting import until

SITE = '''
cameras:
%s
outputs: [{uri: "rtsp://127.0.0.1:%d/mosaic", size: [640, 368], fps: 10}]
engine: {backend: fake}
web: off
'''
WORKERS = {'capture:cam1', 'capture:cam2', 'analyze', 'compositor', 'board'}


@pytest.fixture(scope='module')
def cameras():
    with Simulator(cameras=4, size=(320, 180), fps=10.0, apart=True, die_with_parent=True) as simulator:
        yield simulator


class Changing(Running):
    """A running appliance whose configuration is a list of cameras, numbers of the simulator's, with more settings."""

    def __init__(self, cameras, folder, **wanted):
        self.cameras, self.port, self.folder = cameras, free_port(), folder
        self.written = self.site(**wanted)
        super().__init__(self.written, folder)

    def site(self, **wanted):
        lines = ['  - {name: %s, uri: "%s", user: %s, password: "%s", size: [320, 176]%s}' % (
            name, self.cameras.uris[int(name[3]) - 1], self.cameras.user, self.cameras.password, more and ', ' + more)
            for name, more in sorted(wanted.items())]
        return SITE % ('\n'.join(lines), self.port)

    def become(self, text=None, hang_up=False, **wanted):
        """Write another configuration and wait until it has been applied or rejected; what was printed."""
        said, self.written = len(self.text()), text or self.site(**wanted)
        path = os.path.join(str(self.folder), 'site.yaml')
        with open(path + '.new', 'w') as stream:
            stream.write(self.written)
        os.chmod(path + '.new', 0o600)
        os.rename(path + '.new', path)
        if hang_up:
            self.process.send_signal(signal.SIGHUP)
        until(lambda: 'configuration ' in self.text()[said:], 10, 'the change is noticed')
        return self.text()[said:]

    def go_back(self, *replaced):
        """To cam1 and cam2 as in the beginning, once these processes are others."""
        pids = self.pids()
        assert 'reloaded' in self.become(cam1='', cam2='')
        until(lambda: all(self.pids().get(name) not in (None, pids[name]) for name in replaced), 20, 'other processes')

    def goes_on(self):
        """Every camera is inferred and shown from now on, and every frame is accounted for."""
        moment_ns = now_ns()
        until(lambda: all(min(page.last_shown_ns, page.last_inferred_ns) > moment_ns
                          for page in self.counters.cameras.values()),
              20, 'every camera is inferred and shown')
        until(self.balanced, 10, 'every frame is accounted for')

    def uri(self, path):
        return 'rtsp://127.0.0.1:%d%s' % (self.port, path)

    def pids(self, *but):
        return {name: row['pid'] for name, row in self.workers().items() if name not in but}

    def cells(self, name):
        return self.counters.cameras[name].snapshot()

    def balanced(self):
        return all(not self.counters.balance(name).error for name in self.counters.cameras)


@pytest.fixture(scope='module')
def appliance(cameras, tmp_path_factory):
    """One for all changes; its exit code says that every frame was accounted for."""
    with Changing(cameras, tmp_path_factory.mktemp('changes'), cam1='', cam2='') as appliance:
        yield appliance
        appliance.goes_on()
        appliance.counters.close()
        appliance.counters = None
        assert appliance.stop() == 0, appliance.text()


@pytest.fixture
def running(appliance):
    """The appliance, with two cameras, whatever the test before made of it."""
    if appliance.written != appliance.site(cam1='', cam2=''):
        appliance.go_back()
    until(lambda: set(appliance.workers()) == WORKERS, 10, 'the workers of two cameras')
    appliance.goes_on()
    return appliance


def undisturbed(appliance, name, before):
    """The camera went on without a new connection, an unfinished or a lost frame."""
    until(lambda: appliance.cells(name)['inferred'] > before['inferred'] + 5, 20, name + ' goes on')
    after = appliance.cells(name)
    for cell in ('reconnects', 'resync', 'undecodable', 'engine_down'):
        assert after[cell] == before[cell], cell


def test_a_camera_added_and_removed_affects_no_other(running):
    pids, before = running.pids(), running.cells('cam1')
    served(running, '/cam1')
    with Player(running.uri('/mosaic')) as mosaic, Player(running.uri('/cam1_annotated')) as single, \
            Player(running.uri('/cam1')) as raw:
        for player in (mosaic, single, raw):
            player.gets(3)
        assert 'reloaded' in running.become(cam1='', cam2='', cam3='')
        running.wait_live('cam1', 'cam2', 'cam3')
        assert running.pids('capture:cam3') == pids
        compositor = running.counters.compositor
        tiles = until(lambda: len(compositor.info['tiles']) == 3 and compositor.info['tiles'], 5, 'tiles')
        assert set(tiles) == {'cam1', 'cam2', 'cam3'}
        for path in ('/cam3_annotated', '/cam3'):
            served(running, path)
            with Player(running.uri(path)) as newcomer:
                newcomer.gets(3)
        assert 'reloaded' in running.become(cam1='', cam3='')
        until(lambda: 'capture:cam2' not in running.workers(), 5, 'cam2 gone')
        assert set(running.counters.cameras) == {'cam1', 'cam3'}
        assert not os.path.exists(os.path.join(running.run_dir, 'cam2.frames'))
        until(lambda: refused(running, '/cam2_annotated') and refused(running, '/cam2'), 5, 'cam2 is not served')
        for player in (mosaic, single, raw):
            player.gets(5)
            assert not player.ended
        undisturbed(running, 'cam1', before)
    assert {name: pid for name, pid in running.pids().items() if name in pids} == {
        name: pid for name, pid in pids.items() if name != 'capture:cam2'}
    running.goes_on()


def served(appliance, path):
    """A camera's own stream is announced a moment after its first frames, when its codec is known here."""
    until(lambda: not refused(appliance, path), 5, path + ' is served')


def refused(appliance, path):
    try:
        with Player(appliance.uri(path)):
            return False
    except Refused as error:
        return error.status == 404


def test_rates_and_thresholds_change_without_a_new_process(running):
    pids, before = running.pids(), running.cells('cam2')
    running.become(cam1='max_fps: 2, priority: 3', cam2='', hang_up=True)
    page = running.counters.cameras['cam1']
    until(lambda: page.requested_fps_milli == 2000 and 0 < page.attained_fps_milli < 3000, 20, 'two a second')
    undisturbed(running, 'cam2', before)
    assert 'reloaded: cameras.cam1.max_fps not set -> 2, cameras.cam1.priority 1 -> 3\n' in running.text()
    running.become(cam1='', cam2='')
    until(lambda: page.attained_fps_milli > 6000, 20, 'all of them again')
    said = running.text().count('configuration reloaded: nothing changed')
    running.process.send_signal(signal.SIGHUP)      # with the file as it is
    until(lambda: running.text().count('configuration reloaded: nothing changed') == said + 1, 10, 'SIGHUP is heard')
    assert running.pids() == pids


def test_disabled_and_enabled_again(running):
    pids, before = running.pids(), running.cells('cam1')
    running.become(cam1='', cam2='enabled: false')
    until(lambda: running.state('cam2') == 'disabled' and 'capture:cam2' not in running.workers(), 10, 'cam2 disabled')
    until(running.balanced, 10, 'every frame is accounted for meanwhile')
    inferred = running.cells('cam2')['inferred']
    running.become(cam1='', cam2='')
    until(lambda: running.state('cam2') == 'live' and running.cells('cam2')['inferred'] > inferred + 3, 20,
          'cam2 again')
    undisturbed(running, 'cam1', before)
    assert running.pids('capture:cam2') == {name: pid for name, pid in pids.items() if name != 'capture:cam2'}
    running.goes_on()


def test_another_size_is_another_ring(running):
    before = running.cells('cam1')
    changed = running.site(cam1='', cam2='').splitlines()
    text = '\n'.join(line.replace('[320, 176]', '[160, 96]') if 'name: cam2' in line else line for line in changed)
    running.become(text)
    running.wait_live('cam2')
    until(lambda: running.counters.compositor.info['tiles'], 5, 'tiles')
    undisturbed(running, 'cam1', before)
    running.goes_on()
    running.go_back('capture:cam2')


def test_other_outputs_are_shown_by_another_process_and_the_appliance_goes_on(running):
    pids, before = running.pids(), running.cells('cam1')
    running.become(running.site(cam1='', cam2='').replace('fps: 10}', 'fps: 5}'))
    until(lambda: running.pids()['compositor'] not in (None, pids['compositor']), 15, 'another process')
    undisturbed(running, 'cam1', before)
    assert running.pids('compositor') == {name: pid for name, pid in pids.items() if name != 'compositor'}
    running.goes_on()
    running.go_back('compositor')


def test_a_wrong_configuration_is_rejected(running):
    pids = running.pids()
    text = running.site(cam1='enabled: false', cam2='').replace('fps: 10}', 'fps: 1000}')
    said = running.become(text)
    assert 'rejected' in said and 'outputs[0].fps' in said and 'site.yaml' in said
    assert 'rejected' in running.become('cameras: [')
    assert running.state('cam1') == 'live' and running.pids() == pids
    assert 'reloaded' in running.become(cam1='', cam2='', cam3='')
    running.wait_live('cam1', 'cam2', 'cam3')


def test_another_model_is_loaded_aside_before_it_is_taken(running, tmp_path):
    pids = running.pids()
    model = tmp_path / 'squares.onnx'
    site = running.site(cam1='', cam2='').replace('{backend: fake}', '{model: "%s"}' % model)
    model.write_bytes(b'no model')
    assert 'rejected' in running.become(site) and running.pids() == pids
    model.write_bytes(tiny_onnx.detector('yolox'))
    assert 'reloaded' in running.become(site, hang_up=True)
    until(lambda: running.counters.engine.info.get('model', '').endswith('squares.onnx'), 20, 'the other model')
    assert running.pids('analyze') == {name: pid for name, pid in pids.items() if name != 'analyze'}
    running.goes_on()
    running.go_back('analyze')


def test_a_refused_camera_reconnects_at_once_with_the_right_password(cameras, running):
    before = running.cells('cam1')
    good = running.site(cam1='', cam2='')
    wrong = '\n'.join(line.replace(cameras.password, 'wrong') if 'name: cam2' in line else line
                      for line in good.splitlines())
    running.become(wrong)
    until(lambda: running.state('cam2') == 'refused', 20, 'cam2 refused')
    running.become(good)
    until(lambda: running.state('cam2') == 'live', 15, 'cam2 again, and not in a minute')
    undisturbed(running, 'cam1', before)
