"""How cameras are reached: logins, certificates, redirections, keep-alives, and what is said where that fails."""
import hashlib
import http.server
import ssl
import threading
import time

import pytest

from edge_app.camera import make_source
from edge_app.camera.frame_accounting import OutcomeCounts
from edge_app.camera.relay_rtsp import RtspRelay
from edge_app.config.schema import Camera
from edge_app.errors import SourceError, SourceLost, SourceRefused
from edge_app.frames import frame_bytes
from edge_app.transport.ring import Ring

from tests.support import situations
from tests.support.clips import write_clip
from tests.support.rtsp_dialog import Dialog
from tests.support.scripted_camera import PASSWORD, USER, ScriptedCamera, pictures, tls_context
from tests.support.waiting import until

BOX = (160, 96)
REFUSED = situations.REFUSED


@pytest.fixture
def ring(tmp_path):
    with Ring.create(tmp_path / 'ring', 8, frame_bytes(*BOX)) as ring:
        yield ring


@pytest.fixture(scope='module')
def units():
    return pictures(BOX)


def session(uri, ring, **settings):
    settings = dict({'user': USER, 'password': PASSWORD, 'size': BOX}, **settings)
    return make_source(Camera(name='gate', uri=uri, **settings), ring, OutcomeCounts())


def plays(camera, ring, **settings):
    """Read until there is a picture."""
    with session(camera.uri, ring, **settings) as source:
        source.open()
        assert until(lambda: source.poll(0.2), 20, 'a frame').size == BOX


def failure(uri, ring, **settings):
    """The error that ends a session."""
    with session(uri, ring, **settings) as source:
        source.open()
        with pytest.raises(SourceError) as told:
            until(lambda: source.poll(0.2) and False, 20, 'the end')
    return told.value


@pytest.mark.parametrize('login', [
    pytest.param('MD5', marks=situations.camera('Login by Digest with MD5')),
    # Hikvision-OEM firmware that offers nothing else: go2rtc pull request 2344
    pytest.param('SHA-256', marks=situations.camera('Login by Digest with SHA-256 alone')),
    # Dahua with its SHA-256 option: gortsplib issue 1074
    pytest.param('SHA-256 qop', marks=situations.camera('Login by Digest with SHA-256, `qop` insisted on')),
    pytest.param('MD5 qop', marks=situations.camera('Login by Digest with MD5, `qop` insisted on')),
    pytest.param('MD5-sess qop', marks=situations.camera('Login by Digest with MD5-sess')),
    pytest.param('SHA3-256+SHA-256+MD5', marks=situations.camera('Login by several kinds of Digest, some unknown'))])
def test_logins(ring, units, login):
    with ScriptedCamera(login=login, units=units) as camera:
        plays(camera, ring)
        assert not any(PASSWORD in given for given in camera.logins)


@situations.camera('Login by Digest with an algorithm that edge-app does not know', REFUSED,
                   'it wants Digest with algorithm=SHA3-256, qop=none; set it to MD5 or SHA-256')
def test_an_unknown_algorithm_is_named(ring, situation):
    with ScriptedCamera(login='SHA3-256') as camera:
        told = failure(camera.uri, ring)
        assert isinstance(told, SourceRefused) and str(told) == situation.sentence and camera.logins == []


@situations.camera('A wrong password: it is sent once', REFUSED, 'wrong user or password (401)')
@pytest.mark.parametrize('new_nonces, tries', [(False, 1), (True, 2)])
def test_a_wrong_password_is_not_repeated(ring, situation, new_nonces, tries):
    with ScriptedCamera(login='MD5', new_nonces=new_nonces) as camera:
        assert str(failure(camera.uri, ring, password='wrong')) == situation.sentence
        assert len(camera.logins) == tries


@situations.camera('A camera that wants a password, none being given', REFUSED,
                   'it asks for a user and password, and none is given (401)')
def test_no_password(ring, situation):
    with ScriptedCamera(login='MD5') as camera:
        assert str(failure(camera.uri, ring, user='', password='')) == situation.sentence


@situations.camera('Login by Basic with `allow_basic: true`')
def test_basic_where_it_is_allowed(ring, units):
    with ScriptedCamera(login='Basic', units=units) as camera:
        plays(camera, ring, allow_basic=True)


def hanging_up(camera):
    """VStarcam drops the connection of its 401: retina issue 45."""
    def answer(request):
        if 'authorization' not in request.headers:
            request.connection.sendall(request.says('401 Unauthorized', *camera.challenges()))
            raise ConnectionError
    return answer


