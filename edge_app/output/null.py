"""An output that takes every picture and keeps none: everything runs, without a viewer."""
from edge_app.output.base import FrameSink


class NullSink(FrameSink):
    """Counts what it was given; `last` is the newest FrameMeta."""

    def __init__(self, wanted=True):
        self.wanted = wanted
        self.pictures = 0
        self.last = None

    def put(self, meta, pixels):
        self.pictures += 1
        self.last = meta
        return True
