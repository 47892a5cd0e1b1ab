"""A Jetson's decoder, converter and encoders, played by software: same names, properties, caps and memory features.

What the real ones refuse is refused: system memory into the encoder, BGR out of the converter, streams with length
prefixes into the decoder, properties the board's version has not. Frames are not copied for it: `memory:NVMM` is put
on and taken off the caps alone. Not imitated: strides and tiling of device memory, its limits, the chips' speed.
"""
import collections
import ctypes
import os
import threading
import time
import weakref

import gi

gi.require_version('GstBase', '1.0')
gi.require_version('GstVideo', '1.0')

import jetson_bugs  # noqa: E402
from gi.repository import GObject, Gst, GstBase, GstVideo  # noqa: E402
from jetson_boards import BOARDS, ENUMS  # noqa: E402

BOARD = os.environ.get('JETSON_STANDIN', 'tx2')
NVMM = 'memory:NVMM'
READ, WRITE = GObject.ParamFlags.READABLE, GObject.ParamFlags.WRITABLE
DECODERS = {'video/x-h264': 'avdec_h264', 'video/x-h265': 'avdec_h265'}
DECODE_KEY = 2
LEAKED = []

_gobject = ctypes.CDLL('libgobject-2.0.so.0')
_gobject.g_enum_register_static.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
_gobject.g_enum_register_static.restype = ctypes.c_size_t
for _name in ('g_object_is_floating', 'g_object_ref', 'g_object_force_floating'):
    getattr(_gobject, _name).argtypes = [ctypes.c_void_p]
_gobject.g_object_ref.restype = ctypes.c_void_p
_enums = {}
"""Name of a type: its values, which GLib goes on reading."""


class EnumValue(ctypes.Structure):
    _fields_ = [('value', ctypes.c_int), ('name', ctypes.c_char_p), ('nick', ctypes.c_char_p)]


def enum_type(name):
    """A GEnum type; PyGObject before 3.52 cannot make one."""
    if name not in _enums:
        rows = [EnumValue(value, label.encode(), nick.encode()) for value, label, nick in ENUMS[name]]
        _enums[name] = (EnumValue * (len(rows) + 1))(*rows)
        _gobject.g_enum_register_static(name.encode(), ctypes.addressof(_enums[name]))
    return GObject.GType.from_name(name)


KINDS = {'bool': GObject.TYPE_BOOLEAN, 'int': GObject.TYPE_INT, 'uint': GObject.TYPE_UINT,
         'uint64': GObject.TYPE_UINT64, 'string': GObject.TYPE_STRING, 'structure': Gst.Structure}


def declared(properties):
    """__gproperties__ of a table's properties."""
    found = {}
    for name, row in properties.items():
        flags = READ | WRITE if row.writable else READ
        kind = KINDS.get(row.kind) or enum_type(row.kind)
        limits = () if row.low is None else (row.low, row.high)
        default = () if row.kind == 'structure' else (row.default,)
        found[name] = (kind, name, name) + limits + default + (flags,)
    return found


class Turn(GstBase.BaseTransform):
    """Passes buffers untouched; only what memory they are said to be in differs between its sides.

    `sink` and `src`: may that side be device memory, system memory or either.
    """

    __gtype_name__ = 'StandInTurn'

    def __init__(self, sink=(True, False), src=(True, False)):
        super(Turn, self).__init__()
        self.sides = {Gst.PadDirection.SINK: sink, Gst.PadDirection.SRC: src}

    def do_transform_caps(self, direction, caps, limit):
        given, wanted = self.sides[direction], self.sides[other(direction)]
        if caps.is_any():
            caps = Gst.Caps.from_string('video/x-raw(%s);video/x-raw' % NVMM)
        turned = Gst.Caps.new_empty()
        for device in wanted:
            for index in range(caps.get_size()):
                if is_device(caps.get_features(index)) in given:
                    turned.append_structure_full(caps.get_structure(index).copy(),
                                                 Gst.CapsFeatures.from_string(NVMM) if device else None)
        return turned if limit is None else limit.intersect_full(turned, Gst.CapsIntersectMode.FIRST)


