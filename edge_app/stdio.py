"""Standard output and error: what their reader does not take is lost. Nothing waits for it, or ends because of it."""
import contextlib
import io
import os
import select
from typing import Any

WAIT_S = 1.0
"""A reader that is only slow gets this long, once until it reads again."""
_PIECE = 4096
"""Bytes a pipe takes without blocking once poll says that it takes any."""


class LossyStream:
    """A text stream in front of `stream` that never blocks for long and raises no OSError."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._stalled = False
        try:
            self._fd = stream.fileno()
        except (AttributeError, io.UnsupportedOperation):     # in memory
            self._fd = None

    def write(self, text: str) -> None:
        """Write `text`, or as much of it as the reader takes."""
        if self._fd is None:
            self._stream.write(text)
            return
        data = text.encode(self._stream.encoding or 'utf-8', 'backslashreplace')
        with contextlib.suppress(OSError):
            while data and self._ready():
                data = data[os.write(self._fd, data[:_PIECE]):]

    def _ready(self):
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        found = poll.poll(0 if self._stalled else WAIT_S * 1000)
        self._stalled = not found
        return bool(found)

    def flush(self) -> None:
        """Nothing is kept back."""
