"""The interface of every camera backend: open, copy the newest frame into the ring again and again, close."""
from typing import Optional

from edge_app.camera.frame_accounting import FrameAccounting, OutcomeCounts
from edge_app.errors import EXIT_AGAIN, SourceError, SourceLost
from edge_app.frames import FrameMeta
from edge_app.transport.packet_ring import PacketRing
from edge_app.transport.ring import Ring


class SourceChanged(SourceError):
    """The stream changed its size or codec, which not every board's decoder survives: a fresh process continues."""

    exit_code = EXIT_AGAIN


class SourceGrown(SourceError):
    """Sessions have leaked too much in this process: a fresh one continues."""

    exit_code = EXIT_AGAIN


class SourceEnded(SourceLost):
    """A recording has ended. It restarts after a moment, like a camera that came back."""


class FrameSource:
    """One session with one camera. Never reopened: make a new one.

    `open` and `poll` raise SourceLost (may come back: retry soon), SourceRefused (said no: retry slowly) and
    SourceChanged (restart the process).
    """

    def __init__(self, camera, ring: Ring, totals: OutcomeCounts, packets: Optional[PacketRing] = None) -> None:
        self.camera = camera
        """config Camera: uri, size, transport..."""
        self.ring = ring
        self.packets = packets
        """PacketRing that gets the encoded stream while somebody wants it, or None."""
        self.accounting = FrameAccounting(totals)
        """The outcomes of this session's frames, added to `totals`."""
        self.hangs = 'the decoder hangs'
        """Why `close` has returned False."""
        self.stream_info = {}
        """What is known of the stream: codec, width, height, transport, decoder."""

    def open(self) -> None:
        """Start the session; returns at once, before any frame."""
        raise NotImplementedError

    def poll(self, timeout_s: float) -> Optional[FrameMeta]:
        """Wait at most `timeout_s` for a frame; write the newest into the ring and return its FrameMeta, or None."""
        raise NotImplementedError

    def close(self) -> bool:
        """End the session and its accounting, in 2 s at most; False when something hangs and the process should end."""
        self.accounting.close()
        return True

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
