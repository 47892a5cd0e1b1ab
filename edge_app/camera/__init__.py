"""Cameras: a URI's scheme says which backend delivers its frames."""
import importlib

from edge_app.camera.source import FrameSource, SourceChanged, SourceEnded, SourceGrown
from edge_app.errors import SourceRefused

BACKENDS = {
    'rtsp': 'edge_app.camera.gstreamer:GStreamerSource',
    'rtsps': 'edge_app.camera.gstreamer:GStreamerSource',
    'rtmp': 'edge_app.camera.gstreamer:GStreamerSource',
    'http': 'edge_app.camera.gstreamer:GStreamerSource',
    'https': 'edge_app.camera.gstreamer:GStreamerSource',
    'file': 'edge_app.camera.gstreamer:GStreamerSource',
    'v4l2': 'edge_app.camera.gstreamer:GStreamerSource',
    'test': 'edge_app.camera.synthetic:SyntheticSource',
}


def source_class(uri):
    """The FrameSource class for a URI, its module imported only now; SourceRefused for an unknown scheme."""
    scheme = uri.partition(':')[0].lower()
    if scheme not in BACKENDS:
        raise SourceRefused('no camera backend for scheme %r; known: %s' % (scheme[:20], ', '.join(sorted(BACKENDS))))
    module, name = BACKENDS[scheme].split(':')
    return getattr(importlib.import_module(module), name)


def make_source(camera, ring, tally, packets=None):
    """A new session with `camera` (config Camera), not open yet."""
    return source_class(camera.uri)(camera, ring, tally, packets)


__all__ = ['BACKENDS', 'FrameSource', 'SourceChanged', 'SourceEnded', 'SourceGrown', 'make_source', 'source_class']
