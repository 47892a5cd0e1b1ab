"""URIs of cameras, outputs and sinks: check them, separate their passwords, mask them, derive names."""
import os
import re
from typing import Mapping, NamedTuple, Tuple
from urllib.parse import quote, unquote

from edge_app.schemes import CAMERAS, NETWORK, Scheme

_SHAPE = re.compile('([A-Za-z][A-Za-z0-9+.-]*):(.*)')
_AUTHORITY = re.compile('//([^/?#]*)(.*)')
_HOST = re.compile(r'(\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\]|[A-Za-z0-9_.-]+)(?::([0-9]+))?\Z')
_NETWORK_HOST = re.compile(r'[^/?#]*(?:\[|\.|:\d|localhost)')
"""What is a host rather than a word: it has a dot or a port, is an IPv6 address or this machine."""
_DOTTED_HOST = re.compile(r'[^/?#]*(?:\[|\.|localhost)')
ESCAPES = ("in a user or password write '@' as %40, ':' as %3A, '/' as %2F, '?' as %3F, '#' as %23 and '%' as %25, "
           "or use the settings user and password; in a path write '@' as %40")
ALL_HOSTS = {'0.0.0.0', '::'}
_USER_PART = re.compile('://[^/?#]*@')
_SECRET_PAIR = re.compile('((?:^|[?&;,/_])(?:pass(?:word|wd)?|pwd|token|secret|api_?key|key|auth|sig(?:nature)?)=)'
                          '[^?&;,/#\\s]*?(?=_(?:channel|stream)=|[?&;,/#\\s]|$)', re.I)
"""`password=...` in a query, and in the path of cameras that want `/user=admin_password=..._channel=1_stream=0`."""


class Credentials(NamedTuple):
    """A URI without user and password, and those two, percent-decoded; '' where there were none."""

    uri: str
    user: str
    password: str


def nearest(word, known):
    """", did you mean 'rtsp'?" or nothing."""
    import difflib  # a quarter of a MB that a camera's process does not need
    found = difflib.get_close_matches(str(word).lower(), known, n=1, cutoff=0.6)
    return ", did you mean '%s'?" % found[0] if found else ''


def check(uri: str, schemes: Mapping[str, Scheme]) -> str:
    """The URI with a lower-case scheme, one of `schemes` (a {name: Scheme}); ValueError never shows the URI itself."""
    scheme, rest = _split_scheme(uri, schemes)
    if scheme not in schemes:
        near = nearest(scheme, schemes) or ', use ' + ', '.join(schemes)
        raise ValueError("unknown scheme '%s'%s" % (scheme[:20], near))
    if re.search('[\\x00-\\x1f\\x7f]', rest) or (scheme != 'file' and ' ' in rest):
        raise ValueError('bad URI: spaces and control characters must be written as %20 and so on')
    if scheme in NETWORK:
        _check_network(rest)
    elif scheme == 'file' and not file_path('file:' + rest):
        raise ValueError('bad URI: names no file, write file:///folder/name')
    elif schemes[scheme].endings and not file_path('file:' + rest).lower().endswith(schemes[scheme].endings):
        raise ValueError('bad URI: the name of the file must end with ' + ' or '.join(schemes[scheme].endings))
    elif scheme == 'v4l2' and not rest.startswith('///dev/'):
        raise ValueError('bad URI: write v4l2:///dev/video0')
    return '%s:%s' % (scheme, rest)


def _split_scheme(uri, schemes):
    if uri in schemes and schemes[uri].path_optional:
        return uri, ''
    shape = _SHAPE.match(uri)
    if not shape:
        raise ValueError('bad URI: must start with a scheme such as ' + next(iter(schemes.values())).example)
    return shape.group(1).lower(), uri[shape.end(1) + 1:]


