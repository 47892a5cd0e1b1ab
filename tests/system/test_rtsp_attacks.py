"""What strangers do to the RTSP server, one thing at a time: to the compositor worker as a process of its own."""
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from edge_app.config import Camera, Config, Output, Tls
from edge_app.output.rtsp_login import PAUSE_S
from edge_app.output.rtsp_proxy import HANDSHAKE_S, MOST_CONNECTIONS
from edge_app.output.rtsp_server import MOST_SESSIONS, MOST_SESSIONS_OF_ONE

from tests.support import certificates, strangers
from tests.support.compositor_worker import CompositorWorker
from tests.support.memory import pss_mb
from tests.support.rtsp_dialog import Dialog
from tests.support.rtsp_player import Player
from tests.support.running import free_port
from tests.support.waiting import until

USER, PASSWORD = 'viewer', 'p@ss:w/rd'


class Site(CompositorWorker):
    """One camera that is away: its mosaic is served all the same."""

    def __init__(self, folder, scheme='rtsp', user=USER, password=PASSWORD):
        self.uri = '%s://127.0.0.1:%d/mosaic' % (scheme, free_port())
        self.login = {'user': user, 'password': password} if user else {}
        self.certificate, key = certificates.make(folder)
        super(Site, self).__init__(Config(
            cameras=[Camera('gate', 'test://')], tls=Tls(self.certificate, key) if scheme == 'rtsps' else Tls(),
            outputs=[Output(self.uri, size=(320, 192), fps=10, user=user, password=password)]))
        self.start()
        until(self.listening, 20, 'the server listens')
        self.is_served()

    def is_served(self, seconds=6.0):
        """A viewer with the password sees pictures within `seconds`."""
        began = time.monotonic()
        trusted = self.certificate if self.uri.startswith('rtsps') else None
        with Player(self.uri, timeout_s=seconds, trusted=trusted, **self.login) as player:
            player.gets(2, seconds)
        assert time.monotonic() - began < seconds
        return True

    def pss_mb(self):
        return pss_mb(self.worker.pid)

    def descriptors(self):
        return len(os.listdir('/proc/%d/fd' % self.worker.pid))


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    made = Site(str(tmp_path_factory.mktemp('asks')))
    yield made
    made.close()


@pytest.fixture(scope='module')
def open_site(tmp_path_factory):
    made = Site(str(tmp_path_factory.mktemp('open')), user='', password='')
    yield made
    made.close()


@pytest.fixture(scope='module')
def tls_site(tmp_path_factory):
    made = Site(str(tmp_path_factory.mktemp('tls')), 'rtsps')
    yield made
    made.close()


def sent_until_cut(address, start, part, most=64 << 20):
    """Bytes of `part` after `part` that the server took before it hung up."""
    with strangers.connect(address) as connection:
        connection.sendall(start)
        for sent in range(0, most, len(part)):
            try:
                connection.sendall(part)
            except OSError:
                return sent
    return most


