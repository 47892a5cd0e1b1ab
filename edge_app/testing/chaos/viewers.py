"""Viewers of the appliance that do not read: they may lose their own pictures, and nothing else may be felt of them."""
import contextlib
import re
import socket
import threading
import time

from edge_app.clock import now_ns
from edge_app.testing.chaos.report import ReportRow

AT_ONCE = 65536
SMALL_BYTES = 4096
ANSWER_S = 10.0
NEVER, SLOW_BYTES_PER_S, AT_WILL = 0, 2000, None
BAD = 4
"""Viewers of each stream that behave so."""
GOOD_GAP_S = 2.0
"""Longest time in which a viewer who does read may get nothing."""
KINDS = {'viewer never reads': NEVER, 'viewer reads slowly': SLOW_BYTES_PER_S}


class StalledViewer:
    """An RTSP client over one TCP connection that plays a stream and reads `bytes_per_s` of it; a context manager."""

    def __init__(self, uri, bytes_per_s=AT_WILL):
        self._bytes_per_s = bytes_per_s
        self._over = threading.Event()
        self.longest_s = 0.0
        """Longest time between two pieces of the stream."""
        host, _, port = uri.split('/')[2].partition(':')
        self._socket = socket.socket()
        self._socket.settimeout(ANSWER_S)
        if bytes_per_s is not AT_WILL:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        self._socket.connect((host, int(port)))
        self._play(uri)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _play(self, uri):
        description = self._ask('DESCRIBE', uri, 1, 'Accept: application/sdp')
        control = re.findall(r'a=control:(\S+)', description)[-1]
        base = re.search(r'(?i)content-base: *(\S+)', description)
        base = base.group(1) if base else uri
        track = control if control.startswith('rtsp') else base.rstrip('/') + '/' + control
        answer = self._ask('SETUP', track, 2, 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1')
        session = re.search(r'(?i)session: *([^;\s]+)', answer).group(1)
        self._socket.sendall(request('PLAY', base, 3, 'Session: ' + session))

    def _ask(self, method, uri, number, *headers):
        self._socket.sendall(request(method, uri, number, *headers))
        answer = b''
        while b'\r\n\r\n' not in answer:
            answer += self._some()
        head, _, body = answer.partition(b'\r\n\r\n')
        length = re.search(br'(?i)content-length: *(\d+)', head)
        while length and len(body) < int(length.group(1)):
            body += self._some()
        if not head.startswith(b'RTSP/1.0 200'):
            raise ConnectionError('%s was answered with %r' % (method, head[:60]))
        return (head + b'\r\n\r\n' + body).decode(errors='replace')

    def _some(self):
        heard = self._socket.recv(AT_ONCE)
        if not heard:
            raise ConnectionError('the server hung up')
        return heard

    def _read(self):
        """Until the end: at will, slowly, or not at all."""
        last_s = time.monotonic()
        try:
            while self._bytes_per_s != NEVER and not self._over.is_set() and self._piece():
                self.longest_s, last_s = max(self.longest_s, time.monotonic() - last_s), time.monotonic()
        except OSError:
            pass        # given up by the server, which it may
        self.longest_s = max(self.longest_s, time.monotonic() - last_s)

    def _piece(self):
        if self._bytes_per_s is AT_WILL:
            return self._socket.recv(AT_ONCE)
        self._over.wait(0.1)
        return self._socket.recv(self._bytes_per_s // 10)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self._socket.close()
        self._thread.join(ANSWER_S)


def request(method, uri, number, *headers):
    return '\r\n'.join(('%s %s RTSP/1.0' % (method, uri), 'CSeq: %d' % number) + headers + ('', '')).encode()


def measure(stand, name, alternations, window_s):
    """The Row of viewers of one of KINDS beside one who reads."""
    row = ReportRow(name, 'viewers')
    comparison, begin_ns = stand.comparison(), now_ns()
    mosaic = 'rtsp://127.0.0.1:%d/' % stand.ports[0]
    streams = [mosaic + path for path in ('mosaic', stand.names[0], stand.names[0] + '_annotated')]
    gaps_s = []
    for _ in range(alternations):
        stand.lookout.forget()
        with StalledViewer(streams[0]) as good:
            with comparison.window(False, stand.names):
                time.sleep(window_s)
            with contextlib.ExitStack() as stack, comparison.window(True, stand.names):
                for uri in streams * BAD:
                    stack.enter_context(StalledViewer(uri, KINDS[name]))
                time.sleep(window_s)
        gaps_s.append(good.longest_s)
        row.times += 1
    row.compare(comparison)
    row.audit(stand.auditor.off_s(begin_ns))
    row.more['good_viewer_gap_s'] = round(max(gaps_s), 2)
    if max(gaps_s) > GOOD_GAP_S:
        row.trouble.append('a viewer who reads got nothing for %.1f s, at most %g' % (max(gaps_s), GOOD_GAP_S))
    return row
