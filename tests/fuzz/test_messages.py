"""Messages, packets, headers and pictures from elsewhere: read, or refused in the way each reader says."""
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge_app.camera.connection import Message, MessageSocket
from edge_app.camera.login import Login
from edge_app.camera.sender_report import NTP_TO_UNIX_S, rtp_difference, sender_report
from edge_app.config import Web
from edge_app.detections import Detections, Result
from edge_app.errors import SourceRefused
from edge_app.frames import FrameMeta
from edge_app.testing.simulator import timecode
from edge_app.web.auth import _decoded
from edge_app.web.guard import is_same_site, is_this_machine

from tests.support.fuzzing import fuzzed, odd_numbers, plain_values, spoilt_bytes, spoilt_text

pytestmark = pytest.mark.timeout(3600)


def packed(boxes=2, points=None):
    keypoints = None if points is None else np.zeros((boxes, points, 3), np.float32)
    found = Detections(np.ones((boxes, 4), np.float32), np.ones(boxes, np.float32), np.zeros(boxes, np.int64),
                       keypoints)
    return Result('gate', FrameMeta(7, 10 ** 12, 640, 360), found, 10 ** 12 + 5).pack()


def is_result(data):
    """Whether `data` is taken; then everything that readers of a Result count on holds."""
    try:
        result = Result.unpack(data)
    except ValueError as error:
        assert str(error).startswith('not a result')
        return False
    found = result.detections
    assert isinstance(result.camera, str) and isinstance(result.inferred_ns, int)
    assert all(isinstance(number, int) for number in result.meta)
    assert found.xyxy.shape == (len(found), 4) and found.class_id.shape == found.score.shape == (len(found),)
    assert np.isfinite(found.xyxy).all() and np.isfinite(found.score).all()
    assert found.scaled(0.5, 2).xyxy.shape == found.xyxy.shape
    return True


@given(spoilt_bytes([packed(), packed(0), packed(1, 17)],
                    [b'[', b']', b'{', b'}', b'"', b',', b':', b'null', b'1e999', b'NaN', b'-Infinity', b'9' * 400,
                     b'\xff', b'[' * 2000, b'"\\ud800"', b'true', b'-1', b'1e300']))
@fuzzed
def test_result_packets(data):
    is_result(data)


@given(some.sampled_from(['camera', 'meta', 'inferred_ns', 'xyxy', 'score', 'class_id', 'keypoints']),
       plain_values | some.lists(odd_numbers, max_size=9))
@fuzzed
def test_result_packets_with_another_value(key, value):
    is_result(json.dumps(dict(json.loads(packed().decode()), **{key: value})).encode())


def test_a_packet_of_ours_is_taken():
    assert is_result(packed()) and is_result(packed(0)) and is_result(packed(3, 5))


REPORT = b'\x80\xc8\x00\x06' + b'abcd' + b'\xe8\x00\x00\x00\x80\x00\x00\x00' + b'\x00\x01\x00\x00' + b'\0' * 8


@given(spoilt_bytes([REPORT, b'\x81\xca\x00\x02' + b'\0' * 8 + REPORT, REPORT[:20]],
                    [b'\xff\xff', b'\xc8', b'\0\0\0\0']))
@fuzzed
def test_rtcp_reports(data):
    found = sender_report(data)
    if found is not None:
        unix_ns, rtp = found
        assert -NTP_TO_UNIX_S * 10 ** 9 <= unix_ns < (2 ** 32 - NTP_TO_UNIX_S) * 10 ** 9 and 0 <= rtp < 2 ** 32
        assert abs(rtp_difference(rtp, 0)) <= 2 ** 31


@given(some.integers(1, 90), some.integers(1, 200), some.booleans(), some.integers(0, 2 ** 32 - 1),
       some.integers(0, 255))
