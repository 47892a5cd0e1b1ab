"""The camera's own clock: RTCP sender reports give its time for an RTP time (RFC 3550, 6.4.1).

Twice a second one RTP packet is examined, which relates RTP time to the pipeline's presentation time; a frame's time at
the camera is then one addition. Once is not enough, because the jitter buffer shifts presentation times after a stall;
every packet would cost too much.
"""
import struct

from edge_app import gst

Gst = gst.Gst
SENDER_REPORT = 200
NTP_TO_UNIX_S = 2208988800
ANCHOR_NS = 500 * 1000 * 1000
STATED_ERROR_NS = 50 * 1000 * 1000
"""Many senders stamp the time of sending, tens of milliseconds after the exposure."""


def sender_report(packets):
    """(unix time in ns, RTP time) of the first sender report in a compound RTCP packet, None without one."""
    offset = 0
    while offset + 4 <= len(packets):
        _, kind, words = struct.unpack_from('>BBH', packets, offset)
        if kind == SENDER_REPORT and offset + 20 <= len(packets):
            seconds, fraction, rtp = struct.unpack_from('>III', packets, offset + 8)
            return (seconds - NTP_TO_UNIX_S) * 1000000000 + (fraction * 1000000000 >> 32), rtp
        offset += 4 * (words + 1)
    return None


def rtp_difference(later, earlier):
    """Ticks between two RTP times of 32 bits, negative when `later` is the earlier one."""
    return (later - earlier + 2 ** 31) % 2 ** 32 - 2 ** 31


class CameraClock:
    """Converts presentation time to the camera's unix time, from the first report on (after some seconds)."""

    def __init__(self):
        self._report = None
        self._offset_ns = None
        self._element = None
        self._anchor_pts = 0
        self._rate = 90000

    def connect(self, source):
        """Receive the reports of an rtspsrc; to be called before it plays."""
        source.connect('new-manager', lambda _, manager: manager.connect(
            'new-jitterbuffer', lambda _, jitterbuffer, *ids: jitterbuffer.connect('handle-sync', self._on_sync)))

    def packet_element(self, clock_rate):
        """An element for RTP packets to pass; one is examined for each report and now and then in between."""
        # Not a new pad probe each time: PyGObject leaks some bytes of every one, twice a second.
        self._element, self._rate = gst.make('identity', signal_handoffs=False), clock_rate or 90000
        self._element.connect('handoff', self._on_packet)
        return self._element

    def _on_sync(self, _, facts):
        # Since 1.26 the jitter buffer also tells of the start of a stream, by RTSP's RTP-Info: without a report.
        buffer = facts.get_value('sr-buffer')
        report = sender_report(buffer.extract_dup(0, buffer.get_size())) if buffer else None
        if report is not None:
            self._report = report
            self._examine_next()

    def _examine_next(self):
        """Have the next packet examined."""
        element = self._element     # another thread may release it meanwhile
        if element is not None:
            element.set_property('signal-handoffs', True)

    def release(self):
        """Let go of the element, whose callback holds this object."""
        self._element = None

    def _on_packet(self, element, packet):
        element.set_property('signal-handoffs', False)
        if packet.pts != Gst.CLOCK_TIME_NONE:
            self.anchor(packet.pts, struct.unpack('>I', packet.extract_dup(4, 4))[0])

    def anchor(self, pts_ns, rtp):
        """A packet of RTP time `rtp` is presented at `pts_ns`: relate the two by the last report."""
        self._anchor_pts = pts_ns
        unix_ns, report_rtp = self._report
        self._offset_ns = unix_ns + rtp_difference(rtp, report_rtp) * 1000000000 // self._rate - pts_ns

    def time_of(self, pts_ns):
        """(unix time in ns by the camera, its stated error); (0, 0) while unknown."""
        if self._offset_ns is None or pts_ns < 0:
            return 0, 0
        if abs(pts_ns - self._anchor_pts) > ANCHOR_NS:
            self._anchor_pts = pts_ns
            self._examine_next()
        return pts_ns + self._offset_ns, STATED_ERROR_NS
