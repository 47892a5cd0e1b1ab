"""The camera's own clock: RTCP sender reports say what time it was there at which RTP time (RFC 3550, 6.4.1).

Twice a second one RTP packet is looked at, which ties RTP time to the pipeline's presentation time; a frame's time at
the camera is then one addition. The jitter buffer bends presentation times after a hiccup, so one look is not enough;
looking at every packet would cost more than it tells.
"""
import struct

from edge_app import gst

Gst = gst.Gst
SENDER_REPORT = 200
NTP_TO_UNIX_S = 2208988800
TIE_NS = 500 * 1000 * 1000
STATED_ERROR_NS = 50 * 1000 * 1000
"""Many senders stamp the sending, not the exposure: tens of milliseconds apart."""


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


def since(later, earlier):
    """Ticks between two RTP times of 32 bits, negative when `later` is the earlier one."""
    return (later - earlier + 2 ** 31) % 2 ** 32 - 2 ** 31


class CameraClock:
    """Presentation time to the camera's unix time; knows nothing before the first report, some seconds in."""

    def __init__(self):
        self._report = None
        self._offset_ns = None
        self._passing = None
        self._tied_pts = 0
        self._rate = 90000

    def listen(self, source):
        """Hear the reports of an rtspsrc; before it plays."""
        source.connect('new-manager', lambda _, manager: manager.connect(
            'new-jitterbuffer', lambda _, jitterbuffer, session, ssrc: jitterbuffer.connect('handle-sync', self._hear)))

    def watch(self, clock_rate):
        """An element for RTP packets to pass, of which one is looked at for each report, and now and then."""
        # Not a probe of a pad for each look: PyGObject leaves some bytes of every one behind, twice a second, for ever.
        self._passing, self._rate = gst.make('identity', signal_handoffs=False), clock_rate or 90000
        self._passing.connect('handoff', self._tie)
        return self._passing

    def _hear(self, _, facts):
        buffer = facts.get_value('sr-buffer')
        report = sender_report(buffer.extract_dup(0, buffer.get_size()))
        if report is not None:
            self._report = report
            self._look()

    def _look(self):
        """At the next packet, if there is an element for them to pass."""
        passing = self._passing     # another thread may release it meanwhile
        if passing is not None:
            passing.set_property('signal-handoffs', True)

    def release(self):
        """Let go of the element, which holds this object by its callback."""
        self._passing = None

    def _tie(self, passing, packet):
        passing.set_property('signal-handoffs', False)
        if packet.pts != Gst.CLOCK_TIME_NONE:
            self.tie(packet.pts, struct.unpack('>I', packet.extract_dup(4, 4))[0])

    def tie(self, pts_ns, rtp):
        """A packet of RTP time `rtp` is presented at `pts_ns`: what that means by the last report."""
        self._tied_pts = pts_ns
        unix_ns, report_rtp = self._report
        self._offset_ns = unix_ns + since(rtp, report_rtp) * 1000000000 // self._rate - pts_ns

    def time_of(self, pts_ns):
        """(unix time in ns by the camera, its stated error); (0, 0) while unknown."""
        if self._offset_ns is None or pts_ns < 0:
            return 0, 0
        if abs(pts_ns - self._tied_pts) > TIE_NS:
            self._tied_pts = pts_ns
            self._look()
        return pts_ns + self._offset_ns, STATED_ERROR_NS
