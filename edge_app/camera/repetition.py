"""Whether a camera repeats one picture: its encoder runs on while the sensor behind it has stopped. Pure logic.

Only a picture that is the same to the last bit is a repetition: a quiet scene differs at least by its noise. And only a
camera that moved before can have stopped: a still picture is none.
"""
import collections
import zlib

LOOK_S = 1.0
CLOSE_LOOK_S = 0.25
"""Between looks at a camera not seen to move yet, or after two pictures that were the same: a scene that repeats itself
every second is no repetition."""
SAME = 5
"""So many pictures in a row that are the same begin a repetition."""
STEP = 101
"""Movement is looked for in every 101st pixel."""
STEPS, LEVELS = 4, 24
"""A picture has moved when so many of them differ by more than so many grey levels; encoding anew changes less."""
MOVES, MOVES_NS = 3, 3 * 10 ** 9
"""A camera moves when its picture has moved so often within this time; key frames come less often."""


class Repetition:
    """Looks at some of a camera's pictures; times in nanoseconds."""

    def __init__(self):
        self.since_ns = 0
        """When the picture came that is repeated now; 0: none is."""
        self._seen = None
        self._points = b''
        self._same = self._same_ns = self._due_ns = 0
        self._moved_ns = collections.deque(maxlen=MOVES)
        self._moves = False

    def is_due(self, now_ns):
        """Whether `look` should be given the picture of now."""
        return now_ns >= self._due_ns

    def look(self, luma, now_ns):
        """Take in the picture of now, its luma as bytes; -> `since_ns`."""
        checksum = zlib.crc32(luma)
        if checksum == self._seen:
            self._same += 1
            if self._moves and self._same >= SAME:
                self.since_ns = self._same_ns
        else:
            self._seen, self._same_ns, self._same, self.since_ns = checksum, now_ns, 0, 0
            self._look_for_movement(bytes(luma[::STEP]), now_ns)
        self._due_ns = now_ns + int((CLOSE_LOOK_S if self._same or not self._moves else LOOK_S) * 1e9)
        return self.since_ns

    def _look_for_movement(self, points, now_ns):
        if self._moves:
            return
        if sum(abs(new - old) > LEVELS for new, old in zip(points, self._points)) >= STEPS:
            self._moved_ns.append(now_ns)
        self._moves = len(self._moved_ns) == MOVES and now_ns - self._moved_ns[0] <= MOVES_NS
        self._points = points
