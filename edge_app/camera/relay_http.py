"""The relay for souphttpsrc: one connection for each piece it asks for."""
import contextlib
import re
import select
import socket
import time

from edge_app.camera.connection import Message
from edge_app.camera.gst_errors import status_error
from edge_app.camera.relay import Relay

HTTP_HEADERS = ('content-type', 'content-length', 'content-range', 'accept-ranges', 'transfer-encoding',
                'content-encoding')
"""What of a camera's answer souphttpsrc gets to see."""


class HttpRelay(Relay):
    """For souphttpsrc, which opens one connection after the other when it seeks in a file."""

    def _serve(self):
        while not self._closed:
            self._local, request = self._hello(time.monotonic() + 10 ** 6)
            try:
                self._fetch(request)
            finally:
                self._local.close()
                self._hang_up()

    def _fetch(self, request):
        """Answer one request of souphttpsrc."""
        method, kept = request.start.split()[0], request.only(('range', 'user-agent'))

        def rebuilt(uri):
            authority, path = re.match('[a-z]+://([^/?#]*)([^#]*)', uri).groups()
            path = path if path.startswith('/') else '/' + path
            allowed = self._login.header(method, path)
            return Message('%s %s HTTP/1.1' % (method, path), [('Host', authority), ('Connection', 'close')] + kept
                           + ([('Authorization', allowed)] if allowed else []))

        answer = self._ask(method, rebuilt)
        if answer.status >= 300 and answer.status != 416:
            raise status_error(answer.status, answer.reason)
        headers = answer.only(HTTP_HEADERS) + [('Connection', 'close')]
        self._local.socket.settimeout(None)
        self._local.socket.sendall(Message('HTTP/1.1 %d %s' % (answer.status, answer.reason), headers).pack())
        self._pump()

    def _take_answer(self):
        while True:
            answer = self._upstream.message(body=False)
            if answer is None or answer.status != 100:
                return answer

    def _pump(self):
        """The body, as it comes, until either side ends."""
        sides = [self._local.socket, self._upstream.socket]
        while True:
            self._local.socket.sendall(self._upstream.received)
            del self._upstream.received[:]
            if self._local.socket in select.select(sides, [], [])[0] and not self._local.socket.recv(4096):
                return
            with contextlib.suppress(socket.timeout):
                if not self._upstream.fill(time.monotonic() + 1.0):
                    return
