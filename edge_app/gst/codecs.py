"""Which decoder and which encoder: one table each, and the reason for the choice.

A row that was never run on its hardware has a `note` and is used only when chosen by name.
"""
from typing import Callable, Dict, NamedTuple, Optional

from edge_app.gst.binding import ElementMissing, Gst, GstVideo, caps_filter, has_element, make, set_if_present

BYTE_STREAM = {codec: 'video/x-%s,stream-format=byte-stream,alignment=au' % codec for codec in ('h264', 'h265')}
"""Caps of one whole access unit per buffer, with start codes: what every decoder of the table takes."""

NVMM_I420 = 'video/x-raw(memory:NVMM),format=I420'

VIDEOSCALE = ('videoscale', {'add_borders': False})
"""No borders: the size is rounded to whole rows of memory, so the aspect is off by a pixel or two."""


class Decoder(NamedTuple):
    """A way from an encoded access unit to a small picture in system memory."""

    name: str
    elements: Dict[str, tuple]
    """{codec: (element, properties)}; codecs are h264, h265, jpeg, raw."""
    scaler: tuple
    """(element, properties) that scales and hands out system memory."""
    formats: Optional[tuple] = ('I420',)
    """Formats of the decoder that the scaler turns into I420 by itself; None is all of them."""
    note: str = ''

    def make(self, codec):
        """(decoder, scaler), new and not linked."""
        element, properties = self.elements[codec]
        decoder = make(element)
        set_if_present(decoder, **properties)
        return decoder, make(self.scaler[0], **self.scaler[1])


DECODERS = (
    Decoder('jetson', {'h264': ('nvv4l2decoder', {'enable_max_performance': True}),
                       'h265': ('nvv4l2decoder', {'enable_max_performance': True})},
            ('nvvidconv', {'interpolation_method': 1, 'output_buffers': 8}), formats=None),
    Decoder('nvidia', {'h264': ('nvh264dec', {}), 'h265': ('nvh265dec', {})}, VIDEOSCALE, note='untested'),
    Decoder('vaapi', {'h264': ('vaapih264dec', {}), 'h265': ('vaapih265dec', {})}, VIDEOSCALE,
            note='untested'),
    Decoder('software', {'h264': ('avdec_h264', {'max_threads': 1}), 'h265': ('avdec_h265', {'max_threads': 1}),
                         'jpeg': ('jpegdec', {}), 'raw': ('videoconvert', {})}, VIDEOSCALE),
    Decoder('openh264', {'h264': ('openh264dec', {})}, VIDEOSCALE),
)


class Encoder(NamedTuple):
    """A way from I420 in system memory to H.264."""

    name: str
    element: str
    settings: Callable
    """settings(bitrate_kbit, gop) -> properties; those an older element has not are left out."""
    before: tuple = ()
    """Elements in front: (element, properties) or the text of a capsfilter."""
    after: tuple = ()
    """Elements behind, likewise."""
    note: str = ''

    def elements(self):
        """Names of the elements that must be there."""
        return [part[0] for part in self.before + self.after if isinstance(part, tuple)] + [self.element]

    def make(self, bitrate_kbit, gop):
        """([elements] in order, the encoder among them), new and not linked; `gop`: frames between key frames."""
        front, back = [[caps_filter(part) if isinstance(part, str) else make(part[0], **part[1]) for part in parts]
                       for parts in (self.before, self.after)]
        encoder = make(self.element)
        set_if_present(encoder, **self.settings(bitrate_kbit, gop))
        return front + [encoder] + back, encoder


ENCODERS = (
    Encoder('jetson', 'nvv4l2h264enc', lambda kbit, gop: {
        'bitrate': kbit * 1000, 'control_rate': 1, 'iframeinterval': gop, 'idrinterval': gop, 'insert_sps_pps': True,
        'insert_vui': True, 'preset_level': 1, 'maxperf_enable': True, 'profile': 4, 'poc_type': 2},
        # What the encoder says of its units is not known on every release; the parser looks for itself.
        before=(('nvvidconv', {}), NVMM_I420), after=(('h264parse', {'config_interval': -1}),)),
    Encoder('nvidia', 'nvh264enc', lambda kbit, gop: {
        'bitrate': kbit, 'gop_size': gop, 'preset': 'low-latency-hq', 'zerolatency': True}, note='untested'),
    Encoder('vaapi', 'vaapih264enc', lambda kbit, gop: {'bitrate': kbit, 'keyframe_period': gop}, note='untested'),
    Encoder('software', 'x264enc', lambda kbit, gop: {
        'bitrate': kbit, 'key_int_max': gop, 'speed_preset': 'ultrafast', 'tune': 'zerolatency', 'bframes': 0,
        'threads': 1, 'vbv_buf_capacity': 500}),
    Encoder('openh264', 'openh264enc', lambda kbit, gop: {
        'bitrate': kbit * 1000, 'gop_size': gop, 'complexity': 'low', 'rate_control': 'bitrate'}),
)


def _choose(rows, needed, asked, what):
    """(row, why): the row chosen by name, or the first proven one whose elements are all installed."""
    tried = []
    for row in rows:
        if asked not in ('auto', row.name):
            continue
        missing = [element for element in needed(row) if not has_element(element)]
        if not missing and (asked == row.name or not row.note):
            return row, ('asked for' if asked == row.name else 'the first that this machine has') + (
                '; %s' % row.note if row.note else '')
        tried.append('%s: %s' % (row.name, 'missing ' + ', '.join(missing) if missing else row.note))
    known = ', '.join(row.name for row in rows)
    raise ElementMissing('no %s for %s (%s); known: auto, %s' % (what, asked, '; '.join(tried) or 'no such row', known))


def choose_decoder(codec, asked='auto'):
    """(Decoder, why) for 'h264', 'h265', 'jpeg' or 'raw'; ElementMissing names what is not installed."""
    def needed(row):
        return [row.elements[codec][0], row.scaler[0]]
    return _choose([row for row in DECODERS if codec in row.elements], needed, asked, codec + ' decoder')


def choose_encoder(asked='auto'):
    """(Encoder, why) for H.264."""
    return _choose(ENCODERS, Encoder.elements, asked, 'h264 encoder')


def force_key_frame(encoder, running_ns=Gst.CLOCK_TIME_NONE):
    """Make the next picture a key frame, or the first from this running time on.

    By event, and by nvv4l2h264enc's own signal (for the next one) where there is one.
    """
    event = GstVideo.video_event_new_upstream_force_key_unit(running_ns, True, 0)
    encoder.get_static_pad('src').send_event(event)
    if encoder.get_factory().get_name() == 'nvv4l2h264enc':
        encoder.emit('force-IDR')
