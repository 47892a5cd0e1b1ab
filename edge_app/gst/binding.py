"""The only module that imports gi: GStreamer, initialised once, and elements made by name.

No gst-python overrides are needed; where a distribution has them they change nothing here.
"""
import contextlib
import ctypes
import importlib

from edge_app.errors import EXIT_FINAL, OutputError, SourceError

INSTALL = ('apt-get install python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base '
           'gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav '
           '(in a virtual environment: pip install PyGObject)')


class ElementMissing(SourceError, OutputError):
    """A GStreamer element, property or library is not on this machine: starting again will not help."""

    exit_code = EXIT_FINAL


with contextlib.suppress(OSError):
    # Before GStreamer: it loads libunwind globally, which has some of libgcc's functions. C++ code that finds half of
    # them there and half in libgcc ends the process at its first exception; libproxy, which GStreamer 1.18 asks before
    # every connection, does so.
    ctypes.CDLL('libgcc_s.so.1', mode=ctypes.RTLD_GLOBAL)


def _namespace(name, hint=INSTALL):
    try:
        import gi
        gi.require_version(name, '1.0')
        return importlib.import_module('gi.repository.' + name)
    except (ImportError, ValueError) as error:
        raise ElementMissing('GStreamer from Python is not complete (%s): %s' % (error, hint))


class LazyNamespace:
    """A gi namespace loaded at its first use, so that it costs other processes no memory."""

    def __init__(self, name, hint):
        self._name = name
        self._hint = hint

    def __getattr__(self, attribute):
        value = getattr(_namespace(self._name, self._hint), attribute)
        setattr(self, attribute, value)
        return value


Gst = _namespace('Gst')
GstVideo = _namespace('GstVideo')
GstApp = _namespace('GstApp')
GLib = importlib.import_module('gi.repository.GLib')
Gio = importlib.import_module('gi.repository.Gio')
GObject = importlib.import_module('gi.repository.GObject')
GstRtsp = LazyNamespace('GstRtsp', 'apt-get install gir1.2-gst-plugins-base-1.0')
GstRtspServer = LazyNamespace('GstRtspServer', 'apt-get install gir1.2-gst-rtsp-server-1.0')

Gst.init(None)

PACKAGES = (
    (('rtsp', 'rtp', 'qtdemux', 'matroska', 'v4l2', 'souphttp', 'jpegdec', 'udp'), 'gstreamer1.0-plugins-good'),
    (('h264parse', 'h265parse', 'jpegparse', 'openh264', 'rtmp', 'mpegts', 'tsdemux', 'nvh26'),
     'gstreamer1.0-plugins-bad'),
    (('avdec', 'avenc'), 'gstreamer1.0-libav'),
    (('x264enc',), 'gstreamer1.0-plugins-ugly'),
    (('nvv4l2', 'nvvidconv'), 'nvidia-l4t-gstreamer (a Jetson)'),
    (('vaapi',), 'gstreamer1.0-vaapi'),
)


def package_of(element):
    """Debian package that brings an element."""
    for beginnings, package in PACKAGES:
        if element.startswith(beginnings):
            return package
    return 'gstreamer1.0-plugins-base'


def has_element(element):
    return Gst.ElementFactory.find(element) is not None


def make(element, name=None, **properties):
    """A new element with its properties set (`max_buffers=1` is ``max-buffers``; an enumeration takes its nick).

    Strict: an unknown element or property, or a value out of range, is ElementMissing, OutputError or SourceError
    (ElementMissing is all three), never a mere warning on a terminal.
    """
    made = Gst.ElementFactory.make(element, name)
    if made is None:
        raise ElementMissing('GStreamer element %r is missing: apt-get install %s' % (element, package_of(element)))
    for key, value in properties.items():
        set_strictly(made, key.replace('_', '-'), value)
    return made


def set_strictly(element, key, value):
    """Set one property; ElementMissing when the element lacks it or refuses the value (which is never shown)."""
    kind = element.get_factory().get_name()
    spec = element.find_property(key)
    if spec is None:
        raise ElementMissing('element %s has no property %r in GStreamer %s' % (kind, key, version()))
    low, high = getattr(spec, 'minimum', None), getattr(spec, 'maximum', None)
    if low is not None and isinstance(value, (int, float)) and not low <= value <= high:
        raise ElementMissing('property %s of %s must be between %s and %s' % (key, kind, low, high))
    try:
        element.set_property(key, value)
    except (TypeError, ValueError):
        if not (isinstance(value, str) and _set_nick(element, key, value)):
            raise ElementMissing('property %s of %s does not take this %s' % (key, kind, type(value).__name__))


def _set_nick(element, key, nick):
    """Set an enumeration by its nick where PyGObject does not (GstFormat with 3.42); False when it has no such."""
    Gst.util_set_object_arg(element, key, nick)
    return getattr(element.get_property(key), 'value_nick', None) == nick


def set_if_present(element, **properties):
    """Set the properties the element has; -> the names of those it lacks."""
    absent = []
    for key, value in properties.items():
        dashed = key.replace('_', '-')
        if element.find_property(dashed) is None:
            absent.append(dashed)
        else:
            set_strictly(element, dashed, value)
    return absent


def caps_filter(text):
    """A capsfilter; `text` is a constant, apart from whole numbers filled in."""
    return make('capsfilter', caps=Gst.Caps.from_string(text))


def add_and_link(container, *elements):
    """Add elements without a bin to `container` and link all in order; SourceError names two that do not fit."""
    for element in elements:
        if element.get_parent() is None:
            container.add(element)
    for left, right in zip(elements, elements[1:]):
        if not left.link(right):
            raise SourceError('GStreamer cannot link %s to %s' % (left.get_name(), right.get_name()))


def version():
    """Version of the GStreamer library, like '1.22.0'."""
    return '.'.join(str(part) for part in Gst.version()[:3])
