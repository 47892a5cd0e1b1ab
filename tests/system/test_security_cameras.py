"""What a hostile camera, or whoever sits between, tries: passwords, memory, crashes, endless talk, odd words."""
import contextlib
import json
import os
import signal
import socket
import threading

import pytest

from edge_app.app.processes import processes
from edge_app.camera import make_source
from edge_app.camera.frame_accounting import OutcomeCounts
from edge_app.config import from_uris
from edge_app.config.schema import Camera
from edge_app.errors import SourceError, SourceLost, SourceRefused
from edge_app.frames import frame_bytes
from edge_app.supervision.child import spawn
from edge_app.transport.ring import Ring

from tests.support import situations
from tests.support.capture_process import CaptureProcess
from tests.support.scripted_camera import PASSWORD, USER, ScriptedCamera
from tests.support.waiting import until

REFUSED = situations.REFUSED
CLEAR = ('it wants the password in the clear (Basic without TLS): set the camera to Digest, use %ss://, or allow it '
         'with `allow_basic: true`')


@pytest.fixture
def ring(tmp_path):
    with Ring.create(tmp_path / 'ring', 8, frame_bytes(640, 360)) as ring:
        yield ring


def failure(uri, ring, **settings):
    """The error that ends a session with the camera there."""
    camera = Camera(name='gate', uri=uri, **dict({'user': USER, 'password': PASSWORD}, **settings))
    with make_source(camera, ring, OutcomeCounts()) as source:
        source.open()
        with pytest.raises(SourceError) as told:
            until(lambda: source.poll(0.2) and False, 20, 'the end')
    return told.value


