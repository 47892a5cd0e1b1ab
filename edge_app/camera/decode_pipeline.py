"""The back of a camera's pipeline: from one encoded stream to small I420 pictures in an appsink.

    pad ! [parser] ! capsfilter ! decoder ! [videoconvert] ! scaler ! capsfilter(I420, size) ! appsink
     |                   |           |
  received         guard, packets  decoded, or held back where damage is known
"""
import functools
import logging

from edge_app import gst
from edge_app.camera.arrival_time import ArrivalTimes
from edge_app.camera.decoder_throttle import DecoderThrottle
from edge_app.camera.load_shedding import DecoderQueue
from edge_app.camera.sender_report import CameraClock
from edge_app.camera.source import SourceChanged
from edge_app.clock import now_ns
from edge_app.errors import EdgeAppError
from edge_app.frames import fit
from edge_app.gst.decoder_log import DecoderLog
from edge_app.transport.packet_ring import Packet

log = logging.getLogger(__name__)

Gst = gst.Gst
PARSERS = {'h264': 'h264parse', 'h265': 'h265parse'}
PASS = Gst.PadProbeReturn.OK
WRAPPED_NS = 1 << 63
"""GStreamer 1.18 reads a Matroska file of H.265 from shortly before zero on; GST_CLOCK_TIME_NONE is above this, too."""


def reporting(callback):
    """A streaming thread's callback whose errors reach the reader: raised there they would end on a terminal."""
    @functools.wraps(callback)
    def safe(self, *arguments, **named):
        try:
            return callback(self, *arguments, **named)
        except EdgeAppError as error:
            self.fail(error)
            return PASS
    return safe


