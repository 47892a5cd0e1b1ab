"""The frame ring: a camera's newest pictures in shared memory. The writer never waits for a reader.

A slot is a header (a state word and the frame's FrameMeta) beside its pixels. The state word holds the frame's index
while the slot is whole, and BUSY from before the first pixel changes until the last word is in place. A reader checks
it before and after it used the pixels: the same index both times means that nothing was torn.
"""
import array
import functools
import os
from typing import Any, Callable, NamedTuple, Optional, Tuple

from edge_app.errors import RingError
from edge_app.frames import FrameMeta, frame_bytes, shape_of
from edge_app.transport.shared_file import OWN, PAGE, SharedFile, barrier, pages

KIND = 'frames'
VERSION = 200 + len(FrameMeta._fields)
BUSY = 0
_HEAD = OWN
_HEADER = PAGE
"""Bytes before a slot's pixels, which so begin on a page of their own: copying from there is 5 % faster."""
_META_WORDS = len(FrameMeta._fields)


def frames_path(run_dir: str, camera: str) -> str:
    """Where the frame ring of a camera lies."""
    return os.path.join(run_dir, camera + '.frames')


class Slot(NamedTuple):
    """Memory to fill with one frame."""

    address: int
    """Address of its first byte, for C (gst_buffer_extract)."""
    view: Callable
    """Makes `pixels`."""

    @property
    def pixels(self):
        """The same memory as a writable uint8 array [slot_bytes]."""
        return self.view()