def _check_network(rest):
    match = _AUTHORITY.match(rest)
    if not match:
        raise ValueError("bad URI: '//' and a host must follow the scheme")
    user_part, at, host = match.group(1).rpartition('@')
    found = _HOST.match(host)
    later = match.group(2).rpartition('@')
    whole = _NETWORK_HOST if at else _DOTTED_HOST       # without a user, `admin:12` may be one whose password has a '/'
    if later[1] and not (whole.match(host) and not _NETWORK_HOST.match(later[2])):
        raise ValueError("bad URI: '@' after the host; " + ESCAPES)
    if re.search('[\\x00-\\x1f\\x7f]', unquote(user_part)):
        raise ValueError('bad URI: control characters in its user or password')
    if not found:
        raise ValueError('bad URI: no host, or invalid characters in it')
    if found.group(2) and not 1 <= int(found.group(2)[:6]) <= 65535:
        raise ValueError('bad URI: a port is a number from 1 to 65535')


def is_escaped(uri: str) -> bool:
    """Whether user and password of a checked URI mean the same to every program: no bare '@', ':' or '%' in them."""
    match = _AUTHORITY.match(uri.partition(':')[2])
    secret = match.group(1).rpartition('@')[0] if match and scheme_of(uri) in NETWORK else ''
    return not re.search('@|:.*:|%(?![0-9A-Fa-f]{2})', secret)


def scheme_of(uri: str) -> str:
    """The scheme of a checked URI."""
    return uri.partition(':')[0]


def split_credentials(uri: str) -> Credentials:
    """The Credentials of a checked URI. A password may contain '@' and ':': the last '@' ends it."""
    scheme, _, rest = uri.partition(':')
    match = _AUTHORITY.match(rest)
    if scheme not in NETWORK or not match or '@' not in match.group(1):
        return Credentials(uri, '', '')
    secret, _, host = match.group(1).rpartition('@')
    user, _, password = secret.partition(':')
    return Credentials('%s://%s%s' % (scheme, host, match.group(2)), unquote(user), unquote(password))


def host_port(uri: str, schemes: Mapping[str, Scheme] = CAMERAS) -> Tuple[str, int]:
    """(host without brackets, port) of a checked network URI without credentials; the default port is the scheme's."""
    found = _HOST.match(_AUTHORITY.match(uri.partition(':')[2]).group(1))
    return found.group(1).strip('[]'), int(found.group(2) or schemes[scheme_of(uri)].port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a socket bound to `host`."""
    import ipaddress
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == 'localhost'


def overlap(one: Tuple[str, int], other: Tuple[str, int]) -> bool:
    """Whether not both (host, port) can be listened on: all interfaces overlap with each host."""
    hosts = {'127.0.0.1' if host.lower() == 'localhost' else host for host, _ in (one, other)}
    return one[1] == other[1] and (len(hosts) == 1 or bool(hosts & ALL_HOSTS))


def path_of(uri: str) -> str:
    """What follows the host of a checked network URI: '/mosaic', or '' when nothing does."""
    return _AUTHORITY.match(uri.partition(':')[2]).group(2)


def file_path(uri: str) -> str:
    """The path a file URI names, percent-decoded: 'file://events.jsonl' is relative, 'file:///a' is not."""
    rest = uri.partition(':')[2]
    return unquote(rest[2:] if rest.startswith('//') else rest)


def file_uri(path: str) -> str:
    """The file URI of an absolute path."""
    return 'file://' + quote(path)


def masked(uri: str) -> str:
    """The URI without user, password, and secrets in its query or path."""
    return _SECRET_PAIR.sub('\\1***', _USER_PART.sub('://', uri))


def camera_name(uri: str, number: int) -> str:
    """A name for the camera with this URI: the stem of its file, the only word of its path, or cam<number>."""
    if scheme_of(uri) == 'file':
        word = os.path.splitext(os.path.basename(file_path(uri)))[0]
    else:
        word = re.sub('[?#].*', '', split_credentials(uri).uri.partition('://')[2]).partition('/')[2]
    word = re.sub('[^A-Za-z0-9_-]+', '-', word).strip('-') if scheme_of(uri) == 'file' else word
    return word if re.match('[A-Za-z][A-Za-z0-9_-]{0,31}\\Z', word) else 'cam%d' % number
