"""The process that answers over HTTP: health, metrics, the report, the newest picture of each camera.

It reads the books and rings when somebody asks and does nothing otherwise. On loopback, unless told otherwise; and
a page from elsewhere cannot reach it through a visitor's browser, because the Host header must be one of ours.
"""
import asyncio
import contextlib
import errno
import html
import ipaddress
import json
import logging
import os
import platform
import socket

import cv2
from aiohttp import web

from edge_app import __version__
from edge_app.books import STATES, Books
from edge_app.config import from_dict
from edge_app.config.schema import DEFAULT_WEB_PORT
from edge_app.errors import OutputError, RingError
from edge_app.frames import I420
from edge_app.readiness import reasons_not_ready
from edge_app.report import read_status, report
from edge_app.ring import Ring
from edge_app.telemetry.prometheus import CONTENT_TYPE, metrics

log = logging.getLogger(__name__)

PORTS_TRIED = 50
BEAT_S = 1.0
GOODBYE_S = 1.0
"""Time open answers are given at the end."""
JPEG_QUALITY = 85
HEADERS = {'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer',
           'Cross-Origin-Resource-Policy': 'same-origin', 'Cache-Control': 'no-store',
           'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>edge_app</title><style>
body { font: 16px/1.5 sans-serif; margin: 2em; max-width: 50em; color-scheme: light dark }
td { padding-right: 1.5em } code { font-size: 95%% }
</style></head><body><h1>edge_app %(version)s</h1>
<table>%(cameras)s</table><ul>%(links)s</ul></body></html>
"""
LINKS = (('/healthz', 'is this process alive'), ('/readyz', 'is everything up, and if not, what'),
         ('/metrics', 'numbers for Prometheus'), ('/api/stats', 'the report: cameras, engine, processes'),
         ('/api/version', 'which version runs'))


def main(life, config, run_dir=None):
    """Serve the appliance of `config` (config.to_dict) until told to stop; its address is in `<run_dir>/web.json`."""
    folder = str(run_dir or life.run_dir)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with contextlib.closing(loop), Books.open(os.path.join(folder, 'books')) as books:
        site = Site(from_dict(config), folder, books)
        loop.run_until_complete(serve(life, site, folder))


async def serve(life, site, run_dir):
    """Listen, say where, and answer until `life` is to stop."""
    runner = web.AppRunner(site.application(), access_log=None)
    await runner.setup()
    try:
        listener = listen(site.config.web, before(run_dir))
        await web.SockSite(runner, listener).start()
        announce(run_dir, site.config.web.host, listener.getsockname()[1])
        life.ready()
        await until_told(life)
    finally:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), GOODBYE_S)


async def until_told(life):
    """Sleep, beat once a second, until `life` is to stop."""
    told = asyncio.Event()
    loop = asyncio.get_event_loop()
    loop.add_reader(life.stop_fd, told.set)
    try:
        while not told.is_set():
            life.beat()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(told.wait(), BEAT_S)
    finally:
        loop.remove_reader(life.stop_fd)


def addresses(output):
    """Each address of an output as the present process notes it."""
    server = '/'.join(output['uri'].split('/')[:3])
    return [server + path for path in output.get('paths', ())] or [output['uri']]


# -- where it listens -----------------------------------------------------------------------------------------------

def listen(settings, again=None):
    """A listening socket for a config.Web: its port, or else `again`, the default or the next that is free.

    OutputError when the port asked for is taken or the address is not this machine's.
    """
    wanted = [settings.port] if settings.port else list(range(DEFAULT_WEB_PORT, DEFAULT_WEB_PORT + PORTS_TRIED))
    if again and not settings.port:
        wanted.insert(0, again)
    for port in wanted:
        listener = _bind(settings.host, port)
        if listener is not None:
            return listener
    if settings.port:
        raise OutputError('web.port: %d is in use; choose another, or leave it out for the next free one'
                          % settings.port)
    raise OutputError('web.port: none of %d to %d is free; choose one' % (wanted[0], wanted[-1]))


def _bind(host, port):
    """A listening socket, None when the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OutputError('web.host: %r is no address: %s' % (host, error))
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise OutputError('web: cannot listen on %s port %d: %s' % (host, port, error.strerror))
        return None
    listener.setblocking(False)
    return listener


def before(run_dir):
    """The port a predecessor announced, so that an address once printed stays true; None for the first."""
    try:
        with open(os.path.join(run_dir, 'web.json')) as file:
            return json.load(file)['port']
    except FileNotFoundError:
        return None


def announce(run_dir, host, port):
    """Write `web.json` {host, port, url}, whole or not at all."""
    reachable = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host)
    url = 'http://%s:%d/' % ('[%s]' % reachable if ':' in reachable else reachable, port)
    path = os.path.join(run_dir, 'web.json')
    with open(path + '.new', 'w') as file:
        json.dump({'host': host, 'port': port, 'url': url}, file)
    os.rename(path + '.new', path)
    log.info('listening on %s', url)


