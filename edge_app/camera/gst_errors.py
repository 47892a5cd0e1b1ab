"""What a GStreamer error means for a camera: lost (retry soon) or refused (retry slowly), and why."""
from edge_app import gst
from edge_app.errors import SourceLost, SourceRefused

Gst = gst.Gst
STATUS_WORDS = {401: 'wrong user or password', 403: 'not allowed for this user', 404: 'no such path on the camera',
                461: 'the camera does not offer this transport'}
BUSY_STATUS = (408, 453, 503)
"""Timeout, not enough bandwidth, unavailable: the camera is busy, not unwilling."""

WORDS = {
    ('gst-resource-error-quark', 'OPEN_READ'): 'it cannot be opened',
    ('gst-resource-error-quark', 'OPEN_READ_WRITE'): 'nothing answers at its address',
    ('gst-resource-error-quark', 'READ'): 'the connection broke',
    ('gst-resource-error-quark', 'WRITE'): 'the connection broke',
    ('gst-resource-error-quark', 'BUSY'): 'another program uses it',
    ('gst-resource-error-quark', 'NOT_FOUND'): 'not found',
    ('gst-resource-error-quark', 'NOT_AUTHORIZED'): STATUS_WORDS[401],
    ('gst-stream-error-quark', 'TYPE_NOT_FOUND'): 'it is no video that can be recognised',
    ('gst-stream-error-quark', 'WRONG_TYPE'): 'it is no video',
    ('gst-stream-error-quark', 'CODEC_NOT_FOUND'): 'its codec cannot be read: use H.264, H.265 or MJPEG',
    ('gst-stream-error-quark', 'DECODE'): 'its pictures cannot be decoded',
    ('gst-stream-error-quark', 'DEMUX'): 'its container is damaged',
    ('gst-stream-error-quark', 'FORMAT'): 'its format cannot be read',
    ('gst-stream-error-quark', 'FAILED'): 'its stream cannot be read',
}
"""(domain, name of the code): what a user can make of it; GStreamer's own message follows where it says more."""
CLASSES = {'gst-resource-error-quark': Gst.ResourceError, 'gst-stream-error-quark': Gst.StreamError,
           'gst-core-error-quark': Gst.CoreError}
REFUSALS = {
    'gst-resource-error-quark': ('NOT_AUTHORIZED', 'SETTINGS'),
    'gst-stream-error-quark': ('WRONG_TYPE', 'FORMAT', 'CODEC_NOT_FOUND', 'TYPE_NOT_FOUND'),
    'gst-core-error-quark': ('MISSING_PLUGIN',),
}
"""Names of errors that a retry soon would not change."""


def status_error(status, reason):
    """SourceLost or SourceRefused for a status of RTSP or HTTP other than success; `reason`: the camera's own words."""
    words = '%s (%d)' % (STATUS_WORDS.get(status, reason or 'no reason given'), status)
    return (SourceRefused if 400 <= status < 500 and status not in BUSY_STATUS else SourceLost)(words)


def source_error(message, scheme):
    """SourceLost or SourceRefused for a bus ERROR of a camera with this scheme.

    GStreamer's debug text (file, line) is left out; its message is shown only where there are no words for it.
    """
    error, _ = message.parse_error()
    codes = CLASSES.get(error.domain)
    name = next((name for name in dir(codes) if name.isupper() and int(getattr(codes, name)) == error.code), '')
    words = WORDS.get((error.domain, name), 'GStreamer reports: ' + error.message)
    refused = name in REFUSALS.get(error.domain, ()) or (name == 'NOT_FOUND' and scheme == 'file')
    return (SourceRefused if refused else SourceLost)(words)


def transport_refused(message, transport):
    """SourceRefused if a bus ERROR of a camera that offers video means it takes none of our transports, else None.

    rtspsrc tries those that `transport` allows one after the other and does not report the last refusal.
    """
    error = message.parse_error()[0]
    if not error.matches(Gst.StreamError.quark(), Gst.StreamError.CODEC_NOT_FOUND):
        return None
    other = {'tcp': 'udp', 'udp': 'tcp'}.get(transport)
    return SourceRefused('%s (461): %s' % (
        STATUS_WORDS[461], 'set `transport: %s`' % other if other else 'it takes neither UDP nor TCP'))
