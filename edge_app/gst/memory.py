"""Bytes out of GStreamer: one copy from a buffer to an address, and the layout of a picture in its buffer.

PyGObject wraps GstBuffer, GstEvent... as boxed values whose hash() is the C pointer (tested with 3.26 to 3.50), so
gst_buffer_extract can be called without an intermediate `bytes`. It is checked once on a buffer of known content; where
it fails, PyGObject's own copy is used and a warning logged.
"""
import ctypes
import logging

from edge_app.gst.binding import GLib, Gst, GstVideo

log = logging.getLogger(__name__)

_core = ctypes.CDLL('libgstreamer-1.0.so.0')
_core.gst_buffer_extract.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
_core.gst_buffer_extract.restype = ctypes.c_size_t
_core.gst_mini_object_unref.argtypes = [ctypes.c_void_p]
_core.gst_mini_object_unref.restype = None


def _extract(buffer, offset, address, size):
    return _core.gst_buffer_extract(hash(buffer), offset, address, size)


def _extract_slowly(buffer, offset, address, size):
    copied = buffer.extract_dup(offset, min(size, max(0, buffer.get_size() - offset)))
    ctypes.memmove(address, copied, len(copied))
    return len(copied)


def hash_is_pointer(boxed):
    """Whether hash() of this object is its C pointer, by what its repr says: ``(GstBuffer at 0x55abadd9a000)``."""
    return ('at 0x%x)' % hash(boxed)) in repr(boxed)


def choose_copy():
    """(function, why) that copies from a buffer: checked on a buffer of known content before it is trusted."""
    known = Gst.Buffer.new_wrapped(bytes(bytearray(range(64))))
    if not hash_is_pointer(known):
        return _extract_slowly, 'PyGObject does not show the address of a buffer'
    space = ctypes.create_string_buffer(64)
    if _extract(known, 4, ctypes.addressof(space), 64) != 60 or space.raw[:60] != bytes(bytearray(range(4, 64))):
        return _extract_slowly, 'a buffer of known content came out changed'
    return _extract, 'gst_buffer_extract straight to the address'


_copy, COPY_WHY = choose_copy()
if _copy is _extract_slowly:
    log.warning('every frame is copied twice: %s', COPY_WHY)


def copy_buffer(buffer, address, size, offset=0):
    """Copy at most `size` bytes of a Gst.Buffer, from `offset` on, to a memory address; -> bytes copied."""
    return _copy(buffer, offset, address, size)


def buffer_of(content):
    """A new Gst.Buffer that holds these bytes."""
    if hasattr(Gst.Buffer, 'new_wrapped_bytes'):  # since 1.16; one copy less
        return Gst.Buffer.new_wrapped_bytes(GLib.Bytes.new(content))
    return Gst.Buffer.new_wrapped(content)


def drop_event(event):
    """What a pad probe returns to drop an event.

    HANDLED means that the probe has taken the reference, hence the unref. DROP, used only where the pointer is not
    known, leaves a sticky event pending, which is sent again with every buffer.
    """
    if not hash_is_pointer(event):
        return Gst.PadProbeReturn.DROP
    _core.gst_mini_object_unref(hash(event))
    return Gst.PadProbeReturn.HANDLED


def video_info(caps):
    """GstVideo.VideoInfo of raw video caps; its constructor differs before and after GStreamer 1.20."""
    if hasattr(GstVideo.VideoInfo, 'new_from_caps'):
        return GstVideo.VideoInfo.new_from_caps(caps)
    info = GstVideo.VideoInfo()
    info.from_caps(caps)
    return info


def plane_layout(buffer, info):
    """[(offset, stride)] in bytes of every plane, from the buffer's own meta where it has one."""
    layout = GstVideo.buffer_get_video_meta(buffer) or info
    planes = info.finfo.n_planes
    return list(zip(list(layout.offset)[:planes], list(layout.stride)[:planes]))


def luma(sample):
    """A copy of the luma plane of a sample of planar video: uint8 [height, width], without padding."""
    import numpy as np  # 8 MB, for viewers only: no camera's process comes here
    buffer, caps = sample.get_buffer(), sample.get_caps()
    width, height = size_in(caps.get_structure(0))
    offset, stride = plane_layout(buffer, video_info(caps))[0]
    plane = np.zeros(height * stride, np.uint8)   # the last row may end at its last pixel
    filled = np.frombuffer(buffer.extract_dup(offset, plane.nbytes), np.uint8)
    plane[:len(filled)] = filled
    return plane.reshape(height, stride)[:, :width]


def size_in(structure):
    """(width, height) of a caps structure, None while it has none."""
    has_width, width = structure.get_int('width')
    has_height, height = structure.get_int('height')
    return (width, height) if has_width and has_height else None
