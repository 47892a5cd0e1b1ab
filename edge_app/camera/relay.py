"""Stands between a camera and the GStreamer element that reads it: login, redirections, limits, keep-alives.

rtspsrc and souphttpsrc connect to a port of 127.0.0.1 whose address has a secret path, and get what the camera sends:
its packets as they are, its answers rebuilt from what has been checked. They see no password, no challenge and no
redirection; whatever is wrong is said by this side, as SourceLost or SourceRefused.
"""
import contextlib
import logging
import os
import re
import select
import socket
import threading
import time

from edge_app import schemes, uris
from edge_app.camera import connection
from edge_app.camera.connection import Message, MessageSocket
from edge_app.camera.gst_errors import status_error
from edge_app.camera.login import Login
from edge_app.errors import SourceError, SourceLost, SourceRefused

log = logging.getLogger(__name__)

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
MOST_ASKED = 10
"""Requests for one answer, with those for login and redirections."""
ACCEPT_S = 30.0
HELLO_S = 5.0
"""To the first bytes of the element; others may connect, too."""
SESSION_S = 60
"""Time-out of a session that names none (RFC 2326, 12.37)."""
GOODBYE_S = 2.0
BURST_S, GATHER_S = 0.005, 0.002
"""A picture comes as many packets: those that follow within BURST_S are passed on together."""
RTSP_HEADERS = ('content-type', 'content-base', 'content-location', 'transport', 'session', 'rtp-info', 'range',
                'scale', 'speed', 'accept-ranges')
HTTP_HEADERS = ('content-type', 'content-length', 'content-range', 'accept-ranges', 'transfer-encoding',
                'content-encoding')
"""What of a camera's answer the element gets to see."""
PUBLIC = 'OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN'


