"""Which requests are answered: sent to us, by a page of ours or by no page, small, and from somebody who may.

The first two hold on loopback too: a browser there visits pages from anywhere, and such a page can send requests to any
address and give any name to ours.
"""
import ipaddress
import socket

from aiohttp import web

from edge_app.uris import is_loopback
from edge_app.web.auth import Authenticator, Verdict

LONGEST_BODY = 64 * 1024
OPEN = ('/healthz', '/readyz')
"""Answered to strangers too, in a word: for who starts this again when it hangs."""


class Guard:
    """Stands before every handler."""

    def __init__(self, settings):
        self._settings = settings
        self._access = Authenticator(settings)

    async def refusal(self, request):
        """The answer to a request that is not for us or not allowed; None for a good one."""
        host = request.headers.getall('Host', [])
        if len(host) != 1 or not is_ours(host[0], self._settings):
            return refused(403, 'not addressed to this machine')
        if not is_of_our_page(request.headers, host[0]):
            return refused(403, 'asked by a page from elsewhere')
        if (request.content_length or 0) > LONGEST_BODY or 'Transfer-Encoding' in request.headers:
            return refused(413, 'more than %d bytes, or of unknown length' % LONGEST_BODY)
        if request.path in OPEN and self.is_stranger(request):
            return None
        verdict = await self._access.examine(request.headers.get('Authorization', ''))
        if verdict is Verdict.BUSY:
            return refused(429, 'too many are being examined', {'Retry-After': '5'})
        if verdict is Verdict.DENIED:
            return refused(401, 'give the token, or user and password', {'WWW-Authenticate': self._access.challenge})
        return None

    def is_stranger(self, request):
        """Whether the request does not even try to say who sent it, where that is asked for."""
        return self._access.asked and 'Authorization' not in request.headers


def refused(status, words, headers=None):
    return web.Response(status=status, text=words + '\n', headers=headers)


def is_ours(host_header, settings):
    """Whether a request with this Host header was addressed to us: a name made to point here is not ours.

    An address as such is fine, since nobody can make one point elsewhere.
    """
    try:
        name = web_host(host_header)
        address = ipaddress.ip_address(name)
    except ValueError:
        ours = {'localhost', settings.host.lower()}
        if not is_loopback(settings.host):
            own = socket.gethostname().lower()
            ours |= {own, own.partition('.')[0] + '.local'}
        return name in ours
    return address.is_loopback or not is_loopback(settings.host)


def is_of_our_page(headers, host_header):
    """Whether no page caused the request, or one of ours: browsers say so in Origin and Sec-Fetch-Site.

    A link followed from elsewhere is the visitor's own doing.
    """
    origins = headers.getall('Origin', [])
    if any(origin.partition('://')[2].lower() != host_header.strip().lower() for origin in origins):
        return False
    foreign = headers.get('Sec-Fetch-Site', 'none').lower() not in ('none', 'same-origin')
    return not foreign or headers.get('Sec-Fetch-Mode', '').lower() == 'navigate'


def web_host(header):
    """'[::1]:8080' is '::1', 'localhost:8080' is 'localhost'."""
    text = header.strip().lower()
    return text[1:].partition(']')[0] if text.startswith('[') else text.partition(':')[0]
