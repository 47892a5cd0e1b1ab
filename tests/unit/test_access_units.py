"""Access units by what is in them, whatever the RTP markers say."""
import pytest

from edge_app import gst
from edge_app.camera.access_units import FIRST, HEAD, MORE, TAIL, AccessUnits, kind_of

Gst = gst.Gst
START = b'\0\0\0\1'
NALS = {
    # first byte(s) of each; a first slice is followed by a bit that is set
    'h264': {'sps': b'\x67\x42', 'pps': b'\x68\xce', 'sei': b'\x06\x05', 'aud': b'\x09\xf0', 'idr': b'\x65\x88',
             'idr more': b'\x65\x02', 'slice': b'\x41\x9a', 'slice more': b'\x41\x03', 'filler': b'\x0c\xff'},
    'h265': {'sps': b'\x42\x01\x01', 'pps': b'\x44\x01\xc1', 'sei': b'\x4e\x01\x05', 'aud': b'\x46\x01\x50',
             'idr': b'\x26\x01\xaf', 'idr more': b'\x26\x01\x2f', 'slice': b'\x02\x01\xd0',
             'slice more': b'\x02\x01\x50', 'filler': b'\x4c\x01\xff'},
}
codecs = pytest.mark.parametrize('codec', sorted(NALS))


def unit(codec, *names):
    return b''.join(START + NALS[codec][name] + b'\x55' * 6 for name in names)


@codecs
@pytest.mark.parametrize('names, kind', [
    (['idr'], FIRST), (['slice', 'slice more'], FIRST), (['aud', 'sps', 'pps', 'sei', 'idr'], FIRST),
    (['idr more'], MORE), (['sei', 'slice more'], MORE), (['sps', 'pps'], HEAD), (['sei'], HEAD), (['filler'], TAIL)])
def test_what_a_unit_is(codec, names, kind):
    assert kind_of(unit(codec, *names), codec) == kind


def test_bytes_that_are_no_unit_are_one_that_precedes():
    for start in (b'', START, START + b'\x65', b'\xff' * 300):
        assert kind_of(start, 'h264') == HEAD


class Depayloader:
    """A pad that sends units through an AccessUnits: `sent` [(names, milliseconds, flags)] -> what comes out."""

    def __init__(self, codec):
        self.codec, self.came, self.damage = codec, [], 0
        self.source, self.sink = Gst.Pad.new('src', Gst.PadDirection.SRC), Gst.Pad.new('sink', Gst.PadDirection.SINK)
        self.sink.set_chain_function_full(self._chain)
        self.source.link(self.sink)
        for pad in (self.sink, self.source):
            pad.set_active(True)
        self.source.push_event(Gst.Event.new_stream_start('x'))
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        self.source.push_event(Gst.Event.new_segment(segment))
        self.units = AccessUnits(self.source, codec, self._damaged)

    def _damaged(self):
        self.damage += 1

    def _chain(self, pad, parent, buffer):
        names = {content: name for name, content in NALS[self.codec].items()}
        size = len(NALS[self.codec]['sps'])
        self.came.append(([names[part[:size]] for part in buffer.extract_dup(0, buffer.get_size()).split(START)[1:]],
                          buffer.pts // 1000000, buffer.has_flags(Gst.BufferFlags.DELTA_UNIT),
                          buffer.has_flags(Gst.BufferFlags.DISCONT)))
        return Gst.FlowReturn.OK

    def send(self, *sent, lost=False):
        for names, ms in sent:
            buffer = gst.buffer_of(unit(self.codec, *names))
            buffer.pts = ms * 1000000
            if not any(name in ('idr', 'idr more', 'sps', 'pps') for name in names):
                buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
            if lost:
                buffer.set_flags(Gst.BufferFlags.DISCONT)
            assert self.source.push(buffer) == Gst.FlowReturn.OK
        return [names for names, _, _, _ in self.came]


@codecs
def test_whole_units_pass_at_once(codec):
    there = Depayloader(codec)
    assert there.send((['sps', 'pps', 'idr', 'idr more'], 0)) == [['sps', 'pps', 'idr', 'idr more']]
    assert there.send((['slice'], 40))[1:] == [['slice']]
    assert there.damage == 0


@codecs
def test_parameter_sets_of_their_own_belong_to_the_next_picture_and_take_its_time(codec):
    """As a Reolink RLC-822A sends them: the sets marked, with the time of the picture before."""
    there = Depayloader(codec)
    there.send((['sps'], 0), (['pps'], 0), (['idr'], 40), (['slice'], 80), (['sps'], 80), (['pps'], 80), (['idr'], 120))
    assert there.came == [(['sps', 'pps', 'idr'], 40, False, False), (['slice'], 80, True, False),
                          (['sps', 'pps', 'idr'], 120, False, False)]
    assert there.damage == 0


@codecs
def test_a_key_frame_cut_apart_is_begun_again_and_then_all_are_put_together(codec):
    there = Depayloader(codec)
    there.send((['sps'], 0), (['pps'], 0), (['idr'], 0), (['idr more'], 0), (['idr more'], 0))
    assert there.came == [(['sps', 'pps', 'idr'], 0, False, False)] and there.damage == 1
    there.send((['slice'], 40), (['slice more'], 40), (['sei'], 80), (['slice'], 80), (['slice more'], 80))
    assert there.came[1:] == [(['sps', 'pps', 'idr', 'idr more', 'idr more'], 0, False, False),
                              (['slice', 'slice more'], 40, True, False)]
    there.send((['slice'], 120))
    assert there.came[3:] == [(['sei', 'slice', 'slice more'], 80, True, False)] and there.damage == 1


@codecs
def test_a_later_picture_cut_apart_is_damage_until_the_next_key_frame(codec):
    there = Depayloader(codec)
    there.send((['idr'], 0), (['slice'], 40), (['slice'], 80))
    assert there.damage == 0
    there.send((['slice more'], 80), (['idr'], 120), (['idr more'], 120), (['slice'], 160))
    assert there.damage == 1
    assert [names for names, _, _, _ in there.came[3:]] == [['slice more'], ['idr', 'idr more']]


@codecs
def test_lost_packets_prove_nothing_about_markers(codec):
    there = Depayloader(codec)
    there.send((['idr'], 0))
    there.send((['slice more'], 40), lost=True)
    there.send((['slice'], 80))
    assert [names for names, _, _, _ in there.came] == [['idr'], ['slice more'], ['slice']]
    assert there.came[1][3] and there.damage == 0


def test_what_follows_a_picture_in_a_unit_of_its_own_is_no_picture():
    there = Depayloader('h264')
    assert there.send((['idr'], 0), (['filler'], 0), (['slice'], 40)) == [['idr'], ['slice']]
    assert there.damage == 0


def test_a_picture_without_an_end_is_not_collected_for_ever(monkeypatch):
    monkeypatch.setattr('edge_app.camera.access_units.MOST_BYTES', 100)
    there = Depayloader('h264')
    there.send((['idr'], 0), *[(['idr more'], 0)] * 20)
    assert len(there.came) > 2
