"""Every frame that enters a ring, seen the moment it is there, with the mark burnt into it.

The facts beside a frame say when its packets arrived, corrected for what this machine left waiting; a stall would not show
in them. So the rings are looked at, often, by somebody who is no part of the appliance.
"""
import bisect
import os
from typing import NamedTuple

from edge_app.clock import now_ns, wall_ns
from edge_app.frames import DAMAGED, planes
from edge_app.testing.chaos.sampler import Sampler
from edge_app.testing.simulator import timecode
from edge_app.transport.ring import Ring


class Sighting(NamedTuple):
    """One frame of a ring; times in ns on CLOCK_MONOTONIC."""

    index: int
    """Its place in the ring, from 1; a gap is a frame that nobody looked at in time."""
    sequence: int
    """Number of the access unit; a gap is frames that arrived and did not get into the ring."""
    seen_ns: int
    damaged: bool
    """Said to be, by the appliance."""
    camera: int
    """Of the mark, 0 where there is no sound one, as are the next two."""
    number: int
    sent_ns: int

    @property
    def marked(self):
        return self.camera > 0


class FrameObserver(Sampler):
    """Looks at the rings in `run_dir` of cameras `names`; a context manager."""

    rest_s = 0.004
    """A moment is known to within this."""

    def __init__(self, run_dir, names):
        super(FrameObserver, self).__init__('lookout')
        self._rings = {name: Ring.open(os.path.join(run_dir, name + '.frames')) for name in names}
        self._next = {name: ring.head + 1 for name, ring in self._rings.items()}
        self.seen = {name: [] for name in names}
        """{camera: [Sighting]}, oldest first."""

    def look(self):
        for name, ring in self._rings.items():
            self._look(name, ring)

    def _look(self, name, ring):
        seen_ns, head = now_ns(), ring.head
        for index in range(max(self._next[name], head - ring.slots + 2), head + 1):
            found = ring.peek(index)
            sighting = found and sighted(index, seen_ns, *found)
            if sighting and ring.intact(index):
                self.seen[name].append(sighting)
        self._next[name] = head + 1

    def between(self, name, begin_ns, end_ns):
        """Sightings of a camera in a span of time."""
        seen = self.seen[name]
        moments = [sighting.seen_ns for sighting in seen]
        return seen[bisect.bisect_left(moments, begin_ns):bisect.bisect_right(moments, end_ns)]

    def sent_after(self, name, moment_ns):
        """The first sound Sighting of a camera whose picture was sent after a moment; None so far."""
        return next((sighting for sighting in self.between(name, moment_ns, now_ns())
                     if sighting.marked and not sighting.damaged and sighting.sent_ns >= moment_ns), None)

    def forget(self):
        """Begin anew: what was seen is not asked for any more."""
        for seen in self.seen.values():
            del seen[:]

    def __exit__(self, *exc):
        super(FrameObserver, self).__exit__(*exc)
        for ring in self._rings.values():
            ring.close()


def sighted(index, seen_ns, meta, pixels):
    """The Sighting of one frame."""
    found = timecode.read(planes(pixels)[0]) or timecode.Timecode(0, 0, 0)
    sent_ns = found.ms * 1000000 - (wall_ns() - now_ns()) if found.camera else 0
    return Sighting(index, meta.sequence, seen_ns, bool(meta.flags & DAMAGED), found.camera, found.frame, sent_ns)