class Relay:
    """One session with `camera`; `fail(error)` gets the SourceError that ends it."""

    def __init__(self, camera, fail):
        self.camera, self._fail = camera, fail
        self._scheme = uris.scheme_of(camera.uri)
        self._home = uris.host_port(camera.uri)
        self._uri = camera.uri
        self._login = Login(camera, self._scheme, self._scheme.endswith('s'))
        self._upstream = self._local = None
        self._redirects = 0
        self._closed = False
        self._path = '/' + os.urandom(16).hex()
        host = '::1' if ':' in self._home[0] else '127.0.0.1'
        self._listener = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
        self._listener.bind((host, 0))
        self._listener.listen(4)
        self.location = '%s://%s:%d%s' % (self._scheme.rstrip('s'), '[%s]' % host if ':' in host else host,
                                          self._listener.getsockname()[1], self._path)
        """Where the element is to connect to."""
        threading.Thread(target=self._run, name='relay', daemon=True).start()

    def _run(self):
        try:
            self._serve()
        except SourceError as error:
            if not self._closed:
                self._fail(error)
        except (OSError, ValueError) as error:
            log.debug('%s: relay: %s', self.camera.name, error)
        finally:
            self._end()

    def close(self):
        """Have it end; from any thread, any number of times."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._upstream, self._local):
            if one is not None:
                one.shut_down()

    def _end(self):
        for one in (self._listener, self._local, self._upstream):
            if one is not None:
                one.close()

    def _hello(self, deadline_s):
        """(MessageSocket, first Message) of the element: who connects without the secret path is sent away."""
        while True:
            self._listener.settimeout(max(0.001, deadline_s - time.monotonic()))
            client = MessageSocket(self._listener.accept()[0])
            with contextlib.suppress(OSError, ValueError):
                found, patience_s = None, time.monotonic() + HELLO_S
                while found is None and client.fill(patience_s):
                    found = client.message(body=False)
                if found is not None and self._path in found.start.split()[1]:
                    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return client, found
            client.close()

    # -- the camera ------------------------------------------------------------------------------------------------

    def _connect(self, deadline_s):
        if self._upstream is None:
            host, port = uris.host_port(self._uri)
            self._upstream = connection.connect(host, port, deadline_s, uris.scheme_of(self._uri).endswith('s'),
                                                self.camera.tls_fingerprint)
            if self._closed:
                self._upstream.shut_down()

    def _hang_up(self):
        if self._upstream is not None:
            self._upstream.close()
        self._upstream = None

    def _ask(self, method, request, patience_s=None):
        """The camera's answer to `request(uri)`, a Message; logs in and follows redirections."""
        logging_in = False
        for _ in range(MOST_ASKED):
            try:
                answer = self._exchange(method, request, patience_s or self.camera.silence_s)
            except SourceLost:
                if not logging_in:
                    raise
                self._hang_up()     # some cameras hang up after 401
                logging_in = False
                continue
            if answer.status == 401 and method != 'OPTIONS':
                self._login.challenged(answer.all('www-authenticate'))
                logging_in = True
            elif answer.status in REDIRECTS and answer.get('location') and method in ('DESCRIBE', 'GET'):
                self._redirect(answer.get('location'))
            else:
                if method != 'OPTIONS':
                    self._login.accepted()
                return answer
        raise SourceRefused('it answers %s with ever new demands' % method)

    def _redirect(self, location):
        """Go on at `location`; the password stays with the address that the configuration names."""
        self._redirects += 1
        family = {name: row for name, row in schemes.CAMERAS.items() if name.rstrip('s') == self._scheme.rstrip('s')}
        if location.startswith('/'):
            location = '%s://%s%s' % (uris.scheme_of(self._uri), re.match('[a-z]+://([^/?#]*)', self._uri).group(1),
                                      location)
        try:
            self._uri = uris.split_credentials(uris.check(location, family)).uri
            address = (uris.scheme_of(self._uri),) + uris.host_port(self._uri)
        except ValueError:
            raise SourceRefused('it redirects to something else than %s://' % self._scheme)
        if self._redirects > MOST_REDIRECTS:
            raise SourceRefused('it redirects without end, now to %s' % uris.masked(self._uri))
        away = address != (self._scheme,) + self._home
        self._login.elsewhere = '%s://%s:%d' % address if away else ''
        self._hang_up()

    def _exchange(self, method, request, patience_s):
        """Send `request` and return what answers it."""
        deadline_s = time.monotonic() + patience_s
        self._connect(deadline_s)
        try:
            self._upstream.socket.settimeout(patience_s)
            self._upstream.socket.sendall(request(self._uri).pack())
            while True:
                answer = self._take_answer()
                if answer is not None:
                    return answer
                if not self._upstream.fill(deadline_s):
                    raise SourceLost('it hangs up instead of answering %s' % method)
        except ValueError as error:
            raise SourceLost('its answer to %s is %s' % (method, error))
        except socket.timeout:
            begun = bool(self._upstream.received)
            raise SourceLost('its answer to %s does not end within %g s' % (method, patience_s) if begun else
                             'it does not answer %s within %g s' % (method, patience_s))
        except OSError as error:
            raise SourceLost('the connection broke during %s: %s' % (method, error.strerror or error))

    def _take_answer(self):
        raise NotImplementedError

    def _serve(self):
        raise NotImplementedError


class RtspRelay(Relay):
    """For rtspsrc: one connection; once it plays, packets go through and the session is kept alive."""

    def __init__(self, camera, fail):
        self._sequence = 0
        self._session, self._session_s = '', SESSION_S
        self._asking_s = None
        """When to keep the session alive next; None: nothing plays."""
        self._keep_alive_with = 'GET_PARAMETER'
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
        except ValueError as error:
            raise SourceLost('it sends %s' % error)
        except OSError:
            alive = False
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
        answer = self._ask('OPTIONS', lambda uri: self._request('OPTIONS', uri, []))
        public = answer.get('public') if answer.status == 200 else ''
        if public and 'GET_PARAMETER' not in public:
            self._keep_alive_with = 'OPTIONS'
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
        """A session that was left without a word would keep one of the camera's few slots."""
        if self._session and self._upstream is not None:
            with contextlib.suppress(OSError):
                self._upstream.socket.sendall(
                    self._request('TEARDOWN', self._playing_uri, [('Session', self._session)]).pack())
        super(RtspRelay, self)._end()


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
