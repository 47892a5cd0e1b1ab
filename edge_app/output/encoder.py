"""Pictures in, H.264 access units out: one GStreamer pipeline."""
import logging

from edge_app import gst
from edge_app.errors import OutputError
from edge_app.gst import Gst

log = logging.getLogger(__name__)

QUEUE_PICTURES = 2
"""Pictures that may wait for the encoder; a third is dropped, so that a slow encoder costs rate and not delay."""

UNIT_CAPS = 'video/x-h264,stream-format=byte-stream,alignment=au'


class Encoder(object):
    """Encodes I420 pictures of one size, key frame every second, parameter sets in band.

    `on_unit(buffer, key)` is called with each access unit (a Gst.Buffer) on the encoder's own thread.
    """

    def __init__(self, size, fps, bitrate_kbit, on_unit, asked='auto'):
        self.size = size
        self._bytes = size[0] * size[1] * 3 // 2
        self._on_unit = on_unit
        self.dropped = 0
        self.row, why = gst.choose_encoder(asked)
        elements, self._encoder = self.row.make(bitrate_kbit, max(1, int(round(fps))))
        self._appsrc = gst.make('appsrc', is_live=True, do_timestamp=True, format=Gst.Format.TIME, block=False,
                                max_bytes=self._bytes * (QUEUE_PICTURES + 2),
                                caps=Gst.Caps.from_string(
                                    'video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1000,'
                                    'pixel-aspect-ratio=1/1' % (size[0], size[1], int(round(fps * 1000)))))
        self._appsink = gst.make('appsink', sync=False, emit_signals=True, max_buffers=0)
        self._pipeline = Gst.Pipeline.new(None)
        gst.add_and_link(self._pipeline, self._appsrc, *(elements + [gst.caps_filter(UNIT_CAPS), self._appsink]))
        self._listener = self._appsink.connect('new-sample', self._deliver)
        if self._pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self.close()
            raise OutputError('the %s encoder does not start (%s); try another GStreamer installation'
                              % (self.row.name, why))
        log.info('encoder %s, %dx%d at %g fps, %d kbit/s (%s)', self.row.name, size[0], size[1], fps, bitrate_kbit, why)

    def push(self, pixels):
        """Encode one picture (copied here); False when the encoder is behind and the picture was dropped."""
        if self._appsrc.get_property('current-level-bytes') >= self._bytes * QUEUE_PICTURES:
            self.dropped += 1
            return False
        return self._appsrc.emit('push-buffer', gst.buffer_of(pixels.tobytes())) == Gst.FlowReturn.OK

    def force_key(self):
        """Make the next picture a key frame."""
        gst.force_key_frame(self._encoder)

    def error(self):
        """The pipeline's error since the last call, None if there was none."""
        message = self._pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        return None if message is None else '%s encoder: %s' % (self.row.name, message.parse_error()[0].message)

    def _deliver(self, sink):
        sample = sink.emit('pull-sample')
        if sample is not None:
            buffer = sample.get_buffer()
            self._on_unit(buffer, not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT))
        return Gst.FlowReturn.OK

    def close(self):
        self._pipeline.set_state(Gst.State.NULL)
        if self._listener is not None:      # breaks a reference cycle that the garbage collector cannot see
            self._appsink.disconnect(self._listener)
            self._listener = None
