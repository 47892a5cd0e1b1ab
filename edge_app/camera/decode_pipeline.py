"""The decoding half of a camera's pipeline: from one encoded stream to small I420 pictures in an appsink.

    pad ! [parser] ! capsfilter ! decoder ! [videoconvert] ! scaler ! capsfilter(I420, size) ! appsink
     |                   |           |
  received          gate, packets  decoded, or dropped as damaged
"""
import functools
import logging

from edge_app import gst
from edge_app.camera.access_units import AccessUnits
from edge_app.camera.arrival_time import ArrivalTimes, Pacing
from edge_app.camera.decoder_gate import DecoderGate
from edge_app.camera.frame_accounting import WAITING
from edge_app.camera.parameter_sets import parameter_sets
from edge_app.camera.picture_order import keeps_order, parameter_set
from edge_app.camera.sender_report import CameraClock
from edge_app.camera.source import SourceChanged
from edge_app.clock import now_ns
from edge_app.errors import EdgeAppError, SourceLost, SourceRefused
from edge_app.frames import fit
from edge_app.gst.decoder_log import DecoderLog
from edge_app.transport.packet_ring import Packet, with_parameter_sets

log = logging.getLogger(__name__)

Gst = gst.Gst
EventType = Gst.EventType
PARSERS = {'h264': 'h264parse', 'h265': 'h265parse'}
PASS, DROP = Gst.PadProbeReturn.OK, Gst.PadProbeReturn.DROP
SETS_WITHIN = 4096
"""Bytes of a key frame in which its parameter sets are looked for; they come first."""
DECODER_PICTURES = 10
"""How many a decoder holds of a usual stream; up to 16 references are allowed."""
WRAPPED_NS = 1 << 63
"""GStreamer 1.18 reads a Matroska file of H.265 from shortly before zero on; GST_CLOCK_TIME_NONE is above this, too."""


def reporting(callback):
    """Decorates a streaming thread's callback: its errors reach the reader instead of ending on a terminal."""
    @functools.wraps(callback)
    def safe(self, *arguments, **named):
        try:
            return callback(self, *arguments, **named)
        except EdgeAppError as error:
            self.fail(error)
            return DROP
    return safe


