"""The HTTP handlers. They read counters and rings when a request comes; between requests nothing runs."""
import platform

import cv2
from aiohttp import web

from edge_app import __version__
from edge_app.clock import now_ns
from edge_app.frames import I420
from edge_app.stats.camera_state import (DISABLED, LIVE, SHOWN, STARTING, SUPERVISOR_SILENT_S, camera_state, reason,
                                         reported_state, state_text)
from edge_app.stats.report import read_status, report
from edge_app.telemetry import latest_reading
from edge_app.telemetry.prometheus import CONTENT_TYPE, metrics
from edge_app.transport.camera_feed import CameraFeed
from edge_app.web.guard import Guard
from edge_app.web.page import render

UP = 'running'
JPEG_QUALITY = 85
LONGEST_ECHO = 64
"""Characters of a request that an answer repeats."""
HEADERS = {'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer',
           'Cross-Origin-Resource-Policy': 'same-origin', 'Cache-Control': 'no-store',
           'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"}


class WebServer:
    """The handlers of a Config's web page and API."""

    def __init__(self, config, run_dir, counters):
        self.config = config
        self.run_dir = run_dir
        self.counters = counters
        self._guard = Guard(config.web)

    def application(self, heard):
        """The aiohttp Application of all addresses; `heard(transport)` is called for every request."""
        application = web.Application(middlewares=[self._guarded(heard)])
        application.add_routes([
            web.get('/', self.index), web.get('/healthz', self.healthz), web.get('/readyz', self.readyz),
            web.get('/metrics', self.metrics), web.get('/api/version', self.version),
            web.get('/api/stats', self.stats), web.get('/api/{camera}/latest.jpg', self.latest)])
        return application

    def _guarded(self, heard):
        @web.middleware
        async def guarded(request, handler):
            """Refuse requests the guard refuses; send the same headers with every answer."""
            heard(request.transport)
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
        return web.Response(text=render(self.counters), content_type='text/html')

    async def healthz(self, request):
        return web.Response(text='ok\n')

    async def readyz(self, request):
        """503 while the appliance is not ready; with `?cameras=all` also while one does not deliver, `any`: all."""
        wanted = request.query.get('cameras')
        if wanted not in (None, 'all', 'any'):
            return problem(400, 'cameras must be all or any: /readyz?cameras=all is 503 while an enabled camera does '
                                'not deliver, /readyz?cameras=any while none does')
        reasons = reasons_not_ready(self.counters, read_status(self.run_dir)) + away(self.counters, wanted)
        answer = {'ready': not reasons}
        if not self._guard.is_anonymous(request):
            answer.update(reasons=reasons, cameras={name: camera_state(page, now_ns())
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
        """The board's latest reading; asking for it makes the board process go on reading."""
        latest_reading.ask(self.run_dir)
        return latest_reading.read(self.run_dir)

    async def latest(self, request):
        """The newest picture as JPEG, which may be a frozen or held one: `X-State`. 404 for a camera that is not there,
        503 with the reason when it has none."""
        name = request.match_info['camera']
        page = self.counters.cameras.get(name)
        if page is None:
            return problem(404, 'no camera %r; there are: %s' % (name[:LONGEST_ECHO], ', '.join(self.counters.cameras)))
        state = camera_state(page, now_ns())
        found = newest_jpeg(CameraFeed(self.run_dir, name)) if state in SHOWN else None
        if found is None:
            words = ', '.join(filter(None, (state.replace('_', ' '), reason(page, state))))
            return problem(503, '%s has no picture now: %s' % (name, words))
        meta, jpeg = found
        return web.Response(body=jpeg, content_type='image/jpeg', headers={
            'X-State': state, 'X-Sequence': str(meta.sequence), 'X-Captured-Ns': str(meta.captured_ns)})


def problem(status, text):
    return web.json_response({'error': text}, status=status)


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


def reasons_not_ready(counters, status):
    """Sentences, none when all is well: required processes up, each camera live or known to be away.

    A camera that is known to be away is its owner's trouble, shown on its tile; one nothing is known of yet is ours.
    """
    return (_supervisor(status) + [_words(worker) for worker in status['workers']
                                   if worker['required'] and worker['state'] != UP]
            + ['camera %s: nothing is known of it yet' % name for name, page in counters.cameras.items()
               if reported_state(page) == STARTING])


def away(counters, wanted):
    """A sentence for each enabled camera that shows nothing new, if `wanted` is 'all', or 'any' and none does."""
    moment_ns = now_ns()
    enabled = {name: page for name, page in counters.cameras.items() if camera_state(page, moment_ns) != DISABLED}
    found = ['camera %s: %s' % (name, state_text(page, moment_ns)) for name, page in enabled.items()
             if camera_state(page, moment_ns) != LIVE]
    return found if wanted == 'all' or wanted == 'any' and len(found) == len(enabled) else []


def _supervisor(status):
    if not status['written_ns']:
        return ['the supervisor has not said anything yet']
    silent_s = (now_ns() - status['written_ns']) / 1e9
    return ['the supervisor has been silent for %d s' % silent_s] if silent_s > SUPERVISOR_SILENT_S else []


def _words(worker):
    return 'process %s: %s%s' % (worker['name'], worker['state'], ', %s' % worker['reason'] if worker['reason'] else '')
