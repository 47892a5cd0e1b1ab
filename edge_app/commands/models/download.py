"""Downloads a file: complete and with the right checksum, or not at all; interrupted downloads are resumed."""
import errno
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple

from edge_app import __version__
from edge_app.errors import EdgeAppError

TIMEOUT_S = 30
PIECE_BYTES = 256 << 10
LARGEST_BYTES = 4 << 30
REDIRECTS = 8
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class DownloadError(EdgeAppError):
    """A download failed; the message says what is left on disk."""


class SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects within one scheme only: https stays https, nothing becomes ftp or file."""

    max_redirections = REDIRECTS

    def http_error_302(self, request, answer, code, message, headers):
        target = urllib.parse.urljoin(request.full_url, headers.get('Location') or '')
        if urllib.parse.urlsplit(target).scheme != urllib.parse.urlsplit(request.full_url).scheme:
            answer.close()
            raise DownloadError('%s: redirects to %s, another scheme; not followed' % (request.full_url, target))
        return super(SameScheme, self).http_error_302(request, answer, code, message, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class Part(NamedTuple):
    """What is there of a file: `path` grows, `path`.json says of which version of it."""

    path: str

    @property
    def bytes(self):
        return os.path.getsize(self.path) if os.path.isfile(self.path) else 0

    @property
    def version(self):
        """The server's version (ETag or date) of the partial file, '' when unknown: then it cannot be resumed."""
        try:
            with open(self.path + '.json') as stream:
                return str(json.load(stream)['version'])
        except (OSError, ValueError, KeyError, TypeError):
            return ''

    def begin(self, version):
        """Nothing here yet, of the version the server is about to send."""
        with open(self.path + '.json', 'w') as stream:
            json.dump({'version': version}, stream)
        return open(self.path, 'wb')

    def remove(self):
        for path in (self.path, self.path + '.json'):
            if os.path.exists(path):
                os.unlink(path)

    @property
    def left(self):
        """What to tell about it when the download stops."""
        if not self.bytes:
            return 'nothing is left of it'
        return 'the first %d bytes are in %s and will be gone on from' % (self.bytes, self.path)


def fetch(url, path, sha256='', on_bytes=None):
    """Get `url` into the file `path`; its sha256. DownloadError in one line for whatever goes wrong.

    `sha256` is what it must have ('' accepts anything); `on_bytes(have, total or None)` reports progress.
    The file appears under its name only when it is whole and right.
    """
    part = Part(path + '.part')
    try:
        return _fetched(url, path, part, sha256, on_bytes)
    except DownloadError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        reason = ' '.join(str(error.reason).split())
        raise DownloadError('%s: the server answers %d %s; %s' % (url, error.code, reason, part.left))
    except (socket.timeout, http.client.HTTPException, ConnectionError) as error:
        raise DownloadError('%s: cut off (%s); %s; run it again' % (url, _said(error), part.left))
    except urllib.error.URLError as error:
        raise DownloadError('%s: %s cannot be reached (%s); %s. Without a network, download it elsewhere and put '
                            'it at %s'
                            % (url, urllib.parse.urlsplit(url).hostname, _said(error.reason), part.left, path))
    except OSError as error:
        if error.errno not in FULL:
            raise DownloadError('%s: cannot be written (%s)' % (error.filename or path, error.strerror or error))
        raise DownloadError('%s: no room (%s); %s; free some, or give another --to'
                            % (os.path.dirname(path), error.strerror, part.left))


def _fetched(url, path, part, sha256, on_bytes):
    response = _opened(url, part)
    with response:
        start, total = _range(response, part)
        _room(path, part, start, total)
        tag = response.headers.get('ETag', '')
        version = response.headers.get('Last-Modified', '') if not tag or tag.startswith('W/') else tag
        with (open(part.path, 'ab') if start else part.begin(version)) as target:
            have = _copy(response, target, start, total, on_bytes)
    if total is not None and have != total:
        raise DownloadError('%s: cut off after %d of %d bytes; %s; run it again' % (url, have, total, part.left))
    got = sha256_of(part.path)
    if sha256 and got != sha256:
        part.remove()
        raise DownloadError('%s: wrong content: sha256 %s instead of %s; it was deleted' % (url, got, sha256))
    os.replace(part.path, path)
    part.remove()
    return got


def _opened(url, part):
    """The response to a request for the rest of a partial file of known version, else for all of it."""
    headers = {'User-Agent': 'edge-app/' + __version__, 'Accept-Encoding': 'identity'}
    request = urllib.request.Request(url, headers=headers)
    version = part.version
    if part.bytes and version:
        request.add_header('Range', 'bytes=%d-' % part.bytes)
        request.add_header('If-Range', version)
    opener = urllib.request.build_opener(SameScheme())
    try:
        return opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not part.bytes:
            raise
        error.close()  # the part is no beginning of what is there now
        part.remove()
        return _opened(url, part)


def _range(response, part):
    """(byte the response begins at, bytes of the whole file or None)."""
    length = response.headers.get('Content-Length', '')
    length = int(length) if length.isdigit() else None
    if response.status != 206:
        return 0, length
    stated = response.headers.get('Content-Range', '')
    if not stated.startswith('bytes %d-' % part.bytes) or length is None:
        part.remove()
        raise DownloadError('%s: the server sent another part than asked for (%s); nothing is left of it; run it again'
                            % (response.url, stated))
    return part.bytes, part.bytes + length


def _room(path, part, start, total):
    """DownloadError before anything is written when the disk has no room for the rest."""
    free = shutil.disk_usage(os.path.dirname(path)).free
    held = 0 if start else part.bytes
    if total is not None and total - start > free + held:
        raise DownloadError('%s: no room: %d bytes are needed and %d free; %s; free some, or give another --to'
                            % (os.path.dirname(path), total - start, free, part.left))


def _copy(response, target, have, total, on_bytes):
    while True:
        piece = response.read(PIECE_BYTES)
        if not piece:
            return have
        target.write(piece)
        have += len(piece)
        if have > LARGEST_BYTES:
            raise DownloadError('%s: larger than %d bytes, which no model is' % (response.url, LARGEST_BYTES))
        if on_bytes:
            on_bytes(have, total)


def sha256_of(path):
    """Hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        for piece in iter(lambda: stream.read(1 << 20), b''):
            digest.update(piece)
    return digest.hexdigest()


def _said(error):
    if isinstance(error, ssl.SSLError):
        return 'its certificate: %s' % (error.reason or error)
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__
