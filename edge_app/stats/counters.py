"""Every counter of the appliance in one shared file of the run directory; a cell has one writer at a time.

One page per camera, one for the engine, one for the compositor. Counting is one store to memory, readers never block a
writer, and the values outlive the worker that wrote them.
"""
import contextlib
import json
import os
import threading
import time
from typing import Dict, Optional

from edge_app.clock import now_ns
from edge_app.errors import RingError
from edge_app.stats import histogram
from edge_app.stats.accounting import BEFORE_RING, BEHIND_RING, IN_RING, balance
from edge_app.transport.shared_file import OWN, SharedFile, barrier, pages

FILE = KIND = 'counters'
VERSION = 6
SPARE = 16
"""Pages for cameras that are added while the appliance runs."""
REUSE_AFTER_NS = 60 * 10 ** 9
"""A removed camera's page rests this long: a process that has not noticed the removal may still count in it."""
STATE_HELP = {
    'starting': ('Its process runs, and no frame has arrived yet.',
                 'Wait. After `first_frame_s` it becomes `no_signal`, with the reason.'),
    'live': ('New pictures arrive.', 'Nothing.'),
    'no_signal': ('The camera does not answer, closed the connection, or sends nothing. It is opened again after 1, 2, '
                  '5, 10, then every 30 s, and at once when its port answers again.',
                  'Check power, network and address; the tile and the log give the reason.'),
    'refused': ('The camera refused: wrong user or password (401), path (404), transport (461), its certificate, no '
                'video that this machine can decode, or more memory than it may use. It is tried again after 1 minute, '
                'then every 5, because cameras lock accounts.',
                'Correct the setting that the reason names; a changed configuration is tried at once.'),
    'disabled': ('`enabled: false` in the configuration.', 'Nothing.'),
    'frozen': ('Pictures arrive, and for 10 s each has been exactly the same, although the picture moved before: the '
               'sensor or its firmware has stopped behind a working encoder. Recordings and pictures that never moved '
               'do not count.', 'Restart the camera. Its tile shows the picture with an amber border.'),
    'damaged': ('Frames arrive, and for `display.no_signal_s` all of them have been damaged. The last good picture is '
                'held, its tile shows it with an amber border; after a minute the connection is opened anew.',
                'As for `corrupt`, below.'),
}
"""{state: (meaning, what to do)}, for the reference page."""
STATES = tuple(STATE_HELP)
"""The `state` cell of a camera, what its process reports, is an index into these; `frozen` and `damaged` never stand
there, `camera_state` derives them."""
INFO_BYTES = 3072
"""Longest JSON text of a page's `info`."""

CAMERA = {
    'capture': ('received', 'decoded', 'captured', *BEFORE_RING.values(), *IN_RING.values(), 'decoding', 'reconnects',
                'state', 'source_fps_milli', 'state_since_ns', 'last_captured_ns', 'last_frame_ns', 'last_damaged_ns',
                'silent_after_ns', 'unchanged_since_ns', 'decoder_delay_ns'),
    'analyze': ('taken_index', 'inferred', *BEHIND_RING.values(), 'inferring', 'requested_fps_milli',
                'attained_fps_milli', 'last_inferred_ns'),
    'compositor': ('shown', 'last_shown_ns'),
}
ENGINE = {'analyze': ('batches', 'pictures', 'busy_ns', 'load_ns', 'started_ns')}
COMPOSITOR = {'compositor': ('composed', 'encoded', 'viewers', 'first_mosaic_ns', 'composed_complete', 'sets',
                             'sets_aligned', 'camera_clock')}
HISTOGRAMS = ('result', 'mosaic', 'skew')

_SEQUENCE = OWN
_NAMES, _NAME_BYTES = 128, 128
_WRITERS = ('capture', 'analyze', 'compositor')
_INFO_SEQUENCE, _INFO_LENGTHS, _CELLS, _CELLS_END = 3, 4, 8, 64
_INFO = _CELLS_END * 8
_HISTOGRAMS = (_INFO + 2 * INFO_BYTES) // 8
_HISTOGRAM_WORDS = 1 + histogram.CELLS
_PAGE_BYTES = pages((_HISTOGRAMS + len(HISTOGRAMS) * _HISTOGRAM_WORDS) * 8)


