"""RTSP requests as bytes: cut out of a connection's stream, within limits, and the answers the proxy gives itself."""
import re
from typing import Dict, NamedTuple

MAX_HEAD = 8 * 1024
MAX_BODY = 64 * 1024
_END = re.compile(br'\r?\n\r?\n')
_LINE = re.compile(r'([A-Z_]{1,20}) ([!-~\x80-\xff]+) RTSP/1\.\d')
_HEADER = re.compile(r'([!#-\'*+.0-9A-Z^-z|~-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)')
ONCE = ('content-length', 'cseq', 'session', 'authorization', 'transport')
REASONS = {200: 'OK', 400: 'Bad Request', 401: 'Unauthorized', 413: 'Request Entity Too Large',
           454: 'Session Not Found', 461: 'Unsupported Transport', 503: 'Service Unavailable'}


class BadRequest(Exception):
    """`status` is the answer; the connection is closed after it, because nothing behind it can be understood."""

    def __init__(self, status):
        super(BadRequest, self).__init__(status)
        self.status = status


class Request(NamedTuple):
    """A request; header names in lower case."""

    method: str
    uri: str
    headers: Dict[str, str]
    body: bytes

    @property
    def path(self):
        """Path of the URI without its last slash; '' for '*' and the server itself."""
        return re.sub(r'^[a-zA-Z]+://[^/]*|[?#].*', '', self.uri).rstrip('/') if self.uri != '*' else ''

    @property
    def session(self):
        """The session's id, '' without one."""
        return self.headers.get('session', '').partition(';')[0].strip()

    def encoded(self):
        """As bytes, written anew: whoever reads them finds the same request in them."""
        lines = ['%s %s RTSP/1.0' % (self.method, self.uri)]
        lines += ['%s: %s' % item for item in self.headers.items()]
        return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1') + self.body


class RequestReader(object):
    """Cuts a client's bytes into Requests and interleaved frames (bytes that begin with ``$``)."""

    def __init__(self):
        self._bytes = bytearray()

    def feed(self, data):
        self._bytes += data

    def next(self):
        """The next Request or frame, None while it is not complete; BadRequest when it is malformed or too large."""
        if self._bytes[:1] == b'$':
            return self._take(4 + int.from_bytes(self._bytes[2:4], 'big')) if len(self._bytes) >= 4 else None
        while self._bytes[:1] in (b'\r', b'\n'):
            del self._bytes[:1]
        end = _END.search(self._bytes, 0, MAX_HEAD)
        if end is None:
            if len(self._bytes) >= MAX_HEAD:
                raise BadRequest(413)
            return None
        method, uri, headers = _parse(self._bytes[:end.start()].decode('latin-1'))
        length = headers.get('content-length', '0')
        if not re.match('[0-9]{1,9}$', length):
            raise BadRequest(400)
        if int(length) > MAX_BODY:
            raise BadRequest(413)
        whole = self._take(end.end() + int(length))
        return whole and Request(method, uri, headers, whole[end.end():])

    def _take(self, size):
        if len(self._bytes) < size:
            return None
        taken = bytes(self._bytes[:size])
        del self._bytes[:size]
        return taken


def _parse(head):
    lines = re.split('\r?\n', head)
    first, found = _LINE.match(lines[0]), [_HEADER.match(line) for line in lines[1:]]
    if first is None or first.group() != lines[0]:
        raise BadRequest(400)
    headers = {}
    for line, match in zip(lines[1:], found):
        name = match.group(1).lower() if match else ''
        if match is None or match.group() != line or name in headers and name in ONCE:
            raise BadRequest(400)
        value = match.group(2).strip()
        headers[name] = '%s, %s' % (headers[name], value) if name in headers else value
    return first.group(1), first.group(2), headers


def answer(status, request=None, **headers):
    """An answer without a body, as bytes; `WWW_Authenticate=...` becomes the header WWW-Authenticate."""
    lines = ['RTSP/1.0 %d %s' % (status, REASONS[status])]
    if request is not None and 'cseq' in request.headers:
        lines.append('CSeq: %s' % request.headers['cseq'])
    lines += ['%s: %s' % (name.replace('_', '-'), value) for name, value in headers.items()]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')
