"""RTP over UDP for clients of the fault proxy; the server behind it is asked for TCP only.

So a fault that acts on packets does the same to either kind of client. A client's SETUP is turned into one for TCP, the
answer back into one for UDP (RFC 2326, 12.39), and the packets of those channels leave as datagrams.
"""
import contextlib
import re
import socket

from edge_app.testing.simulator.rtsp_parser import Packet, Text

_TRANSPORT = re.compile(br'(?im)^transport: *([^\r\n]*)')
_PORTS = re.compile(r'client_port=(\d{1,5})-(\d{1,5})')


class Datagrams:
    """The UDP side of one client's connection: `host` is the client's address, `own` the one it connected to."""

    def __init__(self, host, own):
        self._host, self._own = host, own
        self._setups = []
        self._sockets = {}
        """{channel: (socket, client's port)}"""

    def setup(self, request):
        """The SETUP as the server gets it, the same when it asks for no UDP."""
        ports = _PORTS.search(request.header('Transport'))
        if request.method != 'SETUP' or not ports or 'TCP' in request.header('Transport').split(';')[0]:
            return request
        channel = 2 * len(self._setups)
        self._setups.append((request.header('CSeq'), channel, [int(port) for port in ports.groups()]))
        return _with_transport(request, 'RTP/AVP/TCP;unicast;interleaved=%d-%d' % (channel, channel + 1))

    def answer(self, text):
        """The server's answer as the client gets it."""
        for sequence, channel, ports in self._setups:
            if text.header('CSeq') == sequence and text.header('Transport') and text.words[1] == '200':
                own = [self._open(channel + step, port) for step, port in enumerate(ports)]
                rest = ';'.join(part for part in text.header('Transport').split(';') if part.startswith('ssrc='))
                return _with_transport(text, 'RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d%s' % (
                    tuple(ports) + tuple(own) + (rest and ';' + rest,)))
        return text

    def _open(self, channel, port):
        made = socket.socket(socket.AF_INET6 if ':' in self._own else socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind((self._own, 0))
        self._sockets[channel] = made, port
        return made.getsockname()[1]

    def send(self, message):
        """Send a packet whose channel goes by UDP; whether it does. What the network has no room for is lost."""
        if not isinstance(message, Packet) or message.channel not in self._sockets:
            return False
        sender, port = self._sockets[message.channel]
        with contextlib.suppress(OSError):
            sender.sendto(message.data, (self._host, port))
        return True

    def close(self):
        for sender, _ in self._sockets.values():
            sender.close()
        self._sockets = {}


def _with_transport(text, value):
    return Text(_TRANSPORT.sub(b'Transport: ' + value.encode(), text.head), text.body)