class WebCamera:
    """Answers each HTTP connection by `act(connection)`; `heads` are the requests."""

    def __init__(self, act, host='127.0.0.1'):
        self._act, self.heads = act, []
        self._listener = socket.socket()
        self._listener.bind((host, 0))
        self._listener.listen(8)
        self.uri = 'http://%s:%d/x' % self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    self.heads.append(connection.recv(65536))
                    self._act(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def http(status, *headers):
    return lambda connection: connection.sendall(
        ('HTTP/1.1 %s\r\n%s\r\n\r\n' % (status, '\r\n'.join(headers + ('Content-Length: 0',)))).encode())


BASIC = http('401 Unauthorized', 'WWW-Authenticate: Basic realm="x"')


@situations.camera('RTSP with Basic alone, without TLS', REFUSED, CLEAR % 'rtsp')
def test_no_password_in_the_clear_to_a_camera_that_asks_by_basic(ring, situation):
    with ScriptedCamera(login='Basic') as camera:
        told = failure(camera.uri, ring)
        assert isinstance(told, SourceRefused) and str(told) == situation.sentence and camera.logins == []


@situations.camera('HTTP with Basic alone, without TLS', REFUSED, CLEAR % 'http')
def test_no_password_in_the_clear_over_http(ring, situation):
    with WebCamera(BASIC) as camera:
        assert str(failure(camera.uri, ring)) == situation.sentence
        assert not any(b'authorization' in head.lower() for head in camera.heads)


@situations.camera('A redirection to another host that asks for a password', REFUSED,
                   'that is sent only to the address in `uri`')
@pytest.mark.parametrize('login', ('Basic', 'MD5'))
def test_no_password_to_another_host_by_a_redirection(ring, login, situation):
    with ScriptedCamera(login=login, host='127.0.0.2') as other:
        with ScriptedCamera(answers={
                'DESCRIBE': lambda request: request.says('302 Moved', 'Location: ' + other.uri)}) as camera:
            told = failure(camera.uri, ring, allow_basic=True)
        assert isinstance(told, SourceRefused) and situation.sentence in str(told)
        assert '127.0.0.2' in str(told) and other.asked('DESCRIBE') == 1 and other.logins == []


def test_no_password_to_another_host_by_a_redirection_over_http(ring):
    with WebCamera(BASIC, '127.0.0.2') as other:
        with WebCamera(http('302 Found', 'Location: ' + other.uri)) as camera:
            told = failure(camera.uri, ring, allow_basic=True)
        assert isinstance(told, SourceRefused) and '127.0.0.2' in str(told)
        assert len(other.heads) == 1 and b'authorization' not in other.heads[0].lower()


@pytest.mark.parametrize('location', ('file:///etc/passwd', 'http://127.0.0.1:1/x', 'rtsph://127.0.0.1/x'))
def test_no_redirection_to_other_schemes(ring, location):
    with ScriptedCamera(answers={
            'DESCRIBE': lambda request: request.says('302 Moved', 'Location: ' + location)}) as camera:
        assert 'redirects to something else than rtsp://' in str(failure(camera.uri, ring))


@situations.camera('A camera that redirects to itself', REFUSED, 'it redirects without end')
def test_a_redirection_in_a_circle_ends(ring, situation):
    with ScriptedCamera() as camera:
        camera.answers['DESCRIBE'] = lambda request: request.says('302 Moved', 'Location: ' + camera.uri)
        told = failure(camera.uri, ring)
        assert isinstance(told, SourceRefused) and situation.sentence in str(told) and camera.asked('DESCRIBE') == 6


def endless(piece, start=''):
    """An answer that goes on until somebody hangs up, or 200 MB have come."""
    def answer(request):
        request.connection.sendall(('RTSP/1.0 200 OK\r\nCSeq: %s\r\n%s' % (request.headers['cseq'], start)).encode())
        for _ in range((200 << 20) // len(piece)):
            request.connection.sendall(piece)
        raise ConnectionError
    return answer


@pytest.mark.parametrize('answer', [
    pytest.param(endless(b'X: ' + b'y' * 4000 + b'\r\n'), marks=situations.camera(
        'A header without end', REFUSED, 'a header of more than 64 kB')),
    pytest.param(endless(b'y' * 65536, 'X: '), marks=situations.camera(
        'A header without end', REFUSED, 'a header of more than 64 kB')),
    pytest.param(endless(b'y' * 65536, 'Content-Length: 2000000000\r\n\r\n'), marks=situations.camera(
        'A description of 2 GB', REFUSED, 'a body of more than 1024 kB'))])
@pytest.mark.parametrize('method', ('DESCRIBE', 'OPTIONS'))
def test_what_has_no_end_is_not_kept(ring, method, answer, situation):
    with ScriptedCamera(answers={method: answer}) as camera:
        told = failure(camera.uri, ring)
    assert isinstance(told, SourceLost) and str(told) == 'its answer to %s is %s' % (method, situation.sentence)


@situations.camera('An answer that drips in', REFUSED, 'its answer to DESCRIBE does not end within 1 s')
def test_an_answer_that_drips_ends_the_session(ring, situation):
    def drip(request):
        for _ in range(200):
            request.connection.sendall(b'y')
            if ended.wait(0.05):
                raise ConnectionError
    ended = threading.Event()
    with ScriptedCamera(answers={'DESCRIBE': drip}) as camera:
        told = failure(camera.uri, ring, silence_s=1.0)
        ended.set()
    assert isinstance(told, SourceLost) and str(told) == situation.sentence


@situations.camera('Pictures of 8192x8192', REFUSED, 'to decode its pictures of 8192x8192 takes about 960 MB: '
                   'lower its resolution, or raise `process_memory_mb`')
def test_pictures_too_large_for_the_memory_are_not_decoded(ring, situation):
    slices = [b'\x65\x88\x82\x10' + b'\x5a' * 40, b'\x65\x88\x81\x10' + b'\x5a' * 40]
    units = [[sequence_parameters(8192, 8192), b'\x68\xce\x38\x80', one] for one in slices]
    with ScriptedCamera(units=units) as camera:
        told = failure(camera.uri, ring)
    assert isinstance(told, SourceRefused) and str(told) == situation.sentence


def sequence_parameters(width, height):
    """An SPS of H.264 baseline for pictures of that size."""
    def golomb(value):
        coded = bin(value + 1)[2:]
        return '0' * (len(coded) - 1) + coded
    bits = ''.join([golomb(0), golomb(0), golomb(2), golomb(1), '0', golomb(width // 16 - 1), golomb(height // 16 - 1),
                    '11001'])
    bits += '0' * (-len(bits) % 8)
    return bytes([0x67, 66, 0xc0, 62]) + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


@situations.camera('A picture over HTTP that has no end', REFUSED, 'what it sends takes more than 150 MB of memory '
                   'here: lower its resolution, or raise `process_memory_mb`')
def test_a_camera_that_fills_the_memory_is_refused(tmp_path, situation):
    def fill(connection):
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n--b\r\n'
                           b'Content-Type: image/jpeg\r\nContent-Length: 4000000000\r\n\r\n\xff\xd8\xff\xe0')
        for _ in range(2000):
            connection.sendall(b'\x11' * (1 << 20))
    with WebCamera(fill) as camera, CaptureProcess(tmp_path, camera.uri, process_memory_mb=150) as capture:
        capture.until_state('refused', 30)
        assert capture.page.info['reason'] == situation.sentence
        until(lambda: private_mb(capture.process.pid) < 150, 10, 'the memory back')


def private_mb(pid):
    with open('/proc/%d/statm' % pid) as file:
        _, resident, shared = file.read().split()[:3]
    return (int(resident) - int(shared)) * os.sysconf('SC_PAGE_SIZE') >> 20


def test_where_memory_runs_out_captures_end_before_the_engine(tmp_path):
    specs = {spec.name: spec for spec in processes(from_uris(['test://']))}
    assert [name for name, spec in specs.items() if spec.expendable] == [name for name in specs if 'capture:' in name]
    child = spawn(specs[next(iter(specs))], str(tmp_path))
    with open('/proc/%d/oom_score_adj' % child.pid) as file:
        until(lambda: file.seek(0) or int(file.read()) == 500 or child.poll() is not None, 20, 'its score')
        assert child.poll() is None
    child.send(signal.SIGKILL)
    until(lambda: child.poll() is not None, 10, 'its end')
    child.close()


@pytest.mark.parametrize('challenge', (
    'Digest', 'Digest ', 'Digest realm, nonce', 'Digest nonce="1"', 'Digest realm="x"', '', 'NTLM', ',',
    'Digest realm="a\\"b", nonce'))
@situations.camera('A challenge that cannot be understood', REFUSED,
                   'it asks for a login in a way that cannot be answered')
def test_a_malformed_challenge_ends_no_process(ring, challenge, situation):
    with ScriptedCamera(answers={
            'DESCRIBE': lambda request: request.says('401 Unauthorized', 'WWW-Authenticate: ' + challenge)}) as camera:
        told = failure(camera.uri, ring)
        assert isinstance(told, SourceRefused) and situation.sentence in str(told) and camera.logins == []


@situations.camera('What ends its process by a signal', REFUSED,
                   'what it sends ended the process that reads it (SIGSEGV)')
def test_an_end_by_a_signal_is_named(tmp_path, situation):
    rows = [{'name': 'capture:gate', 'exit_code': -signal.SIGSEGV, 'reason': None}]
    (tmp_path / 'status.json').write_text(json.dumps({'workers': rows}))
    with ScriptedCamera(answers={'OPTIONS': lambda request: threading.Event().wait(20) and None}) as camera:
        with CaptureProcess(tmp_path, camera.uri) as capture:
            until(lambda: capture.page.info.get('reason'), 15, 'a reason')
            assert capture.state == 'starting' and capture.page.info['reason'] == situation.sentence


@pytest.mark.parametrize('words', ('\x1b]0;owned\x07', '\u202egpj.exe', 'a\x9b2Jb', '\x00\x08'))
def test_the_words_of_a_camera_control_no_terminal(ring, words):
    def answer(request):
        return ('RTSP/1.0 500 %s\r\nCSeq: %s\r\n\r\n' % (words, request.headers['cseq'])).encode()
    with ScriptedCamera(answers={'DESCRIBE': answer}) as camera:
        told = str(failure(camera.uri, ring))
    assert told.endswith('(500)') and told.isprintable() and '?' in told
