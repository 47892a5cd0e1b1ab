"""A subscriber to results: what it gets, when, and which pictures the results are of."""

import numpy as np

from edge_app.clock import now_ns
from edge_app.frames import planes
from edge_app.testing.simulator import timecode
from edge_app.transport.bus import Subscriber
from edge_app.transport.ring import Ring, frames_path

EVERY = 3
"""One in this many results of a camera is examined: reading a timecode costs a quarter of a millisecond."""
WAIT_S = 0.2


class ResultListener:
    """Subscribes to the results of a RunningAppliance; a context manager."""

    def __init__(self, running, every=EVERY):
        self._subscriber = Subscriber(running.run_dir, 'listener')
        self._rings = {name: Ring.open(frames_path(running.run_dir, name)) for name in running.pages}
        self._numbers = {name: number for number, name in enumerate(running.pages, 1)}
        self._every = every
        self._received = dict.fromkeys(self._numbers, 0)
        timecode.read(np.zeros((360, 640), np.uint8))   # OpenCV's first call takes half a second

    def listen(self, seconds):
        """[(camera number, picture number, moment of receipt in ns, Result)] of what is analysed from now on."""
        began_ns = now_ns()
        found, deadline_ns = [], began_ns + int(seconds * 1e9)
        while now_ns() < deadline_ns:
            self._subscriber.wait(min(WAIT_S, max(0.0, (deadline_ns - now_ns()) / 1e9)))
            moment_ns = now_ns()
            for result in self._subscriber.results():
                if result.inferred_ns >= began_ns:      # older ones come from the sender's backlog
                    found += self._examined(result, moment_ns)
        return found

    def _examined(self, result, moment_ns):
        self._received[result.camera] += 1
        if self._received[result.camera] % self._every:
            return []
        code = self._timecode(self._rings[result.camera], result.meta)
        return [(self._numbers[result.camera], code.frame, moment_ns, result)] if code else []

    @staticmethod
    def _timecode(ring, meta):
        """Timecode of the frame with this metadata, None when it is no longer in the ring."""
        for index in reversed(ring.indexes()):
            seen = ring.peek(index)
            if seen and seen[0].sequence == meta.sequence:
                code = timecode.read(planes(seen[1])[0])
                return code if ring.intact(index) else None
        return None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._subscriber.close()
        for ring in self._rings.values():
            ring.close()
