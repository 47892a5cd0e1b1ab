"""RTCP sender reports, byte by byte."""
import struct

from edge_app.camera.sender_report import CameraClock, rtp_difference, sender_report
from edge_app.gst import Gst

UNIX_S = 1700000000
REPORT = struct.pack('>BBHIIIIII', 0x80, 200, 6, 0xabcd, UNIX_S + 2208988800, 1 << 31, 9000, 3, 4)
RECEIVER_REPORT = struct.pack('>BBHI', 0x80, 201, 1, 0xabcd)


def test_a_report_is_found_in_a_compound_packet():
    assert sender_report(RECEIVER_REPORT + REPORT) == (UNIX_S * 1000000000 + 500000000, 9000)


def test_packets_without_a_report_or_cut_short():
    assert sender_report(RECEIVER_REPORT) is None
    assert sender_report(REPORT[:12]) is None
    assert sender_report(b'') is None


def test_rtp_time_wraps():
    assert rtp_difference(5, 2 ** 32 - 5) == 10
    assert rtp_difference(2 ** 32 - 5, 5) == -10


def test_a_frame_gets_the_time_of_the_camera():
    clock = CameraClock()
    assert clock.time_of(0) == (0, 0)
    clock._report = sender_report(REPORT)
    clock.anchor(pts_ns=7000000000, rtp=9000 + 90000)  # presented at 7 s, made one second after the report
    assert clock.time_of(7040000000)[0] == UNIX_S * 1000000000 + 500000000 + 1000000000 + 40000000
    assert clock.time_of(7040000000)[1] > 0
    assert clock.time_of(-1) == (0, 0)


def test_what_the_jitter_buffer_tells_with_and_without_a_report():
    clock = CameraClock()
    clock.packet_element(90000)
    facts = Gst.Structure.new_empty('application/x-rtp-sync')
    clock._on_sync(None, facts)             # the start of a stream, as GStreamer 1.26 tells it
    assert clock._report is None
    facts.set_value('sr-buffer', Gst.Buffer.new_wrapped(RECEIVER_REPORT + REPORT))
    clock._on_sync(None, facts)
    assert clock._report == sender_report(REPORT)


def test_packets_pass_unseen_until_a_report_is_there():
    """An identity shows every packet unless told not to."""
    clock = CameraClock()
    passing = clock.packet_element(90000)
    assert passing.get_property('signal-handoffs') is False
    clock._report = sender_report(REPORT)
    clock._examine_next()
    assert passing.get_property('signal-handoffs') is True