class Ring:
    """`slots` frames of at most `slot_bytes` each; indexes count from 1 and never repeat."""

    def __init__(self, shared: SharedFile) -> None:
        self._shared = shared
        self.path = shared.path
        self.slots, self.slot_bytes, self._stride, _ = shared.facts
        self._words = shared.words
        self._views, self._ready = {}, {}
        self._address = shared.address() if shared.writable else None   # computed once: it costs more than a barrier
        self._begun = 0

    @classmethod
    def create(cls, path: str, slots: int, slot_bytes: int) -> 'Ring':
        """A new ring for one writer; RingError naming what is needed and free when memory is short."""
        if slots < 2 or slot_bytes < 1:
            raise ValueError('a ring needs 2 slots or more (got %d) of 1 byte or more (got %d)' % (slots, slot_bytes))
        stride = _HEADER + pages(slot_bytes)
        return cls(SharedFile.create(path, KIND, VERSION, PAGE + slots * stride, (slots, slot_bytes, stride)))

    @classmethod
    def open(cls, path: str, writable: bool = False) -> 'Ring':
        """The ring at `path`; RingError when it is missing, something else or of another version."""
        return cls(SharedFile.open(path, KIND, VERSION, writable))

    @staticmethod
    def bytes_needed(slots: int, slot_bytes: int) -> int:
        """Shared memory a ring of this shape takes."""
        return PAGE + slots * (_HEADER + pages(slot_bytes))

    def is_file(self, path: str) -> bool:
        """Whether `path` is still this ring's file and no other has taken its place."""
        return self._shared.is_file(path)

    def _pixels(self, number):
        """Slot `number` as a uint8 array."""
        if number not in self._views:
            start = self._start(number)
            self._views[number] = self._shared.octets[start:start + self.slot_bytes]
        return self._views[number]

    def _start(self, number):
        return PAGE + number * self._stride + _HEADER

    def _state(self, index):
        """Number of the state word of frame `index`'s slot; the words of its FrameMeta follow."""
        return (PAGE + (index - 1) % self.slots * self._stride) // 8

    @property
    def head(self) -> int:
        """Frames ever written, which is the index of the newest; 0 when there is none."""
        return self._words[_HEAD]

    # -- the writer -------------------------------------------------------------------------------------------------

    def begin(self) -> Slot:
        """Slot for the next frame, marked busy; beginning again without `publish` abandons the frame."""
        self._shared.claim()
        self._begun = self.head + 1
        self._words[self._state(self._begun)] = BUSY
        barrier()
        number = (self._begun - 1) % self.slots
        if number not in self._ready:
            self._ready[number] = Slot(self._address + self._start(number), functools.partial(self._pixels, number))
        return self._ready[number]

    def publish(self, meta: FrameMeta) -> int:
        """Complete the frame begun and make it the newest; returns its index."""
        if not self._begun:
            raise RuntimeError('%s: publish without begin' % self.path)
        self._check_fits(meta)
        index, self._begun = self._begun, 0
        state = self._state(index)
        self._words[state + 1:state + 1 + _META_WORDS] = array.array('q', meta)
        barrier()
        self._words[state] = index
        barrier()
        self._words[_HEAD] = index
        return index

    def write(self, meta: FrameMeta, pixels: Any) -> int:
        """Copy `pixels` (uint8, shaped as `shape_of(meta)`) in as the newest frame; returns its index."""
        if pixels.shape != shape_of(meta):
            raise ValueError('pixels of shape %s, its FrameMeta says %s' % (pixels.shape, shape_of(meta)))
        self._check_fits(meta)
        self.begin().pixels[:pixels.nbytes].reshape(pixels.shape)[...] = pixels
        return self.publish(meta)

    def _check_fits(self, meta):
        if frame_bytes(meta.width, meta.height, meta.format) > self.slot_bytes:
            raise RingError('%s: a frame of %dx%d does not fit a slot of %d bytes; scale it or make the slots larger'
                            % (self.path, meta.width, meta.height, self.slot_bytes))

    # -- readers ----------------------------------------------------------------------------------------------------

    def intact(self, index: int) -> bool:
        """Whether everything read from frame `index` until now was whole."""
        barrier()
        return index > 0 and self._words[self._state(index)] == index

    def meta(self, index: int) -> Optional[FrameMeta]:
        """FrameMeta of frame `index`, None when it is overwritten, being written or not there yet."""
        words, state = self._words, self._state(index)
        if not 0 < index <= words[_HEAD]:
            return None
        barrier()
        if words[state] != index:
            return None
        barrier()
        values = words[state + 1:state + 1 + _META_WORDS].tolist()
        barrier()
        return FrameMeta(*values) if words[state] == index else None

    def newest(self) -> Optional[Tuple[int, FrameMeta]]:
        """(index, FrameMeta) of the newest frame, or None when there is none yet."""
        while True:
            index = self.head
            meta = self.meta(index)
            if meta is not None:
                return index, meta
            if index == self.head:  # not lapped by the writer in between: there is none
                return None

    def peek(self, index: int) -> Optional[Tuple[FrameMeta, Any]]:
        """(FrameMeta, read-only view of the slot) or None; valid only if `intact(index)` holds after use."""
        meta = self.meta(index)
        if meta is None:
            return None
        flat = self._pixels((index - 1) % self.slots)
        view = flat[:frame_bytes(meta.width, meta.height, meta.format)].reshape(shape_of(meta))
        view.flags.writeable = False
        return meta, view

    def read(self, index: int, out: Any = None) -> Optional[Tuple[FrameMeta, Any]]:
        """(FrameMeta, uint8 array shaped as `shape_of`), or None when overwritten before or while copying.

        `out`, any contiguous uint8 array that is large enough, saves an allocation: the picture is a view on it.
        """
        meta = self.meta(index)
        if meta is None:
            return None
        size = frame_bytes(meta.width, meta.height, meta.format)
        slot = self._pixels((index - 1) % self.slots)[:size]
        if out is None or out.nbytes < size:
            pixels = slot.copy()
        else:
            pixels = out.reshape(-1)[:size]
            _copy(pixels, slot)
        return (meta, pixels.reshape(shape_of(meta))) if self.intact(index) else None

    def luma(self, index: int) -> Any:
        """Memoryview of the luma bytes of I420 frame `index`, which must exist; for its writer, who needs no numpy."""
        meta, start = self.meta(index), self._start((index - 1) % self.slots)
        return self._shared.bytes[start:start + meta.width * meta.height]

    def indexes(self) -> range:
        """Range of the indexes that may still be read, oldest intact to newest."""
        head = self.head
        oldest = max(1, head - self.slots + 1)
        while oldest <= head and not self.intact(oldest):
            oldest += 1
        return range(oldest, head + 1)

    def close(self) -> None:
        """Unmap the memory; views handed out by `peek` keep theirs."""
        self._views, self._ready = {}, {}
        self._shared.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _copy(to, pixels):
    """numpy.copyto, in a module that a process without numpy loads."""
    to[...] = pixels
