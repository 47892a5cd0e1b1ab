"""A proxy before the simulated cameras' server: applies the active faults to connections, requests and packets.

Everything here runs on one asyncio loop, that of the FaultController.
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
PORT_TAKEN = 'port %d of %s is taken or not allowed (%s): choose another with --port, or --port 0 for a free one'
DRIPS_PER_S = 10
CLIENT_CHECK_S = 1.0
"""While a client waits for an answer: how often it is checked for having gone."""


def bound(host, port):
    """A TCP socket at this address that does not listen: connects are refused, and nobody else gets the port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OutputError('%s cannot be listened on: %s' % (host, error.strerror))
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        return made
    except OSError as error:
        made.close()
        raise OutputError(PORT_TAKEN % (port, host, error.strerror))


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
            target.proxy = self

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
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, Garbled):
            await ProxiedConnection(self, reader, writer).run(self._server_port)


class ProxiedConnection:
    """One client's connection and the one behind it to the server. `target`: its camera, once a request named it."""

    def __init__(self, proxy, reader, writer):
        self.target = None
        self.started = False
        """`SlowStart` has let it begin."""
        self.held = {}
        """{fault: [messages it holds back]}"""
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._server_reader = self._server_writer = None
        self._datagrams = Datagrams(writer.get_extra_info('peername')[0], writer.get_extra_info('sockname')[0])
        self._rngs = {}
        self._play_ns = None
        self._tasks = ()

    @property
    def faults(self):
        return self.target.faults if self.target else ()

    @property
    def playing_s(self):
        """Seconds since its PLAY."""
        return 0 if self._play_ns is None else (clock.now_ns() - self._play_ns) / 1e9

    def rng(self, fault):
        """The random.Random of one fault on this connection: the same numbers in every run."""
        if fault not in self._rngs:
            self._rngs[fault] = random.Random(fault.seed)
        return self._rngs[fault]

    async def run(self, server_port):
        """Forward both ways until one end closes."""
        try:
            self._server_reader, self._server_writer = await asyncio.open_connection('127.0.0.1', server_port)
            self._tasks = [asyncio.ensure_future(way) for way in (self._from_client(), self._to_client())]
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._end()

    def _end(self):
        for task in self._tasks:
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())   # or asyncio would log it
        for writer in (self._writer, self._server_writer):
            if writer:
                writer.close()
        self._datagrams.close()
        if self.target:
            self.target.connections.discard(self)

    def disconnect(self, reset):
        """End it at once, with RST or FIN."""
        if reset:
            plain = self._writer.get_extra_info('socket')
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self._writer.transport.abort()
        for task in self._tasks:
            task.cancel()

    # -- from the client --------------------------------------------------------------------------------------------

    async def _from_client(self):
        splitter = Splitter()
        while True:
            data = await self._reader.read(AT_ONCE_BYTES)
            if not data:
                return
            for message in splitter.feed(data):
                await self._request(message)

    async def _request(self, message):
        if isinstance(message, Text) and self.target is None and len(message.words) > 1:
            self.target = self._proxy.target_of(message.words[1])
            if self.target:
                self.target.connections.add(self)
        for fault in self.faults:
            while fault.holds_requests and not await _ends_within(fault, CLIENT_CHECK_S):
                if self._reader.at_eof() or self._reader.exception():
                    raise ConnectionError('the client has gone')
        answer = self._answer(message)
        if answer:
            await self._send(answer.raw)
            return
        if isinstance(message, Text) and message.method == 'PLAY':
            self._play_ns = clock.now_ns()
        if isinstance(message, Text) and self._proxy.udp:
            message = self._datagrams.setup(message)
        self._server_writer.write(message.raw)
        await self._server_writer.drain()

    def _answer(self, message):
        answers = [fault.answer(message) for fault in self.faults] if isinstance(message, Text) else []
        return next((answer for answer in answers if answer), None)

    # -- to the client ----------------------------------------------------------------------------------------------

    async def _to_client(self):
        splitter = Splitter()
        while True:
            data = await self._server_reader.read(AT_ONCE_BYTES)
            if not data:
                return
            messages = splitter.feed(data)
            for fault in self.faults:
                messages = [passed for message in messages for passed in fault.forward(message, self)]
            await self._send(self._without_datagrams(messages))

    def _without_datagrams(self, messages):
        """Bytes for the client's TCP connection; packets of channels that go by UDP are sent."""
        messages = [self._datagrams.answer(message) if isinstance(message, Text) else message for message in messages]
        return b''.join(message.raw for message in messages if not self._datagrams.send(message))

    def finish(self, fault):
        """The fault has ended: send what it still held."""
        self._writer.write(self._without_datagrams(fault.release(self)))
        self._rngs.pop(fault, None)

    async def _send(self, data):
        while data:
            rates = [fault for fault in self.faults if fault.bytes_per_s]
            size = max(1, rates[0].bytes_per_s // DRIPS_PER_S) if rates else len(data)
            self._writer.write(data[:size])
            await self._writer.drain()
            data = data[size:]
            if rates and data:
                await _ends_within(rates[0], 1.0 / DRIPS_PER_S)


async def _ends_within(fault, seconds):
    """Whether the fault ends within so many seconds; returns as soon as it does."""
    try:
        await asyncio.wait_for(fault.ended.wait(), seconds)
        return True
    except asyncio.TimeoutError:
        return False
