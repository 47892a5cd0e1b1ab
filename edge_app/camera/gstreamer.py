"""Cameras read with GStreamer: RTSP, RTMP, HTTP, files, V4L2; one copy from its buffers into the ring."""
import logging
import threading

from edge_app import gst, schemes, uris
from edge_app.camera.decode_pipeline import DecodePipeline, pts_of
from edge_app.camera.gst_errors import transport_refused, trouble_of
from edge_app.camera.source import FrameSource, SourceEnded
from edge_app.clock import now_ns
from edge_app.errors import SourceError, SourceLost
from edge_app.frames import FrameMeta, frame_bytes

log = logging.getLogger(__name__)

Gst = gst.Gst
CLOSE_S = 2.0
LISTEN_NS = 100 * 1000 * 1000
"""While frames come the bus is looked at this often; what ends the session is raised when none is left anyway."""
GOODBYE_S = 0.2
HEARD = Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.WARNING


class GStreamerSource(FrameSource):
    """One pipeline; the appsink keeps the newest picture only, `poll` copies it into the ring."""

    def __init__(self, camera, ring, tally, packets=None):
        super(GStreamerSource, self).__init__(camera, ring, tally, packets)
        self._scheme = schemes.CAMERAS[uris.scheme_of(camera.uri)]
        self._tail = DecodePipeline(camera, self.accounting, packets, self._scheme.paced)
        self._over = self._bus = None
        self._listen_ns = 0
        self._form = None
        """(bytes of a buffer, size of its picture, where its planes lie): asking again each time costs more than the copy."""
        self.facts = self._tail.facts

    def open(self):
        gst.end_idle()
        schemes.load(self._scheme.elements)(self.camera, self._tail)
        self._bus = self._tail.pipeline.get_bus()
        # A failure to start arrives on the bus too, with the reason: poll raises it.
        self._tail.pipeline.set_state(Gst.State.PLAYING)

    def poll(self, timeout_s):
        sample = self._tail.appsink.emit('try-pull-sample', int(timeout_s * 1e9))
        if sample is None or self._form is None or now_ns() >= self._listen_ns:
            self._listen()
        if sample is not None:
            return self._take(sample)
        if self._over is not None:
            raise self._over
        return None

    def _listen(self):
        """Empty the bus; the first thing that ends the session is raised by `poll` once no frame is left."""
        self._listen_ns = now_ns() + LISTEN_NS
        self._tail.relieve()
        self.facts = dict(self._tail.facts)
        self._over = self._over or self._tail.trouble
        while True:
            message = self._bus.pop_filtered(HEARD)
            if message is None:
                return
            if message.type == Gst.MessageType.EOS:
                self._over = self._over or (SourceEnded('end of file') if self._scheme.paced
                                            else SourceLost('the camera ended the stream'))
            elif message.type == Gst.MessageType.ERROR:
                refused = transport_refused(message, self.camera.transport) if self._tail.offered else None
                self._over = self._over or refused or trouble_of(message, self._scheme.name, bool(self.camera.user))
            else:
                log.debug('%s: %s', self.camera.name, message.parse_warning()[0].message)

    def _take(self, sample):
        buffer = sample.get_buffer()
        unit = self.accounting.deliver(pts_of(buffer))
        if unit is None:
            return None
        # A recording has no moment of arrival: it is captured when the clock shows it.
        captured_ns = now_ns() if self._scheme.paced else unit.captured_ns
        if now_ns() - captured_ns > self.camera.max_staleness_s * 1e9:
            self.accounting.settle('stale_capture')
            return None
        (width, height), planes = self._form_of(buffer, sample)
        capture_time_ns, capture_error_ns = self._tail.clock.time_of(unit.pts)
        meta = FrameMeta(unit.sequence, captured_ns, width, height, pts_ns=unit.pts,
                         capture_time_ns=capture_time_ns, capture_error_ns=capture_error_ns)
        self._copy(buffer, planes, meta)
        self.ring.publish(meta)
        self.accounting.settle('captured')
        return meta

    def _form_of(self, buffer, sample):
        """(size, [(offset, stride)] of the planes) of a picture; the same as long as its buffers are of one size."""
        if self._form is None or self._form[0] != buffer.get_size():
            caps = sample.get_caps()
            self._form = (buffer.get_size(), gst.size_in(caps.get_structure(0)),
                          gst.plane_layout(buffer, gst.video_info(caps)))
        return self._form[1:]

    def _copy(self, buffer, planes, meta):
        """The one copy of a frame: from GStreamer's buffer into the slot, row by row only where rows are padded."""
        size = frame_bytes(meta.width, meta.height)
        if size > self.ring.slot_bytes:
            raise SourceError('frames of %dx%d need %d bytes, a slot of the ring has %d'
                              % (meta.width, meta.height, size, self.ring.slot_bytes))
        if copy_i420(buffer, planes, self.ring.begin().address, meta.size) != size:
            raise SourceError('a picture of %dx%d came out short' % meta.size)

    def close(self):
        self._over = self._bus = None  # an error raised here holds this object through its traceback
        closing = threading.Thread(target=self._shut, name='close', daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        self.accounting.end()
        return not closing.is_alive()

    def _shut(self):
        """READY sends the TEARDOWN, NULL would cut it off: wait for it between the two. Either may hang for ever."""
        pipeline = self._tail.pipeline
        if pipeline is None:
            return
        pipeline.set_state(Gst.State.READY)
        deadline = now_ns() + int(GOODBYE_S * 1e9)
        while not self._scheme.paced and now_ns() < deadline:
            message = pipeline.get_bus().timed_pop_filtered(deadline - now_ns(), Gst.MessageType.PROGRESS)
            if message is not None and _said_goodbye(message):
                break
        pipeline.set_state(Gst.State.NULL)
        self._tail.release()


def _said_goodbye(message):
    kind, code, _ = message.parse_progress()
    return code == 'close' and kind != Gst.ProgressType.START and kind != Gst.ProgressType.CONTINUE


def copy_i420(buffer, layout, address, size):
    """Copy the planes of an I420 buffer of `size`, packed tightly, to `address`; -> bytes copied."""
    width, height = size
    planes = ((width, height), (width // 2, height // 2), (width // 2, height // 2))
    tight = [(0, width), (width * height, width // 2), (width * height * 5 // 4, width // 2)]
    if layout == tight:
        return gst.copy_buffer(buffer, address, width * height * 3 // 2)
    copied = 0
    for (offset, stride), (columns, rows) in zip(layout, planes):
        for row in range(rows):
            copied += gst.copy_buffer(buffer, address + copied, columns, offset + row * stride)
    return copied
