"""A connection to a camera over TCP or TLS, and the messages of RTSP and HTTP on it, which share one form.

Nothing a camera sends is kept without a limit, nor waited for beyond a deadline (seconds of `time.monotonic`).
"""
import contextlib
import os
import re
import socket
import time
from typing import List, NamedTuple, Tuple

from edge_app.errors import SourceLost, SourceRefused

HEAD_BYTES = 64 << 10
BODY_BYTES = 1 << 20
RECEIVE_BYTES = 256 << 10
UNTRUSTED = ('its certificate is not trusted here (it made it itself, or it is for another name); to accept it pin it: '
             "`tls_fingerprint: '%s'`")
NOT_PINNED = 'its certificate is another than the pinned one: `tls_fingerprint` is %s, the camera shows %s'


class Message(NamedTuple):
    """A request, a response, or the head of one."""

    start: str
    headers: List[Tuple[str, str]]
    body: bytes = b''

    def all(self, name):
        """The values of all headers of this name, which is given in lower case."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name):
        """The first of them, '' without any."""
        return next(iter(self.all(name)), '')

    def only(self, names):
        """The headers with one of these names."""
        return [pair for pair in self.headers if pair[0].lower() in names]

    def without(self, *names):
        """All other headers."""
        return [pair for pair in self.headers if pair[0].lower() not in names]

    @property
    def status(self):
        """Status code of a response, 0 for a request."""
        found = re.match(r'(?:RTSP|HTTP)/\d\.\d +(\d{3})(?!\d)', self.start)
        return int(found.group(1)) if found else 0

    @property
    def reason(self):
        """The words behind the status code."""
        return ' '.join(self.start.split(None, 2)[2:])

    def pack(self):
        """Its bytes, the length of its body among them; no control characters in the head."""
        lines = [self.start] + ['%s: %s' % pair for pair in self.headers]
        if self.body:
            lines.append('Content-Length: %d' % len(self.body))
        return '\r\n'.join(re.sub('[\\x00-\\x1f\\x7f]', ' ', line) for line in lines).encode(
            'utf-8', 'surrogateescape') + b'\r\n\r\n' + self.body


class MessageSocket:
    """A socket of messages and, in between, of RTP packets interleaved with them (RFC 2326, 10.12)."""

    def __init__(self, connection):
        self.socket = connection
        self.received = bytearray()
        self._packet_left = 0

    def fill(self, deadline_s):
        """Receive what there is, waiting for it until the deadline: False at the end; socket.timeout, OSError."""
        self.socket.settimeout(max(0.001, deadline_s - time.monotonic()))
        data = self.socket.recv(RECEIVE_BYTES)
        while data:
            self.received += data
            pending = getattr(self.socket, 'pending', int)()
            if not pending:
                return True
            data = self.socket.recv(pending)
        return False

    def packets(self):
        """How many of the first bytes received are packets; the last of them may continue in what comes next."""
        data, place, end = self.received, 0, len(self.received)
        left = self._packet_left
        while place < end:
            if left:
                step = min(left, end - place)
                place, left = place + step, left - step
            elif data[place] == 0x24 and place + 4 <= end:
                left = 4 + (data[place + 2] << 8 | data[place + 3])
            else:
                break
        self._packet_left = left
        return place

    def forward_packets(self, other):
        """Send the packets that come next to another socket, None drops them."""
        size = self.packets()
        if size and other is not None:
            with memoryview(self.received) as view, view[:size] as part:
                other.sendall(part)
        del self.received[:size]

    def message(self, body=True):
        """The next Message once it is whole, else None; ValueError for one that is too large or none at all."""
        while self.received[:1] in (b'\r', b'\n'):
            del self.received[:1]
        if self.received[:1] == b'$':
            return None
        end = self.received.find(b'\r\n\r\n')
        if end < 0 and len(self.received) <= HEAD_BYTES:
            return None
        if end < 0 or end > HEAD_BYTES:
            raise ValueError('a header of more than %d kB' % (HEAD_BYTES >> 10))
        found = parse_head(self.received[:end].decode('utf-8', 'surrogateescape'))
        length = _length_of(found) if body else 0
        if len(self.received) < end + 4 + length:
            return None
        found = found._replace(body=bytes(self.received[end + 4:end + 4 + length]))
        del self.received[:end + 4 + length]
        return found

    def shut_down(self):
        """End what another thread waits for on the socket."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.shut_down()
        self.socket.close()


