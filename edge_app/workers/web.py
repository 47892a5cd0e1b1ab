"""The process that answers HTTP: health, metrics, the report, the newest picture of each camera.

It listens on loopback unless authentication is configured; every request passes the guard first.
"""
import asyncio
import contextlib
import logging

from aiohttp import web, web_response

from edge_app import uris
from edge_app.config import from_dict
from edge_app.config.tls import UnusableCertificate, server_context
from edge_app.errors import OutputError
from edge_app.schemes import OUTPUTS
from edge_app.stats import Counters
from edge_app.web.listen import announce, announced_port, listen
from edge_app.web.log_limit import Bounded
from edge_app.web.server import WebServer

HEARTBEAT_S = 1.0
BACKLOG = 32
"""asyncio accepts so many connections at a time; each TLS handshake that begins takes 250 kB."""
CLOSE_S = 1.0
"""Time that open answers get at the end."""


def main(context, config, run_dir=None):
    """Serve the appliance of `config` (config.to_dict) until told to stop; its address is in `<run_dir>/web.json`."""
    run_dir = str(run_dir or context.run_dir)
    # No versions for strangers, nor in answers that no handler gives.
    vars(web_response)['SERVER_SOFTWARE'] = 'edge-app'
    for logger, what in (('aiohttp.server', 'requests were malformed or failed'), ('asyncio', 'connections failed')):
        logging.getLogger(logger).filters[:] = [Bounded(what)]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with contextlib.closing(loop), Counters.open(run_dir) as counters:
        loop.run_until_complete(serve(context, WebServer(from_dict(config), run_dir, counters)))


async def serve(context, server):
    """Listen, announce the address, and answer until `context` is to stop."""
    tls = server.config.tls
    try:
        ssl_context = server_context(tls.certificate, tls.key) if tls.certificate else None
    except UnusableCertificate as unusable:
        raise OutputError(str(unusable))
    others = [uris.host_port(output.uri, OUTPUTS)[1] for output in server.config.served_outputs]
    listener = listen(server.config.web, announced_port(server.run_dir), others)
    runner = web.AppRunner(server.application(listener.heard), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=ssl_context, backlog=BACKLOG).start()
        announce(server.run_dir, 'https' if ssl_context else 'http', server.config.web.host, listener.getsockname()[1])
        context.ready()
        await until_stopped(context, listener)
    finally:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), CLOSE_S)
        await asyncio.sleep(0)      # lets the tasks of connections closed last end


async def until_stopped(context, listener):
    """Sleep, with a heartbeat a second, until `context` is to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_event_loop()
    loop.add_reader(context.stop_fd, stopped.set)
    try:
        while not stopped.is_set():
            context.heartbeat()
            listener.cut()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stopped.wait(), HEARTBEAT_S)
    finally:
        loop.remove_reader(context.stop_fd)
