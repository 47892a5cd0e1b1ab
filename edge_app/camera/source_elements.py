"""The source half of a camera's pipeline: from a URI to one pad with encoded access units (or raw pictures).

`edge_app.schemes` names the function of each scheme. Called with (camera, decode: a DecodePipeline), it adds elements
to `decode.pipeline` and calls `decode.attach(pad, codec)` once the stream is there. Settings become properties of
elements, never text that is parsed.
"""
import re
from urllib.parse import parse_qs, urlsplit

from edge_app import gst, uris
from edge_app.camera.relay_http import HttpRelay
from edge_app.camera.relay_rtsp import RtspRelay
from edge_app.errors import SourceRefused

ENCODINGS = {'H264': ('h264', 'rtph264depay'), 'H265': ('h265', 'rtph265depay'), 'JPEG': ('jpeg', 'rtpjpegdepay')}
MEDIA_TYPES = {'video/x-h264': 'h264', 'video/x-h265': 'h265', 'image/jpeg': 'jpeg', 'video/x-raw': 'raw'}
PROTOCOLS = {'udp': 1, 'tcp': 4, 'auto': 7}
"""Bits of GstRTSPLowerTrans; 2 is UDP multicast."""
ANSWER_S = 60
"""The relay gives a camera up sooner, and says why."""
TEARDOWN_NS = 150 * 1000 * 1000


def structure_of(pad):
    """First structure of a pad's caps, the current ones where there are any."""
    caps = pad.get_current_caps() or pad.query_caps(None)
    return caps.get_structure(0)


def rtsp(camera, decode):
    """rtspsrc ! depayloader of the first video stream; no other stream is requested."""
    relay = RtspRelay(camera, decode.fail)
    decode.closing.append(relay.close)
    # Over TCP packets are late only because this machine is: dropping them would damage the stream for nothing.
    source = gst.make('rtspsrc', 'camera', location=relay.location, protocols=PROTOCOLS[camera.transport],
                      latency=camera.latency_ms, drop_on_latency=camera.transport != 'tcp', do_retransmission=False,
                      do_rtsp_keep_alive=False, tcp_timeout=int(ANSWER_S * 1e6))
    # A lost TEARDOWN keeps one of the camera's few session slots busy. 1.14 has no such property.
    gst.set_if_present(source, teardown_timeout=TEARDOWN_NS)
    wanted = []

    def on_select(_, number, caps):
        structure = caps.get_structure(0)
        media, encoding = structure.get_string('media'), structure.get_string('encoding-name')
        if media == 'video' and encoding in ENCODINGS and not wanted:
            wanted.append(number)
            decode.video_offered = True
        elif number not in wanted:
            decode.found_other('%s/%s' % (media, encoding))
        return number in wanted

    def on_pad(_, pad):
        structure = structure_of(pad)
        if structure.get_string('media') == 'video':
            _depayload(pad, structure, decode)

    decode.clock.connect(source)
    source.connect('select-stream', on_select)
    source.connect('pad-added', on_pad)
    decode.pipeline.add(source)


def _depayload(pad, structure, decode):
    codec, element = ENCODINGS[structure.get_string('encoding-name')]
    front = [decode.clock.packet_element(structure.get_int('clock-rate')[1]), gst.make(element)]
    if codec in gst.BYTE_STREAM:
        front.append(gst.caps_filter(gst.BYTE_STREAM[codec]))
    gst.add_and_link(decode.pipeline, *front)
    decode.attach(front[-1].get_static_pad('src'), codec, whole_units=True)
    for made in reversed(front):
        made.sync_state_with_parent()
    pad.link_full(front[0].get_static_pad('sink'), gst.Gst.PadLinkCheck.DEFAULT)


def demuxed(source, decode):
    """`source` ! parsebin; its first video stream that can be read is used, still encoded, all others run dry."""
    parse = gst.make('parsebin')

    def on_pad(_, pad):
        media = structure_of(pad).get_name()
        if media in MEDIA_TYPES and not decode.video_offered:
            decode.video_offered = True
            decode.attach(pad, MEDIA_TYPES[media])
        else:
            decode.found_other(media)
            drain(pad, decode.pipeline)

    parse.connect('pad-added', on_pad)
    parse.connect('unknown-type', lambda _, pad, caps: decode.found_other(caps.get_structure(0).get_name()))
    parse.connect('drained', lambda _: decode.ended())
    gst.add_and_link(decode.pipeline, source, parse)
    parse.sync_state_with_parent()


def drain(pad, pipeline):
    """Take and forget what comes out of `pad`: a demuxer with a stream that nobody takes stops."""
    sink = gst.make('fakesink', sync=False)
    sink.set_property('async', False)
    pipeline.add(sink)
    sink.sync_state_with_parent()
    pad.link_full(sink.get_static_pad('sink'), gst.Gst.PadLinkCheck.DEFAULT)


def from_file(camera, decode):
    """A file, played by the clock."""
    demuxed(gst.make('filesrc', location=uris.file_path(camera.uri)), decode)


def http(camera, decode):
    """A file or a stream over HTTP. A page that says it is pictures one after the other is read as that.

    What is between those pictures is not looked at: cameras leave out the first boundary, or send another one.
    """
    relay = HttpRelay(camera, decode.fail)
    decode.closing.append(relay.close)
    # Not a proxy that the environment names: the relay is on this machine.
    source = gst.make('souphttpsrc', location=relay.location, timeout=int(camera.silence_s) + 1, retries=0, proxy='')
    decode.pipeline.add(source)

    def on_first_bytes(pad, probe):
        if content_type(pad).startswith('multipart/'):
            decode.video_offered = True
            decode.attach(pad, 'jpeg')
        else:
            demuxed(source, decode)
        return gst.Gst.PadProbeReturn.REMOVE

    source.get_static_pad('src').add_probe(gst.Gst.PadProbeType.BUFFER, on_first_bytes)


def content_type(pad):
    """Content-Type in lower case that the server has given, '' for none."""
    event = pad.get_sticky_event(gst.Gst.EventType.CUSTOM_DOWNSTREAM_STICKY, 0)
    # As text: PyGObject does not keep a structure within a structure alive.
    headers = event.get_structure().to_string().partition('response-headers')[2] if event is not None else ''
    found = re.search(r'content-type\W+string\W+([\w./+-]+)', headers.lower())
    return found.group(1) if found else ''


def rtmp(camera, decode):
    """A live stream over RTMP."""
    # It hands data on in full blocks: larger ones hold back half a second of a slow stream and make bursts of it.
    source = gst.make('rtmpsrc', location=camera.uri, blocksize=512)
    gst.set_if_present(source, timeout=int(camera.silence_s) + 1)
    demuxed(source, decode)


def v4l2(camera, decode):
    """A camera on this machine: raw pictures, or its JPEGs with ``v4l2:///dev/video0?format=jpeg``."""
    parts = urlsplit(camera.uri)
    codec = parse_qs(parts.query).get('format', ['raw'])[0]
    if codec not in ('raw', 'jpeg'):
        raise SourceRefused('v4l2 format %r is unknown: raw or jpeg' % codec[:20])
    source = gst.make('v4l2src', device=parts.path)
    decode.pipeline.add(source)
    decode.attach(source.get_static_pad('src'), codec, whole_units=True)
