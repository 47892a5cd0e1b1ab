"""The relay for rtspsrc: dialogue, packets, keep-alives."""
import contextlib
import logging
import re
import select
import time

from edge_app.camera.connection import Message
from edge_app.camera.gst_errors import status_error
from edge_app.camera.relay import ACCEPT_S, Relay
from edge_app.errors import SourceError, SourceLost, SourceRefused

log = logging.getLogger(__name__)

RTSP_HEADERS = ('content-type', 'content-base', 'content-location', 'transport', 'session', 'rtp-info', 'range',
                'scale', 'speed', 'accept-ranges')
"""What of a camera's answer rtspsrc gets to see."""
PUBLIC = 'OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN'
SESSION_S = 60
"""Time-out of a session that names none (RFC 2326, 12.37)."""
HANGING_UP = set()
"""URIs of cameras that ended the stream at a GET_PARAMETER. Others are sent one: not all that need it announce it."""
GOODBYE_S = 2.0
BURST_S, GATHER_S = 0.005, 0.002
"""A picture comes as many packets: those that follow within BURST_S are passed on together."""


class RtspRelay(Relay):
    """For rtspsrc: one connection; once it plays, packets go through and the session is kept alive."""

    def __init__(self, camera, fail):
        self._sequence = 0
        self._session_s = SESSION_S
        self._asking_s = None
        """When to keep the session alive next; None: nothing plays."""
        self._keep_alive_with = 'OPTIONS' if camera.uri in HANGING_UP else 'GET_PARAMETER'
        self._playing_uri = camera.uri
        self._kept_alive = {}
        """{sequence number: method} of keep-alives that are not answered."""
        self._over_udp = False
        self._filled_s = 0.0
        super(RtspRelay, self).__init__(camera, fail)

    def _serve(self):
        self._local, request = self._hello(time.monotonic() + ACCEPT_S)
        self._listener.close()
        while not self._closed:
            while request is not None:
                if not self._pass_on(request):
                    return
                request = self._local_request()
            if not self._wait():
                return
            request = self._local_request()

    def _local_request(self):
        """The next request of rtspsrc, None without one; its RTCP packets go to the camera."""
        self._local.forward_packets(self._upstream and self._upstream.socket)
        return self._local.message()

    def _wait(self):
        """Wait until either side has sent something and pass the camera's packets on; False at the end."""
        sides = [self._local.socket] + ([self._upstream.socket] if self._upstream else [])
        left = None if self._asking_s is None else max(0.0, self._asking_s - time.monotonic())
        ready = select.select(sides, [], [], left)[0]
        if self._asking_s is not None and time.monotonic() >= self._asking_s:
            self._keep_alive()
        soon = time.monotonic() + self.camera.silence_s
        if self._upstream is not None and self._upstream.socket in ready and not self._from_camera(soon):
            return False
        return self._local.socket not in ready or self._local.fill(soon)

    def _from_camera(self, deadline_s):
        """Pass on what the camera has sent; False when it has ended the stream."""
        now_s = time.monotonic()
        if now_s - self._filled_s < BURST_S:
            time.sleep(GATHER_S)
        self._filled_s = now_s
        try:
            alive = self._upstream.fill(deadline_s)
            while self._take_answer() is not None:
                pass
        except SourceError:     # also an OSError
            raise
        except ValueError as error:
            raise SourceLost('it sends %s' % error)
        except OSError:
            alive = False
        if not alive and 'GET_PARAMETER' in self._kept_alive.values():
            HANGING_UP.add(self.camera.uri)
        if not alive and self._over_udp:        # some hang up once they play; packets come without the connection
            self._hang_up()
            return True
        return alive

    # -- requests of rtspsrc ---------------------------------------------------------------------------------------

    def _pass_on(self, request):
        """Ask the camera what rtspsrc asks, and answer that; False when the session is over."""
        method, target = request.start.split()[:2]
        answer = self._options() if method == 'OPTIONS' else self._answer(method, target, request)
        headers = [('CSeq', request.get('cseq'))] + answer.only(RTSP_HEADERS) + [('Public', PUBLIC)]
        self._local.socket.settimeout(self.camera.silence_s)
        self._local.socket.sendall(Message('RTSP/1.0 %d %s' % (answer.status, answer.reason), headers,
                                           answer.body).pack())
        self._session = '' if method == 'TEARDOWN' else self._session
        return method != 'TEARDOWN'

    def _options(self):
        """Whatever a camera answers here, it may play; it is not worth a login."""
        self._ask('OPTIONS', lambda uri: self._request('OPTIONS', uri, []))
        return Message('RTSP/1.0 200 OK', [])

    def _answer(self, method, target, request):
        kept = request.without('cseq', 'authorization', 'content-length')
        own = target.startswith(self.location)

        def rebuilt(uri):
            return self._request(method, uri + target[len(self.location):] if own else target, kept, request.body)

        answer = self._ask(method, rebuilt, GOODBYE_S if method == 'TEARDOWN' else None)
        if method == 'SETUP' and answer.status == 461:
            return answer       # rtspsrc tries another transport
        if not 200 <= answer.status < 300 and method in ('DESCRIBE', 'SETUP', 'PLAY'):
            raise status_error(answer.status, answer.reason)
        if method == 'DESCRIBE':
            return self._described(answer)
        if method == 'SETUP':
            return self._set_up(answer)
        if method == 'PLAY':
            self._playing_uri = self._uri + target[len(self.location):] if own else target
            self._asking_s = time.monotonic() + self._interval_s()
        return answer

    def _described(self, answer):
        kinds = re.findall(br'^m=(\w+)', answer.body, re.M)
        if kinds and not set(kinds) & {b'video', b'application'}:
            raise SourceRefused('it offers no video, only %s: choose another path or stream of the camera'
                                % b', '.join(sorted(set(kinds))).decode())
        if not answer.get('content-base'):
            base = answer.get('content-location') or self._uri
            return answer._replace(headers=answer.headers + [('Content-Base', base)])
        return answer

    def _set_up(self, answer):
        """Note the session; packets over UDP are exchanged with the camera, not with this relay."""
        self._session, _, rest = answer.get('session').partition(';')
        found = re.search(r'timeout *= *(\d{1,6})', rest)
        self._session_s = int(found.group(1)) if found and int(found.group(1)) else SESSION_S
        transport = answer.get('transport')
        self._over_udp = 'interleaved' not in transport
        if self._over_udp and 'source=' not in transport:
            source = self._upstream.socket.getpeername()[0]
            return answer._replace(headers=answer.without('transport') + [
                ('Transport', '%s;source=%s' % (transport, source))])
        return answer

    def _request(self, method, uri, headers, body=b''):
        self._sequence += 1
        allowed = self._login.header(method, uri)
        headers = [('CSeq', str(self._sequence))] + headers + ([('Authorization', allowed)] if allowed else [])
        return Message('%s %s RTSP/1.0' % (method, uri), headers, body)

    # -- answers and requests of the camera ------------------------------------------------------------------------

    def _take_answer(self):
        """The next answer among what has been received, None without one; the rest is dealt with."""
        while True:
            self._upstream.forward_packets(self._local.socket)
            message = self._upstream.message()
            if message is None:
                return None
            sequence = message.get('cseq')
            if not message.status:
                self._upstream.socket.sendall(Message('RTSP/1.0 200 OK', [('CSeq', sequence)]).pack())
            elif sequence in self._kept_alive:
                self._handle_kept_alive(self._kept_alive.pop(sequence), message)
            else:
                return message

    def _interval_s(self):
        return max(0.5, min(30.0, self._session_s / 2.0))

    def _keep_alive(self):
        """Send a request that needs no answer: RTCP does not count for every camera."""
        self._asking_s = time.monotonic() + self._interval_s()
        self._connect(time.monotonic() + self.camera.silence_s)
        request = self._request(self._keep_alive_with, self._playing_uri, [('Session', self._session)])
        self._kept_alive = {str(self._sequence): self._keep_alive_with}
        try:
            self._upstream.socket.settimeout(self.camera.silence_s)
            self._upstream.socket.sendall(request.pack())
        except OSError as error:
            log.debug('%s: keep-alive: %s', self.camera.name, error)

    def _handle_kept_alive(self, method, answer):
        if answer.status == 401:
            self._login.challenged(answer.all('www-authenticate'))
            self._keep_alive()
        elif answer.status == 454:
            raise SourceLost('it has ended the session (454)')
        elif answer.status >= 400 and method == 'GET_PARAMETER':
            self._keep_alive_with = 'OPTIONS'
            self._keep_alive()
        else:
            self._login.accepted()

    def _end(self):
        """rtspsrc may have gone without a word, and the session would keep one of the camera's few slots."""
        if self._session and self._upstream is not None:
            with contextlib.suppress(OSError):
                self._upstream.socket.sendall(
                    self._request('TEARDOWN', self._playing_uri, [('Session', self._session)]).pack())
        super(RtspRelay, self)._end()
