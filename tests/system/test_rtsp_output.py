"""The compositor worker as a process of its own, watched by real RTSP clients; the cameras are rings filled here."""
import os
import shutil
import signal
import socket
import tempfile
import time

import cv2
import numpy as np
import pytest

from edge_app import gst
from edge_app.clock import now_ns
from edge_app.config import Camera, Config, Display, Output
from edge_app.output.rtsp_proxy import MOST_CONNECTIONS
from edge_app.stats import Counters
from edge_app.supervision.worker_context import WorkerContext
from edge_app.workers import snapshot

from tests.support import situations
from tests.support.compositor_worker import CompositorWorker, start_worker
from tests.support.fake_camera import FPS, FakeCamera
from tests.support.rtsp_player import Player, Refused
from tests.support.running import free_port
from tests.support.waiting import until

PASSWORD = 'p@ss:w/rd'


class Site(CompositorWorker):
    """Two cameras and the compositor worker."""

    def __init__(self, **output):
        self.port = free_port()
        super(Site, self).__init__(Config(
            cameras=[Camera('gate', 'test://'), Camera('yard', 'test://')], display=Display(no_signal_s=1.0),
            outputs=[Output(self.uri('/mosaic'), size=(640, 360), fps=FPS, **output)]))
        self.cameras = [FakeCamera(self.folder, 'gate', 200, self.counters.cameras['gate'], 'h264'),
                        FakeCamera(self.folder, 'yard', 90, self.counters.cameras['yard'], 'h265')]
        self.start()

    def uri(self, path):
        return 'rtsp://127.0.0.1:%d%s' % (self.port, path)

    def close(self):
        for camera in self.cameras:
            camera.close()
        super(Site, self).close()


@pytest.fixture(scope='module')
def site():
    made = Site()
    until(made.listening, 20, 'the server listens')
    yield made
    made.close()


@pytest.fixture(autouse=True)
def everything_sends(request):
    """Whatever a test switched off is on again for the next."""
    yield
    if 'site' in request.fixturenames:
        for camera in request.getfixturevalue('site').cameras:
            camera.sending.set()


def picture_of(site, path, folder, wait_s=0.3):
    """The picture served under `path`, decoded, as BGR."""
    kept = os.path.join(str(folder), 'picture.png')
    snapshot.main(WorkerContext('watch'), site.uri(path), kept, wait_s=wait_s)
    return cv2.imread(kept)


def nobody_watches(site):
    return until(lambda: site.counters.compositor.get('viewers') == 0, 10, 'all viewers are gone')


def red(picture):
    """Pixels as red as the words NO SIGNAL."""
    blue, green, reds = (picture[:, :, channel].astype(int) for channel in range(3))
    return int(((reds > 150) & (green < 130) & (blue < 130)).sum())


