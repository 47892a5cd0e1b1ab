"""An RTSP connection taken apart, however its bytes come."""
import pytest

from edge_app.testing.simulator.rtsp_parser import MOST_HEAD_BYTES, Garbled, Packet, Splitter, Text

REQUEST = b'DESCRIBE rtsp://h:1/Streaming/Channels/101 RTSP/1.0\r\nCSeq: 7\r\n\r\n'
ANSWER = b'RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Type: application/sdp\r\nContent-Length: 6\r\n\r\nv=0\r\n$'
PACKETS = [Packet.of(0, b'$\r\n\r\n'), Packet.of(1, b''), Packet.of(0, b'x' * 65535)]
WHOLE = [ANSWER, PACKETS[0].raw, REQUEST, PACKETS[1].raw, PACKETS[2].raw, REQUEST]


@pytest.mark.parametrize('step', [1, 2, 3, 1000, 1 << 20])
def test_messages_come_whole_however_the_bytes_come(step):
    stream, splitter = b''.join(WHOLE), Splitter()
    found = [message for start in range(0, len(stream), step) for message in splitter.feed(stream[start:start + step])]
    assert [message.raw for message in found] == WHOLE
    assert [type(message) for message in found] == [Text, Packet, Text, Packet, Packet, Text]


def test_a_request_says_what_it_asks():
    request, = Splitter().feed(b'\r\n' + REQUEST)
    assert (request.method, request.words[1]) == ('DESCRIBE', 'rtsp://h:1/Streaming/Channels/101')
    assert request.header('cseq') == '7' and request.header('Session') == ''


def test_another_body_has_its_own_length():
    answer, = Splitter().feed(ANSWER)
    assert answer.body == b'v=0\r\n$'
    changed, = Splitter().feed(answer.with_body(b'abcdefghijkl').raw)
    assert changed.body == b'abcdefghijkl' and changed.header('Content-Type') == 'application/sdp'


def test_a_packet_knows_its_channel_and_data():
    packet = Packet.of(3, b'abc')
    assert packet.raw == b'$\x03\x00\x03abc' and packet.data == b'abc'
    assert not packet.is_rtp and Packet.of(2, b'').is_rtp


@pytest.mark.parametrize('junk', [b'x' * MOST_HEAD_BYTES, b'A B C\r\nContent-Length: 999999999\r\n\r\n'])
def test_what_can_never_end_is_refused(junk):
    with pytest.raises(Garbled):
        Splitter().feed(junk)
