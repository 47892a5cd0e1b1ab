"""Whether a stream can reorder pictures: real streams of encoders, and parameter sets that end anywhere."""
import pytest

from edge_app import gst
from edge_app.camera.picture_order import keeps_order, parameter_set

Gst = gst.Gst
PROFILES = {'baseline': 66, 'main': 77, 'high': 100}


def stream(profile, **settings):
    """The first access unit of an H.264 stream made by x264."""
    pipeline = Gst.Pipeline.new(None)
    encoder = gst.make('x264enc', **dict({'speed_preset': 4, 'threads': 1, 'dct8x8': profile == 'high'}, **settings))
    sink = gst.make('appsink', sync=False)
    gst.add_and_link(pipeline, gst.make('videotestsrc', num_buffers=6),
                     gst.caps_filter('video/x-raw,format=I420,width=320,height=180,framerate=10/1'), encoder,
                     gst.caps_filter('video/x-h264,stream-format=byte-stream,profile=%s' % profile), sink)
    pipeline.set_state(Gst.State.PLAYING)
    buffer = sink.emit('try-pull-sample', 10 * Gst.SECOND).get_buffer()
    pipeline.set_state(Gst.State.NULL)
    return buffer.extract_dup(0, buffer.get_size())


@pytest.mark.parametrize('profile, settings, kept', [
    ('baseline', {'bframes': 0}, True),
    ('main', {'bframes': 0}, True),
    ('high', {'bframes': 0}, True),
    ('high', {'bframes': 0, 'option_string': 'cqm=jvt:nal-hrd=cbr:vbv-bufsize=300:vbv-maxrate=300:bitrate=300'}, True),
    ('main', {'bframes': 2}, False),
    ('high', {'bframes': 3, 'option_string': 'b-adapt=0'}, False),
    ('high', {'bframes': 0, 'interlaced': True}, True)], ids=str)
def test_what_x264_states(profile, settings, kept):
    parameters = parameter_set(stream(profile, **settings))
    assert parameters[0] == PROFILES[profile] and keeps_order(parameters) is kept


def ue(number):
    """Exp-Golomb code, clause 9.1."""
    digits = bin(number + 1)[2:]
    return '0' * (len(digits) - 1) + digits


def packed(text):
    text += '1' + '0' * (-(len(text) + 1) % 8)
    return bytes(int(text[at:at + 8], 2) for at in range(0, len(text), 8))


def high_profile(order_type, vui=''):
    """A parameter set of 320x176 as clause 7.3.2.1.1 writes it, with a VUI when one is given."""
    head = '01100100' + '00000000' + '00101000' + ue(0) + ue(1) + ue(0) + ue(0) + '0' + '0' + ue(0) + ue(order_type)
    order = {0: ue(0), 1: '0' + ue(0) + ue(0) + ue(2) + ue(3) + ue(3), 2: ''}[order_type]
    return packed(head + order + ue(1) + '0' + ue(19) + ue(10) + '1' + '1' + '0' + ('1' + vui if vui else '0'))


def full_vui(reordered):
    """Clause E.1.1 with every part there is."""
    rates = ue(0) + '00010001' + ue(900) + ue(900) + '1' + '10111' * 4
    return ('1' + '11111111' + '0000000000000001' * 2 + '0' + '1' + '101' + '0' + '1' + '00000001' * 3
            + '1' + ue(0) + ue(0) + '1' + '0' * 31 + '1' + '0' * 26 + '110010' + '1' + '1' + rates + '0' + '0' + '1'
            + '1' + '1' + ue(2) + ue(1) + ue(16) + ue(16) + ue(reordered) + ue(4))


@pytest.mark.parametrize('parameters, kept', [
    (high_profile(2), True),
    (high_profile(0), False),
    (high_profile(0, full_vui(0)), True),
    (high_profile(1, full_vui(0)), True),
    (high_profile(0, full_vui(2)), False),
    (high_profile(0, '0' * 5 + '0' * 4), False)],
    ids=['output in the order of decoding', 'no VUI', 'none', 'none, type 1', 'two', 'VUI that says nothing'])
def test_what_the_standard_lets_a_camera_state(parameters, kept):
    assert keeps_order(parameters) is kept
    assert keeps_order(parameters.replace(b'\0\0', b'\0\0\3')) is kept, 'with emulation prevention'


def test_what_ends_too_early_is_not_believed():
    whole = high_profile(0, full_vui(0))
    answers = [keeps_order(whole[:length]) for length in range(len(whole) + 1)]
    assert answers == sorted(answers) and answers[-1] and not any(answers[:len(whole) - 3])
    assert parameter_set(b'\0\0\0\1\x65 no parameter set') == b''
