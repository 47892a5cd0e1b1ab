"""The mosaic over rtsps://: the compositor worker as a process of its own, with real clients."""
import socket
import ssl
import subprocess
import sys

import cv2
import pytest

from edge_app.config import Camera, Config, Output, Tls
from edge_app.errors import SourceRefused
from edge_app.supervision.worker_context import WorkerContext
from edge_app.workers import snapshot

from tests.support import certificates
from tests.support.compositor_worker import CompositorWorker
from tests.support.rtsp_player import Player, Refused
from tests.support.running import free_port
from tests.support.waiting import until

USER, PASSWORD = 'viewer', 'p@ss:w/rd'


class Site(CompositorWorker):
    """One camera that is away: its mosaic is served all the same."""

    def __init__(self, folder, user, password):
        self.certificate, key = certificates.make(folder)
        self.other, _ = certificates.make(folder, 'other')
        self.uri = 'rtsps://127.0.0.1:%d/mosaic' % free_port()
        super(Site, self).__init__(Config(
            cameras=[Camera('gate', 'test://')], tls=Tls(self.certificate, key),
            outputs=[Output(self.uri, size=(320, 192), fps=10, user=user, password=password)]))
        self.start()
        until(self.listening, 20, 'the server listens')


@pytest.fixture(scope='module', params=[(USER, PASSWORD), ('', '')], ids=['asks', 'open'])
def site(request, tmp_path_factory):
    made = Site(str(tmp_path_factory.mktemp('certificates')), *request.param)
    made.secret = dict(zip(('user', 'password'), request.param))
    yield made
    made.close()


def test_who_trusts_the_certificate_plays(site):
    with Player(site.uri, trusted=site.certificate, **site.secret) as player:
        assert player.gets(5)


def test_a_picture_of_it_is_taken_and_decoded(site, tmp_path):
    kept = str(tmp_path / 'picture.png')
    snapshot.main(WorkerContext('watch'), site.uri, kept, certificate=site.certificate, **site.secret)
    assert cv2.imread(kept).shape == (192, 320, 3)


def test_another_servers_certificate_is_not_trusted(site, tmp_path):
    with pytest.raises(ssl.SSLError):
        Player(site.uri, trusted=site.other)
    kept = tmp_path / 'picture.png'
    # A process of its own, as in real life: this one may have a TLS session with the server that GLib resumes.
    program = ('import sys\nfrom edge_app.supervision.worker_context import WorkerContext\n'
               'from edge_app.workers import snapshot\n'
               'snapshot.main(WorkerContext("watch"), *sys.argv[1:5], timeout_s=10, certificate=sys.argv[5])\n')
    done = subprocess.run([sys.executable, '-c', program, site.uri, str(kept), site.secret['user'],
                           site.secret['password'], site.other], stderr=subprocess.PIPE, universal_newlines=True)
    assert 'SourceLost' in done.stderr and not kept.exists()


def test_plain_rtsp_gets_no_answer(site):
    with socket.create_connection(site.address, 1) as client:
        client.sendall(b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n')
        try:
            answer = client.recv(4096)      # an alert, or a reset: that is the library's choice
        except ConnectionError:
            answer = b''
    assert b'RTSP' not in answer and site.worker.poll() is None
    with Player(site.uri, trusted=site.certificate, **site.secret) as player:
        assert player.gets(1)


def test_the_pictures_do_not_leave_the_tunnel(site):
    """Over UDP they would travel as they are: 461, unsupported transport."""
    class OverUdp(Player):
        def _request(self, method, uri, headers):
            if method == 'SETUP':
                headers['Transport'] = 'RTP/AVP;unicast;client_port=50000-50001'
            return super()._request(method, uri, headers)
    with pytest.raises(Refused) as refused:
        OverUdp(site.uri, trusted=site.certificate, **site.secret)
    assert refused.value.status == 461


def test_the_password_is_asked_for_all_the_same(site, tmp_path):
    if not site.secret['user']:
        with Player(site.uri, trusted=site.certificate):
            return
    for wrong in ({}, {'user': USER, 'password': 'wrong'}):
        with pytest.raises(Refused) as refused:
            Player(site.uri, trusted=site.certificate, **wrong)
        assert refused.value.status == 401
    with pytest.raises(SourceRefused):
        snapshot.main(WorkerContext('watch'), site.uri, str(tmp_path / 'x.png'), certificate=site.certificate,
                      user=USER, password='wrong')