def other(direction):
    return Gst.PadDirection.SRC if direction == Gst.PadDirection.SINK else Gst.PadDirection.SINK


def is_device(features):
    return features is not None and not features.is_any() and features.contains(NVMM)


Turn.set_metadata('turn', 'Generic', 'says which memory', 'tests')
for _side, _direction in (('sink', Gst.PadDirection.SINK), ('src', Gst.PadDirection.SRC)):
    Turn.add_pad_template(Gst.PadTemplate.new(_side, _direction, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()))


def made(element, **properties):
    new = Gst.ElementFactory.make(element, None)
    for name, value in properties.items():
        new.set_property(name.replace('_', '-'), value)
    return new


def caps_filter(text):
    return made('capsfilter', caps=Gst.Caps.from_string(text))


class StandIn(object):
    """What all have in common: a bin with the pads and properties of its row. Every element derives from Gst.Bin
    itself, because PyGObject finds pad templates on the class it creates only."""

    def begin(self, name):
        self.values = {key: row.value for key, row in BOARDS[BOARD][name][0].items()}
        self.sink_caps, self.src_caps = BOARDS[BOARD][name][1]

    def chain(self, *elements):
        """Put elements into the bin and link them."""
        for element in elements:
            if element.get_parent() is None:
                self.add(element)
        for left, right in zip(elements, elements[1:]):
            left.link(right)

    def finish(self, first, last):
        for side, element in (('sink', first), ('src', last)):
            ghost = Gst.GhostPad.new_from_template(side, element.get_static_pad(side), self.get_pad_template(side))
            ghost.set_active(True)
            self.add_pad(ghost)
        pointer = hash(self)
        if not _gobject.g_object_is_floating(pointer):  # PyGObject sinks it, and parse_launch wants it floating
            _gobject.g_object_ref(pointer)
            _gobject.g_object_force_floating(pointer)

    def do_get_property(self, spec):
        return self.values[spec.name]

    def do_set_property(self, spec, value):
        self.values[spec.name] = value
        self.changed(spec.name, value)

    def changed(self, name, value):
        """A property was set."""

    def watch(self, element, side, kind, method):
        """A probe that does not keep the element alive."""
        weak = weakref.WeakMethod(method)
        element.get_static_pad(side).add_probe(kind, lambda pad, probe: weak()(pad, probe))


