"""Files that are whole or not there, and texts as any system writes them."""
import codecs
import contextlib
import errno
import os
import stat
from typing import IO, Iterator, Mapping, Optional, Union

UNFINISHED = '.new-'
"""Follows the name of a file that is being written; a process number follows it."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> str:
    """The user's folder for what can be made again."""
    return os.path.join(environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'edge-app')


def open_file(path: str) -> int:
    """Descriptor of the file `path`, to read. OSError says what it is where it is none; a pipe is not waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    what = 'a folder' if stat.S_ISDIR(mode) else 'a pipe' if stat.S_ISFIFO(mode) else 'a device or socket'
    raise OSError(errno.EINVAL, 'is %s, not a file' % what, path)


def read_text(path: str, most: int) -> str:
    """The text of a file, of a longer one the first `most` + 1 bytes; lines end with a line feed. OSError as open_file.

    UTF-8, UTF-16 with its mark, otherwise Windows' own characters; a byte order mark is no part of it.
    """
    with open(open_file(path), 'rb') as stream:
        content = stream.read(most + 1)
    return _decoded(content).replace('\r\n', '\n').replace('\r', '\n')


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode('utf-16', 'replace')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError:
        return content.decode('cp1252', 'replace')


def write_atomic(path: str, data: Union[bytes, str], durable: bool = False, mode: Optional[int] = None) -> None:
    """Replace the file `path` by `data` (text as UTF-8): a reader sees the old content or the new one, whole."""
    with replaced(path, durable, mode) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def replaced(path: str, durable: bool = False, mode: Optional[int] = None) -> Iterator[IO[bytes]]:
    """A stream that becomes the file `path` at the end of the block; after an error nothing is left of it.

    `durable`: from then on the new content also survives a power cut. `mode`: permissions; None: as the umask says.
    OSError when it cannot be written.
    """
    temporary = '%s%s%d' % (path, UNFINISHED, os.getpid())
    try:
        with open(temporary, 'wb') as stream:
            yield stream
            stream.flush()
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