@fuzzed
def test_marks(height, width, colour, seed, amplitude):
    shape = (height, width) + ((3,) if colour else ())
    noise = np.random.RandomState(seed).randint(0, amplitude + 1, shape).astype(np.uint8)
    found = timecode.read(noise)
    assert found is None or 0 <= found.camera < 256 and 0 <= found.frame < 2 ** 24


@given(some.integers(0, 2 ** 8 - 1), some.integers(0, 2 ** 24 - 1), some.integers(0, 2 ** 42 - 1), some.integers(0, 60),
       some.integers(0, 2 ** 32 - 1))
@fuzzed
def test_marks_that_were_damaged(camera, frame, ms, spots, seed):
    """What is read of a mark under blots is what was written, or nothing."""
    chances = np.random.RandomState(seed)
    picture = np.full((64, 176), 100, np.uint8)
    timecode.write(picture, camera, frame, ms)
    for _ in range(spots):
        row, column = chances.randint(56, 64), chances.randint(176)
        picture[row:row + 3, column:column + 3] = chances.randint(256)
    found = timecode.read(picture)
    if spots == 0:
        assert found == (camera, frame, ms)
    assert found is None or 0 <= found.ms < 2 ** 42


@given(spoilt_text(['127.0.0.1:8080', '[::1]:80', 'localhost', 'evil.example:80', '10.0.0.1', '[fe80::1%eth0]'],
                   [':', '[', ']', '.', '%', ' ', '0x', '/', '\x00', '@']))
@fuzzed
def test_host_headers(text):
    ours = is_this_machine(text, Web())
    assert isinstance(ours, bool) and not (ours and 'evil' in text.partition('[')[0].partition(':')[0])


class Headers(dict):
    def getall(self, name, default):
        return [self[name]] if name in self else default


@given(spoilt_text(['http://evil.example', 'null', 'https://localhost:8080', 'http://127.0.0.1'],
                   ['://', '/', ':', '@']))
@fuzzed
def test_origin_headers(origin):
    if is_same_site(Headers(Origin=origin), 'localhost:8080'):
        assert origin.lower().partition('://')[2] == 'localhost:8080'


@given(spoilt_text(['Z3Vlc3Q6cHc=', 'Zw==', '/w==', '====', ''], ['=', ' ', '\n', '\x00', '\ud800', '-', '_']))
@fuzzed
def test_basic_credentials(text):
    user, password = _decoded(text)
    assert isinstance(user, str) and isinstance(password, str)


CHALLENGES = ('Digest realm="IP Camera(1)", nonce="5f3c", algorithm="SHA-256", qop="auth,auth-int", stale="FALSE"',
              'Basic realm="x"', 'Digest realm="a\\"b", nonce="1", Basic realm="y"', 'Digest nonce=1 realm=2')


@given(some.lists(spoilt_text(CHALLENGES, ['"', '=', ',', ' ' * 3000, '\\', '\udcff', 'qop="', '-sess']), max_size=3))
@fuzzed
def test_challenges_of_a_camera(values):
    login = Login('admin', 'secret-word', False, 'rtsp')
    try:
        login.challenged(values)
    except SourceRefused as error:
        assert str(error).isprintable()
    else:
        answer = Message('GET /x HTTP/1.1', [('Authorization', login.header('GET', '/x'))])
        assert answer.pack().count(b'\r\n') == 3 and b'secret-word' not in answer.pack()


@given(spoilt_bytes([b'RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc$\0\0\2xyRTSP/1.0 404\r\n\r\n'],
                    [b'\r\n', b'$', b'$\0\xff\xff', b'Content-Length: -1\r\n', b':', b'\r\n\r\n', b'y' * 70000,
                     b'9' * 30]))
@fuzzed
def test_messages_of_a_camera(data):
    read = MessageSocket(None)
    read.received += data
    try:
        message = True
        while message:
            before = len(read.received)
            read.forward_packets(None)
            message = read.message()
            assert message is None or (len(read.received) < before and 0 <= message.status <= 999)
    except ValueError as error:
        assert str(error)
    assert len(read.received) <= len(data)
