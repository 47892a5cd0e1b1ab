"""A plan of faults, read with every mistake at once; and the table it chooses from."""
import asyncio
import random
import struct

import pytest

from edge_app import gst
from edge_app.errors import ConfigError
from edge_app.testing.simulator import plan
from edge_app.testing.simulator.control import understood
from edge_app.testing.simulator.faults import FAULTS
from edge_app.testing.simulator.rtsp_parser import Packet, Text
from edge_app.testing.simulator.settings import Settings

APART = Settings(cameras=3, port_per_camera=True)
GOOD = '''
- {camera: 2, at_s: 5, for_s: 10, fault: freeze}
- {camera: 1, at_s: 7.5, fault: 401}
- camera: all
  fault: loss
  share: 0.25
'''
WRONG = '''- {camera: 9, fault: freeze}
- {camera: 1, at_s: -1, fault: freze}
- {fault: loss, share: 2, shares: 1}
- {camera: 1, fault: rst, for_s: 3}
- freeze
'''


def _file(tmp_path, text):
    path = tmp_path / 'plan.yaml'
    path.write_text(text)
    return str(path)


def test_a_plan_says_what_goes_wrong_where_and_when(tmp_path):
    found = plan.read_plan(_file(tmp_path, GOOD), APART)
    assert [(fault.camera, fault.fault, fault.at_s, fault.for_s) for fault in found] == [
        (2, 'freeze', 5, 10), (1, '401', 7.5, None), (1, 'loss', 0, None), (2, 'loss', 0, None), (3, 'loss', 0, None)]
    assert found[-1].share == 0.25


def test_every_mistake_is_told_at_once_with_its_place(tmp_path):
    path = _file(tmp_path, WRONG)
    with pytest.raises(ConfigError) as caught:
        plan.read_plan(path, APART)
    said = caught.value.problems
    for place, word, line in (('[0].camera', 'only 1 to 3', 1), ('[1].at_s', 'from 0', 2),
                              ('[1].fault', "did you mean 'freeze'", 2), ('[2].camera', 'missing', 3),
                              ('[2].share', 'from 0 to 1', 3), ('[2].shares', "did you mean 'share'", 3),
                              ('[3].for_s', 'over at once', 4), ('[4]', 'mapping', 5)):
        assert [text for text in said if text.startswith(place + ': ') and word in text
                and text.endswith('(%s:%d)' % (path, line))], (place, said)
    assert len(said) == 8


