"""What the web worker answers: it reads the books and rings when somebody asks and does nothing otherwise."""
import html
import platform

import cv2
from aiohttp import web

from edge_app import __version__
from edge_app.frames import I420
from edge_app.stats.camera_state import LIVE, reported_state
from edge_app.stats.readiness import reasons_not_ready
from edge_app.stats.report import read_status, report
from edge_app.telemetry import latest_reading
from edge_app.telemetry.prometheus import CONTENT_TYPE, metrics
from edge_app.transport.camera_feed import CameraFeed
from edge_app.web.guard import Guard

JPEG_QUALITY = 85
LONGEST_SHOWN = 64
"""Characters of what somebody asked for that are said back."""
HEADERS = {'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer',
           'Cross-Origin-Resource-Policy': 'same-origin', 'Cache-Control': 'no-store',
           'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>edge_app</title><style>
body { font: 16px/1.5 sans-serif; margin: 2em auto; padding: 0 1em; max-width: 72em; color-scheme: light dark }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%%, 26em), 1fr)); gap: 1em }
figure { margin: 0; border: 1px solid #8886; border-radius: 6px; overflow: hidden }
img, .none { display: block; width: 100%%; aspect-ratio: 16 / 9; object-fit: contain; background: #181a1e; color: #aaa }
.none { display: grid; place-items: center } figcaption { display: flex; gap: 1em; padding: .3em .8em }
figcaption b { flex: 1 } .live { color: #2e9e5b } code { font-size: 90%% } ul { columns: 24em; padding-left: 1.2em }
</style></head><body><h1>edge_app <small>%(version)s</small></h1>
<p><strong>%(warning)s</strong></p><main>%(cameras)s</main><ul>%(links)s</ul></body></html>
"""
CARD = ('<figure><a href="%(address)s">%(picture)s</a><figcaption><b>%(name)s</b><span class="%(state)s">%(words)s</span><span>%(rate)s</span>'
        '</figcaption></figure>')
PICTURE = '<img src="%(address)s" alt="newest picture of %(name)s">'
LINKS = (('/healthz', 'is this process alive'), ('/readyz', 'is everything up, and if not, what'),
         ('/metrics', 'numbers for Prometheus'), ('/api/stats', 'the report: cameras, engine, processes'),
         ('/api/version', 'which version runs'))


class WebServer:
    """The handlers; what they need stands on `self`."""

    def __init__(self, config, run_dir, counters):
        self.config = config
        self.run_dir = run_dir
        self.counters = counters
        self._guard = Guard(config.web)

    def application(self):
        """The aiohttp Application of all addresses."""
        application = web.Application(middlewares=[self._guarded()])
        application.add_routes([
            web.get('/', self.index), web.get('/healthz', self.healthz), web.get('/readyz', self.readyz),
            web.get('/metrics', self.metrics), web.get('/api/version', self.version),
            web.get('/api/stats', self.stats), web.get('/api/{camera}/latest.jpg', self.latest)])
        return application

    def _guarded(self):
        @web.middleware
        async def guarded(request, handler):
            """Refuse what is not for us or not allowed; send the same headers with every answer."""
            try:
                response = await self._guard.refusal(request)
                if response is None:
                    response = await handler(request)
            except web.HTTPException as error:
                error.headers.update(HEADERS)
                raise
            response.headers.update(HEADERS)
            return response
        return guarded

    async def index(self, request):
        rows = ''.join(card(name, page) for name, page in self.counters.cameras.items())
        links = ''.join('<li><a href="%s"><code>%s</code></a> %s' % (path, path, what) for path, what in LINKS)
        streams = ''.join('<li><code>%s</code>' % html.escape(address)
                          for output in self.counters.compositor.info.get('outputs', ()) for address in addresses(output))
        page = PAGE % {'version': __version__, 'cameras': rows, 'links': links + streams,
                       'warning': html.escape(self.counters.engine.info.get('warning') or '')}
        return web.Response(text=page, content_type='text/html')

    async def healthz(self, request):
        return web.Response(text='ok\n')

    async def readyz(self, request):
        reasons = reasons_not_ready(self.counters, read_status(self.run_dir))
        answer = {'ready': not reasons}
        if not self._guard.is_stranger(request):
            answer.update(reasons=reasons, cameras={name: reported_state(page)
                                                    for name, page in self.counters.cameras.items()})
        return web.json_response(answer, status=503 if reasons else 200)

    async def metrics(self, request):
        text = metrics(self.counters, read_status(self.run_dir), __version__, self._board())
        return web.Response(body=text.encode(), headers={'Content-Type': CONTENT_TYPE})

    async def version(self, request):
        return web.json_response({'version': __version__, 'python': platform.python_version()})

    async def stats(self, request):
        return web.json_response(report(self.counters, read_status(self.run_dir), board=self._board()))

    def _board(self):
        """What the board said last; the process that looks at it is told that somebody asks."""
        latest_reading.ask(self.run_dir)
        return latest_reading.read(self.run_dir)

    async def latest(self, request):
        """The newest picture as JPEG; 404 for a camera that is not there, 503 with the reason when it has none."""
        name = request.match_info['camera']
        page = self.counters.cameras.get(name)
        if page is None:
            return problem(404, 'no camera %r; there are: %s' % (name[:LONGEST_SHOWN], ', '.join(self.counters.cameras)))
        state = reported_state(page)
        found = newest_jpeg(CameraFeed(self.run_dir, name)) if state == LIVE else None
        if found is None:
            why = page.info.get('reason')
            return problem(503, '%s has no picture now: %s%s' % (name, state.replace('_', ' '), why and ', ' + why or ''))
        meta, jpeg = found
        return web.Response(body=jpeg, content_type='image/jpeg', headers={
            'X-Sequence': str(meta.sequence), 'X-Captured-Ns': str(meta.captured_ns)})


def card(name, page):
    """One camera on the page: its newest picture, state and attained rate of inference."""
    state = reported_state(page)
    shown = {'name': html.escape(name), 'address': html.escape('/api/%s/latest.jpg' % name), 'state': state}
    attained = page.get('attained_fps_milli') / 1000.0
    live = state == LIVE
    return CARD % dict(shown, picture=PICTURE % shown if live else '<span class="none">no picture</span>',
                       words=state.replace('_', ' '), rate='%.1f inferred a second' % attained if live and attained else '')


def problem(status, words):
    return web.json_response({'error': words}, status=status)


def newest_jpeg(feed):
    """(FrameMeta, JPEG bytes) of the newest frame of a CameraFeed, which is closed; None when there is none."""
    with feed:
        read = feed.read_newest()
    if read is None:
        return None
    meta, pixels = read
    picture = cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420) if meta.format == I420 else pixels
    done, jpeg = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return (meta, jpeg.tobytes()) if done else None


def addresses(output):
    """Each address of an output as the present process notes it."""
    server = '/'.join(output['uri'].split('/')[:3])
    return [server + path for path in output.get('paths', ())] or [output['uri']]
