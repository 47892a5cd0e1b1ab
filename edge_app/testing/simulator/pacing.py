"""Which picture is due when: the clock leads, and whoever is late leaves pictures out rather than drift."""


class Pacer:
    """Numbers pictures from 0 on a grid of `fps` per second that begins at `start_ns` (clock.now_ns)."""

    def __init__(self, fps, start_ns):
        self.interval_ns = int(round(1e9 / fps))
        self.start_ns = start_ns

    def due_ns(self, number):
        """When picture `number` is to be made."""
        return self.start_ns + number * self.interval_ns

    def after(self, last, now_ns):
        """Number of the picture to make after picture `last`: the next, or the present one if that is overdue."""
        current = (now_ns - self.start_ns) // self.interval_ns
        return max(last + 1, current)