class CounterPage:
    """Counters and gauges by name, histograms, and one small JSON document (`info`); `page.received` reads a cell.

    Safe for the threads of one process; two processes must not write the same cell at a time.
    """

    def __init__(self, shared, offset, table):
        self._words = shared.words[offset // 8:(offset + _PAGE_BYTES) // 8]
        self._bytes = shared.bytes[offset:offset + _PAGE_BYTES]
        self._writer_of = {name: writer for writer in _WRITERS for name in table.get(writer, ())}
        self._cell_of = {name: _CELLS + number for number, name in enumerate(self._writer_of)}
        self._lock = threading.Lock()

    # -- counters ---------------------------------------------------------------------------------------------------

    def get(self, name: str) -> int:
        return self._words[self._cell_of[name]]

    def __getattr__(self, name):
        if name.startswith('_') or name not in self._cell_of:
            raise AttributeError('no counter %r on this page' % name)
        return self.get(name)

    def cells(self) -> Dict[str, int]:
        """{name: value} of every cell, read once; use `snapshot` for values that belong together."""
        values = self._words[_CELLS:_CELLS + len(self._cell_of)].tolist()
        return dict(zip(self._cell_of, values))

    def add(self, name: str, amount: int = 1) -> None:
        """Add `amount` to a counter."""
        with self._lock:
            self._words[self._cell_of[name]] += amount

    def set(self, name: str, value: float) -> None:
        """Set a gauge to `value`."""
        self._words[self._cell_of[name]] = int(value)

    def add_many(self, **amounts: int) -> None:
        """Add to several cells of one writer atomically: `snapshot` sees all of the changes or none."""
        with self._lock, self._update(self._writer_of[next(iter(amounts))]):
            for name, amount in amounts.items():
                self._words[self._cell_of[name]] += amount

    def set_many(self, writer: str, **values: int) -> None:
        """Set several cells of `writer` atomically, also after a predecessor died in the middle of an update."""
        with self._lock:
            self._words[_WRITERS.index(writer)] &= ~1
            with self._update(writer):
                for name, value in values.items():
                    self._words[self._cell_of[name]] = value

    @contextlib.contextmanager
    def _update(self, writer):
        """A sequence lock: odd while the writer is in the middle of an update."""
        sequence = _WRITERS.index(writer)
        self._words[sequence] += 1
        barrier()
        yield
        barrier()
        self._words[sequence] += 1

    def snapshot(self, tries: int = 20) -> Dict[str, int]:
        """A consistent `cells`: read twice with equal values while no writer was in the middle of an update.

        After `tries` attempts (writers too busy, or one killed in the middle) the last reading is returned as it is.
        """
        for _ in range(tries):
            sequences = self._words[:len(_WRITERS)].tolist()
            barrier()
            first = self.cells()
            barrier()
            second = self.cells()
            barrier()
            unchanged = first == second and sequences == self._words[:len(_WRITERS)].tolist()
            if unchanged and not any(sequence & 1 for sequence in sequences):
                break
            time.sleep(0.0005)
        return second

    # -- histograms -------------------------------------------------------------------------------------------------

    def observe(self, name: str, duration_ns: int) -> None:
        """Count one duration (nanoseconds) in the histogram `name`."""
        start = _HISTOGRAMS + HISTOGRAMS.index(name) * _HISTOGRAM_WORDS
        with self._lock:
            self._words[start] += int(duration_ns)
            self._words[start + 1 + histogram.bucket(duration_ns)] += 1

    def histogram(self, name: str) -> histogram.Histogram:
        """The current histogram.Histogram `name`."""
        start = _HISTOGRAMS + HISTOGRAMS.index(name) * _HISTOGRAM_WORDS
        values = self._words[start:start + _HISTOGRAM_WORDS].tolist()
        return histogram.Histogram(values[1:], values[0])

    # -- the JSON document ------------------------------------------------------------------------------------------

    @property
    def info(self) -> dict:
        """The page's document, a dict; empty before the first. Its writer assigns a complete new one.

        Double-buffered: a writer killed in the middle leaves the previous document readable.
        """
        while True:
            sequence = self._words[_INFO_SEQUENCE]
            barrier()
            length = self._words[_INFO_LENGTHS + sequence % 2]
            start = _INFO + sequence % 2 * INFO_BYTES
            text = self._bytes[start:start + length].tobytes()
            barrier()
            if sequence == self._words[_INFO_SEQUENCE]:
                return json.loads(text.decode()) if text else {}

    @info.setter
    def info(self, info):
        text = json.dumps(info, separators=(',', ':')).encode()
        if len(text) > INFO_BYTES:
            raise ValueError('info of %d bytes; %d fit' % (len(text), INFO_BYTES))
        with self._lock:
            sequence = self._words[_INFO_SEQUENCE] + 1
            start = _INFO + sequence % 2 * INFO_BYTES
            self._bytes[start:start + len(text)] = text
            self._words[_INFO_LENGTHS + sequence % 2] = len(text)
            barrier()
            self._words[_INFO_SEQUENCE] = sequence

    def release(self):
        self._words.release()
        self._bytes.release()


class Counters:
    """All pages: `cameras` {name: CounterPage}, `engine`, `compositor`.

    Cameras may come and go: a table in the file says which camera each page belongs to. Only the process that created
    the file changes the table; the others follow it.
    """

    def __init__(self, shared):
        self._shared = shared
        first_page, self._room = shared.facts[:2]
        self._offset = first_page + 2 * _PAGE_BYTES
        self.engine, self.compositor = (CounterPage(shared, first_page + number * _PAGE_BYTES, table)
                                        for number, table in enumerate((ENGINE, COMPOSITOR)))
        self._pages, self._cameras, self._sequence = {}, {}, None
        self._free = {slot: None for slot in range(self._room)}
        self._slots = {}

    @property
    def cameras(self) -> Dict[str, CounterPage]:
        """{name: CounterPage} by the current table; a camera keeps the same page object for as long as it exists."""
        while self._sequence != self._shared.words[_SEQUENCE]:
            sequence = self._shared.words[_SEQUENCE]
            barrier()
            names = [self._name(slot) for slot in range(self._room)]
            barrier()
            if sequence % 2 == 0 and sequence == self._shared.words[_SEQUENCE]:
                self._cameras = {name: self._page(slot) for slot, name in enumerate(names) if name}
                self._sequence = sequence
                break
            time.sleep(0.001)
            if sequence % 2 and sequence == self._shared.words[_SEQUENCE]:
                break       # the process that was changing the table has died; the appliance ends soon
        return self._cameras

    def _name(self, slot):
        start = _NAMES + slot * _NAME_BYTES
        return self._shared.bytes[start:start + _NAME_BYTES].tobytes().rstrip(b'\0').decode(errors='replace')

    def _page(self, slot):
        if slot not in self._pages:
            self._pages[slot] = CounterPage(self._shared, self._offset + slot * _PAGE_BYTES, CAMERA)
        return self._pages[slot]

    @classmethod
    def create(cls, run_dir, cameras, spare=SPARE):
        """New counters, all zero, for these camera names and `spare` more; RingError when shared memory is short."""
        path = os.path.join(str(run_dir), FILE)
        if len(set(cameras)) != len(cameras):
            raise RingError('%s: two cameras have the same name; give each its own' % path)
        room = len(cameras) + spare
        first_page = pages(_NAMES + room * _NAME_BYTES)
        size = first_page + (room + 2) * _PAGE_BYTES
        counters = cls(SharedFile.create(path, KIND, VERSION, size, (first_page, room)))
        for name in cameras:
            counters.add(name)
        return counters

    def in_place(self) -> bool:
        """Whether a process that starts now would find this file."""
        return self._shared.is_file(self._shared.path)

    # -- for the process that created them --------------------------------------------------------------------------

    def room(self, moment_ns: Optional[int] = None) -> int:
        """How many cameras can be added now."""
        moment_ns = now_ns() if moment_ns is None else moment_ns
        return len([slot for slot in self._free if self._rested(slot, moment_ns)])

    def _rested(self, slot, moment_ns):
        return self._free[slot] is None or moment_ns - self._free[slot] >= REUSE_AFTER_NS

    def add(self, name):
        """A zeroed page for camera `name`; RingError when all pages are taken."""
        text = name.encode()
        if name in self._slots or not 0 < len(text) <= _NAME_BYTES:
            raise RingError('%s: %r exists already, or is not a valid name' % (self._shared.path, name))
        slot = next((slot for slot in sorted(self._free) if self._rested(slot, now_ns())), None)
        if slot is None:
            raise RingError('%s: no room for another camera; try again in a minute, or restart edge-app'
                            % self._shared.path)
        del self._free[slot]
        start = self._offset + slot * _PAGE_BYTES
        self._shared.bytes[start:start + _PAGE_BYTES] = bytes(_PAGE_BYTES)
        self._enter(slot, text)
        self._slots[name] = slot

    def remove(self, name):
        """Remove camera `name` from the table."""
        slot = self._slots.pop(name)
        self._enter(slot, b'')
        self._free[slot] = now_ns()

    def _enter(self, slot, text):
        """Change the table; its sequence number is odd meanwhile."""
        self._shared.words[_SEQUENCE] += 1
        barrier()
        start = _NAMES + slot * _NAME_BYTES
        self._shared.bytes[start:start + _NAME_BYTES] = text.ljust(_NAME_BYTES, b'\0')
        barrier()
        self._shared.words[_SEQUENCE] += 1

    @classmethod
    def open(cls, run_dir):
        """The counters of the appliance in `run_dir`, to read and to write one's own cells; RingError without any."""
        return cls(SharedFile.open(os.path.join(str(run_dir), FILE), KIND, VERSION, writable=True))

    def snapshot(self, name):
        """A consistent {counter: value} of camera `name`."""
        return self.cameras[name].snapshot()

    def balance(self, name, ring=None, tries=20):
        """The accounting.Balance of camera `name`, checked against its Ring when given.

        Repeated while its error is not 0: a writer may be between two updates; a real error stays.
        """
        for _ in range(tries):
            found = balance(self.snapshot(name), ring.head if ring else None)
            if not found.error:
                break
            time.sleep(0.001)
        return found

    def close(self):
        for page in list(self._pages.values()) + [self.engine, self.compositor]:
            page.release()
        self._shared.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
