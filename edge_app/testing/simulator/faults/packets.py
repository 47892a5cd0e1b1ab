"""Faults on packets from the camera to a client."""
import struct

from edge_app.config.schema import setting
from edge_app.config.types import Choice, Integer, Number
from edge_app.testing.simulator.faults.base import Fault, fault
from edge_app.testing.simulator.rtsp_parser import Packet, Text

RTP_HEADER, NAL_HEADERS = 12, 2
SENDER_REPORT = 200
RTP_RATE = 90000
MOST_HELD_BYTES = 32 << 20


@fault('drip')
class Drip(Fault):
    """Data arrives far too slowly."""

    bytes_per_s = setting(Integer(10, 10 ** 7), 2000, 'Bytes a second, for each client.')


@fault('loss')
class Loss(Fault):
    """RTP packets get lost."""

    share = setting(Number(0, 1), 0.05, 'Probability of each packet.')

    def forward(self, message, connection):
        if not (isinstance(message, Packet) and message.is_rtp):
            return [message]
        return [] if connection.rng(self).random() < self.share else [message]


@fault('corrupt')
class Corrupt(Fault):
    """Bits of the video flip; the headers of RTP and of the NAL unit stay as they are."""

    share = setting(Number(0, 1), 0.05, 'Probability of each packet.')
    bits = setting(Integer(1, 1000), 8, 'Bits flipped in such a packet.')

    def forward(self, message, connection):
        rng, first = connection.rng(self), 8 * (RTP_HEADER + NAL_HEADERS)
        if not (isinstance(message, Packet) and message.is_rtp) or rng.random() >= self.share:
            return [message]
        data = bytearray(message.data)
        for _ in range(self.bits if len(data) * 8 > first else 0):
            place = first + int(rng.random() * (len(data) * 8 - first))
            data[place // 8] ^= 1 << place % 8
        return [Packet.of(message.channel, data)]


@fault('bad_sdp')
class BadSdp(Fault):
    """DESCRIBE is answered with an unusable description."""

    disconnects = True
    sdp = setting(Choice('garbage', 'empty', 'cut'), 'garbage', '`garbage`: random bytes; `cut`: its first quarter.')

    def forward(self, message, connection):
        if not isinstance(message, Text) or 'sdp' not in message.header('Content-Type').lower():
            return [message]
        rng = connection.rng(self)
        return [message.with_body({
            'garbage': lambda: bytes(rng.randrange(256) for _ in message.body),
            'empty': bytes,
            'cut': lambda: message.body[:len(message.body) // 4]}[self.sdp]())]


@fault('clock_jump')
class ClockJump(Fault):
    """The camera's clock is wrong: time stamps of RTP, wall time of sender reports, or both."""

    by_s = setting(Number(-1e6, 1e6), 3600, 'How far.')
    clock = setting(Choice('both', 'rtp', 'ntp'), 'both', 'Which.')

    def forward(self, message, connection):
        if not isinstance(message, Packet):
            return [message]
        data = bytearray(message.data)
        if not message.is_rtp:
            self._shift_reports(data)
        elif self.clock != 'ntp' and len(data) >= RTP_HEADER:
            self._shift(data, 4, RTP_RATE)
        return [Packet.of(message.channel, data)]

    def _shift_reports(self, data):
        place = 0
        while place + 20 <= len(data):
            kind, words = data[place + 1], int.from_bytes(data[place + 2:place + 4], 'big')
            if kind == SENDER_REPORT and self.clock != 'rtp':
                self._shift(data, place + 8, 1)
            if kind == SENDER_REPORT and self.clock != 'ntp':
                self._shift(data, place + 16, RTP_RATE)
            place += 4 * (words + 1)

    def _shift(self, data, place, rate):
        value, = struct.unpack_from('>I', data, place)
        struct.pack_into('>I', data, place, (value + int(self.by_s * rate)) & 0xFFFFFFFF)


@fault('burst')
class Burst(Fault):
    """A pause, then everything of that time at once."""

    def forward(self, message, connection):
        held = connection.held.setdefault(self, [])
        if len(held) * 1400 < MOST_HELD_BYTES:
            held.append(message)
        return []

    def release(self, connection):
        return connection.held.pop(self, [])


@fault('slow_start')
class SlowStart(Fault):
    """Pictures come only long after PLAY was answered; then there is a key frame soon."""

    disconnects = True
    delay_s = setting(Number(0, 1000), 10, 'Seconds from PLAY to the first picture.')

    def forward(self, message, connection):
        if not isinstance(message, Packet) or connection.started:
            return [message]
        connection.started = connection.playing_s >= self.delay_s
        if connection.started:
            connection.target.camera.refresh()
        return []
