"""One camera as any process reads it: its ring of frames and its page of counters."""
import contextlib
from typing import Any, Iterator, Optional, Tuple

from edge_app.errors import RingError
from edge_app.frames import FrameMeta
from edge_app.transport.ring import Ring, frames_path


class CameraFeed:
    """Reads a camera's newest frames. `ring` is None until its file was found.

    Whatever a method hands out of the ring's memory is to be believed only if `intact(index)` afterwards.
    """

    def __init__(self, run_dir: str, name: str, page: Any = None) -> None:
        """`page`: the camera's CounterPage, for readers that need it."""
        self.name = name
        self.page = page
        self.ring: Optional[Ring] = None
        self._path = frames_path(run_dir, name)

    def open(self) -> 'CameraFeed':
        """Map the file that is there now, instead of the one mapped before; RingError when there is none."""
        ring = Ring.open(self._path)
        self.close()
        self.ring = ring
        return self

    def reopen(self) -> None:
        """Map the ring once its file exists, and again when another took its place. Calls stat(): not per frame."""
        if self.ring is None or not self.ring.is_file(self._path):
            with contextlib.suppress(RingError):
                self.open()

    def is_current(self, counters: Any) -> bool:
        """Whether page and ring still belong to this name: a camera that was removed and added again has others."""
        return (counters.cameras.get(self.name) is self.page
                and (self.ring is None or self.ring.is_file(self._path)))

    def newest(self) -> Optional[Tuple[int, FrameMeta]]:
        """(index, FrameMeta) of the newest frame, None while there is none."""
        if self.ring is None:
            self.reopen()
        return self.ring.newest() if self.ring is not None else None

    def newest_first(self) -> Iterator[Tuple[int, FrameMeta]]:
        """(index, FrameMeta) of every frame the ring still holds."""
        for index in reversed(self.ring.indexes()):
            meta = self.ring.meta(index)
            if meta is not None:
                yield index, meta

    def peek(self, index: int) -> Optional[Tuple[FrameMeta, Any]]:
        """(FrameMeta, read-only uint8 array in the ring itself) of a frame, None when it is gone."""
        return self.ring.peek(index)

    def intact(self, index: int) -> bool:
        """Whether everything read of frame `index` until now was whole."""
        return self.ring.intact(index)

    def read_newest(self) -> Optional[Tuple[FrameMeta, Any]]:
        """(FrameMeta, copy of the pixels) of the newest frame, None when there is none."""
        newest = self.newest()
        return self.ring.read(newest[0]) if newest else None

    def close(self) -> None:
        """Unmap the ring."""
        if self.ring is not None:
            self.ring.close()
            self.ring = None

    def __enter__(self) -> 'CameraFeed':
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
