"""The whole appliance on a Jetson TX2's stand-ins: four cameras, decoders that never come back, a camera that changes.

30 seconds, or with EDGE_APP_LONG set ten minutes. What it proves is that nothing of it goes on beyond its own camera;
it has not run on a board.
"""
import os
import time

import pytest

from edge_app.clock import now_ns
from edge_app.supervision.process_usage import own_mb
from edge_app.testing.simulator.process import Simulator

from tests.support import jetson
from tests.support.rtsp_player import Player
from tests.support.running import Running, free_port, site
from tests.support.waiting import until

LONG = bool(os.environ.get('EDGE_APP_LONG'))
SECONDS = 600 if LONG else 30
HANG_AFTER = 300 if LONG else 50
"""Access units after which the decoder of cam2 hangs, in every process again."""
CHANGE_EVERY_S = 60 if LONG else 10
MET = 3 if LONG else 1
"""How often each must at least have happened."""
FPS = 10
UNDISTURBED = ('cam1', 'cam4')
ALL = ('cam1', 'cam2', 'cam3', 'cam4')
STALE_NS = 8 * 10 ** 9
"""On a machine that is busy with other things every camera may stand still for some seconds."""
PATIENCE_S = {'cam2': 3, 'cam3': 3}
SETTLED_S, MORE_MB = 60, 10
"""After its first minute no process may grow by more: memory of its own, for what it shares with others of the same
libraries depends on how many of those there are."""


class Talking(Running):
    """Says what it does."""

    COMMAND = ('--log-level', 'info', 'run')


@pytest.fixture
def simulator():
    with Simulator(cameras=4, size=(320, 192), fps=FPS, port_per_camera=True, faultable=True,
                   die_with_parent=True) as simulator:
        yield simulator


@pytest.fixture
def appliance(simulator, tmp_path):
    port = free_port()
    lines = site(simulator.uris, simulator.user, port=port).split('\n')
    for number, name in enumerate(ALL, 1):
        lines[number] = lines[number].replace('176]}', '176], silence_s: %d}' % PATIENCE_S.get(name, 120))
    text = '\n'.join(lines)
    board = jetson.environment('tx2', bugs='second-caps late=1 hang=%d@capture:cam2' % HANG_AFTER)
    with Talking(text, tmp_path, CAMERA_PASSWORD=simulator.password, **board) as appliance:
        appliance.wait_live(*ALL, seconds=60)
        appliance.mosaic = 'rtsp://127.0.0.1:%d/mosaic' % port
        yield appliance


class Observer:
    """Looks at the two cameras nobody touches, and at every process, again and again; changes cam3 in between."""

    def __init__(self, appliance, simulator):
        self.appliance, self.simulator = appliance, simulator
        self.workers = appliance.workers()
        self.losses = {name: self.lost(name) for name in UNDISTURBED}
        self.received = {name: appliance.counters.cameras[name].received for name in ALL}
        self.begun_s = self.changed_s = time.monotonic()
        self.since_s, self.sizes = {}, {}
        self.changes = 0
        self.pids = {'capture:cam2': set(), 'capture:cam3': set()}

    def lost(self, name):
        cells = self.appliance.counters.cameras[name].snapshot()
        return cells['reconnects'], cells['resync'] + cells['undecodable']

    def look(self):
        """One look; whether the time is over and both bugs were met."""
        age_s = time.monotonic() - self.begun_s
        for name in UNDISTURBED:
            page = self.appliance.counters.cameras[name]
            assert now_ns() - page.last_captured_ns < STALE_NS, '%s at %.0f s' % (name, age_s)
        if time.monotonic() - self.changed_s > CHANGE_EVERY_S:
            self.change()
        self.weigh(age_s)
        return age_s > SECONDS and all(len(pids) > 1 for pids in self.pids.values())

    def change(self):
        """Another size on cam3, or the first one again."""
        self.changed_s = time.monotonic()
        self.changes += 1
        if self.changes % 2:
            self.simulator.fault(3, 'resolution', size=[480, 288])
        else:
            self.simulator.clear(3)

    def weigh(self, age_s):
        for name, row in self.appliance.workers().items():
            self.pids.get(name, set()).add(row['pid'])
            since_s = self.since_s.setdefault(row['pid'], age_s)
            own = own_mb(row['pid']) if age_s - since_s > SETTLED_S else None
            if own is not None:
                self.sizes.setdefault((name, row['pid']), []).append(own)


@pytest.mark.timeout(SECONDS + 180)
def test_decoders_that_hang_and_a_camera_that_changes_are_nobody_elses_business(appliance, simulator):
    with Player(appliance.mosaic) as viewer:
        until(lambda: len(viewer.units) > 5, 20, 'the mosaic')
        observer = Observer(appliance, simulator)
        seen, composed = len(viewer.units), appliance.counters.compositor.composed
        until(observer.look, SECONDS + 60, 'the end')
        shown = len(viewer.units) - seen
        composed = appliance.counters.compositor.composed - composed
        keys = sum(1 for unit in viewer.units if 5 in unit)
    # The planted bugs were met: processes of cam2 ended by a hanging decoder, those of cam3 by the new size.
    said = appliance.text()
    assert said.count('cam2: the decoder hangs') >= len(observer.pids['capture:cam2']) - 1 >= MET
    assert said.count('the stream changed from') >= len(observer.pids['capture:cam3']) - 1 >= MET
    until(lambda: appliance.state('cam2') == appliance.state('cam3') == 'live', 20, 'cam2 and cam3 live again')
    # Nobody else noticed: no session lost, no frame damaged, no fewer frames than those in trouble had.
    received = {name: appliance.counters.cameras[name].received - observer.received[name] for name in ALL}
    assert min(received[name] for name in UNDISTURBED) > 0.9 * max(received['cam2'], received['cam3'])
    assert {name: observer.lost(name) for name in UNDISTURBED} == observer.losses
    after = appliance.workers()
    assert [name for name, row in observer.workers.items() if after.get(name, {}).get('pid') != row['pid']] == [
        'capture:cam2', 'capture:cam3']
    until(lambda: not any(appliance.counters.balance(name).error for name in ALL), 10, 'balance')
    # The viewer saw all that was composed, from the board's encoder, with a key frame each second.
    assert 'encoder jetson' in said and shown >= 0.95 * composed - FPS and composed >= SECONDS * FPS * 0.3
    assert keys >= shown // FPS // 2
    assert all(appliance.counters.cameras[name].info['decoder'].startswith('jetson') for name in ALL)
    assert {which: sizes for which, sizes in observer.sizes.items() if sizes[-1] - sizes[0] > MORE_MB} == {}
