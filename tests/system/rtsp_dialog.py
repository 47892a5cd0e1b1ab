"""The least of an RTSP client over a plain socket: to see what a server answers, word for word."""
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
        heard = b''
        while b'\r\n\r\n' not in heard:
            more = self._socket.recv(4096)
            if not more:
                raise ConnectionError('the server hung up after %r' % heard)
            heard += more
        head, _, body = heard.partition(b'\r\n\r\n')
        length = re.search(br'(?i)content-length: *(\d+)', head)
        while length and len(body) < int(length.group(1)):
            body += self._socket.recv(4096)
        return (head + b'\r\n\r\n' + body).decode()

    def _digest(self, method, uri, challenge):
        realm, nonce = (re.search(r'%s="([^"]*)"' % key, challenge).group(1) for key in ('realm', 'nonce'))
        answer = _md5(_md5(self._user, realm, self._password), nonce, _md5(method, uri))
        return 'Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"' % (
            self._user, realm, nonce, uri, answer)

    def packets(self):
        """(channel, bytes) of what comes interleaved on the connection, without end."""
        stream = self._socket.makefile('rb')
        while True:
            first = stream.read(1)
            if first != b'$':
                raise ConnectionError('expected a packet, got %r' % first)
            channel, length = struct.unpack('>BH', stream.read(3))
            yield channel, stream.read(length)

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
