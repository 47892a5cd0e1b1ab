"""A stranger does everything at once to an appliance that asks for passwords, and none of its users notices much.

Some seconds long; EDGE_APP_STRANGER_S=60 in the environment makes it as long as that. The attacks are in
tests/support/strangers.py: RTSP, RTSPS and HTTPS are tuples of functions (address, over).
"""
import contextlib
import json
import os
import ssl
import threading
import time
import urllib.request

import pytest

from edge_app.testing.simulator.process import Simulator

from tests.support import certificates, strangers
from tests.support.memory import pss_mb
from tests.support.rtsp_player import Player
from tests.support.running import Running, free_port
from tests.support.waiting import until

SECONDS = float(os.environ.get('EDGE_APP_STRANGER_S', '5'))
USER, PASSWORD, TOKEN = 'viewer', 'p@ss:w/rd', 'a-token-of-32-characters-at-least'
MOST_GROWTH_MB = 100
MOST_LINES = 100

SITE = '''
cameras:
  - {name: cam1, uri: "%s", user: %s, password: "${CAMERA_PASSWORD}", size: [320, 176]}
engine: {enabled: false}
outputs:
  - {uri: "rtsp://127.0.0.1:%d/mosaic", size: [320, 192], fps: 10, user: viewer, password: "${VIEWER_PASSWORD}"}
  - {uri: "rtsps://127.0.0.1:%d/mosaic", size: [320, 192], fps: 10, user: viewer, password: "${VIEWER_PASSWORD}"}
tls: {certificate: "%s", key: "%s"}
web: {port: %d, token: "${WEB_TOKEN}"}
'''


class Memory(threading.Thread):
    """The most each process has had since the start, above what it had then."""

    def __init__(self, pids):
        super(Memory, self).__init__(daemon=True)
        self.before = {name: pss_mb(pid) for name, pid in pids.items()}
        self.growth = dict.fromkeys(pids, 0.0)
        self._pids, self._over = pids, threading.Event()
        self.start()

    def run(self):
        while not self._over.wait(0.2):
            for name, pid in self._pids.items():
                self.growth[name] = max(self.growth[name], pss_mb(pid) - self.before[name])

    def stop(self):
        """{process: MB}."""
        self._over.set()
        self.join()
        return self.growth


@pytest.fixture(scope='module')
def appliance(tmp_path_factory):
    folder = tmp_path_factory.mktemp('stranger')
    certificate, key = certificates.make(folder)
    rtsp, rtsps, web = free_port(), free_port(), free_port()
    with Simulator(cameras=1, size=(320, 180), fps=10.0, die_with_parent=True) as simulator:
        text = SITE % (simulator.uris[0], simulator.user, rtsp, rtsps, certificate, key, web)
        with Running(text, folder, CAMERA_PASSWORD=simulator.password, VIEWER_PASSWORD=PASSWORD,
                     WEB_TOKEN=TOKEN) as running:
            until(lambda: running.state('cam1') == 'live', 30, 'the camera is live')
            running.certificate = certificate
            running.addresses = {scheme: ('127.0.0.1', port)
                                 for scheme, port in (('rtsp', rtsp), ('rtsps', rtsps), ('https', web))}
            for scheme in running.addresses:
                until(lambda: listens(running.addresses[scheme]), 20, scheme + ' listens')
            yield running


def listens(address):
    with contextlib.suppress(OSError):
        strangers.connect(address).close()
        return True
    return False


def viewer(appliance, scheme):
    """A viewer with the password, connected anew."""
    trusted = appliance.certificate if scheme == 'rtsps' else None
    uri = '%s://127.0.0.1:%d/mosaic' % (scheme, appliance.addresses[scheme][1])
    return Player(uri, USER, PASSWORD, timeout_s=10.0, trusted=trusted)


def stats(appliance):
    """/api/stats for who has the token."""
    context = ssl.create_default_context(cafile=appliance.certificate)
    context.check_hostname = False
    request = urllib.request.Request('https://127.0.0.1:%d/api/stats' % appliance.addresses['https'][1],
                                     headers={'Authorization': 'Bearer ' + TOKEN})
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10.0, context=context) as answer:
        return json.load(answer)
    return None     # cut in the crowd: a browser tries again


def attacks(appliance):
    return [(attack, appliance.addresses[scheme]) for scheme, kinds in (
        ('rtsp', strangers.RTSP), ('rtsps', strangers.RTSPS), ('https', strangers.HTTPS)) for attack in kinds]


def test_everything_at_once_costs_little_and_keeps_no_viewer_out(appliance):
    with contextlib.closing(viewer(appliance, 'rtsp')) as watching, contextlib.closing(viewer(appliance, 'rtsps')):
        watching.gets(3)
        workers = {name: row['pid'] for name, row in appliance.workers().items()}
        memory = Memory(dict(workers, supervisor=appliance.process.pid))
        lines, end, served = len(appliance.text().splitlines()), time.monotonic() + SECONDS, 0
        with strangers.all_at_once(*attacks(appliance)):
            while time.monotonic() < end or not served:
                for scheme in ('rtsp', 'rtsps'):
                    with viewer(appliance, scheme) as new:
                        new.gets(2, 10.0)
                    served += 1
                watching.gets(1, 10.0)
                assert 'cam1' in until(lambda: stats(appliance), 10, 'who has the token is answered')['cameras']
        grown = memory.stop()
        watching.gets(3)
    said = appliance.text().splitlines()[lines:]
    print('served %d, grown %s, %d lines' % (served, {name: round(size) for name, size in grown.items()}, len(said)))
    assert {name: size for name, size in grown.items() if size > MOST_GROWTH_MB} == {}
    assert len(said) < MOST_LINES, said[:20]
    assert 'secret' not in '\n'.join(said)
    assert {name: row['pid'] for name, row in appliance.workers().items()} == workers, 'nothing was restarted'
    assert appliance.state('cam1') == 'live'
