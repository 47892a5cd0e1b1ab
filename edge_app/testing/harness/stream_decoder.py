"""An RTSP stream decoded to luma planes, for reading the timecodes in its pictures."""
from edge_app import gst
from edge_app.clock import now_ns
from edge_app.errors import SourceLost
from edge_app.gst import Gst

WAIT_NS = 100 * 1000000


class StreamDecoder:
    """rtspsrc ! depayloader ! parser ! `decoder` (elements for H.264) ! appsink of the newest picture."""

    def __init__(self, uri, decoder, user='', password='', latency_ms=0):
        self._pipeline = Gst.Pipeline.new(None)
        self._first = gst.make('rtph264depay')
        self._out = gst.make('appsink', sync=False, max_buffers=1, drop=True)
        source = gst.make('rtspsrc', location=uri, latency=latency_ms, protocols='tcp')
        if user:
            gst.set_if_present(source, user_id=user, user_pw=password)
        source.connect('pad-added', self._link)
        self._pipeline.add(source)
        chain = [self._first, gst.make('h264parse')] + list(decoder)
        gst.add_and_link(self._pipeline, *(chain + [gst.caps_filter('video/x-raw,format=I420'), self._out]))
        self._pipeline.set_state(Gst.State.PLAYING)

    def _link(self, _source, pad):
        """Called on a streaming thread."""
        target = self._first.get_static_pad('sink')
        if not target.is_linked():
            pad.link(target)

    def picture(self):
        """(moment in ns, luma plane uint8 [height, width]) of the next picture, None when none comes within 100 ms.

        SourceLost when the stream ends or fails.
        """
        sample = self._out.emit('try-pull-sample', WAIT_NS)
        moment_ns = now_ns()
        message = self._pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.EOS)
        if message is not None:
            ended = message.type == Gst.MessageType.EOS
            raise SourceLost('the stream ended' if ended else message.parse_error()[0].message)
        return (moment_ns, gst.luma(sample)) if sample else None

    def close(self):
        self._pipeline.set_state(Gst.State.NULL)
