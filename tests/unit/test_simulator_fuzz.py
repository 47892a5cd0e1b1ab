"""Foreign bytes: whatever comes, on a client's connection or the control socket, ends in a message or in our error."""
import json
import random

from edge_app.errors import ConfigError
from edge_app.testing.simulator import plan
from edge_app.testing.simulator.control import understood
from edge_app.testing.simulator.faults import FAULTS
from edge_app.testing.simulator.rtsp_parser import Garbled, Splitter, Text
from edge_app.testing.simulator.settings import Settings

INPUTS = 10000
STREAM = (b'DESCRIBE rtsp://h:1/x RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 5\r\n\r\nhello$\0\0\x04abcd'
          b'RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 6\r\n\r\nv=0\r\n'
          b'$$\1\0\x1c' + b'\xc8' * 28)
PIECES = (b'$', b'\r\n', b'\r\n\r\n', b'Content-Length: 3\r\n', b'\0', b':')
VALUES = (1, 0, -1, 'all', '', None, True, 1.5, float('nan'), float('inf'), 2 ** 53, 10 ** 400, [1, 2], [], ['x'], {},
          'loss', 404, '401', '\ud800', '\0' * 9, 'x' * 9999)
KEYS = ('camera', 'fault', 'at_s', 'for_s', 'share', 'bits', 'size', 'to', 'sdp', 'clock', 'mark', 'delay_s', 'x', '\n')
SETTINGS = Settings(cameras=3, port_per_camera=True)


class Line:
    """A client's connection, as far as faults look at it."""

    started, playing_s = False, 0

    def __init__(self, chances):
        self.kept = {}
        self.dice = lambda _fault: chances


def _spoilt(chances):
    data = bytearray(STREAM)
    for _ in range(chances.randrange(8)):
        place, choice = chances.randrange(len(data)), chances.random()
        if choice < 0.5:
            data[place] = chances.randrange(256)
        elif choice < 0.8:
            del data[place:place + chances.randrange(9)]
        else:
            data[place:place] = chances.choice(PIECES)
    return bytes(data)


def test_a_connections_bytes():
    chances = random.Random(11)
    faults = [plan.read_request({'camera': 1, 'fault': name}, SETTINGS)[0] for name in FAULTS]
    texts = 0
    for _ in range(INPUTS):
        line = Line(chances)
        try:
            messages = Splitter().feed(_spoilt(chances))
        except Garbled:
            continue
        for message in messages:
            texts += isinstance(message, Text)
            for fault in faults:
                assert all(passed.raw for passed in fault.passing(message, line))
                assert not isinstance(message, Text) or fault.answer(message) is None or message.method
    assert texts > INPUTS


def test_the_control_sockets_lines():
    chances = random.Random(12)
    outcomes = {'good': 0, 'refused': 0}
    for _ in range(INPUTS):
        request = {chances.choice(KEYS): chances.choice(VALUES) for _ in range(chances.randrange(6))}
        if chances.random() < 0.7:
            request.update(fault=chances.choice(sorted(FAULTS)), camera=chances.choice([1, 2, 'all', 1.0]))
        try:
            plan.read_request(understood(json.dumps(request).encode()), SETTINGS)
            outcomes['good'] += 1
        except ConfigError as error:
            assert error.problems
            outcomes['refused'] += 1
    assert min(outcomes.values()) > INPUTS // 20