def _length_of(message):
    length = message.get('content-length') or '0'
    if not re.match('[0-9]{1,10}\\Z', length):
        raise ValueError('a Content-Length that is no number')
    if int(length) > BODY_BYTES:
        raise ValueError('a body of more than %d kB' % (BODY_BYTES >> 10))
    return int(length)


def parse_head(text):
    """The Message of a head; ValueError for text that is none."""
    lines = re.sub('\r\n[ \t]+', ' ', text).split('\r\n')
    if not re.match(r'[!-~]+ +[!-~]+', lines[0]):
        raise ValueError('something else than RTSP or HTTP')
    pairs = (line.partition(':') for line in lines[1:] if ':' in line)
    return Message(lines[0], [(name.strip(), value.strip()) for name, _, value in pairs])


def connect(host, port, deadline_s, tls=False, fingerprint=None):
    """A connected MessageSocket, over TLS where wanted; SourceLost, SourceRefused for a certificate not trusted."""
    try:
        connection = socket.create_connection((host, port), max(0.1, deadline_s - time.monotonic()))
    except (socket.gaierror, UnicodeError):
        raise SourceLost("its name '%s' cannot be resolved: check the name, and this machine's DNS" % host)
    except socket.timeout:
        raise SourceLost('nothing answers at its address (port %d)' % port)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise SourceLost('nothing answers at its address (port %d): %s' % (port, why))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        connection = _encrypted(connection, host, fingerprint, lambda: _certificate(host, port, deadline_s))
    return MessageSocket(connection)


def _context(verify):
    import ssl  # several MB that a camera without TLS does not need
    if verify:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)       # whom it talks to is known by the fingerprint
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers('DEFAULT:@SECLEVEL=1')
    return context


def _encrypted(connection, host, fingerprint, certificate):
    """The connection over TLS; `certificate()` asks the camera for its own where it cannot be verified."""
    import ssl
    try:
        connection = _context(not fingerprint).wrap_socket(connection, server_hostname=host)
    except (ssl.SSLError, ssl.CertificateError, OSError) as error:
        connection.close()
        reason = getattr(error, 'reason', None) or ''
        if reason == 'CERTIFICATE_VERIFY_FAILED' or isinstance(error, ssl.CertificateError):
            raise SourceRefused(UNTRUSTED % certificate())
        raise SourceLost('no TLS with the camera: %s' % (reason.replace('_', ' ').lower() or error))
    shown = fingerprint_of(connection.getpeercert(binary_form=True))
    if fingerprint and shown.replace(':', '') != fingerprint.replace(':', '').upper():
        connection.close()
        raise SourceRefused(NOT_PINNED % (fingerprint, shown))
    return connection


def _certificate(host, port, deadline_s):
    """The fingerprint of the certificate shown there; nothing else is sent."""
    try:
        found = socket.create_connection((host, port), max(0.1, deadline_s - time.monotonic()))
        with _context(False).wrap_socket(found, server_hostname=host) as connection:
            return fingerprint_of(connection.getpeercert(binary_form=True))
    except OSError as error:
        raise SourceLost('its certificate is not trusted here, and it shows no other: %s' % error)


def fingerprint_of(certificate):
    """SHA-256 of a certificate (DER) as openssl prints it: 'A1:B2:...'."""
    import hashlib
    digest = hashlib.sha256(certificate).hexdigest().upper()
    return ':'.join(digest[place:place + 2] for place in range(0, len(digest), 2))