@pytest.mark.parametrize('which', ['site', 'open_site'])
@pytest.mark.parametrize('start, part', [
    (b'DESCRIBE rtsp://x/mosaic RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2000000000\r\n\r\n', b'x' * (1 << 18)),
    (b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n', b'X-a: %s\r\n' % (b'y' * 4000)),
    (b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX-a: ', b'z' * 65536)], ids=['body', 'headers', 'one line'])
def test_a_request_without_end_is_cut_and_costs_no_memory(request, which, start, part):
    there = request.getfixturevalue(which)
    before = there.pss_mb()
    for _ in range(3):
        assert sent_until_cut(there.address, start, part) < 32 << 20, 'what the kernel holds, at most'
    assert there.pss_mb() < before + 20
    assert there.is_served()


def test_who_asks_and_does_not_read_the_answers_is_not_listened_to_any_more(site):
    before, asked = site.pss_mb(), b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n' * 1000
    with strangers.connect(site.address, 2.0) as connection:
        with pytest.raises(OSError):
            for _ in range(2000):
                connection.sendall(asked)
        assert site.pss_mb() < before + 20
    assert site.is_served()


def test_silent_tls_connections_keep_nobody_out_and_are_cut(tls_site):
    before = tls_site.pss_mb()
    held = [strangers.connect(tls_site.address) for _ in range(MOST_CONNECTIONS + 32)]
    began = time.monotonic()
    try:
        assert tls_site.is_served()
        assert tls_site.pss_mb() < before + 50
        until(lambda: all(hung_up(one) for one in held), HANDSHAKE_S + 10, 'all are cut')
        assert time.monotonic() - began >= HANDSHAKE_S - 1.0, 'who is slow gets his time'
    finally:
        for one in held:
            one.close()


def hung_up(connection):
    connection.settimeout(0.0)
    try:
        return connection.recv(1) == b''
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize('version, accepted', [('-tls1', False), ('-tls1_1', False), ('-tls1_2', True),
                                               ('-tls1_3', True)])
def test_tls_before_1_2_is_refused(tls_site, version, accepted):
    """The client offers everything it has in that version, so that only the version can be the reason."""
    done = subprocess.run(['openssl', 's_client', '-connect', '%s:%d' % tls_site.address, version, '-cipher',
                           'ALL:@SECLEVEL=0'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=20)
    assert (' alert ' in done.stdout) is not accepted, done.stdout
    assert ('BEGIN CERTIFICATE' in done.stdout) is accepted, done.stdout


def test_setups_without_end_get_503_and_others_are_served(open_site):
    """Without a password: whoever may play may also ask too often."""
    before, answers, dialogs = open_site.pss_mb(), [], []
    try:
        for number in range(MOST_SESSIONS // MOST_SESSIONS_OF_ONE + 4):
            dialogs.append(Dialog(open_site.uri))
            for place in range(MOST_SESSIONS_OF_ONE + (6 if number == 0 else 0)):
                port = 20000 + 100 * number + 2 * place
                answers.append(dialogs[-1].ask('SETUP', open_site.uri + '/stream=0', Transport=(
                    'RTP/AVP;unicast;client_port=%d-%d' % (port, port + 1)))[0])
        assert answers[:MOST_SESSIONS_OF_ONE] == [200] * MOST_SESSIONS_OF_ONE
        assert set(answers[MOST_SESSIONS_OF_ONE:MOST_SESSIONS_OF_ONE + 6]) == {503}
        assert set(answers[MOST_SESSIONS_OF_ONE + 6:]) == {200}, 'the oldest that do not play make room'
        assert open_site.descriptors() < 1000 and open_site.pss_mb() < before + 100
        assert open_site.is_served(10.0)
    finally:
        for dialog in dialogs:
            dialog.close()
    until(lambda: open_site.descriptors() < 100, 10, 'their sessions end with their connections')


def test_viewers_who_come_and_go_leave_nothing_behind(open_site):
    """More than there may be at once, each gone without a word while it is being sent to."""
    assert open_site.is_served()
    before = open_site.descriptors()
    for _ in range(2 * MOST_SESSIONS):
        Player(open_site.uri).close()
    until(lambda: open_site.descriptors() <= before + 10, 10, 'all have gone')
    assert open_site.is_served()


def test_a_session_is_its_connections_only(site, open_site):
    for there in (site, open_site):
        with Player(there.uri, **there.login) as victim:
            victim.gets(2)
            for method in ('GET_PARAMETER', 'PAUSE', 'PLAY', 'TEARDOWN'):
                with Dialog(there.uri) as thief:
                    assert thief.ask(method, Session=victim.session)[0] == (401 if there.login else 454)
                with Dialog(there.uri, **there.login) as other:
                    assert other.ask(method, Session=victim.session)[0] == 454
            victim.gets(5)


def test_without_a_password_every_path_looks_the_same_and_nothing_says_what_serves(site):
    said = set()
    for path in ('/mosaic', '/birdseye', '/gate', '/gate_annotated', '/nothing', '/'):
        for method in ('DESCRIBE', 'SETUP', 'PLAY', 'ANNOUNCE', 'TEARDOWN', 'GET_PARAMETER'):
            with Dialog('rtsp://%s:%d%s' % (site.address + (path,))) as dialog:
                said.add(re.sub('nonce="[^"]*"', '', dialog.ask(method)[1]))
    assert len(said) == 1
    answer = said.pop()
    assert answer.startswith('RTSP/1.0 401 ') and 'Server' not in answer and 'GStreamer' not in answer


def test_what_was_heard_of_a_login_is_of_no_use_on_another_connection(site):
    with Dialog(site.uri, **site.login) as one, Dialog(site.uri) as other:
        heard = []
        digest = one._digest
        one._digest = lambda *arguments: heard.append(digest(*arguments)) or heard[-1]
        assert one.ask('DESCRIBE')[0] == 200
        assert other.ask('DESCRIBE', Authorization=heard[0])[0] == 401


def test_who_has_logged_in_is_believed_for_the_rest_of_the_connection(site):
    """Some decoders compute a wrong answer for SETUP, others send none with PLAY and later."""
    with Dialog(site.uri, **site.login) as viewer:
        assert viewer.ask('DESCRIBE')[0] == 200
        status, answer = viewer.ask('SETUP', site.uri + '/stream=0', Transport='RTP/AVP/TCP;unicast;interleaved=0-1',
                                    Authorization='Digest username="x", response="wrong"')
        assert status == 200
        viewer._user = None
        session = re.search('(?i)session: *([^;\r\n]+)', answer).group(1)
        assert viewer.ask('PLAY', Session=session)[0] == 200


def test_guessing_is_slow_and_said_once_and_who_knows_the_password_is_served(tmp_path):
    there, seconds, tries = Site(str(tmp_path)), 4.0, []
    try:
        over, began = threading.Event(), time.monotonic()
        guessers = [threading.Thread(target=lambda: tries.append(strangers.guesses(there.address, over)), daemon=True)
                    for _ in range(4)]
        for one in guessers:
            one.start()
        with Player(there.uri, **there.login) as watching:
            while time.monotonic() - began < seconds:
                assert there.is_served()
                watching.gets(3)
        over.set()
        for one in guessers:
            one.join(10)
        assert 2 <= sum(tries) <= (time.monotonic() - began) / PAUSE_S + len(guessers)
    finally:
        there.worker.terminate()
        said = there.worker.communicate(timeout=20)[1]
        there.close()
    lines = [line for line in said.splitlines() if 'wrong password' in line]
    assert len(lines) == 1 and '127.0.0.1' in lines[0] and PASSWORD not in said and 'guess' not in said


def test_who_never_logs_in_is_cut(site):
    with strangers.connect(site.address, 30.0) as connection:
        connection.sendall(b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n')
        assert b'200 OK' in connection.recv(4096)
        assert connection.recv(4096) == b''


@pytest.mark.parametrize('data', strangers.MALFORMED, ids=lambda data: repr(data[:20]))
def test_what_is_no_request_disturbs_nobody(site, data):
    with strangers.connect(site.address) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass
    assert site.worker.poll() is None
