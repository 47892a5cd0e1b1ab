"""Every frame that enters a ring, seen the moment it is there, with the timecode in it.

A frame's metadata says when its packets arrived, corrected for what this machine left waiting, so that a stall would
not show in it. Therefore the rings are sampled often, from outside the appliance.
"""
import bisect
from typing import NamedTuple

from edge_app.clock import now_ns, wall_ns
from edge_app.frames import DAMAGED, planes
from edge_app.testing.harness.sampler import RingSampler
from edge_app.testing.simulator import timecode


class FrameSighting(NamedTuple):
    """One frame of a ring; times in ns on CLOCK_MONOTONIC."""

    index: int
    """Its place in the ring, from 1; a gap is a frame that was not sampled in time."""
    sequence: int
    """Number of the access unit; a gap is frames that arrived and did not enter the ring."""
    seen_ns: int
    damaged: bool
    """According to the appliance."""
    camera: int
    """From the timecode, 0 without a valid one, as are the next two."""
    number: int
    sent_ns: int

    @property
    def marked(self):
        """Whether it has a valid timecode."""
        return self.camera > 0


class FrameObserver(RingSampler):
    """Samples the rings in `run_dir` of cameras `names`; a context manager."""

    rest_s = 0.004
    """Precision of a moment."""

    def __init__(self, run_dir, names):
        super(FrameObserver, self).__init__(run_dir, names)
        self.seen = {name: [] for name in names}
        """{camera: [FrameSighting]}, oldest first."""

    def frame(self, name, ring, index, moment_ns):
        found = ring.peek(index)
        sighting = found and sighting_of(index, moment_ns, *found)
        if sighting and ring.intact(index):
            self.seen[name].append(sighting)

    def between(self, name, begin_ns, end_ns):
        """FrameSightings of a camera in a span of time."""
        seen = self.seen[name]
        moments = [sighting.seen_ns for sighting in seen]
        return seen[bisect.bisect_left(moments, begin_ns):bisect.bisect_right(moments, end_ns)]

    def sent_after(self, name, moment_ns):
        """The first undamaged FrameSighting of a camera whose picture was sent after a moment; None so far."""
        return next((sighting for sighting in self.between(name, moment_ns, now_ns())
                     if sighting.marked and not sighting.damaged and sighting.sent_ns >= moment_ns), None)

    def forget(self):
        """Discard all sightings."""
        for seen in self.seen.values():
            del seen[:]


def sighting_of(index, seen_ns, meta, pixels):
    """The FrameSighting of one frame."""
    code = timecode.read(planes(pixels)[0]) or timecode.Timecode(0, 0, 0)
    sent_ns = code.ms * 1000000 - (wall_ns() - now_ns()) if code.camera else 0
    return FrameSighting(index, meta.sequence, seen_ns, bool(meta.flags & DAMAGED), code.camera, code.frame, sent_ns)
