"""The capture worker with a TX2's decoder and scaler played by others, faults included.

`nvv4l2decoder` takes byte-stream access units only, hands out NV12, and waits for ever at a second CAPS event when the
first had a width (R32.7, gst_v4l2_video_dec_set_format). Device memory is not imitated.
"""
import threading

from edge_app.gst import Gst, codecs
from edge_app.workers.capture import main

__all__ = ['main']

PARTS = {
    'nvv4l2decoder': 'capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au ! avdec_h264 max-threads=1'
                     ' ! videoconvert ! capsfilter caps=video/x-raw,format=NV12',
    'nvvidconv': 'videoscale ! videoconvert',
}
_make, _has_element = codecs.make, codecs.has_element


class Wedge:
    """Probe on the decoder's entrance."""

    def __init__(self):
        self.had_width = False

    def __call__(self, pad, probe):
        event = probe.get_event()
        if event.type == Gst.EventType.CAPS:
            if self.had_width:
                threading.Event().wait()
            self.had_width = event.parse_caps().get_structure(0).has_field('width')
        return Gst.PadProbeReturn.OK


def make(element, name=None, **properties):
    if element not in PARTS:
        return _make(element, name, **properties)
    played = Gst.parse_bin_from_description(PARTS[element], True)
    if element == 'nvv4l2decoder':
        played.get_static_pad('sink').add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, Wedge())
    return played


def has_element(element):
    return element in PARTS or _has_element(element)


codecs.make, codecs.has_element = make, has_element
