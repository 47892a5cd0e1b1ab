"""A reader of results beside the appliance's own: what it gets, when, and which pictures they were about."""
import os

import numpy as np

from edge_app.clock import now_ns
from edge_app.frames import planes
from edge_app.testing.simulator import timecode
from edge_app.transport.bus import Subscriber
from edge_app.transport.ring import Ring

EVERY = 3
"""Of so many results of a camera one is looked at: reading a mark costs a quarter of a millisecond."""
TURN_S = 0.2


class ResultListener:
    """Listens on the results bus of a running appliance."""

    def __init__(self, running, every=EVERY):
        self._inbox = Subscriber(running.run_dir, 'listener')
        self.rings = {name: Ring.open(os.path.join(running.run_dir, name + '.frames')) for name in running.pages}
        self._numbers = {name: number for number, name in enumerate(running.pages, 1)}
        self._every = every
        self._heard = dict.fromkeys(self._numbers, 0)
        timecode.read(np.zeros((360, 640), np.uint8))   # OpenCV takes half a second to get going

    def listen(self, seconds):
        """[(camera number, picture number, moment it was here, Result)] of what is inferred meanwhile.

        What nobody listened to before is still on its way to us, here and in the sender's backlog: it is left aside.
        """
        began_ns = now_ns()
        seen, deadline_ns = [], began_ns + int(seconds * 1e9)
        while now_ns() < deadline_ns:
            self._inbox.wait(min(TURN_S, max(0.0, (deadline_ns - now_ns()) / 1e9)))
            moment_ns = now_ns()
            for result in self._inbox.results():
                seen += self._look(result, moment_ns) if result.inferred_ns >= began_ns else []
        return seen

    def _look(self, result, moment_ns):
        self._heard[result.camera] += 1
        if self._heard[result.camera] % self._every:
            return []
        found = self._mark(self.rings[result.camera], result.meta)
        return [(self._numbers[result.camera], found.frame, moment_ns, result)] if found else []

    @staticmethod
    def _mark(ring, meta):
        """The mark of the frame these facts are of, None when it is no longer in the ring."""
        for index in reversed(ring.indexes()):
            seen = ring.peek(index)
            if seen and seen[0].sequence == meta.sequence:
                found = timecode.read(planes(seen[1])[0])
                return found if ring.intact(index) else None
        return None

    def close(self):
        self._inbox.close()
        for ring in self.rings.values():
            ring.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