@situations.camera('A camera that hangs up after asking for a login')
def test_a_login_on_a_new_connection(ring, units):
    with ScriptedCamera(login='MD5', units=units) as camera:
        camera.answers['DESCRIBE'] = hanging_up(camera)
        plays(camera, ring)
        assert camera.asked('DESCRIBE') == 2


@situations.camera('rtsps:// with a certificate that the camera made itself', REFUSED,
                   'its certificate is not trusted here (it made it itself, or it is for another name); to accept it '
                   'pin it: `tls_fingerprint')
def test_the_reason_shows_the_certificate_to_pin(ring, tmp_path, situation):
    context, certificate = tls_context(tmp_path)
    with ScriptedCamera(tls=context) as camera:
        told = failure(camera.uri, ring)
    with open(certificate) as file:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest().upper()
    assert isinstance(told, SourceRefused) and situation.sentence in str(told)
    assert ':'.join(digest[i:i + 2] for i in range(0, 64, 2)) in str(told) and camera.requests == []


@situations.camera("rtsps:// with the camera's own certificate, pinned")
def test_a_pinned_certificate_and_no_other(ring, tmp_path, units):
    (context, certificate), (other, _) = tls_context(tmp_path), tls_context(tmp_path)
    with open(certificate) as file:
        pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()
    with ScriptedCamera(tls=context, login='Basic', units=units) as camera:
        plays(camera, ring, tls_fingerprint=pin)
    with ScriptedCamera(tls=other, login='Basic') as camera:
        told = failure(camera.uri, ring, tls_fingerprint=pin)
        assert isinstance(told, SourceRefused) and 'another than the pinned one' in str(told)
        assert camera.requests == []


@situations.camera('rtsps:// to a port that speaks no TLS', REFUSED, 'no TLS with the camera')
def test_no_tls(ring, situation):
    with ScriptedCamera(answers={}) as camera:
        assert situation.sentence in str(failure(camera.uri.replace('rtsp:', 'rtsps:'), ring, silence_s=1.0))


@situations.camera('A name that cannot be resolved', REFUSED, "its name 'camera.invalid' cannot be resolved")
@pytest.mark.parametrize('scheme', ('rtsp', 'http'))
def test_a_name_that_nobody_knows(ring, scheme, situation):
    told = failure('%s://camera.invalid/live' % scheme, ring)
    assert isinstance(told, SourceLost) and situation.sentence in str(told)


@situations.camera('A camera without video', REFUSED,
                   'it offers no video, only audio: choose another path or stream of the camera')
def test_sound_only(ring, situation):
    with ScriptedCamera(media='audio', encoding='PCMU') as camera:
        assert str(failure(camera.uri, ring)) == situation.sentence


@situations.camera('OPTIONS answered with 404')
def test_options_is_not_needed(ring, units):
    with ScriptedCamera(units=units, answers={'OPTIONS': lambda request: request.says('404 Not Found')}) as camera:
        plays(camera, ring)


def kept_alive(camera, ring, seconds):
    """Read for so long; how often a session was begun."""
    with session(camera.uri, ring) as source:
        source.open()
        until(lambda: source.poll(0.2), 20, 'a frame')
        end = time.monotonic() + seconds
        until(lambda: source.poll(0.2) and time.monotonic() > end, 20, 'the end of the time')
    return camera.sessions


@situations.camera('A session ends without a request in time: GET_PARAMETER is sent while pictures come')
def test_keep_alive_while_pictures_come(ring, units):
    with ScriptedCamera(units=units, timeout_s=1, login='MD5') as camera:
        assert kept_alive(camera, ring, 1.3) == 1
        asked = [request for request in camera.requests if request.method == 'GET_PARAMETER']
        assert len(asked) >= 2 and all(request.headers['session'] == '4711' for request in asked)


@situations.camera('GET_PARAMETER refused: OPTIONS keeps the session alive, even where that is answered with 404')
@pytest.mark.parametrize('status', ('501 Not Implemented', '451 Parameter Not Understood'))
def test_keep_alive_by_options(ring, units, status):
    with ScriptedCamera(units=units, timeout_s=1, answers={
            'GET_PARAMETER': lambda request: request.says(status),
            'OPTIONS': lambda request: request.says('404 Not Found')}) as camera:
        assert kept_alive(camera, ring, 1.3) == 1
        assert camera.asked('GET_PARAMETER') == 1
        assert len([one for one in camera.requests if one.method == 'OPTIONS' and 'session' in one.headers]) >= 2


