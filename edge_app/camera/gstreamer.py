"""Cameras read with GStreamer: RTSP, RTMP, HTTP, files, V4L2; one copy from its buffers into the ring."""
import contextlib
import logging
import os
import socket
import threading
import time

from edge_app import gst, schemes, uris
from edge_app.camera.decode_pipeline import DecodePipeline, pts_of
from edge_app.camera.gst_errors import source_error, transport_refused
from edge_app.camera.source import FrameSource, SourceEnded
from edge_app.clock import now_ns
from edge_app.errors import SourceError, SourceLost
from edge_app.frames import FrameMeta, frame_bytes

log = logging.getLogger(__name__)

Gst = gst.Gst
CLOSE_S = 2.0
BUS_NS = 100 * 1000 * 1000
"""While frames arrive the bus is read this often; an error is raised only once no frame is left."""
SLICES_S = 0.1
"""The slices of a picture come within this."""
STILL_NS = 10 ** 9
"""A still picture is fetched again after this long."""
NO_VIDEO_S = 8
"""A stream of pictures may begin this long after the first of sound."""
TEARDOWN_S = 0.2
MESSAGES = Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.WARNING


class GStreamerSource(FrameSource):
    """One pipeline; its appsink keeps only the newest picture, which `poll` copies into the ring."""

    def __init__(self, camera, ring, totals, packets=None):
        super(GStreamerSource, self).__init__(camera, ring, totals, packets)
        self._scheme = schemes.CAMERAS[uris.scheme_of(camera.uri)]
        self._decode = self._new_pipeline()
        self._end = self._bus = self._again_ns = None
        self._read_bus_ns = 0
        self._begun = False
        self._format = None
        """(bytes of a buffer, size of its picture, layout of its planes): asking each time costs more than the copy."""
        self.stream_info = self._decode.stream_info

    def _new_pipeline(self):
        return DecodePipeline(self.camera, self.accounting, self.packets, self._scheme.clock_paced)

    def open(self):
        gst.end_idle_threads()
        schemes.load(self._scheme.elements)(self.camera, self._decode)
        self._bus = self._decode.pipeline.get_bus()
        # A failure to start arrives on the bus too, with the reason: poll raises it.
        self._decode.pipeline.set_state(Gst.State.PLAYING)

    def poll(self, timeout_s):
        if self._again_ns is not None:
            return self._fetch_again(timeout_s)
        sample = self._decode.appsink.emit('try-pull-sample', int(timeout_s * 1e9))
        if sample is None or self._format is None or now_ns() >= self._read_bus_ns:
            self._read_bus()
        if sample is not None:
            return self._write(sample)
        if self._end is not None:
            raise self._end
        return None

    def _fetch_again(self, timeout_s):
        """A still picture is the newest one: fetch the next when it is time."""
        wait_s = (self._again_ns - now_ns()) / 1e9
        time.sleep(max(0.0, min(wait_s, timeout_s)))
        if wait_s <= timeout_s:
            self._again_ns = None
            self._stop()
            self._decode = self._new_pipeline()
            self.open()

    def _read_bus(self):
        """Empty the bus; the first message that ends the session is raised by `poll` once no frame is left."""
        self._read_bus_ns = now_ns() + BUS_NS
        self._decode.shed_load()
        self.stream_info = dict(self._decode.stream_info) or self.stream_info
        self._end = self._end or self._decode.error or self._decode.no_video(NO_VIDEO_S)
        while True:
            message = self._bus.pop_filtered(MESSAGES)
            if message is None:
                return
            if message.type == Gst.MessageType.EOS and self._scheme.clock_paced and self._decode.is_still():
                self._again_ns = now_ns() + STILL_NS
            elif message.type == Gst.MessageType.EOS:
                self._end = self._end or (SourceEnded('end of file') if self._scheme.clock_paced
                                          else SourceLost('the camera ended the stream'))
            elif message.type == Gst.MessageType.ERROR:
                refused = (transport_refused(message, self.camera.transport) if self._decode.video_offered
                           else self._decode.no_video())
                self._end = self._end or refused or source_error(message, self._scheme.name)
            else:
                log.debug('%s: %s', self.camera.name, message.parse_warning()[0].message)

    def _write(self, sample):
        buffer = sample.get_buffer()
        unit = self.accounting.deliver(pts_of(buffer))
        if unit is None:
            return None
        if not self._begun:     # whether the first picture is more than its first slice shows when the others come
            self._begun = True
            time.sleep(0 if self._scheme.clock_paced else SLICES_S)
        if unit.sequence == self._decode.part:
            self.accounting.finish('corrupt')
            return None
        # A recording has no moment of arrival: it is captured when the clock shows it.
        captured_ns = now_ns() if self._scheme.clock_paced else unit.captured_ns
        if now_ns() - captured_ns - self.accounting.decoder_delay.ns > self.camera.max_staleness_s * 1e9:
            self.accounting.finish('stale_capture')
            return None
        (width, height), planes = self._format_of(buffer, sample)
        capture_time_ns, capture_error_ns = self._decode.clock.time_of(unit.pts)
        meta = FrameMeta(unit.sequence, captured_ns, width, height, pts_ns=unit.pts,
                         capture_time_ns=capture_time_ns, capture_error_ns=capture_error_ns)
        self._copy(buffer, planes, meta)
        self.ring.publish(meta)
        self.accounting.finish('captured')
        return meta

    def _format_of(self, buffer, sample):
        """(size, [(offset, stride)] of the planes) of a picture; constant while its buffers have the same size."""
        if self._format is None or self._format[0] != buffer.get_size():
            caps = sample.get_caps()
            self._format = (buffer.get_size(), gst.size_in(caps.get_structure(0)),
                            gst.plane_layout(buffer, gst.video_info(caps)))
        return self._format[1:]

    def _copy(self, buffer, planes, meta):
        """The one copy of a frame: from GStreamer's buffer into the slot, row by row only where rows are padded."""
        size = frame_bytes(meta.width, meta.height)
        if size > self.ring.slot_bytes:
            raise SourceError('frames of %dx%d need %d bytes, a slot of the ring has %d'
                              % (meta.width, meta.height, size, self.ring.slot_bytes))
        if copy_i420(buffer, planes, self.ring.begin().address, meta.size) != size:
            raise SourceError('a picture of %dx%d came out short' % meta.size)

    def close(self):
        self._end = self._bus = None  # an error raised here holds this object through its traceback
        if not self.accounting.in_decoder:
            self.hangs = 'the connection does not close'
        if self._scheme.name == 'rtmp':
            shut_connections(uris.host_port(self.camera.uri)[1])
        closing = threading.Thread(target=self._stop, name='close', daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        self.accounting.close()
        return not closing.is_alive()

    def _stop(self):
        """READY sends the TEARDOWN and NULL would cut it off, so its end is awaited in between. Either may hang."""
        pipeline = self._decode.pipeline
        if pipeline is None:
            return
        pipeline.set_state(Gst.State.READY)
        deadline = now_ns() + int(TEARDOWN_S * 1e9)
        while not self._scheme.clock_paced and now_ns() < deadline:
            message = pipeline.get_bus().timed_pop_filtered(deadline - now_ns(), Gst.MessageType.PROGRESS)
            kind, code, _ = message.parse_progress() if message is not None else (None, None, None)
            if code == 'close' and kind not in (Gst.ProgressType.START, Gst.ProgressType.CONTINUE):
                break
        pipeline.set_state(Gst.State.NULL)
        self._decode.release()


def shut_connections(port):
    """End this process's TCP connections to `port`: librtmp closes its socket, which wakes no thread that reads it."""
    for path in ('/proc/self/fd/' + name for name in os.listdir('/proc/self/fd')):
        with contextlib.suppress(OSError):
            if os.readlink(path).startswith('socket:'):
                _shut(int(os.path.basename(path)), port)


def _shut(descriptor, port):
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.getpeername()[1:2] == (port,):
            connection.shutdown(socket.SHUT_RDWR)


def copy_i420(buffer, layout, address, size):
    """Copy the planes of an I420 buffer of `size` (width, height) to `address` without padding; -> bytes copied."""
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
