"""Which requests are answered: addressed to this machine, not caused by another site's page, small, and authenticated.

The first two are checked on loopback too: a browser there shows pages from anywhere, and such a page can send requests
to any address and point any name at ours.
"""
import ipaddress
import socket

from aiohttp import web

from edge_app.uris import is_loopback
from edge_app.web.auth import Authenticator, Verdict
from edge_app.web.connections import source

MAX_BODY = 64 * 1024
OPEN = ('/healthz', '/readyz')
"""Answered in one word without authentication too: for whatever restarts this process when it hangs."""


class Guard:
    """Checks every request before its handler."""

    def __init__(self, settings):
        self._settings = settings
        self._authenticator = Authenticator(settings)

    async def refusal(self, request):
        """The answer to a request that must be refused; None for a good one."""
        host = request.headers.getall('Host', [])
        if len(host) != 1 or not is_this_machine(host[0], self._settings):
            return refused(403, 'not addressed to this machine')
        if not is_same_site(request.headers, host[0]):
            return refused(403, 'requested by a page of another site')
        if (request.content_length or 0) > MAX_BODY or 'Transfer-Encoding' in request.headers:
            return refused(413, 'larger than %d bytes, or of unknown length' % MAX_BODY)
        if request.path in OPEN and self.is_anonymous(request):
            return None
        verdict = await self._authenticator.verify(request.headers.get('Authorization', ''), source(request.remote))
        if verdict is Verdict.BUSY:
            return refused(429, 'too many passwords are being checked', {'Retry-After': '5'})
        if verdict is Verdict.DENIED:
            return refused(401, 'give the token, or user and password',
                           {'WWW-Authenticate': self._authenticator.challenge})
        return None

    def is_anonymous(self, request):
        """Whether authentication is required and the request does not even try."""
        return self._authenticator.required and 'Authorization' not in request.headers


def refused(status, text, headers=None):
    return web.Response(status=status, text=text + '\n', headers=headers)


def is_this_machine(host_header, settings):
    """Whether a Host header names this machine: a foreign name made to point here does not.

    A literal address always does: nobody can make one point elsewhere.
    """
    try:
        text = host_header.strip().lower()      # '[::1]:8080', 'localhost:8080'
        name = text[1:].partition(']')[0] if text.startswith('[') else text.partition(':')[0]
        address = ipaddress.ip_address(name)
    except ValueError:
        ours = {'localhost', settings.host.lower()}
        if not is_loopback(settings.host):
            own = socket.gethostname().lower()
            ours |= {own, own.partition('.')[0] + '.local'}
        return name in ours
    return address.is_loopback or not is_loopback(settings.host)


def is_same_site(headers, host_header):
    """Whether no page caused the request, or one of ours: browsers say so in Origin and Sec-Fetch-Site.

    Following a link from another site is allowed.
    """
    origins = headers.getall('Origin', [])
    if any(origin.partition('://')[2].lower() != host_header.strip().lower() for origin in origins):
        return False
    foreign = headers.get('Sec-Fetch-Site', 'none').lower() not in ('none', 'same-origin')
    return not foreign or headers.get('Sec-Fetch-Mode', '').lower() == 'navigate'
