"""GStreamer: gi imported once, elements made strictly by name, tables of decoders and encoders, copying of buffers."""
from edge_app.gst.binding import (ElementMissing, Gio, GLib, GObject, Gst, GstApp, GstRtsp, GstRtspServer, GstVideo,
                                  add_and_link, caps_filter, has_element, make, set_if_present, set_strictly, version)
from edge_app.gst.codecs import (BYTE_STREAM, DECODERS, ENCODERS, Decoder, Encoder, choose_decoder, choose_encoder,
                                 force_key_frame)
from edge_app.gst.memory import COPY_WHY, buffer_of, copy_buffer, drop_event, luma, plane_layout, size_in, video_info
from edge_app.gst.threads import end_idle_threads, keep_thread_state

__all__ = [
    'BYTE_STREAM', 'COPY_WHY', 'DECODERS', 'Decoder', 'ENCODERS', 'ElementMissing', 'Encoder', 'GLib', 'GObject', 'Gio',
    'Gst', 'GstApp', 'GstRtsp', 'GstRtspServer', 'GstVideo', 'add_and_link', 'buffer_of', 'caps_filter',
    'choose_decoder', 'choose_encoder', 'copy_buffer', 'drop_event', 'end_idle_threads',
    'force_key_frame', 'has_element', 'keep_thread_state', 'luma', 'make', 'plane_layout', 'set_if_present',
    'set_strictly', 'size_in', 'version', 'video_info']
