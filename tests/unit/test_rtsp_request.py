"""RTSP requests cut out of a stream of bytes: whole ones within limits, nothing else, and written anew."""
import pytest

from edge_app.output.rtsp_request import MAX_BODY, MAX_HEAD, BadRequest, RequestReader


def read(data, step=None):
    """Everything in `data`, given in pieces of `step` bytes."""
    reader, found = RequestReader(), []
    step = step or len(data)
    for place in range(0, len(data), step):
        reader.feed(data[place:place + step])
        item = reader.next()
        while item is not None:
            found.append(item)
            item = reader.next()
    return found


WHOLE = (b'\r\nSETUP rtsp://user@cam:8554/gate/stream=0?a=b RTSP/1.0\r\nCSeq: 4\r\nSession:  abc-1;timeout=60 \r\n'
         b'Content-Length: 3\r\n\r\nxyz$\x01\x00\x05hello')


@pytest.mark.parametrize('step', [None, 1, 7])
def test_requests_and_frames_come_whole_however_they_are_cut(step):
    request, frame = read(WHOLE, step)
    assert (request.method, request.path, request.session, request.body) == ('SETUP', '/gate/stream=0', 'abc-1', b'xyz')
    assert frame == b'$\x01\x00\x05hello'
    assert read(request.encoded()) == [request]


@pytest.mark.parametrize('uri, path', [('*', ''), ('rtsp://cam', ''), ('rtsp://cam/', ''), ('/gate/', '/gate'),
                                       ('rtsps://[::1]:8554/mosaic#x', '/mosaic')])
def test_the_path_of_a_uri(uri, path):
    assert read(b'PLAY %s RTSP/1.0\n\n' % uri.encode())[0].path == path


@pytest.mark.parametrize('data, status', [
    (b'OPTIONS * RTSP/1.0\r\n' + b'X-a: b\r\n' * MAX_HEAD, 413),
    (b'z' * MAX_HEAD, 413),
    (b'OPTIONS * RTSP/1.0\r\nContent-Length: %d\r\n\r\n' % (MAX_BODY + 1), 413),
    (b'OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n', 400),
    (b'OPTIONS * RTSP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n', 400),
    (b'OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400),
    (b'OPTIONS * RTSP/1.0\r\nSession : a\r\n\r\n', 400),
    (b'OPTIONS * RTSP/1.0\r\nX: a\rSession: b\r\n\r\n', 400),
    (b'OPTIONS * RTSP/1.0\r\nX: a\r\n folded: b\r\n\r\n', 400),
    (b'DESCRIBE rtsp://cam/a\0b RTSP/1.0\r\nCSeq: 1\r\n\r\n', 400),
    (b'OPTIONS * RTSP/1.0\r\nCSeq: 1\0\r\n\r\n', 400),
    (b'OPTIONS * RTSP/2.0\r\n\r\n', 400),
    (b'GET /mosaic HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n', 400),
    (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc' + b'\x00' * MAX_HEAD, 413)])
def test_what_is_no_request_or_too_large_is_refused(data, status):
    with pytest.raises(BadRequest) as caught:
        read(data)
    assert caught.value.status == status


def test_a_header_said_twice_is_one():
    assert read(b'OPTIONS * RTSP/1.0\r\nRequire: a\r\nrequire: b\r\n\r\n')[0].headers == {'require': 'a, b'}
