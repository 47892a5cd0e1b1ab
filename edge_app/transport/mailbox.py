"""Mailboxes between processes: datagrams to a path, and an empty one as a wake-up. Sending never blocks."""
import collections
import contextlib
import errno
import os
import select
import socket
from typing import Any, List, Optional

from edge_app.errors import RingError

_PATH_BYTES = 107
_MESSAGE_BYTES = 1 << 18
_BURST = 1024
_GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN)


class Inbox:
    """Where a process receives; replaces whatever a predecessor left at `path`."""

    def __init__(self, path: str) -> None:
        self.path = str(path)
        if len(os.fsencode(self.path)) > _PATH_BYTES:
            raise RingError('%s: longer than the %d bytes of a socket path; use a shorter run directory or name'
                            % (self.path, _PATH_BYTES))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._bind()
        self._buffer = memoryview(bytearray(_MESSAGE_BYTES))    # kept: one per message would cost a page fault and more
        self._extra_fds = None
        self._poll: Any = None

    def _bind(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        try:
            self._socket.bind(self.path)
        except OSError as error:
            self._socket.close()
            raise RingError('%s: cannot receive here: %s' % (self.path, error.strerror))
        self._inode = os.stat(self.path).st_ino

    def fileno(self) -> int:
        """Descriptor that is readable when a message waits, for select and event loops."""
        return self._socket.fileno()

    def receive(self) -> List[bytes]:
        """Every waiting message, oldest first, without the wake-ups. Never blocks."""
        messages = []
        try:
            for _ in range(_BURST):
                size = self._socket.recv_into(self._buffer)
                if size:
                    messages.append(self._buffer[:size].tobytes())
        except BlockingIOError:
            pass        # that was the last
        return messages

    def wait(self, timeout_s: Optional[float], *extra_fds: int) -> List[int]:
        """Sleep until a message or wake-up arrives, one of `extra_fds` is readable, or the time is over (None: never).

        Returns the readable descriptors, an empty list on timeout.
        """
        if self._extra_fds != extra_fds:
            self._extra_fds, self._poll = extra_fds, select.poll()
            for fd in (self._socket,) + extra_fds:
                self._poll.register(fd, select.POLLIN)
        timeout_ms = None if timeout_s is None else max(0, int(timeout_s * 1000 + 0.999))
        return [fd for fd, _ in self._poll.poll(timeout_ms)]

    def close(self) -> None:
        """Stop receiving and remove the path, unless a successor has replaced it already."""
        if self._socket.fileno() < 0:
            return
        self._socket.close()
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Outbox:
    """Sends to the inbox at `path`, which may not exist yet, be replaced, or be full. For one thread.

    The kernel holds net.unix.max_dgram_qlen messages for a receiver: 512 under systemd, but 10 in a bare
    container, less than one round of results of a dozen cameras. So up to `backlog` more wait here, and every
    call of `post` or `wake` tries them again.
    """

    def __init__(self, path: str, backlog: int = 64) -> None:
        self.path = str(path)
        self.dropped = 0
        """Messages given up: no receiver, or the backlog was full."""
        self._waiting = collections.deque()
        self._backlog = backlog
        self._connected = False
        # Unread messages are charged to the sender's socket: one for each receiver, so that none affects the others.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def wake(self) -> None:
        """Wake the receiver. A full one is about to read anyway; an absent one is ignored."""
        if self._flush():
            try:
                self._send(b'')
            except OSError:
                pass

    def post(self, message: bytes) -> bool:
        """Send `message` (not empty) or keep it for the next try; False when a message was dropped."""
        before = self.dropped
        self._waiting.append(message)
        self._flush()
        while len(self._waiting) > self._backlog:
            self._waiting.popleft()
            self.dropped += 1
        return self.dropped == before

    def _flush(self):
        """Send the backlog, oldest first; True when nothing is left."""
        while self._waiting:
            try:
                self._send(self._waiting[0])
            except BlockingIOError:
                return False
            except OSError:  # no receiver, a stale path, or larger than a socket's buffer: another try would not help
                self.dropped += 1
            self._waiting.popleft()
        return True

    def _send(self, message):
        """To the receiver at the path. Connected, or the kernel would look the path up each time."""
        if self._connected:
            try:
                self._socket.send(message)
                return
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                self._connected = False
        self._socket.connect(self.path)
        self._connected = True
        self._socket.send(message)

    def close(self):
        self._socket.close()