def test_the_mosaic_shows_every_camera_with_its_boxes(site, tmp_path):
    picture = picture_of(site, '/mosaic', tmp_path)
    assert picture.shape == (360, 640, 3)
    tiles = until(lambda: site.counters.compositor.info.get('tiles'), what='the note tells where the tiles are')
    for name, level in (('gate', 200), ('yard', 90)):
        x, y, width, height = tiles[name]
        grey = picture[y + height * 3 // 4 + 20, x + width // 8]
        assert np.abs(grey.astype(int) - (level - 16) * 255 / 219).max() < 12
        tile = picture[y + height // 5:y + height, x:x + width].astype(int)
        green = (tile[:, :, 1] > tile[:, :, 0] + 40) & (tile[:, :, 1] > tile[:, :, 2] + 40)
        assert green.sum() > 200, 'the box of a person in %s' % name


def test_the_alias_is_the_same_stream(site):
    with Player(site.uri('/mosaic')) as one, Player(site.uri('/birdseye')) as other:
        one.gets(5), other.gets(5)
        before = site.counters.compositor.get('encoded'), len(one.units), len(other.units)
        one.gets(25), other.gets(25)
        until(lambda: site.counters.compositor.get('encoded') > before[0], 3, 'the books are brought up to date')
        encoded = site.counters.compositor.get('encoded') - before[0]
        assert encoded < 1.5 * max(len(one.units) - before[1], len(other.units) - before[2]) + FPS, 'encoded once'


def test_nothing_is_encoded_while_nobody_watches_and_the_books_stay_true(site):
    nobody_watches(site)
    page, gate = site.counters.compositor, site.counters.cameras['gate']
    until(lambda: page.get('composed_complete'), what='a picture with all cameras')
    assert page.get('first_mosaic_ns')
    time.sleep(1.2)     # the books are brought up to date once a second
    encoded, composed, shown = page.get('encoded'), page.get('composed'), gate.get('shown')
    until(lambda: page.get('composed') >= composed + 2, 5, 'one picture a second is composed')
    assert page.get('encoded') == encoded and gate.get('shown') > shown
    assert now_ns() - gate.get('last_shown_ns') < 3e9


@pytest.mark.parametrize('path', ['/mosaic', '/gate_annotated', '/gate', '/yard'])
def test_a_viewer_that_leaves_and_comes_back_starts_at_a_key_frame_each_time(site, path):
    for _ in range(3):
        with Player(site.uri(path)) as player:
            player.gets(3, 20)
            assert player.is_key(player.pictures[0]), player.units[:3]


@pytest.mark.parametrize('path', ['/mosaic', '/gate'])
def test_a_late_viewer_sees_a_key_frame_at_once(site, path):
    with Player(site.uri(path)) as first:
        first.gets(8, 20)
        with Player(site.uri(path)) as late:
            late.gets(3)
            assert late.is_key(late.pictures[0])


def test_a_key_frame_comes_every_second(site):
    with Player(site.uri('/mosaic')) as player:
        player.gets(3 * FPS, 20)
        keys = [number for number, unit in enumerate(player.units) if player.is_key(unit)]
    assert len(keys) >= 3 and max(b - a for a, b in zip(keys, keys[1:])) <= FPS + 1
    assert all(7 in player.units[number] for number in keys), 'parameter sets travel with every key frame'


def test_a_camera_that_goes_away_becomes_no_signal_and_its_mounts_stay(site, tmp_path):
    with Player(site.uri('/yard_annotated')) as watching:
        watching.gets(3)
        assert red(picture_of(site, '/mosaic', tmp_path)) < 20
        site.cameras[1].sending.clear()
        assert red(picture_of(site, '/mosaic', tmp_path, wait_s=2.0)) > 200
        watching.gets(10)
        assert red(picture_of(site, '/yard_annotated', tmp_path)) > 200, 'a new viewer is served too'
        site.cameras[1].sending.set()
        assert red(picture_of(site, '/yard_annotated', tmp_path, wait_s=0.5)) < 20


def test_a_viewer_that_hangs_or_pauses_disturbs_nobody(site):
    with Player(site.uri('/mosaic')) as good, Player(site.uri('/mosaic')) as hung, Player(site.uri('/gate')) as paused:
        good.gets(5), hung.gets(5), paused.gets(5, 20)
        hung.stop_reading()
        paused.send('PAUSE')
        start, began = len(good.units), time.monotonic()
        good.gets(4 * FPS, 20)
        assert (len(good.units) - start) / (time.monotonic() - began) > FPS * 0.6
        with Player(site.uri('/mosaic')) as new, Player(site.uri('/gate')) as other:
            new.gets(10), other.gets(10)
        paused.send('PLAY')
        paused.gets(5)
    nobody_watches(site)


def test_a_camera_is_asked_for_its_own_stream_only_while_somebody_watches(site):
    nobody_watches(site)
    packets = site.cameras[0].packets
    until(lambda: not packets.wanted, 6, 'the lease ran out')
    with Player(site.uri('/gate')) as player:
        player.gets(5, 20)
        assert packets.wanted
    until(lambda: not packets.wanted, 8, 'nobody asks any more')


@situations.camera('a key frame every 30 s and longer: a viewer opens the re-stream')
def test_who_asks_for_a_camera_without_key_frames_is_answered_at_once_and_sees_it_with_the_next(site):
    """A camera whose next key frame takes its time: its parameter sets are known before anybody asks."""
    for path, camera in (('/gate', site.cameras[0]), ('/yard', site.cameras[1])):
        nobody_watches(site)
        until(lambda: not camera.packets.wanted, 8, 'the lease ran out')
        camera.sending.clear()
        with Player(site.uri(path)) as player:
            assert 'sprop-' in player.sdp
            until(lambda: camera.packets.wanted, 5, 'the camera is asked')
            assert not any(player.is_key(unit) for unit in player.units)
            camera.sending.set()
            player.gets(5)
            assert player.is_key(player.pictures[0])


def test_the_cameras_own_stream_comes_as_it_was_sent(site):
    with Player(site.uri('/yard')) as player:
        player.gets(5, 20)
        assert player.h265 and 'H265' in player.sdp
    with Player(site.uri('/gate')) as player:
        player.gets(5, 20)
        assert not player.h265


def test_udp_viewers_are_served(site):
    pipeline = gst.Gst.parse_launch('rtspsrc name=source protocols=udp latency=50 ! rtph264depay ! h264parse'
                                    ' ! avdec_h264 max-threads=1 ! appsink name=out sync=false max-buffers=60')
    pipeline.get_by_name('source').set_property('location', site.uri('/mosaic'))
    pipeline.set_state(gst.Gst.State.PLAYING)
    out = pipeline.get_by_name('out')
    try:
        for _ in range(20):
            assert out.emit('try-pull-sample', 10 * gst.Gst.SECOND) is not None
    finally:
        pipeline.set_state(gst.Gst.State.NULL)


def test_an_unknown_path_is_not_found(site):
    with pytest.raises(Refused) as caught:
        Player(site.uri('/nothing'))
    assert caught.value.status == 404


def test_silent_connections_make_room_for_who_speaks_and_who_watches_is_not_disturbed(site):
    sockets = []
    try:
        with Player(site.uri('/mosaic')) as player:
            for _ in range(MOST_CONNECTIONS + 20):
                sockets.append(socket.create_connection(('127.0.0.1', site.port), 5))
            assert until(lambda: hung_up(sockets[0]), 10, 'the oldest is closed')
            with Player(site.uri('/mosaic')) as new:
                new.gets(3)
            assert not hung_up(sockets[-1])
            player.gets(10)
    finally:
        for one in sockets:
            one.close()


def hung_up(connection):
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b''
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def test_frames_are_observed_from_capture_to_the_encoder(site):
    with Player(site.uri('/mosaic')) as player:
        player.gets(2 * FPS, 20)
    found = site.counters.cameras['gate'].histogram('mosaic')
    assert found.count >= FPS // 2 and 0 < found.percentile(50) < 2e9


def test_a_password_is_asked_for_by_digest_and_only_the_right_one_opens():
    site = Site(user='viewer', password=PASSWORD)
    try:
        until(site.listening, 20, 'the server listens')
        for path in ('/mosaic', '/birdseye', '/gate_annotated'):
            for user, password in (('', ''), ('viewer', 'wrong'), ('nobody', PASSWORD)):
                with pytest.raises(Refused) as caught:
                    Player(site.uri(path), user, password)
                assert caught.value.status == 401
        for path in ('/mosaic', '/gate'):
            until(lambda: not refused_now(site, path), 5, path + ' is there')
            with Player(site.uri(path), 'viewer', PASSWORD) as player:
                player.gets(3, 20)
        site.worker.send_signal(signal.SIGTERM)
        said = site.worker.communicate(timeout=10)[1]
        assert site.worker.returncode == 0 and PASSWORD not in said
    finally:
        site.close()


def refused_now(site, path):
    """Whether `path` is not served yet (the camera's own mount waits for its codec)."""
    try:
        Player(site.uri(path), 'viewer', PASSWORD).close()
    except Refused:
        return True
    return False


def test_a_port_in_use_ends_the_worker_for_good_and_names_it(site):
    folder = tempfile.mkdtemp(prefix='edge-app-test-', dir='/dev/shm')
    try:
        Counters.create(folder, ['gate', 'yard'])
        second = start_worker(site.config, folder)
        said = second.communicate(timeout=20)[1]
        assert second.returncode == 3
        assert '127.0.0.1:%d' % site.port in said and 'outputs' in said and 'Traceback' not in said
    finally:
        shutil.rmtree(folder)


def test_the_worker_ends_quickly_with_viewers_still_there(site):
    """The last of this site: told to stop while two watch."""
    with Player(site.uri('/mosaic')) as one, Player(site.uri('/gate_annotated')) as other:
        one.gets(3), other.gets(3)
        began = time.monotonic()
        site.worker.send_signal(signal.SIGTERM)
        assert site.worker.wait(timeout=10) == 0
        assert time.monotonic() - began < 3.0
        until(lambda: one.ended and other.ended, 5, 'the viewers are told')
    until(lambda: not os.path.exists(os.path.join(site.folder, 'results', 'compositor')), 1, 'nothing is left behind')