class DecodePipeline:
    """Builds itself behind the first stream that is attached, and accounts for every unit that passes."""

    def __init__(self, camera, accounting, packets, paced):
        self.camera, self.accounting = camera, accounting
        self.pipeline = Gst.Pipeline.new('camera')
        self.appsink = gst.make('appsink', 'frames', drop=True, max_buffers=WAITING, sync=paced, wait_on_eos=False)
        self.pipeline.add(self.appsink)
        self.stream_info = {}
        """codec, decoder, width and height of the stream, once known."""
        self.clock = CameraClock()
        self.video_offered = False
        """The camera has announced a video stream that can be read."""
        self._others = []
        self._others_ns = 0
        self.error = None
        """First error of a streaming thread, for the reader to raise."""
        self.closing = []
        """Functions to call once the pipeline has stopped."""
        self._size = StreamSize()
        self._packets = None if packets is None else PacketWriter(packets)
        self._decoder_log = DecoderLog()
        self._arrivals = None if paced else ArrivalTimes()
        self._pacing = Pacing() if paced else None
        self._units = None
        self.part = 0
        """Sequence number of the unit that turned out to be a part of a picture only."""
        self._orientation, self._turned = '', False
        self._arrived_ns = 0
        self._units_arrived, self._tells_loss = 0, True
        self._gate = self._decoder = self._output = None
        self._probes = []

    def fail(self, error):
        """Remember the first error; called by streaming threads."""
        self.error = self.error or error

    def found_other(self, media):
        """The camera has another stream, of this media type."""
        self._others.append(media)
        self._others_ns = self._others_ns or now_ns()

    def no_video(self, for_s=0):
        """SourceRefused if only streams that cannot be read were found, for this long; else None."""
        if self.video_offered or not self._others or now_ns() - self._others_ns < for_s * 1e9:
            return None
        only = 'sound only' if all(media.startswith('audio') for media in self._others) else 'no video that can be read'
        return SourceRefused('it sends %s (%s): set it to H.264, H.265 or MJPEG' % (
            only, ', '.join(sorted(set(self._others)))[:200]))

    def is_still(self):
        """Whether one JPEG was all there was."""
        return self.stream_info.get('codec') == 'jpeg' and self._units_arrived == 1

    def ended(self):
        """Every stream has ended."""
        if not self.video_offered:
            self.fail(self.no_video() or SourceLost('it has ended without a stream'))

    @reporting
    def attach(self, pad, codec, whole_units=False):
        """Build the decoding half behind `pad`, once; `whole_units`: each buffer is one, as from a depayloader."""
        row, why = gst.choose_decoder(codec, self.camera.decoder if codec in PARSERS else 'auto')
        self.stream_info = {'codec': codec, 'decoder': '%s (%s)' % (row.name, why)}
        if whole_units and codec in PARSERS:
            self._units = AccessUnits(pad, codec, self._cut_apart)
        parser = self._parser(codec, whole_units)
        decoder, scaler = row.make(codec)
        self._decoder = decoder
        self._gate = DecoderGate(decoder, self.accounting, int(self.camera.max_staleness_s * 1e9))
        self._output = gst.caps_filter('video/x-raw,format=I420')
        pictures = codec == 'jpeg' and parser   # made of pieces; what is left out between them is no loss
        arriving, self._tells_loss = (parser[0].get_static_pad('src'), False) if pictures else (pad, True)
        chain = parser + [decoder, scaler, self._output]
        gst.add_and_link(self.pipeline, *chain)
        gst.add_and_link(self.pipeline, self._output, self.appsink)
        self._add_probes(arriving, parser[-1].get_static_pad('src') if parser else pad, decoder,
                         scaler if row.formats else None)
        for element in reversed(chain):
            element.sync_state_with_parent()
        pad.link_full(chain[0].get_static_pad('sink'), Gst.PadLinkCheck.DEFAULT)

    def _parser(self, codec, whole_units):
        if codec == 'jpeg' and not whole_units:
            return [gst.make('jpegparse')]
        if codec not in PARSERS or (whole_units and self.camera.parser == 'none'):
            return []
        return [gst.make(PARSERS[codec], config_interval=-1), gst.caps_filter(gst.BYTE_STREAM[codec])]

    def _add_probes(self, arriving, entering, decoder, scaler):
        """Probes on the pads where units arrive, where they enter the decoder and where pictures leave it."""
        decoded = decoder.get_static_pad('src')
        types = Gst.PadProbeType
        for pad, kind, callback, argument in (
                (arriving, types.BUFFER, self._on_arrival, None),
                (entering, types.EVENT_DOWNSTREAM, self._on_coded_event, None),
                (entering, types.BUFFER, self._on_unit, entering is not arriving),
                (decoded, types.EVENT_DOWNSTREAM, self._on_picture_caps, (decoder, scaler)),
                (decoded, types.BUFFER, self._on_picture, None)):
            self._probes.append((pad, pad.add_probe(kind, callback, argument)))

    def release(self):
        """Let go of the stopped pipeline.

        Its elements call back into this object, which holds the pipeline, which holds them: a cycle that no garbage
        collector sees, because half of it is C. Unless it is broken here, every session leaks its sockets.
        """
        for close in self.closing:
            close()
        for pad, number in self._probes:
            pad.remove_probe(number)
        self._probes, self.closing = [], []
        self.clock.release()
        if self._units is not None:
            self._units.release()
        self.pipeline = self.appsink = self._output = self._decoder = self._gate = self.error = None

    def _cut_apart(self):
        self.part = self.accounting.last_received
        self.accounting.mark_damaged()

    # -- callbacks of the streaming threads ------------------------------------------------------------------------

    def _on_arrival(self, pad, probe, _):
        gst.keep_thread_state()
        buffer = probe.get_buffer()
        if self._decoder_log.complained():
            self.accounting.mark_damaged()
        first, self._arrived_ns = not self._arrived_ns, now_ns()
        self._units_arrived += 1
        idle = self._gate.arrived(self._arrived_ns)
        if self._arrivals is not None:
            self._arrived_ns = self._arrivals.arrived_ns(pts_of(buffer), self._arrived_ns, idle)
        self.accounting.receive(pts_of(buffer), self._arrived_ns, key=is_key(buffer),
                                gap=not first and self._tells_loss and buffer.has_flags(Gst.BufferFlags.DISCONT))
        return PASS

    @reporting
    def _on_coded_event(self, pad, probe, _):
        """Keep from the decoder what is announced before there is a picture; `_begin` gives it what is true by then.

        Parameter sets of an SDP or a container may be another stream's, and a parser that hears of a gap first invents
        caps of 1x1. After that no CAPS: a second one wedges the TX2's decoder.
        """
        event = probe.get_event()
        if event.type == EventType.TAG:
            known, orientation = event.parse_tag().get_string(Gst.TAG_IMAGE_ORIENTATION)
            self._orientation = orientation if known else self._orientation
        if event.type == EventType.CAPS and self._size.begun:
            size = gst.size_in(event.parse_caps().get_structure(0))
            if size not in (None, self._size.coded):
                self._check_memory(size)
                if self._size.settled:
                    self.fail(self._size.changed(size))
                self._size.coded = size
        withheld = (EventType.CAPS, EventType.GAP) + (() if self._size.begun else (EventType.SEGMENT,))
        return gst.drop_event(event) if event.type in withheld else PASS

    def _set_low_delay(self, unit):
        """Have a decoder that can be told hand pictures out at once; it looks when it is given CAPS, never again."""
        if self._decoder.find_property('disable-dpb') is None or self.camera.low_delay == 'off':
            return
        order_kept = self.stream_info['codec'] == 'h264' and keeps_order(
            parameter_set(unit.extract_dup(0, unit.get_size())))
        self._decoder.set_property('disable-dpb', order_kept or self.camera.low_delay == 'on')

    def _begin(self, pad, parsed, unit):
        """Give the decoder the stream's caps, with its first unit; False while the parser does not know its size."""
        caps = pad.get_current_caps()
        size = gst.size_in(caps.get_structure(0))
        if parsed and size is None:     # caps without a width make the TX2's decoder leak
            return False
        self._check_memory(size)
        self._size.begun, self._size.coded = True, size
        self._set_low_delay(unit)
        for kind in (EventType.CAPS, EventType.SEGMENT):
            pad.get_peer().send_event(pad.get_sticky_event(kind, 0))
        if self._packets is not None:
            self._packets.set_caps(caps)
        return True

    @reporting
    def _on_unit(self, pad, probe, parsed):
        """A unit enters the decoder unless the gate refuses it; with a packet ring it is copied there."""
        if self.error is not None:
            return DROP
        buffer = probe.get_buffer()
        key = is_key(buffer)
        refusal = self._gate.refusal(key, self._arrived_ns)
        if not refusal and not self._size.begun and not self._begin(pad, parsed, buffer):
            refusal = 'resync'
        if refusal:
            self.accounting.skip(pts_of(buffer), refusal)
            return DROP
        if self._packets is not None:
            self._packets.write(buffer, key, self._arrived_ns)
        self._gate.done()
        return PASS

    @reporting
    def _on_picture_caps(self, pad, probe, elements):
        event = probe.get_event()
        if event.type != Gst.EventType.CAPS:
            return PASS
        structure = event.parse_caps().get_structure(0)
        size = gst.size_in(structure)
        self._check_memory(size)
        if self._size.settled and size != self._size.picture:
            self.fail(self._size.changed(size))
            return PASS
        self._size.picture = size
        self._choose_size(structure, size)
        decoder, scaler = elements
        if scaler is not None and structure.get_string('format') != 'I420':
            self._convert(decoder, scaler)
        return PASS

    def _convert(self, decoder, scaler):
        """Put a videoconvert before the scaler, for the rare camera that sends 4:2:2, 10 bit or grey."""
        if decoder.get_static_pad('src').get_peer().get_parent_element() is not scaler:
            return
        convert = gst.make('videoconvert')
        decoder.unlink(scaler)
        self.pipeline.add(convert)
        convert.link(scaler)
        convert.sync_state_with_parent()
        decoder.link(convert)

    def _on_picture(self, pad, probe, _):
        buffer = probe.get_buffer()
        pts = pts_of(buffer)
        self._gate.done()
        if self._decoder_log.complained() or buffer.has_flags(Gst.BufferFlags.CORRUPTED):
            self.accounting.mark_damaged()
        if self._gate.drops_picture():
            self.accounting.skip(pts, 'stale_capture')
            return DROP
        if not self.accounting.decode(pts):
            return DROP
        self._size.settled = True
        if self._pacing is not None and self._pacing.moves(pts):
            self.appsink.set_property('ts-offset', self._pacing.offset_ns)
        return PASS

    def shed_load(self):
        """Relieve the decoder of pictures nobody takes; the reader calls it often. Logged and in `stream_info`."""
        spared = self._gate.update() if self._gate else ''
        if spared != self.stream_info.get('spared', ''):
            self.stream_info['spared'] = spared
            log.warning('%s: %s', self.camera.name, 'decoding reduced, the machine is overloaded: ' + spared if spared
                        else 'decoding at full rate again')

    def _check_memory(self, size):
        """SourceRefused for pictures of a `size` (width, height or None) that needs more memory than is allowed."""
        needed_mb = size[0] * size[1] * 3 // 2 * DECODER_PICTURES >> 20 if size else 0
        if needed_mb > self.camera.process_memory_mb:
            raise SourceRefused('to decode its pictures of %dx%d takes about %d MB: lower its resolution, or raise '
                                '`process_memory_mb`' % (size + (needed_mb,)))

    def _choose_size(self, structure, size):
        """Choose the size of the frames from that of the pictures, before anything behind the decoder is negotiated."""
        self.stream_info.update(width=size[0], height=size[1])
        known, wide, high = structure.get_fraction('pixel-aspect-ratio')
        shown = (size[0] * wide / high, size[1]) if known and wide and high else size
        upright = self._orientation.endswith(('90', '270'))
        frame = fit(shown[::-1] if upright else shown, self.camera.size)
        self._output.set_property('caps', Gst.Caps.from_string(
            'video/x-raw,format=I420,width=%d,height=%d,pixel-aspect-ratio=1/1' % (frame[::-1] if upright else frame)))
        if self._orientation not in ('', 'rotate-0') and not self._turned:
            # Behind the scaler, where pictures are small; it reads the tag itself.
            self._turned = True
            flip = gst.make('videoflip', method='automatic')
            self._output.unlink(self.appsink)
            gst.add_and_link(self.pipeline, self._output, flip, self.appsink)
            flip.sync_state_with_parent()


