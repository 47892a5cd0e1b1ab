"""What every camera backend is: open it, take the newest frame into the ring again and again, close it."""
from edge_app.camera.frame_accounting import FrameAccounting
from edge_app.errors import EXIT_AGAIN, SourceError, SourceLost


class SourceChanged(SourceError):
    """The stream changed its size or codec: a fresh process reads on, no decoder survives it on every board."""

    exit_code = EXIT_AGAIN


class SourceGrown(SourceError):
    """Sessions have left too much behind in this process: a fresh one goes on."""

    exit_code = EXIT_AGAIN


class SourceEnded(SourceLost):
    """A recording is over. It starts again after a moment, like a camera that came back."""


class FrameSource:
    """One session with one camera. Not reopened: make a new one.

    `open` and `poll` raise SourceLost (may come back: retry soon), SourceRefused (said no: retry slowly) and
    SourceChanged (start the process again).
    """

    def __init__(self, camera, ring, tally, packets=None):
        self.camera = camera
        """config Camera: uri, size, transport..."""
        self.ring = ring
        self.packets = packets
        """PacketRing that gets the encoded stream while somebody asks for it, or None."""
        self.accounting = FrameAccounting(tally)
        """The books of this session."""
        self.facts = {}
        """What is known of the stream: codec, width, height, transport, decoder."""

    def open(self):
        """Start; returns at once, frames come later."""
        raise NotImplementedError

    def poll(self, timeout_s):
        """Wait at most `timeout_s` for a frame; write the newest into the ring and return its FrameMeta, or None."""
        raise NotImplementedError

    def close(self):
        """End the session and its books, in 2 s at most; False when something hangs and the process should end."""
        self.accounting.end()
        return True

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
