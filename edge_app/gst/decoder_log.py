"""Detects damage that software decoders report only in GStreamer's debug log.

FFmpeg's decoders conceal damage and return the picture as if it were intact. Their messages pass through the debug
category `libav`, on the decoding thread, before the picture comes out.
"""
import ctypes
import os
import threading

from edge_app.gst.binding import Gst  # noqa: F401  (initialised first)

CATEGORY = b'libav'
INFO = 4
"""GST_LEVEL_INFO; FFmpeg's warnings come at this level too."""
DAMAGE = (b'concealing', b'error while decoding', b'Frame num gap', b'issing reference picture',
          b'decode_slice_header error', b'Could not find ref with POC', b'CABAC_MAX_BIN', b'outside the valid range',
          b'PPS id out of range', b'non-existing PPS')
"""Words of FFmpeg 3.4 to 6 (h264dec, h264_slice, h264_refs, error_resilience, hevcdec, hevc_refs) that mean a wrong
picture. Everything else is ignored: many cameras send extra data that FFmpeg warns about, with `no frame!` for a unit
that holds nothing else."""

_core = ctypes.CDLL('libgstreamer-1.0.so.0')
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
                             ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
"""GstLogFunction: category, level, file, function, line, object, message, user data."""
for _name, _takes, _gives in (
        ('gst_debug_add_log_function', (_LISTENER, ctypes.c_void_p, ctypes.c_void_p), None),
        ('gst_debug_remove_log_function', (ctypes.c_void_p,), ctypes.c_uint),
        ('gst_debug_set_threshold_for_name', (ctypes.c_char_p, ctypes.c_int), None),
        ('gst_debug_category_get_name', (ctypes.c_void_p,), ctypes.c_char_p),
        ('gst_debug_message_get', (ctypes.c_void_p,), ctypes.c_char_p)):
    getattr(_core, _name).argtypes, getattr(_core, _name).restype = _takes, _gives

_counts = {}


def _on_message(category, level, file, function, line, thing, message, data):
    if _core.gst_debug_category_get_name(category) != CATEGORY:
        return
    text = _core.gst_debug_message_get(message) or b''
    if any(words in text for words in DAMAGE):
        thread = threading.get_ident()
        _counts[thread] = _counts.get(thread, 0) + 1


_listener = _LISTENER(_on_message)
_listening = []


def _listen():
    """Subscribe to the decoders' messages, once per process. They are printed only if GST_DEBUG is set."""
    if _listening:
        return
    _listening.append(True)
    if not os.environ.get('GST_DEBUG'):
        # Remove the function that prints, or every damaged unit would be a line on stderr.
        _core.gst_debug_remove_log_function(ctypes.cast(_core.gst_debug_log_default, ctypes.c_void_p))
    _core.gst_debug_set_threshold_for_name(CATEGORY, INFO)
    _core.gst_debug_add_log_function(_listener, None, None)


class DecoderLog:
    """Tells whether a decoder on the calling thread has reported damage since the last call on that thread."""

    def __init__(self):
        _listen()
        self._before = dict(_counts)

    def complained(self):
        thread = threading.get_ident()
        count, before = _counts.get(thread, 0), self._before.get(thread, 0)
        self._before[thread] = count
        return count != before
