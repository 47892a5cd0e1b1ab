"""What a GStreamer error means for a camera: lost (retry soon) or refused (retry slowly), in words of the field."""
from edge_app import gst
from edge_app.errors import SourceLost, SourceRefused

Gst = gst.Gst
STATUS_WORDS = {401: 'wrong user or password', 403: 'not allowed for this user', 404: 'no such path on the camera',
                461: 'the camera does not offer this transport'}
BUSY_STATUS = (408, 453, 503)
"""Timeout, not enough bandwidth, unavailable: the camera is busy, not unwilling."""


def _codes(error_class, names):
    return {int(getattr(error_class, name)) for name in names if hasattr(error_class, name)}


REFUSALS = {
    'gst-resource-error-quark': _codes(Gst.ResourceError, ('NOT_AUTHORIZED', 'NOT_FOUND', 'SETTINGS')),
    'gst-stream-error-quark': _codes(Gst.StreamError, ('WRONG_TYPE', 'FORMAT', 'CODEC_NOT_FOUND', 'TYPE_NOT_FOUND')),
    'gst-core-error-quark': _codes(Gst.CoreError, ('MISSING_PLUGIN',)),
}
"""Codes by which an element says that asking again soon would change nothing."""


def rtsp_status(message):
    """RTSP or HTTP status code an error message carries, 0 when none."""
    details = message.parse_error_details() if hasattr(message, 'parse_error_details') else None
    if details is None:
        return 0
    for name in ('rtsp-status-code', 'http-status-code'):
        known, code = details.get_uint(name)
        if known:
            return code
    return 0


def trouble_of(message):
    """SourceLost or SourceRefused for a bus ERROR. Texts for programmers (file, line, function) stay out."""
    error, _ = message.parse_error()
    status = rtsp_status(message)
    if status:
        words = '%s (%d)' % (STATUS_WORDS.get(status, error.message), status)
        refused = 400 <= status < 500 and status not in BUSY_STATUS
    else:
        words = error.message
        refused = error.code in REFUSALS.get(error.domain, ())
        if error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_AUTHORIZED):
            words = STATUS_WORDS[401]
    return (SourceRefused if refused else SourceLost)(words)