class StreamSize:
    """The size a session began with; a stream that changes it needs a fresh process."""

    def __init__(self):
        self.coded = self.picture = None
        """(width, height) as the encoded stream and as the decoder's pictures have it."""
        self.begun = self.settled = False
        """The decoder has been given a unit; it has made a picture without an error. Before that nothing is sure."""

    def changed(self, size):
        """The SourceChanged to report."""
        return SourceChanged('the stream changed from %dx%d to %dx%d' % (self.picture + size))


class PacketWriter:
    """Copies the encoded stream into a PacketRing while somebody wants it, from a key frame on.

    Its parameter sets are there before anybody asks, in the ring's caps.
    """

    def __init__(self, ring):
        self._ring = ring
        self._generation = 0
        self._caps, self._codec = '', None
        self._writing = False
        ring.mark_discontinuity()

    def set_caps(self, caps):
        codec = caps.get_structure(0).get_name().partition('x-')[2]
        self._caps, self._codec = caps.to_string(), codec if codec in PARSERS else None
        self._generation = self._ring.set_caps(self._caps)

    def write(self, buffer, key, arrived_ns):
        """Copy one access unit, unless nobody wants it or no decoder could join there."""
        if key and self._codec:
            self._keep_parameter_sets(buffer)
        self._writing = self._generation and self._ring.wanted and (self._writing or key)
        if not self._writing:
            return
        size = buffer.get_size()
        slot = self._ring.begin(size)
        if slot is not None and gst.copy_buffer(buffer, slot.address, size) == size:
            self._ring.publish(Packet(0, pts_of(buffer), arrived_ns, key, self._generation, size))

    def _keep_parameter_sets(self, buffer):
        sets = parameter_sets(buffer.extract_dup(0, min(buffer.get_size(), SETS_WITHIN)), self._codec)
        if sets:
            self._generation = self._ring.set_caps(with_parameter_sets(self._caps, sets))


def is_key(buffer):
    """Whether decoding can start at this unit."""
    return not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)


def pts_of(buffer):
    """Presentation time in nanoseconds; -1 when there is none, or one before zero, which wraps around."""
    return buffer.pts if buffer.pts < WRAPPED_NS else -1
