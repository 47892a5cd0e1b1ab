"""Stands between a camera and the GStreamer element that reads it: login, redirections, limits, keep-alives.

rtspsrc and souphttpsrc connect to a port of 127.0.0.1 whose address has a secret path, and get what the camera sends:
its packets as they are, its answers rebuilt from what has been checked. They see no password, no challenge and no
redirection; whatever is wrong is said by this side, as SourceLost or SourceRefused.
"""
import contextlib
import logging
import os
import re
import socket
import threading
import time

from edge_app import schemes, uris
from edge_app.camera import connection
from edge_app.camera.connection import MessageSocket
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


class Relay:
    """One session with `camera`; `fail(error)` gets the SourceError that ends it."""

    def __init__(self, camera, fail):
        self.camera, self._fail = camera, fail
        self._scheme = uris.scheme_of(camera.uri)
        self._home = uris.host_port(camera.uri)
        self._uri = camera.uri
        self._login = self._login_as(camera.user, camera.password)
        self._upstream = self._local = None
        self._redirects = 0
        self._closed = False
        self._session = ''
        """The camera's name for what has begun and is to be ended with a word."""
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
        for one in (self._local, None if self._session else self._upstream):
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

    def _login_as(self, user, password):
        scheme = uris.scheme_of(self._uri)
        return Login(user, password, scheme.endswith('s') or self.camera.allow_basic, scheme.rstrip('s'))

    def _redirect(self, location):
        """Go on at `location`; the password stays with the address that the configuration names.

        A location that has a login of its own is one that the camera gives to whoever asks.
        """
        self._redirects += 1
        family = {name: row for name, row in schemes.CAMERAS.items() if name.rstrip('s') == self._scheme.rstrip('s')}
        if location.startswith('/'):
            location = '%s://%s%s' % (uris.scheme_of(self._uri), re.match('[a-z]+://([^/?#]*)', self._uri).group(1),
                                      location)
        try:
            self._uri, user, password = uris.split_credentials(uris.check(location, family))
            address = (uris.scheme_of(self._uri),) + uris.host_port(self._uri)
        except ValueError:
            raise SourceRefused('it redirects to something else than %s://' % self._scheme)
        if self._redirects > MOST_REDIRECTS:
            raise SourceRefused('it redirects without end, now to %s' % uris.masked(self._uri))
        if user:
            self._login = self._login_as(user, password)
        elif address != (self._scheme,) + self._home:
            self._login.elsewhere = '%s://%s:%d' % address
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
        except SourceError:     # also an OSError
            raise
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
