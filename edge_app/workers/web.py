"""The process that answers over HTTP: health, metrics, the report, the newest picture of each camera.

It listens on loopback, unless it was told whom to let in; what reaches it passes the guard first.
"""
import asyncio
import contextlib

from aiohttp import web

from edge_app.config import from_dict
from edge_app.config.tls import UnusableCertificate, server_context
from edge_app.errors import OutputError
from edge_app.stats import Counters
from edge_app.web.listen import announce, before, listen
from edge_app.web.server import WebServer

BEAT_S = 1.0
GOODBYE_S = 1.0
"""Time open answers are given at the end."""
MOST_CONNECTIONS = 64
"""Kept from one beat to the next; older ones are cut, so that nobody can use up this process's descriptors."""


def main(context, config, run_dir=None):
    """Serve the appliance of `config` (config.to_dict) until told to stop; its address is in `<run_dir>/web.json`."""
    folder = str(run_dir or context.run_dir)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with contextlib.closing(loop), Counters.open(folder) as counters:
        site = WebServer(from_dict(config), folder, counters)
        loop.run_until_complete(serve(context, site, folder))


async def serve(context, site, run_dir):
    """Listen, say where, and answer until `life` is to stop."""
    tls = tls_context(site.config.tls)
    runner = web.AppRunner(site.application(), access_log=None)
    await runner.setup()
    try:
        listener = listen(site.config.web, before(run_dir))
        await web.SockSite(runner, listener, ssl_context=tls).start()
        announce(run_dir, 'https' if tls else 'http', site.config.web.host, listener.getsockname()[1])
        context.ready()
        await until_told(context, runner.server)
    finally:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), GOODBYE_S)
        await asyncio.sleep(0)      # those cut last end their tasks


def tls_context(tls):
    """The ssl.SSLContext of a config.Tls; None when there is no certificate."""
    try:
        return server_context(tls.certificate, tls.key) if tls.certificate else None
    except UnusableCertificate as unusable:
        raise OutputError(str(unusable))


async def until_told(context, server):
    """Sleep, beat once a second, until `life` is to stop."""
    told = asyncio.Event()
    loop = asyncio.get_event_loop()
    loop.add_reader(context.stop_fd, told.set)
    try:
        while not told.is_set():
            context.heartbeat()
            cut_the_oldest(server.connections)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(told.wait(), BEAT_S)
    finally:
        loop.remove_reader(context.stop_fd)


def cut_the_oldest(connections):
    """End those beyond MOST_CONNECTIONS: who connects and says nothing would otherwise stay for good."""
    for connection in connections[:-MOST_CONNECTIONS]:
        if connection.transport is not None:
            connection.transport.abort()
