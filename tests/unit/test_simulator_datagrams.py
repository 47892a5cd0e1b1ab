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
def connection():
    made = Datagrams('127.0.0.1', '127.0.0.1')
    yield made
    made.close()


@pytest.fixture
def client_socket():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client_socket:
        client_socket.bind(('127.0.0.1', 0))
        client_socket.settimeout(5)
        yield client_socket


def test_a_client_that_asks_for_udp_gets_datagrams_and_the_server_gives_tcp(connection, client_socket):
    port = client_socket.getsockname()[1]
    asked = connection.setup(request('SETUP', 'RTP/AVP;unicast;client_port=%d-%d' % (port, port)))
    assert asked.header('Transport') == 'RTP/AVP/TCP;unicast;interleaved=0-1' and asked.header('CSeq') == '3'
    parts = connection.answer(Text((ANSWER % (3, '0-1')).encode())).header('Transport').split(';')
    assert parts[:3] == ['RTP/AVP', 'unicast', 'client_port=%d-%d' % (port, port)] and parts[-1] == 'ssrc=2AF1'
    own = [int(text) for text in parts[3].split('=')[1].split('-')]
    assert connection.send(Packet.of(0, b'rtp')) and connection.send(Packet.of(1, b'rtcp'))
    assert [client_socket.recvfrom(100) for _ in own] == [
        (b'rtp', ('127.0.0.1', own[0])), (b'rtcp', ('127.0.0.1', own[1]))]
    assert not connection.send(Packet.of(2, b'another stream'))
    assert not connection.send(Text(b'RTSP/1.0 200 OK\r\n\r\n'))


@pytest.mark.parametrize('transport', ['RTP/AVP/TCP;unicast;interleaved=0-1', 'RTP/AVP;multicast', ''])
def test_other_transports_pass_as_they_are(connection, transport):
    asked = request('SETUP', transport)
    assert connection.setup(asked) is asked
    answer = Text((ANSWER % (3, '0-1')).encode())
    assert connection.answer(answer) is answer and not connection.send(Packet.of(0, b'rtp'))


def test_a_second_stream_has_channels_of_its_own(connection, client_socket):
    port = client_socket.getsockname()[1]
    wanted = 'RTP/AVP;unicast;client_port=%d-%d' % (port, port)
    transports = [connection.setup(request('SETUP', wanted, sequence)).header('Transport') for sequence in (3, 4)]
    assert [transport.split('=')[1] for transport in transports] == ['0-1', '2-3']


def test_a_refusal_stays_one(connection):
    connection.setup(request('SETUP', 'RTP/AVP;unicast;client_port=5000-5001'))
    refusal = Text(b'RTSP/1.0 461 Unsupported Transport\r\nCSeq: 3\r\nTransport: RTP/AVP\r\n\r\n')
    assert connection.answer(refusal) is refusal
