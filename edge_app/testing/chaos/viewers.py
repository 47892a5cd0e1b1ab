"""Viewers of the appliance that do not read: they may lose their own pictures and must have no other effect."""
import contextlib
import re
import socket
import threading
import time

from edge_app.clock import now_ns
from edge_app.testing.chaos.report import ReportRow

READ_BYTES = 65536
BUFFER_BYTES = 4096
ANSWER_S = 10.0
NEVER, SLOW_BYTES_PER_S, UNLIMITED = 0, 2000, None
STALLED = 4
"""Such viewers of each stream."""
GOOD_GAP_S = 2.0
"""Longest time for which a viewer that does read may get nothing."""
KINDS = {'viewer never reads': NEVER, 'viewer reads slowly': SLOW_BYTES_PER_S}


class StalledViewer:
    """An RTSP client over one TCP connection that reads `bytes_per_s` of a stream; a context manager."""

    def __init__(self, uri, bytes_per_s=UNLIMITED):
        self._bytes_per_s = bytes_per_s
        self._over = threading.Event()
        self.longest_s = 0.0
        """Longest time between two reads."""
        host, _, port = uri.split('/')[2].partition(':')
        self._socket = socket.socket()
        self._socket.settimeout(ANSWER_S)
        if bytes_per_s is not UNLIMITED:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket.connect((host, int(port)))
        self._play(uri)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _play(self, uri):
        description = self._request('DESCRIBE', uri, 1, 'Accept: application/sdp')
        control = re.findall(r'a=control:(\S+)', description)[-1]
        base = re.search(r'(?i)content-base: *(\S+)', description)
        base = base.group(1) if base else uri
        track = control if control.startswith('rtsp') else base.rstrip('/') + '/' + control
        answer = self._request('SETUP', track, 2, 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1')
        session = re.search(r'(?i)session: *([^;\s]+)', answer).group(1)
        self._socket.sendall(request('PLAY', base, 3, 'Session: ' + session))

    def _request(self, method, uri, number, *headers):
        self._socket.sendall(request(method, uri, number, *headers))
        answer = b''
        while b'\r\n\r\n' not in answer:
            answer += self._received()
        head, _, body = answer.partition(b'\r\n\r\n')
        length = re.search(br'(?i)content-length: *(\d+)', head)
        while length and len(body) < int(length.group(1)):
            body += self._received()
        if not head.startswith(b'RTSP/1.0 200'):
            raise ConnectionError('%s was answered with %r' % (method, head[:60]))
        return (head + b'\r\n\r\n' + body).decode(errors='replace')

    def _received(self):
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError('the server closed the connection')
        return data

    def _read(self):
        """Read until the end: at full speed, slowly, or not at all."""
        last_s = time.monotonic()
        try:
            while self._bytes_per_s != NEVER and not self._over.is_set() and self._read_once():
                self.longest_s, last_s = max(self.longest_s, time.monotonic() - last_s), time.monotonic()
        except OSError:
            pass        # the server may give up such a client
        self.longest_s = max(self.longest_s, time.monotonic() - last_s)

    def _read_once(self):
        if self._bytes_per_s is UNLIMITED:
            return self._socket.recv(READ_BYTES)
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


def measure(testbed, name, alternations, window_s):
    """The ReportRow of viewers of one of KINDS beside one that reads."""
    row = ReportRow(name, 'viewers')
    comparison, begin_ns = testbed.comparison(), now_ns()
    mosaic = 'rtsp://127.0.0.1:%d/' % testbed.ports[0]
    streams = [mosaic + path for path in ('mosaic', testbed.names[0], testbed.names[0] + '_annotated')]
    gaps_s = []
    for _ in range(alternations):
        testbed.observer.forget()
        with StalledViewer(streams[0]) as good:
            with comparison.window(False, testbed.names):
                time.sleep(window_s)
            with contextlib.ExitStack() as stack, comparison.window(True, testbed.names):
                for uri in streams * STALLED:
                    stack.enter_context(StalledViewer(uri, KINDS[name]))
                time.sleep(window_s)
        gaps_s.append(good.longest_s)
        row.times += 1
    row.compare(comparison)
    row.audit(testbed.auditor.off_s(begin_ns))
    row.more['good_viewer_gap_s'] = round(max(gaps_s), 2)
    if max(gaps_s) > GOOD_GAP_S:
        row.trouble.append('a viewer that reads got nothing for %.1f s, at most %g' % (max(gaps_s), GOOD_GAP_S))
    return row
