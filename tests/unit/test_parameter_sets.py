"""The parameter sets at the start of a key frame, and how they travel to whoever asks for the stream."""
import pytest

from edge_app import gst
from edge_app.camera.decode_pipeline import PacketWriter
from edge_app.camera.parameter_sets import MAX_BYTES, parameter_sets
from edge_app.transport.packet_ring import PacketRing

START = b'\x00\x00\x00\x01'


def nal(kind, codec='h264', payload=b'abc'):
    return START + (bytes([0x60 | kind]) if codec == 'h264' else bytes([kind << 1, 1])) + payload


H264 = nal(7) + nal(8)
H265 = b''.join(nal(kind, 'h265') for kind in (32, 33, 34))


@pytest.mark.parametrize('unit, codec, found', [
    (nal(9) + H264 + nal(6) + nal(5), 'h264', H264),
    (nal(9) + nal(7) + nal(8) + nal(8, payload=b'second') + nal(5), 'h264', H264 + nal(8, payload=b'second')),
    (H264[1:] + nal(5), 'h264', H264),
    (nal(35, 'h265') + H265 + nal(39, 'h265') + nal(19, 'h265'), 'h265', H265),
    (nal(7) + nal(5), 'h264', b''),
    (nal(33, 'h265') + nal(34, 'h265') + nal(19, 'h265'), 'h265', b''),
    (H264, 'h264', b''),
    (nal(7, payload=bytes(range(1, 255)) * 10) + nal(8) + nal(5), 'h264', b''),
    (b'', 'h264', b'')],
    ids=['h264', 'two PPS', 'short start code', 'h265', 'no PPS', 'no VPS', 'cut off', 'too long', 'nothing'])
def test_parameter_sets_are_found(unit, codec, found):
    assert parameter_sets(unit, codec) == found
    assert len(found) <= MAX_BYTES


def test_they_are_in_the_ring_before_anybody_asks(tmp_path):
    with PacketRing.create(str(tmp_path / 'gate.packets'), 1 << 16) as ring:
        writer = PacketWriter(ring)
        assert ring.parameter_sets == b''
        writer.set_caps(gst.Gst.Caps.from_string('video/x-h264,stream-format=byte-stream,alignment=au,width=640'))
        assert ring.parameter_sets == b''
        writer.write(gst.Gst.Buffer.new_wrapped(H264 + nal(5)), True, 1)
        assert ring.parameter_sets == H264 and ring.head == 0, 'no packet is kept for nobody'
        writer.write(gst.Gst.Buffer.new_wrapped(nal(5) + nal(5)), True, 2)
        assert ring.parameter_sets == H264