@situations.camera('A nonce that expires while pictures come')
def test_a_new_nonce_for_a_keep_alive(ring, units):
    """Axis M5525: 401 with a new nonce to GET_PARAMETER after 150 s; SharpRTSP issue 126."""
    with ScriptedCamera(units=units, timeout_s=1, login='MD5') as camera:
        def expire(request):
            camera.nonce = 'later'
        camera.answers['GET_PARAMETER'] = expire
        assert kept_alive(camera, ring, 1.3) == 1
        assert any('"later"' in one.headers['authorization'] for one in camera.requests
                   if one.method == 'GET_PARAMETER')


@pytest.mark.parametrize('said, words', [
    (lambda request: request.says('454 Session Not Found'), 'it has ended the session (454)'),
    (lambda request: b'RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n', 'it sends a Content-Length that is no number')])
def test_a_session_that_the_camera_ends_while_pictures_come(ring, units, said, words):
    with ScriptedCamera(units=units, timeout_s=1, answers={'GET_PARAMETER': said}) as camera:
        told = failure(camera.uri, ring)
    assert isinstance(told, SourceLost) and str(told) == words


def test_a_camera_that_hangs_up_at_a_keep_alive_is_kept_alive_otherwise(ring, units):
    """gortsplib's server ends the connection at a request it does not know: mediamtx issue 842."""
    def hang_up(request):
        raise ConnectionError
    with ScriptedCamera(units=units, timeout_s=1, answers={'GET_PARAMETER': hang_up}) as camera:
        assert str(failure(camera.uri, ring)) == 'the camera ended the stream'
        assert kept_alive(camera, ring, 1.3) == 2 and camera.asked('GET_PARAMETER') == 1


def test_a_camera_that_hangs_up_says_so(ring):
    def hang_up(request):
        raise ConnectionError
    with ScriptedCamera(answers={'DESCRIBE': hang_up}) as camera:
        assert str(failure(camera.uri, ring)) == 'it hangs up instead of answering DESCRIBE'


def test_a_session_is_closed(ring, units):
    with ScriptedCamera(units=units, login='MD5') as camera:
        plays(camera, ring)
        until(lambda: camera.asked('TEARDOWN'), 5, 'TEARDOWN')


@situations.camera('A redirection to another port')
def test_a_redirection_is_followed(ring, units):
    """From port 554 to 1554, the login being in the new address: go2rtc issue 1881, androidx media issue 2398."""
    with ScriptedCamera(units=units, login='MD5') as other:
        there = other.uri.replace('//', '//%s:%s@' % (USER, PASSWORD))
        with ScriptedCamera(answers={
                'DESCRIBE': lambda request: request.says('302 Moved', 'Location: ' + there)}) as camera:
            plays(camera, ring, password='of the first')


def test_only_who_knows_the_path_is_served():
    failures = []
    with ScriptedCamera() as camera:
        relay = RtspRelay(Camera(name='gate', uri=camera.uri), failures.append)
        with pytest.raises(ConnectionError), Dialog(relay.location.rpartition('/')[0] + '/live') as stranger:
            stranger.ask('OPTIONS')
        with Dialog(relay.location) as element:
            status, text = element.ask('DESCRIBE')
        until(lambda: camera.asked('DESCRIBE'), 5, 'the request')
        relay.close()
    assert status == 200 and 'm=video' in text and 'Content-Base: ' + camera.uri in text
    assert [request.uri for request in camera.requests] == [camera.uri] and failures == []


class Protected(http.server.BaseHTTPRequestHandler):
    """A clip behind Digest."""

    content = challenge = b''
    seen = []

    def do_GET(self):
        self.seen.append(self.headers.get('Authorization'))
        allowed = self.headers.get('Authorization', '').startswith('Digest ')
        self.send_response(200 if allowed else 401)
        if not allowed:
            self.send_header('WWW-Authenticate', self.challenge)
        self.send_header('Content-Length', str(len(self.content) if allowed else 0))
        self.end_headers()
        self.wfile.write(self.content if allowed else b'')

    def log_message(self, *_):
        pass


@situations.camera('A clip over HTTP with a login by Digest')
def test_a_login_over_http(tmp_path, ring):
    Protected.content = write_clip(tmp_path / 'clip.mkv', [100 * number for number in range(5)], size=BOX).read_bytes()
    Protected.challenge = 'Digest realm="x", nonce="1", qop="auth"'
    with http.server.HTTPServer(('127.0.0.1', 0), Protected) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with session('http://127.0.0.1:%d/clip.mkv' % server.server_port, ring) as source:
            source.open()
            until(lambda: source.poll(0.2), 20, 'a frame')
        server.shutdown()
    assert 'uri="/clip.mkv"' in Protected.seen[1] and PASSWORD not in str(Protected.seen)