def is_ours(host_header, settings):
    """Whether a request with this Host header was addressed to us: a name made to point here is not ours.

    An address as such is fine, since nobody can make one point elsewhere.
    """
    try:
        name = web_host(host_header)
        address = ipaddress.ip_address(name)
    except ValueError:
        ours = {'localhost', settings.host.lower()}
        return name in (ours if is_loopback(settings.host) else ours | {socket.gethostname().lower()})
    return address.is_loopback or not is_loopback(settings.host)


def web_host(header):
    """'[::1]:8080' is '::1', 'localhost:8080' is 'localhost'."""
    text = header.strip().lower()
    return text[1:].partition(']')[0] if text.startswith('[') else text.partition(':')[0]


def is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


# -- what it answers ------------------------------------------------------------------------------------------------

class Site:
    """The handlers; what they need stands on `self`."""

    def __init__(self, config, run_dir, books):
        self.config = config
        self.run_dir = run_dir
        self.books = books

    def application(self):
        """The aiohttp Application of all addresses."""
        application = web.Application(middlewares=[self._guard])
        application.add_routes([
            web.get('/', self.index), web.get('/healthz', self.healthz), web.get('/readyz', self.readyz),
            web.get('/metrics', self.metrics), web.get('/api/version', self.version),
            web.get('/api/stats', self.stats), web.get('/api/{camera}/latest.jpg', self.latest)])
        return application

    @property
    def _guard(self):
        @web.middleware
        async def guard(request, handler):
            """Refuse what was addressed to another name; send the same headers with every answer."""
            if not is_ours(request.headers.get('Host', ''), self.config.web):
                return web.Response(status=403, text='not addressed to this machine\n', headers=HEADERS)
            try:
                response = await handler(request)
            except web.HTTPException as error:
                error.headers.update(HEADERS)
                raise
            response.headers.update(HEADERS)
            return response
        return guard

    async def index(self, request):
        rows = ''.join('<tr><td>%s<td>%s<td><a href="%s">newest picture</a>'
                       % (html.escape(name), STATES[page.get('state')], html.escape('/api/%s/latest.jpg' % name))
                       for name, page in self.books.cameras.items())
        links = ''.join('<li><a href="%s"><code>%s</code></a> %s' % (path, path, what) for path, what in LINKS)
        streams = ''.join('<li><code>%s</code>' % html.escape(address)
                          for output in self.books.present.note.get('outputs', ()) for address in addresses(output))
        page = PAGE % {'version': __version__, 'cameras': rows, 'links': links + streams}
        return web.Response(text=page, content_type='text/html')

    async def healthz(self, request):
        return web.Response(text='ok\n')

    async def readyz(self, request):
        reasons = reasons_not_ready(self.books, read_status(self.run_dir))
        states = {name: STATES[page.get('state')] for name, page in self.books.cameras.items()}
        return web.json_response({'ready': not reasons, 'reasons': reasons, 'cameras': states},
                                 status=503 if reasons else 200)

    async def metrics(self, request):
        text = metrics(self.books, read_status(self.run_dir), __version__)
        return web.Response(body=text.encode(), headers={'Content-Type': CONTENT_TYPE})

    async def version(self, request):
        return web.json_response({'version': __version__, 'python': platform.python_version()})

    async def stats(self, request):
        return web.json_response(report(self.books, read_status(self.run_dir)))

    async def latest(self, request):
        """The newest picture as JPEG; 404 for a camera that is not there, 503 with the reason when it has none."""
        name = request.match_info['camera']
        if name not in self.books.cameras:
            return problem(404, 'no camera %r; there are: %s' % (name, ', '.join(self.books.cameras)))
        page = self.books.cameras[name]
        state = STATES[page.get('state')]
        found = newest_jpeg(os.path.join(self.run_dir, name + '.frames')) if state == 'live' else None
        if found is None:
            why = page.note.get('reason')
            return problem(503, '%s has no picture now: %s%s' % (name, state.replace('_', ' '), why and ', ' + why or ''))
        meta, jpeg = found
        return web.Response(body=jpeg, content_type='image/jpeg', headers={
            'X-Sequence': str(meta.sequence), 'X-Captured-Ns': str(meta.captured_ns)})


def problem(status, words):
    return web.json_response({'error': words}, status=status)


def newest_jpeg(path):
    """(FrameMeta, JPEG bytes) of the newest frame in the ring at `path`, None when there is none."""
    try:
        ring = Ring.open(path)
    except RingError:
        return None
    with ring:
        newest = ring.newest()
        read = ring.read(newest[0]) if newest else None
    if read is None:
        return None
    meta, pixels = read
    picture = cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420) if meta.format == I420 else pixels
    done, jpeg = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return (meta, jpeg.tobytes()) if done else None
