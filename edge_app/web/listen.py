"""The port the web worker listens on, and the address it announces."""
import errno
import json
import logging
import os
import socket

from edge_app.config.schema import DEFAULT_WEB_PORT
from edge_app.errors import OutputError
from edge_app.files import write_atomic
from edge_app.web.connections import Listener

log = logging.getLogger(__name__)

PORTS_TRIED = 50


def listen(settings, previous_port=None, others=()):
    """A Listener for a config.Web: its port, or else `previous_port`, the default or the next that is free.

    `others`: ports that the outputs will listen on. OutputError when the port asked for is taken or the address is not
    this machine's.
    """
    wanted = [settings.port] if settings.port else [
        port for port in range(DEFAULT_WEB_PORT, DEFAULT_WEB_PORT + PORTS_TRIED) if port not in others]
    if previous_port and not settings.port:
        wanted.insert(0, previous_port)
    for port in wanted:
        listener = _bind(settings.host, port)
        if listener is not None:
            return listener
    if settings.port:
        raise OutputError('web.port: %d is in use; choose another, or leave it out for the next free one'
                          % settings.port)
    raise OutputError('web.port: none of %d to %d is free; choose one' % (wanted[0], wanted[-1]))


def _bind(host, port):
    """A Listener, None when the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = Listener(family, kind, protocol)
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


def announced_port(run_dir):
    """The port in `web.json`, which a restarted worker keeps; None before the first announcement."""
    try:
        with open(os.path.join(run_dir, 'web.json')) as file:
            return json.load(file)['port']
    except FileNotFoundError:
        return None


def announce(run_dir, scheme, host, port):
    """Write `web.json` {host, port, url}, whole or not at all."""
    reachable = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host)
    url = '%s://%s:%d/' % (scheme, '[%s]' % reachable if ':' in reachable else reachable, port)
    write_atomic(os.path.join(run_dir, 'web.json'), json.dumps({'host': host, 'port': port, 'url': url}))
    log.info('listening on %s', url)
