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


def understood(text):
    """The request, a flat dict, that a line of JSON holds; None for anything else."""
    try:
        request = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) and all(map(_is_flat, request.values())) else None


def _is_flat(value):
    """A scalar of ordinary size, or a list of those."""
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(part, (list, dict)) or (isinstance(part, int) and abs(part) > MOST_NUMBER)
                   for part in parts)


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
            async for line in _lines(reader):
                writer.write(json.dumps(await self._answer(understood(line))).encode() + b'\n')
                await writer.drain()
        writer.close()

    def close(self):
        with contextlib.suppress(OSError):
            os.unlink(self.path)


async def _lines(reader):
    """Lines until the end, or until one is longer than any request (ValueError)."""
    while True:
        line = await reader.readline()
        if not line:
            return
        yield line


def _bound(path):
    """A socket at this path, mode 0600 before anybody can connect; what an ended process left there is replaced."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_leftover(path):
            os.unlink(path)
        made.bind(path)
        os.chmod(path, MODE)
        return made
    except OSError as error:
        made.close()
        raise OutputError('--control: %s: %s; name a path of a socket to be made' % (path, error.strerror or error))


def _is_leftover(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as port_probe:
        try:
            port_probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
