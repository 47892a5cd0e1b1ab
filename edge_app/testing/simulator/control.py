"""The control socket: faults on request, one JSON object a line, one answer a line."""
import asyncio
import contextlib
import json
import os
import socket

from edge_app.errors import OutputError

MOST_LINE_BYTES = 65536
MOST_NUMBER = 2 ** 53
MODE = 0o600


def parse_request(text):
    """The request, a flat dict, in a line of JSON; None for anything else."""
    try:
        request = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict):
        return None
    parts = [part for value in request.values() for part in (value if isinstance(value, list) else [value])]
    nested_or_huge = any(isinstance(part, (list, dict)) or (isinstance(part, int) and abs(part) > MOST_NUMBER)
                         for part in parts)
    return None if nested_or_huge else request


class Control:
    """A unix socket only its owner may connect to; `answer` is a coroutine from request to answer."""

    def __init__(self, path, answer):
        self.path = path
        self._answer = answer
        self._socket = _bound(path)
        self._server = None

    async def open(self):
        self._server = await asyncio.start_unix_server(self._serve, sock=self._socket, limit=MOST_LINE_BYTES)

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, ValueError):
            async for line in reader:       # ValueError at one longer than any request
                writer.write(json.dumps(await self._answer(parse_request(line))).encode() + b'\n')
                await writer.drain()
        writer.close()

    def close(self):
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def _bound(path):
    """A socket at this path, mode 0600 before anybody can connect; one left by an ended process is replaced."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_leftover(path):
            os.unlink(path)
        made.bind(path)
        os.chmod(path, MODE)
        return made
    except OSError as error:
        made.close()
        raise OutputError('--control: %s: %s; give the path of a socket to create' % (path, error.strerror or error))


def _is_leftover(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
