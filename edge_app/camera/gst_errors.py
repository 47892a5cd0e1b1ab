"""What a GStreamer error means for a camera: lost (retry soon) or refused (retry slowly), and why."""
from edge_app import gst
from edge_app.errors import SourceLost, SourceRefused

Gst = gst.Gst
STATUS_WORDS = {401: 'wrong user or password', 403: 'not allowed for this user', 404: 'no such path on the camera',
                461: 'the camera does not offer this transport'}
BUSY_STATUS = (408, 453, 503)
"""Timeout, not enough bandwidth, unavailable: the camera is busy, not unwilling."""

RESOURCE_WORDS = {
    int(Gst.ResourceError.OPEN_READ_WRITE): 'nothing answers at its address',
    int(Gst.ResourceError.NOT_AUTHORIZED): STATUS_WORDS[401],
    int(Gst.ResourceError.NOT_FOUND): 'not found',
}
"""Clearer than GStreamer's own messages."""


def _codes(error_class, names):
    return {int(getattr(error_class, name)) for name in names if hasattr(error_class, name)}


REFUSALS = {
    'gst-resource-error-quark': _codes(Gst.ResourceError, ('NOT_AUTHORIZED', 'SETTINGS')),
    'gst-stream-error-quark': _codes(Gst.StreamError, ('WRONG_TYPE', 'FORMAT', 'CODEC_NOT_FOUND', 'TYPE_NOT_FOUND')),
    'gst-core-error-quark': _codes(Gst.CoreError, ('MISSING_PLUGIN',)),
}
"""Codes of errors that a retry soon would not change."""

FINAL_NOT_FOUND = ('file', 'rtsp', 'rtsps')
"""Where NOT_FOUND is a wrong path; elsewhere it is also a name that does not resolve or a camera pulled out."""

PREFACE = 'No supported authentication protocol was found'
"""rtspsrc of GStreamer 1.18 first reports this for a 404, which it takes for a request to log in."""


def status_of(message):
    """(status code, reason) of RTSP or HTTP an error message carries, (0, '') when none."""
    details = message.parse_error_details() if hasattr(message, 'parse_error_details') else None
    for protocol in ('rtsp', 'http') if details is not None else ():
        known, code = details.get_uint(protocol + '-status-code')
        if known:
            return code, details.get_string(protocol + '-status-reason') or ''
    return 0, ''


def source_error(message, scheme, user=True):
    """SourceLost or SourceRefused for a bus ERROR of a camera with this scheme; `user`: one is configured.

    None for a message that another one with the status follows. GStreamer's debug text (file, line) is left out.
    """
    error, details = message.parse_error()
    if PREFACE in (details or ''):
        return None
    status, reason = status_of(message)
    if status:
        words = '%s (%d)' % (STATUS_WORDS.get(status, reason or error.message), status)
        refused = 400 <= status < 500 and status not in BUSY_STATUS
    else:
        resource = error.domain == 'gst-resource-error-quark'
        words = RESOURCE_WORDS.get(error.code, error.message) if resource else error.message
        refused = error.code in REFUSALS.get(error.domain, ()) or (
            resource and error.code == int(Gst.ResourceError.NOT_FOUND) and scheme in FINAL_NOT_FOUND)
    if not user and words.startswith(STATUS_WORDS[401]):
        words = 'it asks for a user and password, and none is given'
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
