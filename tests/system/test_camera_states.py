"""Cameras that show nothing new in different ways, and all who say so: six readers of one appliance."""
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from edge_app import gst
from edge_app.stats.camera_state import FROZEN_AFTER_NS
from edge_app.testing.harness.stream_decoder import StreamDecoder
from edge_app.testing.simulator.process import Simulator

from tests.support import situations
from tests.support.rtsp_camera import Camera
from tests.support.running import Running, free_port, site
from tests.support.waiting import until

pytestmark = pytest.mark.serial    # it measures how far apart changes come
WELL, SILENT, BLACK, HUNG, LOSSY = NAMES = ['cam%d' % number for number in range(1, 6)]
AWAY = {SILENT: 'no_signal', BLACK: 'frozen', LOSSY: 'damaged', HUNG: 'no_signal'}
"""What becomes of each camera."""
TOGETHER_S = 1.0
CARD_LUMA, BORDER_LUMA = 48, 176
"""Of a tile without a picture, and of the border around one that is not new."""


class Readers:
    """All that shows the cameras' states; `look` asks everybody once and notes when an answer was new."""

    def __init__(self, running, mosaic):
        self._running, self._mosaic = running, mosaic
        with open(os.path.join(running.run_dir, 'web.json')) as file:
            self._url = json.load(file)['url']
        self.seen = {}
        """{(reader, camera): [(state, seconds)]}; of a tile and a metric only whether it is live."""

    def get(self, path):
        """(status, text)."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def look(self):
        for reader in (self.tiles, self.page, self.stats, self.metrics, self.readyz, self.terminal):
            for camera, state in reader().items():
                found = self.seen.setdefault((reader.__name__, camera), [])
                if not found or found[-1][0] != state:
                    found.append((state, time.monotonic()))

    def tiles(self):
        found, shown = {}, self._mosaic.picture()
        for camera, rect in self._running.counters.compositor.info['tiles'].items():
            x, y, width, height = rect
            if shown is not None:
                tile = shown[1][y:y + height, x:x + width].astype(int)
                edge, middle = tile[height // 3:height * 3 // 4, :3], np.median(tile[height // 4:])
                marked = abs(edge - BORDER_LUMA).max() < 30 or abs(middle - CARD_LUMA) < 4
                found[camera] = 'away' if marked else 'live'
        return found

    def page(self):
        return dict(re.findall(r'<b>(\w+)</b><span class="(\w+)"', self.get('')[1]))

    def stats(self):
        return {name: one['state'] for name, one in json.loads(self.get('api/stats')[1])['cameras'].items()}

    def metrics(self):
        found = re.findall(r'^edge_app_camera_up\{camera="(\w+)"\} (\d)', self.get('metrics')[1], re.M)
        return {name: 'live' if up == '1' else 'away' for name, up in found}

    def readyz(self):
        return json.loads(self.get('readyz')[1])['cameras']

    def terminal(self):
        lines = re.findall(r'^(cam\d): ([a-z ]+)', self._running.text(), re.M)
        return {name: state.strip().replace(' ', '_') for name, state in lines}

    def changes(self, camera):
        """{reader: (state, seconds)} of the first answer that is not live."""
        found = {}
        for (reader, name), answers in self.seen.items():
            away = [answer for answer in answers if answer[0] != 'live']
            if name == camera and away:
                found[reader] = away[0]
        return found


@pytest.fixture
def readers(tmp_path):
    port = free_port()
    with Simulator(cameras=4, size=(320, 176), fps=10, faultable=True) as cameras, \
            Camera(size='320x176', fps=10, gop=10000) as lossy:
        text = site(cameras.uris + [lossy.uri], cameras.user, 'engine: {backend: fake}', web=True, port=port)
        with Running(text, tmp_path, CAMERA_PASSWORD=cameras.password) as running:
            running.wait_live(*NAMES, seconds=40)
            mosaic = StreamDecoder('rtsp://127.0.0.1:%d/mosaic' % port, [gst.make('avdec_h264', max_threads=1)])
            try:
                until(lambda: mosaic.picture(), 20, 'a mosaic')
                made = Readers(running, mosaic)
                made.cameras, made.lossy, made.running = cameras, lossy, running
                yield made
            finally:
                mosaic.close()


@situations.camera('silent on an open connection: no signal on mosaic, page, report, metrics, /readyz and terminal')
@situations.camera('one picture repeated by a camera that moved before: frozen, everywhere within a second')
@situations.camera('every frame damaged: damaged everywhere within a second, the last good picture is held')
def test_a_camera_that_shows_nothing_new_is_live_nowhere(readers):
    until(lambda: readers.look() or all(answers[-1][0] == 'live' for answers in readers.seen.values())
          and len(readers.seen) == 6 * len(NAMES), 20, 'everybody says that all are live')
    until(lambda: readers.get('readyz?cameras=all')[0] == 200, 20, 'ready; it says %s' % (readers.get('readyz'),))
    assert readers.get('readyz?cameras=any')[0] == 200
    readers.seen.clear()
    readers.cameras.fault(NAMES.index(SILENT) + 1, 'freeze')
    readers.cameras.fault(NAMES.index(BLACK) + 1, 'black', mark=False)
    readers.lossy.say('lose 3')
    until(lambda: readers.running.counters.cameras[LOSSY].corrupt, 10, 'a damaged frame, and no key frame after it')
    readers.lossy.say('lose 0')
    os.kill(readers.running.workers()['capture:' + HUNG]['pid'], signal.SIGSTOP)
    until(lambda: readers.look() or all(len(readers.changes(camera)) == 6 for camera in AWAY),
          FROZEN_AFTER_NS / 1e9 + 30, 'everybody says that these cameras show nothing new')
    for camera, state in AWAY.items():
        found = readers.changes(camera)
        assert {answer for answer, _ in found.values()} <= {state, 'away'}, (camera, found)
        moments = [at_s for _, at_s in found.values()]
        assert max(moments) - min(moments) <= TOGETHER_S, (camera, found)
    assert readers.changes(WELL) == {}
    until(lambda: readers.stats()[HUNG] == 'live' and readers.get('readyz')[0] == 200, 30, 'its process is restarted')
    assert readers.get('readyz?cameras=any')[0] == 200
    status, answer = readers.get('readyz?cameras=all')
    reasons = json.loads(answer)['reasons']
    assert status == 503 and [reason.split(':')[0] for reason in reasons] == [
        'camera ' + name for name in (SILENT, BLACK, LOSSY)]
    assert reasons[1] == 'camera %s: frozen: the camera repeats one picture' % BLACK
