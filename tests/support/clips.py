"""Clips written for one test: pictures with a mark each, at given times, with B-frames when asked."""
import numpy as np

from edge_app.frames import planes
from edge_app.testing.simulator import timecode


def marked_picture(size, number):
    """uint8 I420 [height * 3 / 2, width]: grey noise that moves, and a mark with `number`."""
    width, height = size
    pixels = np.full((height * 3 // 2, width), 128, np.uint8)
    luma = planes(pixels)[0]
    luma[:] = (np.arange(width) + 3 * number) % 200 + 20
    timecode.write(luma, 1, number, 1000 + number)
    return pixels


def write_clip(path, times_ms, size=(640, 360), bframes=0, codec='h264'):
    """Encode one marked picture per time (milliseconds, rising) into a Matroska file at `path`."""
    from edge_app import gst
    Gst = gst.Gst
    pipeline = Gst.Pipeline.new(None)
    feed = gst.make('appsrc', format='time', caps=Gst.Caps.from_string(
        'video/x-raw,format=I420,width=%d,height=%d,framerate=25/1' % size))
    encoder = (gst.make('x264enc', speed_preset='ultrafast', bframes=bframes, key_int_max=25, threads=1, b_adapt=False)
               if codec == 'h264' else gst.make('x265enc', speed_preset='ultrafast', option_string='keyint=25'))
    parser = gst.make(codec + 'parse')
    gst.add_and_link(pipeline, feed, encoder, parser, gst.make('matroskamux'),
                     gst.make('filesink', location=str(path)))
    pipeline.set_state(Gst.State.PLAYING)
    for number, ms in enumerate(times_ms):
        buffer = Gst.Buffer.new_wrapped(marked_picture(size, number).tobytes())
        buffer.pts = int(ms * 1e6)
        buffer.duration = 40 * 1000 * 1000
        feed.emit('push-buffer', buffer)
    feed.emit('end-of-stream')
    message = pipeline.get_bus().timed_pop_filtered(30 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None and message.type == Gst.MessageType.EOS, 'the clip was not written'
    return path