class DecodePipeline:
    """Builds itself behind the first stream that is attached, and keeps the books of what passes."""

    def __init__(self, camera, passage, packets, paced):
        self.camera, self.accounting, self.packets = camera, passage, packets
        self.pipeline = Gst.Pipeline.new('camera')
        self.appsink = gst.make('appsink', 'frames', drop=True, max_buffers=1, sync=paced, wait_on_eos=False)
        self.pipeline.add(self.appsink)
        self.facts = {}
        """codec, decoder, width and height of the stream, once known."""
        self.clock = CameraClock()
        """Time by the camera's own clock, for heads that hear it."""
        self.offered = False
        """The camera has said that there is a video stream."""
        self.trouble = None
        """First error of a streaming thread, for the reader to raise."""
        self._coded_size = self._picture_size = None
        self._generation = 0
        self._units = self._arrived_ns = 0
        self._sparing = None
        self._waiting = DecoderQueue()
        self._ear = DecoderLog()
        self._arrivals = None if paced else ArrivalTimes()
        self._too_old_ns = int(camera.max_staleness_s * 1e9)
        self._given = self._joined = self._late = self._keeping = False
        self._probes = []
        if packets is not None:
            packets.mark_discontinuity()

    def fail(self, error):
        """Remember the first error; called by streaming threads."""
        self.trouble = self.trouble or error

    @reporting
    def attach(self, pad, codec, whole_units=False):
        """Build the tail behind `pad`. Only the first stream counts; `whole_units`: it needs no parser."""
        if 'codec' in self.facts:
            return
        row, why = gst.choose_decoder(codec, self.camera.decoder if codec in PARSERS else 'auto')
        self.facts = {'codec': codec, 'decoder': '%s (%s)' % (row.name, why)}
        front = self._parser(codec, whole_units)
        decoder, scaler = row.make(codec)
        self._sparing = DecoderThrottle(decoder, self.accounting)
        self._output = gst.caps_filter('video/x-raw,format=I420')
        chain = front + [decoder, scaler, self._output]
        gst.add_and_link(self.pipeline, *chain)
        gst.add_and_link(self.pipeline, self._output, self.appsink)
        self._watch(pad, front[-1].get_static_pad('src') if front else pad, decoder, scaler if row.formats else None)
        for element in reversed(chain):
            element.sync_state_with_parent()
        pad.link_full(chain[0].get_static_pad('sink'), Gst.PadLinkCheck.DEFAULT)

    def _parser(self, codec, whole_units):
        if codec not in PARSERS or (whole_units and self.camera.parser == 'none'):
            return []
        return [gst.make(PARSERS[codec], config_interval=-1), gst.caps_filter(gst.BYTE_STREAM[codec])]

    def _watch(self, pad, guarded, decoder, scaler):
        """Probes where a unit arrives, where it enters the decoder and where its picture comes out."""
        decoded = decoder.get_static_pad('src')
        types = Gst.PadProbeType
        for place, kind, callback, argument in (
                (pad, types.BUFFER, self._on_arrival, None),
                (guarded, types.EVENT_DOWNSTREAM, self._on_coded_caps, guarded is not pad),
                (guarded, types.BUFFER, self._on_unit, None),
                (decoded, types.EVENT_DOWNSTREAM, self._on_picture_caps, (decoder, scaler)),
                (decoded, types.BUFFER, self._on_picture, None)):
            self._probes.append((place, place.add_probe(kind, callback, argument)))

    def release(self):
        """Let go of the pipeline, stopped before.

        Its elements call back into this object, which holds the pipeline, which holds them: a knot that no garbage
        collector sees, because half of it is C. Untied here, or every session would leave its sockets behind.
        """
        for pad, number in self._probes:
            pad.remove_probe(number)
        self._probes = []
        self.clock.release()
        self.pipeline = self.appsink = self._output = self._sparing = self.trouble = None

    # -- callbacks of the streaming threads ------------------------------------------------------------------------

    def _on_arrival(self, pad, probe, _):
        gst.stay()
        buffer = probe.get_buffer()
        if self._ear.complained():
            self.accounting.doubt()
        self._units += 1
        self._arrived_ns = now_ns()
        self._waiting.arrived(self._arrived_ns)
        if self._arrivals is not None:
            self._arrived_ns = self._arrivals.arrived_ns(pts_of(buffer), self._arrived_ns)
        self.accounting.arrive(pts_of(buffer), self._arrived_ns, key=not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT),
                            gap=self._units > 1 and buffer.has_flags(Gst.BufferFlags.DISCONT))
        return PASS

    @reporting
    def _on_coded_caps(self, pad, probe, parsed):
        """Give the decoder one CAPS: the first, and after a parser the first with a width. All others are swallowed.

        A second one wedges the TX2's decoder, and one without a width, which a parser says first, makes it leak.
        """
        event = probe.get_event()
        if event.type != Gst.EventType.CAPS:
            return PASS
        caps = event.parse_caps()
        size = gst.size_in(caps.get_structure(0))
        known = self._coded_size or self._picture_size
        if self._given and known and size not in (None, known):
            self._changed(size)
        if self._given or (parsed and size is None):
            return gst.swallow(event)
        self._given, self._coded_size = True, size
        if size is not None:
            self._decide(caps.get_structure(0), size)
        if self.packets is not None:
            self._generation = self.packets.set_caps(caps.to_string())
        return PASS

    @reporting
    def _on_unit(self, pad, probe, _):
        """A unit enters the decoder, from the first key frame to a change; whoever asked for units gets a copy.

        A decoder joined between two key frames may make grey pictures of differences to nothing, without a word.
        """
        if self.trouble is not None:
            return Gst.PadProbeReturn.DROP
        buffer = probe.get_buffer()
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        if not self._admits(key):
            self.accounting.skip(pts_of(buffer), 'stale_capture' if self._late else 'resync')
            return Gst.PadProbeReturn.DROP
        if self._generation:
            # From a key frame on: what comes before it nobody could decode.
            self._keeping = self.packets.wanted and (self._keeping or key)
            if self._keeping:
                self._keep(buffer, key)
        self._waiting.done(now_ns())
        return PASS

    def _admits(self, key):
        """Whether the decoder gets this unit. One that cannot keep up loses time up to the next key frame at once.

        Else units would wait longer and longer before it, and every picture would be old. One that cannot keep up
        again and again gets key frames only for a while.
        """
        if key:
            self._joined, self._late = True, False
        elif self._joined and now_ns() - self._arrived_ns > self._too_old_ns:
            self._joined, self._late = False, True
            if not self._waiting.much():        # else it is the network that is behind
                self._sparing.late()
        elif self._joined and self._sparing.keys_only:
            self._joined, self._late = False, True
        return self._joined

    def _keep(self, buffer, key):
        """Copy one access unit into the packet ring."""
        size = buffer.get_size()
        slot = self.packets.begin(size)
        if slot is not None and gst.copy_buffer(buffer, slot.address, size) == size:
            self.packets.publish(Packet(0, pts_of(buffer), self._arrived_ns, key, self._generation, size))

    @reporting
    def _on_picture_caps(self, pad, probe, elements):
        event = probe.get_event()
        if event.type != Gst.EventType.CAPS:
            return PASS
        structure = event.parse_caps().get_structure(0)
        size = gst.size_in(structure)
        if self._picture_size not in (None, size):
            self._changed(size)
            return PASS
        self._picture_size = size
        self._decide(structure, size)
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
        self._waiting.done(now_ns())
        if self._ear.complained() or buffer.has_flags(Gst.BufferFlags.CORRUPTED):
            self.accounting.doubt()
        if self._sparing.drops():
            self.accounting.skip(pts, 'stale_capture')
            return Gst.PadProbeReturn.DROP
        return PASS if self.accounting.decode(pts) else Gst.PadProbeReturn.DROP

    def relieve(self):
        """Spare the decoder what nobody takes; called by the reader, often. Said aloud, and in `facts` while it is so."""
        spared = self._sparing.look() if self._sparing else ''
        if spared == self.facts.get('spared', ''):
            return
        self.facts['spared'] = spared
        log.warning('%s: %s', self.camera.name,
                    'this machine cannot take all its pictures: ' + spared if spared else 'all its pictures again')

    def _decide(self, structure, size):
        """Choose the size of the frames, once, before anything behind the decoder is negotiated."""
        if 'width' in self.facts:
            return
        self.facts.update(width=size[0], height=size[1])
        known, wide, high = structure.get_fraction('pixel-aspect-ratio')
        shown = (size[0] * wide / high, size[1]) if known and wide and high else size
        self._output.set_property('caps', Gst.Caps.from_string(
            'video/x-raw,format=I420,width=%d,height=%d,pixel-aspect-ratio=1/1' % fit(shown, self.camera.size)))

    def _changed(self, size):
        before = self._coded_size or self._picture_size
        self.fail(SourceChanged('the stream changed from %dx%d to %dx%d' % (before + size)))


def pts_of(buffer):
    """When it is to be shown, in nanoseconds; -1 when it does not say, or says before zero, which wraps around."""
    return buffer.pts if buffer.pts < WRAPPED_NS else -1
