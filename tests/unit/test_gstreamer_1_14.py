"""The program uses no element, property or function that GStreamer 1.14.5 has not, the one of a Jetson TX2.

That GStreamer cannot be installed here, so what it has is written down. Source: the sources of gst-plugins-base,
-good, -bad, -ugly and gst-libav at 1.14, and the reference on gstreamer.freedesktop.org, which says `Since` for what
came later. What is not here has not been looked up: a new use fails until somebody has done it.
"""
import ast

import pytest

from edge_app import gst

from tests.standins.gst_jetson import jetson_boards
from tests.support import gstreamer_use, sources

HAS = {
    # element: properties
    'appsink': 'caps drop emit-signals eos max-buffers sync ts-offset wait-on-eos',
    'appsrc': 'block caps current-level-bytes do-timestamp emit-signals format is-live max-bytes',
    'capsfilter': 'caps',
    'fakesink': 'async sync',
    'filesink': 'location sync',
    'filesrc': 'location',
    'h264parse': 'config-interval',
    'h265parse': 'config-interval',
    'identity': 'signal-handoffs',
    'jpegdec': '',
    'jpegenc': 'quality',
    'jpegparse': '',
    'matroskamux': 'streamable',
    'mp4mux': 'fragment-duration',
    'mpegtsmux': '',
    'parsebin': '',
    'pngenc': 'compression-level',
    'qtdemux': '',
    'queue': '',
    'rtmpsrc': 'blocksize location',
    'rtpbin': 'rtcp-sync-send-time',
    'rtph264depay': '',
    'rtph264pay': 'config-interval pt',
    'rtph265depay': '',
    'rtph265pay': 'config-interval pt',
    'rtpjpegdepay': '',
    'rtspsrc': 'do-retransmission do-rtsp-keep-alive drop-on-latency latency location protocols tcp-timeout '
               'tls-database tls-validation-flags user-id user-pw',
    'souphttpsrc': 'location proxy retries timeout user-id user-pw',
    'tee': '',
    'v4l2src': 'device',
    'valve': 'drop',
    'videoconvert': '',
    'videoflip': 'method',
    'videoscale': 'add-borders',
    # from libav, ugly and bad; which of them there is decides the row of the table of codecs
    'avdec_h264': 'max-threads',
    'avdec_h265': 'max-threads',
    'openh264dec': '',
    'openh264enc': 'bitrate complexity gop-size rate-control',
    'x264enc': 'bframes bitrate key-int-max speed-preset threads tune vbv-buf-capacity',
    'x265enc': 'bitrate option-string speed-preset tune',
}
NEWER = {
    # property: since; only where it may be absent
    'teardown-timeout': '1.16 (rtspsrc)',
    'timeout': 'rtmpsrc: not looked up for 1.14',
}
ON_A_JETSON = {name: set(row[0]) for name, row in jetson_boards.BOARDS['tx2'].items()}
"""NVIDIA's own elements, from its sources for L4T R32.7."""


def has(element=None):
    """Properties of an element in 1.14.5, or of any."""
    if element in ON_A_JETSON:
        return ON_A_JETSON[element]
    return set(HAS[element].split()) if element else set(' '.join(HAS.values()).split()).union(*ON_A_JETSON.values())


def problems(elements, strict, soft, unread):
    """Sentences about what a Jetson TX2 would not do."""
    found = list(unread)
    known = set(HAS) | set(ON_A_JETSON)
    found += ['%s: no element %s in the table' % (use.where, use.element)
              for use in elements if use.element not in known]
    for use in strict:
        if use.element in known and use.name not in has(use.element) or use.name not in has():
            found.append('%s: property %s of %s is not in the table; is it in 1.14? else set it if present'
                         % (use.where, use.name, use.element or 'something'))
    for use in soft:
        if use.name not in has() | set(NEWER):
            found.append('%s: property %s is of no element in the table, nor is it said since when'
                         % (use.where, use.name))
    return found


@pytest.fixture(scope='module')
def used():
    return gstreamer_use.used()


def test_nothing_newer_is_used(used):
    assert problems(*used) == []


def test_what_is_used_is_really_seen(used):
    """The reader of sources sees the calls, the texts and the tables."""
    elements, strict, soft, _ = used
    seen = {use.element for use in elements}
    assert {'rtspsrc', 'appsink', 'nvv4l2decoder', 'nvvidconv', 'nvv4l2h264enc', 'h264parse', 'rtph264pay', 'x264enc',
            'mp4mux', 'pngenc', 'souphttpsrc', 'v4l2src', 'rtph265depay'} <= seen
    assert {('rtspsrc', 'tcp-timeout'), ('appsink', 'wait-on-eos'), ('rtph264pay', 'config-interval'),
            ('matroskamux', 'streamable'), ('nvvidconv', 'interpolation-method')} <= {use[1:] for use in strict}
    assert {'teardown-timeout', 'idrinterval', 'drop-frame-interval', 'skip-frames'} <= {use.name for use in soft}


@pytest.mark.parametrize('source, said', [
    ("gst.make('rtspsrc', teardown_timeout=1)", 'teardown-timeout'),
    ("gst.make('appsrc', leaky_type=1)", 'leaky-type'),
    ("gst.make('clocksync')", 'clocksync'),
    ("gst.make(whatever)", 'no table'),
    ("gst.set_if_present(x, bitrat=1)", 'bitrat'),
    ("x.set_property('is-live-too', True)", 'is-live-too'),
    ("LAUNCH = '( appsrc name=feed handle-segment-change=true ! h264parse )'", 'handle-segment-change'),
    ("PAYLOAD = ' ! rtph264pay2 pt=96 )'", 'rtph264pay2'),
    ("Gst.parse_launch('a ! b')", 'parse_launch')])
def test_what_is_newer_or_unknown_is_found(source, said):
    reader = gstreamer_use.read('edge_app.planted', ast.parse(source))
    found = problems(reader.elements, reader.strict, reader.soft, reader.unread)
    assert found and any(said in sentence for sentence in found)


BEHIND_A_QUESTION = {'edge_app.gst.memory': ('new_wrapped_bytes', 'new_from_caps')}
"""Module: newer names it uses only where hasattr has found them."""


def test_no_function_is_newer():
    since = gstreamer_use.names_since()
    found = [one for module, tree in sorted(sources.modules().items())
             for one in gstreamer_use.newer_names(module, tree, since)
             if not any(': %s (' % name in one for name in BEHIND_A_QUESTION.get(module, ()))]
    assert found == []


def test_a_newer_function_is_found():
    since = gstreamer_use.names_since()
    tree = ast.parse('from edge_app import gst\ngst.Gst.Buffer.new_wrapped_bytes(x)\nelement.request_pad_simple("a")')
    tree.package = 'edge_app'
    assert gstreamer_use.newer_names('edge_app.planted', tree, since) == [
        'edge_app.planted:2: new_wrapped_bytes (1.16)', 'edge_app.planted:3: request_pad_simple (1.20)']
    assert 'new_wrapped' not in since and 'get_static_pad' not in since


@pytest.mark.parametrize('element', sorted(HAS))
def test_later_versions_still_have_it(element):
    """Against the GStreamer that is here: no slip of the pen in the table, nothing that has been removed since."""
    if not gst.has_element(element):
        assert element in ('openh264dec', 'openh264enc', 'rtmpsrc'), 'install what brings %s' % element
        return
    made = gst.make(element)
    assert [name for name in HAS[element].split() if made.find_property(name) is None] == []
