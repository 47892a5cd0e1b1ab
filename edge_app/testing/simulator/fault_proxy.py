"""The front before simulated cameras: takes their clients' connections, and hands on what active faults let through.

Everything here runs on one asyncio loop, that of `troubles.Troubles`.
"""
import asyncio
import contextlib
import random
import socket
import struct

from edge_app import clock
from edge_app.errors import OutputError
from edge_app.testing.simulator.datagrams import Datagrams
from edge_app.testing.simulator.rtsp_parser import Garbled, Splitter, Text

AT_ONCE_BYTES = 65536
BACKLOG = 64
DRIPS_PER_S = 10
LOOK_S = 1.0
"""A client that waits for an answer is looked after so often: whether it is still there."""
GONE = (OSError, asyncio.IncompleteReadError, Garbled)
"""How connections end: closed here or there, or not RTSP at all."""


def bound(host, port):
    """A TCP socket at this address that does not listen: connects are refused, and nobody else gets the port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OutputError('%s cannot be listened at: %s' % (host, error.strerror))
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        return made
    except OSError as error:
        made.close()
        raise OutputError('port %d of %s is taken or not allowed (%s): choose another with --port, or --port 0 for a '
                          'free one' % (port, host, error.strerror))


class FaultProxy:
    """One listening port before one RTSP server. `targets` [Target] are the cameras behind it."""

    def __init__(self, host, port, server_port, targets, udp=False):
        self._host = host
        self.udp = udp
        self._server_port = server_port
        self._socket = bound(host, port)
        self._listener = None
        self.port = self._socket.getsockname()[1]
        self._paths = {stream.path: target for target in targets for stream in target.camera.streams.values()}
        for target in targets:
            target.front = self

    async def accept(self):
        """Begin to listen, again if need be."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, sock=self._socket, backlog=BACKLOG)

    def refuse(self):
        """Stop listening, and keep the port."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._socket = bound(self._host, self.port)

    def close(self):
        if self._listener is not None:
            self._listener.close()
        self._socket.close()

    def target_of(self, uri):
        """The camera a request's address is of, or None."""
        _, _, rest = uri.partition('://')
        path = '/' + rest.partition('/')[2].partition('?')[0]
        return self._paths.get(path.partition('/stream=')[0].rstrip('/'))

    async def _serve(self, reader, writer):
        line = ProxiedConnection(self, reader, writer)
        with contextlib.suppress(*GONE):
            await line.run(self._server_port)


class ProxiedConnection:
    """One client's connection and the one behind it to the server. `target`: its camera, once a request named it."""

    def __init__(self, front, reader, writer):
        self.target = None
        self.started = False
        """`SlowStart` has let it begin."""
        self.kept = {}
        """{fault: [what it holds back]}"""
        self._front = front
        self._reader, self._writer = reader, writer
        self._server_reader = self._server_writer = None
        self._datagrams = Datagrams(writer.get_extra_info('peername')[0], writer.get_extra_info('sockname')[0])
        self._dice = {}
        self._play_ns = None
        self._tasks = ()

    @property
    def faults(self):
        return self.target.faults if self.target else ()

    @property
    def playing_s(self):
        """Seconds since its PLAY."""
        return 0 if self._play_ns is None else (clock.now_ns() - self._play_ns) / 1e9

    def dice(self, fault):
        """The chances of one fault on this connection: the same each time."""
        if fault not in self._dice:
            self._dice[fault] = random.Random(fault.seed)
        return self._dice[fault]

    async def run(self, server_port):
        """Carry both ways until one end closes."""
        try:
            self._server_reader, self._server_writer = await asyncio.open_connection('127.0.0.1', server_port)
            self._tasks = [asyncio.ensure_future(way) for way in (self._up(), self._down())]
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._end()

    def _end(self):
        for task in self._tasks:
            task.cancel()
            task.add_done_callback(_look_at)
        for writer in (self._writer, self._server_writer):
            if writer:
                writer.close()
        self._datagrams.close()
        if self.target:
            self.target.lines.discard(self)

    def cut(self, reset):
        """End it at once, by RST or in order."""
        if reset:
            plain = self._writer.get_extra_info('socket')
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self._writer.transport.abort()
        for task in self._tasks:
            task.cancel()

    # -- from the client --------------------------------------------------------------------------------------------

    async def _up(self):
        splitter = Splitter()
        while True:
            heard = await self._reader.read(AT_ONCE_BYTES)
            if not heard:
                return
            for message in splitter.feed(heard):
                await self._request(message)

    async def _request(self, message):
        if isinstance(message, Text):
            self._belong(message)
        for fault in self.faults:
            while fault.holds and not await _is_over(fault, LOOK_S):
                if self._reader.at_eof() or self._reader.exception():
                    raise ConnectionError('the client has gone')
        answer = self._answer(message)
        if answer:
            await self._send(answer.raw)
            return
        if isinstance(message, Text) and message.method == 'PLAY':
            self._play_ns = clock.now_ns()
        if isinstance(message, Text) and self._front.udp:
            message = self._datagrams.setup(message)
        self._server_writer.write(message.raw)
        await self._server_writer.drain()

    def _belong(self, request):
        if self.target is None and len(request.words) > 1:
            self.target = self._front.target_of(request.words[1])
            if self.target:
                self.target.lines.add(self)

    def _answer(self, message):
        answers = [fault.answer(message) for fault in self.faults] if isinstance(message, Text) else []
        return next((answer for answer in answers if answer), None)

    # -- to the client ----------------------------------------------------------------------------------------------

    async def _down(self):
        splitter = Splitter()
        while True:
            heard = await self._server_reader.read(AT_ONCE_BYTES)
            if not heard:
                return
            await self._send(self._on_the_line(self._passing(splitter.feed(heard))))

    def _passing(self, messages):
        for fault in self.faults:
            messages = [passed for message in messages for passed in fault.passing(message, self)]
        return messages

    def _on_the_line(self, messages):
        """Bytes for the client's connection; packets of channels that go by UDP have gone."""
        messages = [self._datagrams.answer(message) if isinstance(message, Text) else message for message in messages]
        return b''.join(message.raw for message in messages if not self._datagrams.send(message))

    def finish(self, fault):
        """The fault is over: what it still held comes now."""
        self._writer.write(self._on_the_line(fault.last(self)))
        self._dice.pop(fault, None)

    async def _send(self, data):
        while data:
            rates = [fault for fault in self.faults if fault.bytes_per_s]
            size = max(1, rates[0].bytes_per_s // DRIPS_PER_S) if rates else len(data)
            self._writer.write(data[:size])
            await self._writer.drain()
            data = data[size:]
            if rates and data:
                await _is_over(rates[0], 1.0 / DRIPS_PER_S)


async def _is_over(fault, seconds):
    """Whether the fault is over within so many seconds; returns as soon as it is."""
    try:
        await asyncio.wait_for(fault.over.wait(), seconds)
        return True
    except asyncio.TimeoutError:
        return False


def _look_at(task):
    """Whatever ended a task is no news once its connection has ended."""
    if not task.cancelled():
        task.exception()
