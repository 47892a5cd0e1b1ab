"""A viewer for tests: RTSP over one TCP socket, counting the access units that come and which can be decoded from.

`stop_reading()` is what a hung viewer does: the connection stays, nobody takes what the server sends.
"""
import hashlib
import re
import socket
import ssl
import struct
import threading
from urllib.parse import urlparse

from tests.support.waiting import until

H264_KEY = 5
FU_A, STAP_A = 28, 24
H265_FU = 49
H265_KEYS = range(16, 22)


class Refused(Exception):
    """The server's answer was not 200; `status` says what."""

    def __init__(self, status):
        super(Refused, self).__init__(status)
        self.status = status


class Player(object):
    """Plays `uri` from its making on; `with` closes it. `trusted`: the certificate of an rtsps:// server."""

    def __init__(self, uri, user='', password='', timeout_s=15.0, trusted=None):
        self.uri, self._user, self._password = uri, user, password
        address = urlparse(uri)
        self._socket = socket.create_connection((address.hostname, address.port), timeout_s)
        if trusted:
            context = ssl.create_default_context(cafile=trusted)
            context.check_hostname = False
            self._socket = context.wrap_socket(self._socket)
        self._stream = self._socket.makefile('rb')
        self._sequence = 0
        self._reading = threading.Event()
        self._reading.set()
        self.units = []
        """One set of NAL unit types per access unit."""
        self.ended = False
        self._thread = None
        try:
            self._begin(uri)
        except BaseException:
            self.close()
            raise

    def _begin(self, uri):
        self.sdp = self._ask('DESCRIBE', uri, Accept='application/sdp')[1]
        self.h265 = 'H265' in self.sdp
        control = re.search(r'm=video.*?a=control:(\S+)', self.sdp, re.DOTALL).group(1)
        track = control if '://' in control else '%s/%s' % (uri, control)
        headers = self._ask('SETUP', track, Transport='RTP/AVP/TCP;unicast;interleaved=0-1')[0]
        self.session = re.search(r'(?i)session: *([^;\r\n]+)', headers).group(1)
        self.play()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def play(self):
        self._ask('PLAY', self.uri, Session=self.session, Range='npt=0-')

    def send(self, method):
        """A request whose answer is read with the stream: PAUSE, PLAY."""
        self._sequence += 1
        self._socket.sendall(('%s %s RTSP/1.0\r\nCSeq: %d\r\nSession: %s\r\n\r\n'
                              % (method, self.uri, self._sequence, self.session)).encode())

    def _ask(self, method, uri, **headers):
        status, head, body = self._request(method, uri, headers)
        if status == 401 and self._user:
            headers['Authorization'] = self._digest(method, uri, head)
            status, head, body = self._request(method, uri, headers)
        if status != 200:
            raise Refused(status)
        return head, body

    def _request(self, method, uri, headers):
        self._sequence += 1
        lines = ['%s %s RTSP/1.0' % (method, uri), 'CSeq: %d' % self._sequence]
        lines += ['%s: %s' % item for item in headers.items()]
        self._socket.sendall(('\r\n'.join(lines) + '\r\n\r\n').encode())
        return self._answer()

    def _answer(self):
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            line = self._stream.readline()
            if not line:
                raise ConnectionError('the server hung up')
            head += line
        length = re.search(br'(?i)content-length: *(\d+)', head)
        body = self._stream.read(int(length.group(1))) if length else b''
        return int(head.split()[1]), head.decode(), body.decode()

    def _digest(self, method, uri, challenge):
        realm, nonce = (re.search(r'%s="([^"]*)"' % key, challenge).group(1) for key in ('realm', 'nonce'))
        first, second = (hashlib.md5(text.encode()).hexdigest() for text in (
            '%s:%s:%s' % (self._user, realm, self._password), '%s:%s' % (method, uri)))
        answer = hashlib.md5(('%s:%s:%s' % (first, nonce, second)).encode()).hexdigest()
        return ('Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"'
                % (self._user, realm, nonce, uri, answer))

    # -- the stream -------------------------------------------------------------------------------------------------

    def _read(self):
        try:
            self._socket.settimeout(None)
            self._read_on()
        except (OSError, ValueError, IndexError, struct.error):
            pass        # the connection ended, here or there, perhaps in the middle of a packet
        self.ended = True

    def _read_on(self):
        types = set()
        while True:
            self._reading.wait()
            first = self._stream.read(1)
            if not first:
                return
            if first != b'$':
                while self._stream.readline().strip():
                    pass
                continue
            channel, size = struct.unpack('>BH', self._stream.read(3))
            packet = self._stream.read(size)
            if channel == 0:
                types |= self._types(packet[12:])
                if packet[1] & 0x80:
                    self.units.append(types)
                    types = set()

    def _types(self, payload):
        if self.h265:
            kind = payload[0] >> 1 & 63
            return {payload[2] & 63 if kind == H265_FU else kind}
        kind = payload[0] & 31
        if kind == STAP_A:
            found, at = set(), 1
            while at + 2 < len(payload):
                found.add(payload[at + 2] & 31)
                at += 2 + struct.unpack('>H', payload[at:at + 2])[0]
            return found
        return {payload[1] & 31 if kind == FU_A else kind}

    def is_key(self, unit):
        return bool(unit & set(H265_KEYS)) if self.h265 else H264_KEY in unit

    @property
    def pictures(self):
        """The access units with a picture; parameter sets may come before, on their own."""
        return [unit for unit in self.units if unit - ({32, 33, 34} if self.h265 else {7, 8})]

    def gets(self, count, seconds=10.0):
        """Wait for `count` more access units."""
        start = len(self.units)
        return until(lambda: len(self.units) >= start + count, seconds, '%d more pictures of %s' % (count, self.uri))

    def stop_reading(self):
        self._reading.clear()

    def close(self):
        """Leave without a word, as a killed viewer does."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reading.set()
        if self._thread is not None:    # what it reads from must not be closed under it
            self._thread.join(10)
        self._stream.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