class Decoder(StandIn, Gst.Bin):
    __gtype_name__ = 'StandInDecoder'
    __gproperties__ = declared(BOARDS[BOARD]['nvv4l2decoder'][0])

    def __init__(self):
        super(Decoder, self).__init__()
        self.begin('nvv4l2decoder')
        self.bugs = jetson_bugs.planted()
        self.units = self.pictures = 0
        self.skip = 0
        self.width = self.silent = None
        self.held, self.holds, self.handing_out = collections.deque(), 0, False
        self.entrance, self.exit = caps_filter(self.sink_caps), Turn(sink=(False,), src=(True,))
        self.chain(self.entrance)
        self.chain(self.exit)
        self.finish(self.entrance, self.exit)
        probes = Gst.PadProbeType
        self.watch(self, 'sink', probes.EVENT_DOWNSTREAM, self.on_event)
        self.watch(self, 'sink', probes.BUFFER, self.on_unit)
        self.watch(self.exit, 'sink', probes.BUFFER, self.on_picture)
        self.watch(self.exit, 'sink', probes.EVENT_DOWNSTREAM, self.on_end)

    def on_event(self, pad, probe):
        event = probe.get_event()
        if event.type == Gst.EventType.CAPS:
            self.set_format(event.parse_caps().get_structure(0))
        return Gst.PadProbeReturn.OK

    def set_format(self, structure):
        """New caps: the only moment at which `skip-frames` and `disable-dpb` are looked at."""
        if self.width and 'second-caps' in self.bugs and jetson_bugs.strikes('second-caps'):
            threading.Event().wait()
        self.width = structure.get_int('width')[1]
        self.skip = int(self.values['skip-frames'])
        self.holds = 0 if self.values['disable-dpb'] else int(self.bugs.get('hold', 0))
        if not self.width and 'leak' in self.bugs:
            LEAKED.append(bytearray(int(self.bugs['leak'] * 2 ** 20)))
        if self.exit.get_static_pad('sink').get_peer() is None:
            inner = [made(DECODERS[structure.get_name()], max_threads=1), made('videoconvert'),
                     caps_filter('video/x-raw,format=NV12')]
            self.chain(self.entrance, *(inner + [self.exit]))
            for element in reversed(inner):
                element.sync_state_with_parent()

    def on_unit(self, pad, probe):
        self.units += 1
        if self.units == 1 and 'late' in self.bugs:
            time.sleep(self.bugs['late'])
        time.sleep(self.bugs.get('slow', 0))
        if self.units == self.bugs.get('hang') and jetson_bugs.strikes('hang'):
            threading.Event().wait()
        if self.units == self.bugs.get('silent'):
            self.silent = jetson_bugs.strikes('silent')
        delta = probe.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT)
        return dropped(self.silent or (delta and self.skip == DECODE_KEY))

    def on_end(self, pad, probe):
        if probe.get_event().type == Gst.EventType.EOS:
            self.hand_out(pad, 0)
        return Gst.PadProbeReturn.OK

    def hand_out(self, pad, kept):
        """Push the oldest held pictures on, until `kept` are left."""
        self.handing_out = True
        while len(self.held) > kept:
            pad.get_peer().push(self.held.popleft())
        self.handing_out = False

    def on_picture(self, pad, probe):
        if self.holds and not self.handing_out:
            self.held.append(probe.get_buffer())
            self.hand_out(pad, self.holds)
            return Gst.PadProbeReturn.DROP
        interval = self.values['drop-frame-interval']
        self.pictures += 1
        return dropped(interval and (self.pictures - 1) % interval)


def dropped(yes):
    return Gst.PadProbeReturn.DROP if yes else Gst.PadProbeReturn.OK


class Converter(StandIn, Gst.Bin):
    __gtype_name__ = 'StandInConverter'
    __gproperties__ = declared(BOARDS[BOARD]['nvvidconv'][0])

    def __init__(self):
        super(Converter, self).__init__()
        self.begin('nvvidconv')
        self.scale = made('videoscale', add_borders=False, method=0)
        first, last = caps_filter(self.sink_caps), caps_filter(self.src_caps)
        self.chain(first, Turn(src=(False,)), self.scale, made('videoconvert'), Turn(sink=(False,)), last)
        self.finish(first, last)

    def changed(self, name, value):
        if name == 'interpolation-method':
            self.scale.set_property('method', 1 if int(value) else 0)


