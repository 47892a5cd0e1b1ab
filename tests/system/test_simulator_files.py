"""Video files as cameras: looped, as they are, on one line of time."""
import subprocess

import pytest

from edge_app import gst
from edge_app.errors import ConfigError
from edge_app.testing.simulator.process import Simulator

FPS, PICTURES, GOP = 25, 30, 12
REORDERED = 4
"""Pictures at the end whose neighbours may still be on their way."""
SLICES = {1: 'delta', 5: 'key'}


def _encode(path, *options):
    subprocess.check_call(['ffmpeg', '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=160x96:rate=%d' % FPS,
                           '-f', 'lavfi', '-i', 'sine', '-frames:v', str(PICTURES), '-shortest',
                           '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-g', str(GOP)] + list(options) + [str(path)])
    return str(path)


def _slices(data):
    """(kind, bytes) of the slices in an H.264 byte stream, without what only says how to decode them."""
    parts = data.replace(b'\0\0\0\1', b'\0\0\1').split(b'\0\0\1')[1:]
    return [(SLICES[part[0] & 31], part.rstrip(b'\0')) for part in parts if part[0] & 31 in SLICES]


def _in_file(path):
    return _slices(subprocess.check_output([
        'ffmpeg', '-v', 'error', '-i', path, '-an', '-c', 'copy', '-bsf:v', 'h264_mp4toannexb', '-f', 'h264', '-']))


def _received(simulator, number, count):
    """[(slices, pts_ns)] of the first access units a client of a camera gets, with the times its packets bear."""
    source = gst.make('rtspsrc', location=simulator.uri(number), user_id=simulator.user, user_pw=simulator.password,
                      protocols=gst.GstRtsp.RTSPLowerTrans.TCP, buffer_mode=0)
    depay, parse, sink = gst.make('rtph264depay'), gst.make('h264parse'), gst.make('appsink', sync=False)
    pipeline = gst.Gst.Pipeline.new(None)
    pipeline.add(source)
    gst.add_and_link(pipeline, depay, parse, gst.caps_filter('video/x-h264,stream-format=byte-stream,alignment=au'),
                     sink)
    source.connect('pad-added', lambda _source, pad: pad.link(depay.get_static_pad('sink')))
    pipeline.set_state(gst.Gst.State.PLAYING)
    try:
        units = [sink.emit('try-pull-sample', 20 * gst.Gst.SECOND) for _ in range(count)]
        assert None not in units, 'the camera fell silent after %d units' % units.index(None)
        buffers = [unit.get_buffer() for unit in units]
        return [(_slices(buffer.extract_dup(0, buffer.get_size())), buffer.pts) for buffer in buffers]
    finally:
        pipeline.set_state(gst.Gst.State.NULL)


@pytest.mark.parametrize('name, options', [
    ('plain.mp4', ['-bf', '0']), ('reordered.mp4', ['-bf', '2']), ('reordered.mkv', ['-bf', '2'])])
def test_a_file_goes_round_unchanged_on_one_line_of_time(tmp_path, name, options):
    path = _encode(tmp_path / name, *options)
    expected = _in_file(path)
    assert len(expected) >= PICTURES
    with Simulator(files=[path]) as simulator:
        received = _received(simulator, 1, PICTURES * 2 + 10)
    slices = [part for parts, _ in received[1:] for part in parts]
    assert received[0][0] == expected[:1], 'the unit the stream was described by'
    assert slices == (expected * 3)[:len(slices)]
    times = sorted(pts for _, pts in received[1:])[:-REORDERED]
    steps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert min(steps) > 39e6 and max(steps) < 41e6


def test_slices_of_a_picture_stay_together(tmp_path):
    path = _encode(tmp_path / 'sliced.mp4', '-bf', '0', '-x264-params', 'slices=4')
    with Simulator(files=[path]) as simulator:
        received = _received(simulator, 1, PICTURES)
    assert {kind for parts, _ in received[1:] for kind, _ in parts} == {'key', 'delta'}
    assert {len(parts) for parts, _ in received[1:]} == {4}


def test_files_are_given_out_camera_by_camera(tmp_path):
    paths = [_encode(tmp_path / name, '-vf', look) for name, look in (('a.mp4', 'null'), ('b.mp4', 'negate'))]
    contents = [_in_file(path) for path in paths]
    with Simulator(cameras=3, files=paths) as simulator:
        first = [_received(simulator, number, 3)[0][0] for number in (1, 2, 3)]
    assert [first[0], first[1], first[2]] == [contents[0][:1], contents[1][:1], contents[0][:1]]


def test_a_file_without_video_that_can_be_sent_is_a_mistake_of_the_configuration(tmp_path):
    text = tmp_path / 'notes.mp4'
    text.write_text('no video at all\n' * 100)
    with pytest.raises(ConfigError) as caught:
        Simulator(files=[str(text)]).start()
    assert 'notes.mp4' in str(caught.value) and 'H.264' in str(caught.value)
