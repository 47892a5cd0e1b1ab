"""RTP over UDP in front of a server that gives TCP only, text by text; the datagrams go to a socket of the test."""
import socket

import pytest

from edge_app.testing.simulator.datagrams import Datagrams
from edge_app.testing.simulator.rtsp_parser import Packet, Text

ANSWER = ('RTSP/1.0 200 OK\r\nCSeq: %d\r\nTransport: RTP/AVP/TCP;unicast;interleaved=%s;ssrc=2AF1\r\n'
          'Session: 7\r\n\r\n')


def request(method, transport, sequence=3):
    return Text(('%s rtsp://host/x/stream=0 RTSP/1.0\r\nCSeq: %d\r\nTransport: %s\r\n\r\n'
                 % (method, sequence, transport)).encode())


@pytest.fixture
def line():
    made = Datagrams('127.0.0.1', '127.0.0.1')
    yield made
    made.close()


@pytest.fixture
def decoder_log():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as decoder_log:
        decoder_log.bind(('127.0.0.1', 0))
        decoder_log.settimeout(5)
        yield decoder_log


def test_a_client_that_asks_for_udp_gets_datagrams_and_the_server_gives_tcp(line, decoder_log):
    port = decoder_log.getsockname()[1]
    asked = line.setup(request('SETUP', 'RTP/AVP;unicast;client_port=%d-%d' % (port, port)))
    assert asked.header('Transport') == 'RTP/AVP/TCP;unicast;interleaved=0-1' and asked.header('CSeq') == '3'
    parts = line.answer(Text((ANSWER % (3, '0-1')).encode())).header('Transport').split(';')
    assert parts[:3] == ['RTP/AVP', 'unicast', 'client_port=%d-%d' % (port, port)] and parts[-1] == 'ssrc=2AF1'
    own = [int(text) for text in parts[3].split('=')[1].split('-')]
    assert line.send(Packet.of(0, b'rtp')) and line.send(Packet.of(1, b'rtcp'))
    assert [decoder_log.recvfrom(100) for _ in own] == [(b'rtp', ('127.0.0.1', own[0])), (b'rtcp', ('127.0.0.1', own[1]))]
    assert not line.send(Packet.of(2, b'another stream')) and not line.send(Text(b'RTSP/1.0 200 OK\r\n\r\n'))


@pytest.mark.parametrize('transport', ['RTP/AVP/TCP;unicast;interleaved=0-1', 'RTP/AVP;multicast', ''])
def test_other_transports_pass_as_they_are(line, transport):
    asked = request('SETUP', transport)
    assert line.setup(asked) is asked
    answer = Text((ANSWER % (3, '0-1')).encode())
    assert line.answer(answer) is answer and not line.send(Packet.of(0, b'rtp'))


def test_a_second_stream_has_channels_of_its_own(line, decoder_log):
    port = decoder_log.getsockname()[1]
    asked = 'RTP/AVP;unicast;client_port=%d-%d' % (port, port)
    transports = [line.setup(request('SETUP', asked, sequence)).header('Transport')
                  for sequence in (3, 4)]
    assert [transport.split('=')[1] for transport in transports] == ['0-1', '2-3']


def test_a_refusal_stays_one(line):
    line.setup(request('SETUP', 'RTP/AVP;unicast;client_port=5000-5001'))
    refusal = Text(b'RTSP/1.0 461 Unsupported Transport\r\nCSeq: 3\r\nTransport: RTP/AVP\r\n\r\n')
    assert line.answer(refusal) is refusal