class EncoderBase(StandIn):
    """Settings take effect at once; key frames are made by `idrinterval` and `force-IDR` alone, because whether the
    board's encoder obeys force-key-unit events is not known."""

    def build(self, name, inner):
        self.begin(name)
        self.inner = inner
        self.started = False
        first, last = caps_filter(self.sink_caps), caps_filter(self.src_caps)
        self.chain(first, Turn(sink=(True,), src=(False,)), made('videoconvert'), inner, last)
        self.finish(first, last)
        for key in ('bitrate', 'idrinterval'):
            self.changed(key, self.values[key])
        self.watch(self, 'src', Gst.PadProbeType.EVENT_UPSTREAM, self.on_request)
        self.watch(inner, 'src', Gst.PadProbeType.BUFFER, self.on_unit)

    def changed(self, name, value):
        if name == 'bitrate':
            self.inner.set_property('bitrate', max(1, value // 1000))
        elif name == 'idrinterval':
            self.inner.set_property('key-int-max', min(value, 2 ** 31 - 1))

    def do_force_IDR(self):  # noqa: N802 (the signal's name)
        event = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, 0)
        self.inner.get_static_pad('src').send_event(event)

    def on_request(self, pad, probe):
        return dropped(GstVideo.video_event_is_force_key_unit(probe.get_event()))

    def on_unit(self, pad, probe):
        """Without insert-sps-pps the parameter sets come once, with the first unit."""
        buffer = probe.get_buffer()
        started, self.started = self.started, True
        if not started or self.values['insert-sps-pps'] or buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            return Gst.PadProbeReturn.OK
        bare = Gst.Buffer.new_wrapped(self.without_sets(buffer.extract_dup(0, buffer.get_size())))
        bare.pts, bare.dts, bare.duration = buffer.pts, buffer.dts, buffer.duration
        self.started = False
        pad.push(bare)
        return Gst.PadProbeReturn.DROP

    def without_sets(self, unit):
        parts = unit.replace(b'\0\0\0\1', b'\0\0\1').split(b'\0\0\1')[1:]
        return b''.join(b'\0\0\0\1' + part for part in parts if not self.is_set(ord(part[:1])))


class H264Encoder(EncoderBase, Gst.Bin):
    __gtype_name__ = 'StandInH264Encoder'
    __gproperties__ = declared(BOARDS[BOARD]['nvv4l2h264enc'][0])
    __gsignals__ = {'force-IDR': (GObject.SignalFlags.RUN_LAST | GObject.SignalFlags.ACTION, None, ())}

    def __init__(self):
        super(H264Encoder, self).__init__()
        self.build('nvv4l2h264enc', made('x264enc', speed_preset=1, tune=4, bframes=0, threads=1))

    def changed(self, name, value):
        super(H264Encoder, self).changed(name, value)
        if name == 'insert-aud':
            self.inner.set_property('aud', value)

    @staticmethod
    def is_set(header):
        return header & 31 in (7, 8)


class H265Encoder(EncoderBase, Gst.Bin):
    __gtype_name__ = 'StandInH265Encoder'
    __gproperties__ = declared(BOARDS[BOARD]['nvv4l2h265enc'][0])
    __gsignals__ = {'force-IDR': (GObject.SignalFlags.RUN_LAST | GObject.SignalFlags.ACTION, None, ())}

    def __init__(self):
        super(H265Encoder, self).__init__()
        self.build('nvv4l2h265enc', made('x265enc', speed_preset=1, tune=4,
                                         option_string='bframes=0:pools=1:frame-threads=1'))

    @staticmethod
    def is_set(header):
        return header >> 1 & 63 in (32, 33, 34)


ELEMENTS = {
    # name: (class, rank, long name, class of the element)
    'nvv4l2decoder': (Decoder, int(Gst.Rank.PRIMARY) + 11, 'NVIDIA v4l2 video decoder', 'Codec/Decoder/Video'),
    'nvvidconv': (Converter, int(Gst.Rank.NONE), 'NvVidConv Plugin', 'Filter/Converter/Video/Scaler'),
    'nvv4l2h264enc': (H264Encoder, int(Gst.Rank.PRIMARY) + 1, 'V4L2 H.264 Encoder', 'Codec/Encoder/Video'),
    'nvv4l2h265enc': (H265Encoder, int(Gst.Rank.PRIMARY) + 1, 'V4L2 H.265 Encoder', 'Codec/Encoder/Video'),
}


def register():
    """Make them known to this process's GStreamer, once."""
    if Gst.ElementFactory.find('nvvidconv') is not None:
        return
    for name, (cls, rank, long_name, kind) in ELEMENTS.items():
        cls.set_metadata(long_name, kind, 'stand-in, %s' % BOARD, 'tests')
        for side, direction, text in zip(('sink', 'src'), (Gst.PadDirection.SINK, Gst.PadDirection.SRC),
                                         BOARDS[BOARD][name][1]):
            cls.add_pad_template(Gst.PadTemplate.new(side, direction, Gst.PadPresence.ALWAYS,
                                                     Gst.Caps.from_string(text)))
        if not Gst.Element.register(None, name, rank, cls):
            raise RuntimeError('%s cannot be registered' % name)
