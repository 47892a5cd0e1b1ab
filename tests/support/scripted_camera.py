"""An RTSP camera that answers as a test says. It checks logins by RFC 7616, with nothing of the product's code.

`answers` maps a method to a function of a Request: what it returns (bytes) is sent instead of the usual answer, and
after None the usual one is. A login is 'Basic', 'MD5', 'SHA-256', 'MD5-sess'... and 'qop' insists on it.
"""
import base64
import hashlib
import itertools
import os
import re
import socket
import struct
import threading
import time

from edge_app import gst

USER, PASSWORD = 'admin', 'secret-word'
SDP = ('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\nm=%s 0 RTP/AVP 96\r\n'
       'a=rtpmap:96 %s/90000\r\na=control:track1\r\n')


def pictures(size=(160, 96), count=5):
    """Access units of H.264, key frames all, each a list of NAL units."""
    pipeline = gst.Gst.parse_launch(
        'videotestsrc num-buffers=%d ! video/x-raw,width=%d,height=%d,framerate=10/1 ! x264enc key-int-max=1 '
        'speed-preset=ultrafast tune=zerolatency threads=1 ! video/x-h264,stream-format=byte-stream,alignment=au '
        '! appsink name=out sync=false' % ((count,) + size))
    pipeline.set_state(gst.Gst.State.PLAYING)
    units = []
    for _ in range(count):
        buffer = pipeline.get_by_name('out').emit('pull-sample').get_buffer()
        nals = re.split(b'\0\0\0?\1', buffer.extract_dup(0, buffer.get_size()))[1:]
        units.append([nal for nal in nals if nal[0] & 31 in (1, 5, 7, 8)])
    pipeline.set_state(gst.Gst.State.NULL)
    return units


class Request:
    """One request, on its connection."""

    def __init__(self, camera, connection, head):
        lines = head.decode('latin-1').split('\r\n')
        self.method, self.uri = lines[0].split()[:2]
        self.headers = {line.partition(':')[0].lower(): line.partition(':')[2].strip() for line in lines[1:]}
        self.camera, self.connection, self.protocol = camera, connection, lines[0].split()[-1]

    def says(self, status, *headers, **body):
        """An answer as bytes."""
        text = body.get('body', '')
        headers = ('CSeq: %s' % self.headers.get('cseq', '0'),) + headers + ('Content-Length: %d' % len(text),)
        return ('%s %s\r\n%s\r\n\r\n%s' % (self.protocol, status, '\r\n'.join(headers), text)).encode()


