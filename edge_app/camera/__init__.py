"""Cameras: a URI's scheme says which backend delivers its frames."""
from edge_app import schemes
from edge_app.camera.source import FrameSource, SourceChanged, SourceEnded, SourceGrown
from edge_app.errors import SourceRefused


def source_class(uri):
    """The FrameSource class for a URI, its module imported only now; SourceRefused for an unknown scheme."""
    scheme = uri.partition(':')[0].lower()
    if scheme not in schemes.CAMERAS:
        known = ', '.join(sorted(schemes.CAMERAS))
        raise SourceRefused('no camera backend for scheme %r; known: %s' % (scheme[:20], known))
    return schemes.load(schemes.CAMERAS[scheme].target)


def make_source(camera, ring, totals, packets=None):
    """A new FrameSource for `camera` (config Camera), not open yet."""
    return source_class(camera.uri)(camera, ring, totals, packets)


__all__ = ['FrameSource', 'SourceChanged', 'SourceEnded', 'SourceGrown', 'make_source', 'source_class']
