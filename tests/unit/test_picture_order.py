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


def bits(text):
    text = text.replace(' ', '')
    text += '0' * (-len(text) % 8)
    return bytes(int(text[at:at + 8], 2) for at in range(0, len(text), 8))


HIGH, LEVEL = '01100100', '00000000 00101000'


@pytest.mark.parametrize('order, kept', [
    ('011', True),           # pic_order_cnt_type 2: output is in the order of decoding
    ('1 1' + '1 0 1 1 1 1 1 0', False)], ids=['type 2', 'no VUI'])
def test_a_camera_without_vui_is_believed_only_by_its_order_of_output(order, kept):
    """High profile: id 0, chroma 4:2:0, 8 bit, no matrix, log2_max_frame_num 4, then the order."""
    assert keeps_order(bits(HIGH + LEVEL + '1 010 1 1 0 0 1' + order + '1' * 4)) is kept


def test_what_ends_too_early_is_not_believed():
    whole = parameter_set(stream('high', bframes=0, interlaced=True))   # which states it in the VUI only
    answers = [keeps_order(whole[:length]) for length in range(len(whole) + 1)]
    assert answers == sorted(answers) and answers[-1] and not any(answers[:len(whole) // 2])
    assert parameter_set(b'\0\0\0\1\x65 no parameter set') == b''
