"""The books: every counter of the appliance in one shared file, each cell with one writing process.

A page per camera, one for the engine, one for the presentation. Counting is one store to memory, reading disturbs
nobody, and the numbers outlive the worker that wrote them.
"""
import contextlib
import json
import threading
import time

from edge_app.clock import now_ns
from edge_app.errors import RingError
from edge_app.stats import histogram
from edge_app.stats.accounting import balance
from edge_app.transport.shared_file import OWN, SharedFile, barrier, pages

KIND = 'books'
VERSION = 4
SPARE = 16
"""Cameras that can be added while the appliance runs; removed ones make room again."""
RESTS_NS = 60 * 10 ** 9
STATE_HELP = {
    'starting': ('Its process runs, and no frame has arrived yet.',
                 'Wait. After `first_frame_s` it becomes `no_signal`, with the reason.'),
    'live': ('Frames arrive.', 'Nothing. DAMAGED on its tile: packets are lost on the way, see `corrupt`.'),
    'no_signal': ('The camera does not answer, closed the connection, or sends nothing. It is opened again after 1, 2, '
                  '5, 10, then every 30 s, and at once when its port answers again.',
                  'Check power, network and address; the tile and the log give the reason.'),
    'refused': ('The camera refused: wrong user or password (401), path (404), transport (461), or no video that this '
                'machine can decode. It is tried again after 1 minute, then every 5, because cameras lock accounts.',
                'Correct the setting that the reason names; a changed configuration is tried at once.'),
    'disabled': ('`enabled: false` in the configuration.', 'Nothing.'),
}
"""{state: (meaning, what to do)}, for the reference page."""
STATES = tuple(STATE_HELP)
"""What the `state` cell of a camera counts in."""
NOTE_BYTES = 3072

CAMERA = {
    'capture': ('received', 'decoded', 'captured', 'undecodable', 'corrupt', 'stale_capture', 'resync', 'engine_off',
                'decoding', 'reconnects', 'state', 'source_fps_milli', 'state_since_ns', 'last_captured_ns',
                'last_damaged_ns'),
    'analyze': ('taken_index', 'inferred', 'corrupt_engine', 'overload', 'rate_limit', 'stale_engine', 'motion_gate',
                'engine_down', 'inferring', 'requested_fps_milli', 'attained_fps_milli', 'last_inferred_ns'),
    'compositor': ('shown', 'last_shown_ns'),
}
ENGINE = {'analyze': ('batches', 'pictures', 'busy_ns', 'load_ns', 'started_ns')}
COMPOSITOR = {'compositor': ('composed', 'encoded', 'viewers', 'first_mosaic_ns', 'composed_complete', 'sets',
                             'sets_aligned', 'camera_clock')}
HISTOGRAMS = ('result', 'mosaic', 'skew')

_TURN = OWN
_NAMES, _NAME_BYTES = 128, 128
_WRITERS = ('capture', 'analyze', 'compositor')
_NOTE_TURN, _NOTE_LENGTHS, _CELLS, _CELLS_END = 3, 4, 8, 64
_NOTES = _CELLS_END * 8
_HISTOGRAMS = (_NOTES + 2 * NOTE_BYTES) // 8
_HISTOGRAM_WORDS = 1 + histogram.CELLS
_PAGE_BYTES = pages((_HISTOGRAMS + len(HISTOGRAMS) * _HISTOGRAM_WORDS) * 8)