@pytest.mark.parametrize('text', ['freeze', '{camera: 1, fault: freeze}', ''])
def test_a_plan_is_a_list(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        plan.read_plan(_file(tmp_path, text), APART)
    assert 'must be a list' in str(caught.value)


def test_a_plan_that_is_not_there_is_named():
    with pytest.raises(ConfigError) as caught:
        plan.read_plan('/no/such/plan.yaml', APART)
    assert '/no/such/plan.yaml' in str(caught.value)


def test_a_port_that_all_share_is_not_closed_for_one():
    with pytest.raises(ConfigError) as caught:
        plan.read_request({'camera': 1, 'fault': 'refuse'}, Settings(cameras=2))
    assert '--port-per-camera' in str(caught.value)
    assert plan.read_request({'camera': 1, 'fault': 'refuse'}, APART)


def test_files_cannot_be_painted_black(tmp_path):
    video = tmp_path / 'a.mp4'
    video.write_bytes(b'')
    with pytest.raises(ConfigError) as caught:
        plan.read_request({'camera': 1, 'fault': 'black'}, Settings(files=[str(video)]))
    assert 'play files' in str(caught.value)


def test_a_codec_without_an_encoder_is_refused_with_its_package(monkeypatch):
    def make(element):
        raise gst.ElementMissing('no element %s: apt install it' % element)
    monkeypatch.setattr('edge_app.testing.simulator.faults.gst.make', make)
    with pytest.raises(ConfigError) as caught:
        plan.read_request({'camera': 1, 'fault': 'codec'}, APART)
    assert 'x265enc' in str(caught.value) and 'apt install' in str(caught.value)


@pytest.mark.parametrize('request_', [{}, [], None, 3, {'fault': []}, {'fault': None}, {'camera': [], 'fault': 'loss'},
                                      {'camera': True, 'fault': 401.0}, {'': 1}])
def test_any_other_request_is_a_mistake(request_):
    with pytest.raises(ConfigError):
        plan.read_request(request_, APART)


@pytest.mark.parametrize('name', sorted(FAULTS))
def test_each_fault_can_be_asked_for_by_name_alone(name):
    found = plan.read_request({'camera': 'all', 'fault': name}, Settings(cameras=2, port_per_camera=True))
    assert [fault.camera for fault in found] == [1, 2]
    assert FAULTS[name].__doc__


class Line:
    """A client's connection, as far as faults look at it."""

    def __init__(self, seed='seed'):
        self._chances = random.Random(seed)
        self.kept = {}

    def dice(self, _fault):
        return self._chances


def _fault(name, **options):
    return plan.read_request(dict(options, camera=1, fault=name), APART)[0]


def _rtp(number, stamp=0, size=200):
    return Packet.of(0, struct.pack('>BBHII', 0x80, 96, number, stamp, 1) + b'\x7c\x05' + bytes(size))


def _passed(fault, messages, line):
    return [passed for message in messages for passed in fault.passing(message, line)]


def test_loss_takes_the_asked_share_the_same_with_the_same_seed_and_no_reports():
    packets, report = [_rtp(number) for number in range(2000)], Packet.of(1, b'report')
    left = _passed(_fault('loss', share=0.2), packets, Line())
    assert 1500 < len(left) < 1700
    assert [packet.raw for packet in left] == [
        packet.raw for packet in _passed(_fault('loss', share=0.2), packets, Line())]
    assert [packet.raw for packet in left] != [
        packet.raw for packet in _passed(_fault('loss', share=0.2), packets, Line('other'))]
    assert _passed(_fault('loss', share=1), [report], Line()) == [report]


def test_corruption_flips_bits_of_the_video_and_of_nothing_else():
    packets = [_rtp(number) for number in range(500)]
    changed = _passed(_fault('corrupt', share=0.5, bits=3), packets, Line())
    assert len(changed) == 500
    assert all(after.raw[:18] == before.raw[:18] for before, after in zip(packets, changed))
    flips = [bin(int.from_bytes(packet.data[14:], 'big')).count('1') for packet in changed]
    assert set(flips) <= {0, 1, 3} and 200 < flips.count(3) < 300


def test_a_packet_too_short_to_be_damaged_passes():
    short = Packet.of(0, bytes(14))
    assert _passed(_fault('corrupt', share=1), [short], Line())[0].raw == short.raw


def _report(seconds, stamp):
    return Packet.of(1, struct.pack('>BBHIIIIII', 0x80, 200, 6, 1, seconds, 5, stamp, 9, 9) + b'\x81\xca\0\1abcd')


@pytest.mark.parametrize('which, ntp, rtp', [('both', 10, 900000), ('ntp', 10, 0), ('rtp', 0, 900000)])
def test_a_clock_jumps_in_packets_and_reports(which, ntp, rtp):
    fault = _fault('clock_jump', by_s=10, clock=which)
    packet, report = _passed(fault, [_rtp(1, 2 ** 32 - 1), _report(100, 7)], Line())
    assert packet.raw == _rtp(1, (2 ** 32 - 1 + rtp) % 2 ** 32).raw
    assert report.raw == _report(100 + ntp, 7 + rtp).raw


def test_a_clock_jumps_backwards_too():
    packet, = _passed(_fault('clock_jump', by_s=-1), [_rtp(1, 0)], Line())
    assert packet.raw == _rtp(1, 2 ** 32 - 90000).raw


def test_a_burst_gives_back_all_in_order():
    fault, line = _fault('burst'), Line()
    packets = [_rtp(number) for number in range(5)]
    assert _passed(fault, packets, line) == []
    assert fault.last(line) == packets and fault.last(line) == []


@pytest.mark.parametrize('kind, body', [('empty', b''), ('cut', b'v=')])
def test_only_descriptions_are_spoilt(kind, body):
    fault = _fault('bad_sdp', sdp=kind)
    sdp = Text(b'RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 10\r\n\r\n', b'v=0\r\nt=0\r\n')
    other, packet = Text(b'RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n'), _rtp(1)
    spoilt, *rest = _passed(fault, [sdp, other, packet], Line())
    assert spoilt.body == body and spoilt.header('Content-Length') == str(len(body))
    assert rest == [other, packet]


@pytest.mark.parametrize('name, method',
                         [('401', 'DESCRIBE'), ('404', 'DESCRIBE'), ('453', 'SETUP'), ('503', 'DESCRIBE')])
def test_one_method_is_refused(name, method):
    request = Text(('%s rtsp://h/x RTSP/1.0\r\nCSeq: 12\r\n\r\n' % method).encode())
    answer = _fault(name).answer(request)
    assert answer.words[1] == name and answer.header('CSeq') == '12'
    assert _fault(name).answer(Text(b'OPTIONS rtsp://h/x RTSP/1.0\r\n\r\n')) is None


@pytest.mark.parametrize('text', [b'', b'3', b'[]', b'{', b'\xff', b'[' * 5000, b'{"a":' * 5000, b'{"a": {"b": 1}}',
                                  b'{"a": [[1]]}', b'{"at_s": 1' + b'0' * 400 + b'}'])
def test_a_line_that_is_no_request_is_none(text):
    assert understood(text) is None


def test_a_request_is_flat():
    assert understood(b'{"camera": 1, "size": [320, 192]}\n') == {'camera': 1, 'size': [320, 192]}


def test_what_does_nothing_of_its_own_may_begin_and_end():
    fault = _fault('drip', bytes_per_s=100)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(fault.begin(None)) is None and loop.run_until_complete(fault.end(None)) is None
    loop.close()
    assert fault.bytes_per_s == 100
