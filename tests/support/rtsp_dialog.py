"""The least of an RTSP client over a plain socket: to see what a server answers, word for word."""
import contextlib
import hashlib
import re
import socket
import struct
from urllib.parse import urlparse


def _md5(*parts):
    return hashlib.md5(':'.join(parts).encode()).hexdigest()


class Dialog:
    """Requests to one address; `ask` answers a Digest challenge when there are a user and a password."""

    def __init__(self, uri, user=None, password=None):
        self.uri, self._user, self._password = uri, user, password
        address = urlparse(uri)
        self._socket = socket.create_connection((address.hostname, address.port), 10)
        self._stream = self._socket.makefile('rb')
        self._sequence = 0

    def ask(self, method, uri=None, **headers):
        """(status code, text of the whole answer); `Content_Type=...` becomes the header Content-Type."""
        uri = uri or self.uri
        status, text = self._ask(method, uri, headers)
        if status == 401 and self._user:
            headers['Authorization'] = self._digest(method, uri, text)
            status, text = self._ask(method, uri, headers)
        return status, text

    def _ask(self, method, uri, headers):
        self._sequence += 1
        lines = ['%s %s RTSP/1.0' % (method, uri), 'CSeq: %d' % self._sequence]
        lines += ['%s: %s' % (name.replace('_', '-'), value) for name, value in headers.items()]
        self._socket.sendall(('\r\n'.join(lines) + '\r\n\r\n').encode())
        text = self._receive()
        return int(text.split()[1]), text

    def _receive(self):
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            line = self._stream.readline()
            if not line:
                raise ConnectionError('the server hung up after %r' % head)
            head += line
        length = re.search(br'(?i)content-length: *(\d+)', head)
        return (head + (self._stream.read(int(length.group(1))) if length else b'')).decode()

    def _digest(self, method, uri, challenge):
        realm, nonce = (re.search(r'%s="([^"]*)"' % key, challenge).group(1) for key in ('realm', 'nonce'))
        answer = _md5(_md5(self._user, realm, self._password), nonce, _md5(method, uri))
        return 'Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"' % (
            self._user, realm, nonce, uri, answer)

    def packets(self):
        """(channel, bytes) of what comes interleaved on the connection, without end."""
        while True:
            first = self._stream.read(1)
            if first != b'$':
                raise ConnectionError('expected a packet, got %r' % first)
            channel, length = struct.unpack('>BH', self._stream.read(3))
            yield channel, self._stream.read(length)

    def hang_up(self):
        """End the connection; whoever reads from it in another thread sees its end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._stream.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