class ScriptedCamera:
    """Listens from the start; `requests` are those it got, `logins` the Authorization headers among them."""

    def __init__(self, answers=None, login=None, units=(), host='127.0.0.1', tls=None, timeout_s=60, media='video',
                 new_nonces=False, encoding='H264'):
        self.answers, self.login, self.units, self.tls = answers or {}, login, units, tls
        self.timeout_s, self.sdp, self.new_nonces = timeout_s, SDP % (media, encoding), new_nonces
        self.requests, self.sessions = [], 0
        self._nonces = itertools.count(1)
        self.nonce = 'n0'
        self._listener = socket.socket()
        self._listener.bind((host, 0))
        self._listener.listen(16)
        self.port = self._listener.getsockname()[1]
        self.uri = 'rtsp%s://%s:%d/live' % ('s' if tls else '', host, self.port)
        self._connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def logins(self):
        return [request.headers['authorization'] for request in self.requests if 'authorization' in request.headers]

    def asked(self, method):
        """How often for this method."""
        return len([request for request in self.requests if request.method == method])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self._listener] + self._connections:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            received = b''
            while True:
                while b'\r\n\r\n' not in received or received[:1] == b'$':
                    size = 4 + struct.unpack('>H', received[2:4])[0] if received[:1] == b'$' and received[3:4] else 0
                    if size and len(received) >= size:
                        received = received[size:]
                        continue
                    more = connection.recv(65536)
                    if not more:
                        return
                    received += more
                head, _, received = received.partition(b'\r\n\r\n')
                request = Request(self, connection, head)
                self.requests.append(request)
                connection.sendall(self._answer(request))
                if request.method == 'PLAY':
                    self.sessions += 1
                    threading.Thread(target=self._play, args=(connection,), daemon=True).start()
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def _answer(self, request):
        said = self.answers[request.method](request) if request.method in self.answers else None
        if said is not None:
            return said
        if self.login and request.method != 'OPTIONS' and not self._logged_in(request):
            return request.says('401 Unauthorized', *self.challenges())
        if request.method == 'DESCRIBE':
            return request.says('200 OK', 'Content-Type: application/sdp', body=self.sdp)
        if request.method == 'SETUP':
            channels = re.search('interleaved=[0-9-]+', request.headers['transport']).group()
            return request.says('200 OK', 'Transport: RTP/AVP/TCP;unicast;' + channels,
                                'Session: 4711;timeout=%d' % self.timeout_s)
        return request.says('200 OK', 'Session: 4711', 'Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER')

    def challenges(self):
        """The lines of a 401."""
        if self.new_nonces:
            self.nonce = 'n%d' % next(self._nonces)
        lines = []
        for kind in self.login.split('+'):
            algorithm, _, qop = kind.partition(' ')
            digest = 'Digest realm="IP Camera(1)", nonce="%s", algorithm="%s", stale="FALSE"%s' % (
                self.nonce, algorithm, ', qop="auth"' if qop else '')
            lines.append('WWW-Authenticate: ' + ('Basic realm="x"' if kind == 'Basic' else digest))
        return lines

    def _logged_in(self, request):
        kind, _, rest = request.headers.get('authorization', '').partition(' ')
        if kind == 'Basic':
            return 'Basic' in self.login and base64.b64decode(rest).decode() == '%s:%s' % (USER, PASSWORD)
        given = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', rest)}
        asked = next((one for one in self.login.split('+') if one.split()[0] == given.get('algorithm')), None)
        if asked is None or given['nonce'] != self.nonce or ('qop' in asked and given.get('qop') != 'auth'):
            return False
        make = {'M': 'md5', 'S': 'sha256'}[asked[0]]

        def digest(*parts):
            return hashlib.new(make, ':'.join(parts).encode()).hexdigest()
        one = digest(USER, 'IP Camera(1)', PASSWORD)
        if '-sess' in asked:
            one = digest(one, given['nonce'], given['cnonce'])
        two = digest(request.method, request.uri)
        middle = [given['nc'], given['cnonce'], given['qop']] if 'qop' in asked else []
        return given['uri'] == request.uri and given['response'] == digest(one, self.nonce, *(middle + [two]))

    def _play(self, connection):
        number, stamp = 0, 1000
        try:
            for unit in itertools.cycle(self.units):
                for place, nal in enumerate(unit):
                    for payload, last in _payloads(nal):
                        number = number + 1 & 0xffff
                        marker = 0x80 if last and place + 1 == len(unit) else 0
                        packet = struct.pack('>BBHII', 0x80, 96 | marker, number, stamp, 7) + payload
                        connection.sendall(struct.pack('>cBH', b'$', 0, len(packet)) + packet)
                stamp = stamp + 9000 & 0xffffffff
                time.sleep(0.1)
        except OSError:
            pass


def _payloads(nal, most=1300):
    """(RTP payload, whether it ends the NAL unit), in fragments where it is long."""
    if len(nal) <= most:
        yield nal, True
        return
    for place in range(1, len(nal), most):
        last = place + most >= len(nal)
        yield bytes([nal[0] & 0x60 | 28, (place == 1) << 7 | last << 6 | nal[0] & 31]) + nal[place:place + most], last


def tls_context(folder):
    """(ssl context, path of its certificate) of a camera that made its certificate itself."""
    import ssl

    from tests.support import certificates
    certificate, key = certificates.make(folder, os.urandom(4).hex())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