class CounterPage:
    """Counters by name, one note, and for cameras two histograms; `page.received` reads a counter.

    Safe for the threads of one process; two processes must not write the same cell.
    """

    def __init__(self, shared, offset, table):
        self._words = shared.words[offset // 8:(offset + _PAGE_BYTES) // 8]
        self._bytes = shared.bytes[offset:offset + _PAGE_BYTES]
        self._writer_of = {name: writer for writer in _WRITERS for name in table.get(writer, ())}
        self._cell_of = {name: _CELLS + number for number, name in enumerate(self._writer_of)}
        self._lock = threading.Lock()

    # -- counters ---------------------------------------------------------------------------------------------------

    def get(self, name):
        return self._words[self._cell_of[name]]

    def __getattr__(self, name):
        if name.startswith('_') or name not in self._cell_of:
            raise AttributeError('no counter %r on this page' % name)
        return self.get(name)

    def cells(self):
        """Every cell by name, as they stand."""
        values = self._words[_CELLS:_CELLS + len(self._cell_of)].tolist()
        return dict(zip(self._cell_of, values))

    def add(self, name, amount=1):
        """Count `amount` more."""
        with self._lock:
            self._words[self._cell_of[name]] += amount

    def set(self, name, value):
        """Let a gauge show `value`."""
        self._words[self._cell_of[name]] = int(value)

    def post(self, **amounts):
        """Add to several cells of one writer as one entry: `snapshot` sees all of them or none."""
        with self._lock, self._entry(self._writer_of[next(iter(amounts))]):
            for name, amount in amounts.items():
                self._words[self._cell_of[name]] += amount

    def settle(self, writer, **values):
        """Set several cells of `writer` as one entry, also when a predecessor died in the middle of one."""
        with self._lock:
            self._words[_WRITERS.index(writer)] &= ~1
            with self._entry(writer):
                for name, value in values.items():
                    self._words[self._cell_of[name]] = value

    @contextlib.contextmanager
    def _entry(self, writer):
        turn = _WRITERS.index(writer)
        self._words[turn] += 1
        barrier()
        yield
        barrier()
        self._words[turn] += 1

    def snapshot(self, tries=20):
        """`cells` that belong together: read twice, equal, and nobody in the middle of an entry.

        The last reading when writers leave no gap, or one of them was killed in the middle, for `tries` times.
        """
        for _ in range(tries):
            turns = self._words[:len(_WRITERS)].tolist()
            barrier()
            first = self.cells()
            barrier()
            second = self.cells()
            barrier()
            if first == second and turns == self._words[:len(_WRITERS)].tolist() and not any(t & 1 for t in turns):
                break
            time.sleep(0.0005)
        return second

    # -- histograms -------------------------------------------------------------------------------------------------

    def observe(self, name, duration_ns):
        """Count one duration in the histogram `name`."""
        start = _HISTOGRAMS + HISTOGRAMS.index(name) * _HISTOGRAM_WORDS
        with self._lock:
            self._words[start] += int(duration_ns)
            self._words[start + 1 + histogram.bucket(duration_ns)] += 1

    def histogram(self, name):
        """The histogram `name` as it stands."""
        start = _HISTOGRAMS + HISTOGRAMS.index(name) * _HISTOGRAM_WORDS
        values = self._words[start:start + _HISTOGRAM_WORDS].tolist()
        return histogram.Histogram(values[1:], values[0])

    # -- the note ---------------------------------------------------------------------------------------------------

    @property
    def note(self):
        """The page's note, a dict; empty when none was written. Its writer assigns a whole new one.

        Two places take turns, so that a writer killed in the middle leaves the note before.
        """
        while True:
            turn = self._words[_NOTE_TURN]
            barrier()
            length = self._words[_NOTE_LENGTHS + turn % 2]
            start = _NOTES + turn % 2 * NOTE_BYTES
            text = self._bytes[start:start + length].tobytes()
            barrier()
            if turn == self._words[_NOTE_TURN]:
                return json.loads(text.decode()) if text else {}

    @note.setter
    def note(self, note):
        text = json.dumps(note, separators=(',', ':')).encode()
        if len(text) > NOTE_BYTES:
            raise ValueError('a note of %d bytes; %d fit' % (len(text), NOTE_BYTES))
        with self._lock:
            turn = self._words[_NOTE_TURN] + 1
            start = _NOTES + turn % 2 * NOTE_BYTES
            self._bytes[start:start + len(text)] = text
            self._words[_NOTE_LENGTHS + turn % 2] = len(text)
            barrier()
            self._words[_NOTE_TURN] = turn

    def release(self):
        self._words.release()
        self._bytes.release()


class Counters:
    """All pages: `cameras` {name: Page}, `engine`, `compositor`.

    Cameras may come and go: there are spare pages, and a table that says whose each is. Only who made the books
    changes it; the others see it changed.
    """

    def __init__(self, shared):
        self._shared = shared
        first_page, self._room = shared.facts[:2]
        self._offset = first_page + 2 * _PAGE_BYTES
        self.engine, self.compositor = (CounterPage(shared, first_page + number * _PAGE_BYTES, table)
                                        for number, table in enumerate((ENGINE, COMPOSITOR)))
        self._pages, self._cameras, self._turn = {}, {}, None
        self._free = {slot: None for slot in range(self._room)}
        self._slots = {}

    @property
    def cameras(self):
        """{name: Page} as the table stands now; a page stays the same object for as long as it is that camera's."""
        while self._turn != self._shared.words[_TURN]:
            turn = self._shared.words[_TURN]
            barrier()
            names = [self._name(slot) for slot in range(self._room)]
            barrier()
            if turn % 2 == 0 and turn == self._shared.words[_TURN]:
                self._cameras = {name: self._page(slot) for slot, name in enumerate(names) if name}
                self._turn = turn
            elif not self._turn_moves(turn):
                break       # who was changing the table is gone, and all of us soon
        return self._cameras

    def _turn_moves(self, turn):
        time.sleep(0.001)
        return turn % 2 == 0 or turn != self._shared.words[_TURN]

    def _name(self, slot):
        start = _NAMES + slot * _NAME_BYTES
        return self._shared.bytes[start:start + _NAME_BYTES].tobytes().rstrip(b'\0').decode(errors='replace')

    def _page(self, slot):
        if slot not in self._pages:
            self._pages[slot] = CounterPage(self._shared, self._offset + slot * _PAGE_BYTES, CAMERA)
        return self._pages[slot]

    @classmethod
    def create(cls, path, cameras, spare=SPARE):
        """Blank books for these camera names and `spare` more; RingError when shared memory is short."""
        if len(set(cameras)) != len(cameras):
            raise RingError('%s: two cameras have the same name; give each its own' % path)
        room = len(cameras) + spare
        first_page = pages(_NAMES + room * _NAME_BYTES)
        counters = cls(SharedFile.create(path, KIND, VERSION, first_page + (room + 2) * _PAGE_BYTES, (first_page, room)))
        for name in cameras:
            counters.add(name)
        return counters

    # -- by who made them ---------------------------------------------------------------------------------------------

    def room(self, moment_ns=None):
        """How many cameras can be added now.

        A page given up rests for RESTS_NS: a process that has not heard of it yet may still count in it.
        """
        moment_ns = now_ns() if moment_ns is None else moment_ns
        return len([slot for slot in self._free if self._rested(slot, moment_ns)])

    def _rested(self, slot, moment_ns):
        return self._free[slot] is None or moment_ns - self._free[slot] >= RESTS_NS

    def add(self, name):
        """A blank page for camera `name`; RingError when there is no room."""
        text = name.encode()
        if name in self._slots or not 0 < len(text) <= _NAME_BYTES:
            raise RingError('%s: %r is there already, or no name' % (self._shared.path, name))
        slot = next((slot for slot in sorted(self._free) if self._rested(slot, now_ns())), None)
        if slot is None:
            raise RingError('%s: no room for another camera; try again in a minute, or start again' % self._shared.path)
        del self._free[slot]
        start = self._offset + slot * _PAGE_BYTES
        self._shared.bytes[start:start + _PAGE_BYTES] = bytes(_PAGE_BYTES)
        self._enter(slot, text)
        self._slots[name] = slot

    def remove(self, name):
        """Give up the page of camera `name`."""
        slot = self._slots.pop(name)
        self._enter(slot, b'')
        self._free[slot] = now_ns()

    def _enter(self, slot, text):
        """Change the table; an odd turn says that it is being changed."""
        self._shared.words[_TURN] += 1
        barrier()
        start = _NAMES + slot * _NAME_BYTES
        self._shared.bytes[start:start + _NAME_BYTES] = text.ljust(_NAME_BYTES, b'\0')
        barrier()
        self._shared.words[_TURN] += 1

    @classmethod
    def open(cls, path):
        """The books at `path`, for reading and for one's own cells."""
        return cls(SharedFile.open(path, KIND, VERSION, writable=True))

    def snapshot(self, name):
        """The counters of camera `name` that belong together."""
        return self.cameras[name].snapshot()

    def balance(self, name, ring=None, tries=20):
        """The Balance of camera `name`, against its Ring when given.

        Tried again while it is off, because writers may be between two cells; a real error stays.
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
