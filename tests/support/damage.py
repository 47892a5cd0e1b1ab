"""What becomes of damaged pictures: every picture a camera's decoder gives, compared with the scene drawn again.

    python -m tests.support.damage      # each fault over TCP and UDP, a line each: shown wrong, gated, missed

The simulator draws the same picture for the same number, so that a decoded one can be judged: `wrong` when one of its
blocks differs by more than encoding ever does. Pictures are looked at as the decoder gives them out, before the gate.
"""
import collections
import sys
import time

import cv2
import numpy as np

from edge_app import gst
from edge_app.camera import gstreamer, make_source
from edge_app.camera.decode_pipeline import DecodePipeline
from edge_app.camera.frame_accounting import OutcomeCounts
from edge_app.config.schema import Camera
from edge_app.errors import SourceError
from edge_app.frames import frame_bytes
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator
from edge_app.testing.simulator.scene import Scene
from edge_app.transport.ring import Ring

SIZE, FPS, SEED = (640, 360), 15, 3
BLOCK = 16
FAR = 6
"""Mean difference of the luma of a block, in grey levels, that is not the encoder's: undamaged ones reach 2."""
SECONDS = 20
FAULTS = (('none', {}), ('loss', {'share': 0.001}), ('loss', {'share': 0.02}), ('corrupt', {'share': 0.001}),
          ('corrupt', {'share': 0.02}), ('corrupt', {'share': 0.005, 'bits': 1}))

Verdict = collections.namedtuple('Verdict', 'right_shown wrong_shown right_gated wrong_gated unreadable_gated')


class Watched(DecodePipeline):
    """A tail that keeps what the decoder gave and whether it was let through."""

    kept = []

    def _on_picture(self, pad, probe, argument):
        passed = super(Watched, self)._on_picture(pad, probe, argument)
        self.kept.append((luma(probe.get_buffer()), passed == gst.Gst.PadProbeReturn.OK))
        return passed


def luma(buffer):
    return np.frombuffer(buffer.extract_dup(0, SIZE[0] * SIZE[1]), np.uint8).reshape(SIZE[::-1])


def worst_block(seen, drawn):
    """The largest mean difference of a block, above the mark."""
    rows = (SIZE[1] - timecode.strip_height(SIZE[1])) // BLOCK * BLOCK
    difference = cv2.absdiff(seen[:rows], drawn[:rows])
    return cv2.resize(difference, (SIZE[0] // BLOCK, rows // BLOCK), interpolation=cv2.INTER_AREA).max()


class Judge:
    """Knows what each picture of camera 1 should look like."""

    def __init__(self):
        self._scene = Scene(seed=SEED + 1, size=SIZE, fps=FPS, name='camera 1', camera=1)

    def differs(self, seen, found):
        """Grey levels between a picture and the one its mark names.

        The clock in it was drawn some milliseconds before the mark: it may show the second before.
        """
        return min(self._differs(seen, found.frame, ms) for ms in (found.ms, found.ms // 1000 * 1000 - 1))

    def _differs(self, seen, frame, ms):
        drawn = cv2.cvtColor(self._scene.picture(frame, ms), cv2.COLOR_BGR2YUV_I420)[:SIZE[1]]
        return worst_block(seen, drawn)

    def is_right(self, seen):
        """Whether a picture is the one that was drawn; None where its mark cannot be read."""
        found = timecode.read(seen)
        if found is None or found.camera != 1:
            return None
        return bool(self.differs(seen, found) <= FAR)


def play(uri, login, ring, transport, enough):
    """[(luma, passed)] of a camera read until `enough(totals of its books)`, session by session; and these totals."""
    Watched.kept, tally = [], OutcomeCounts()
    while not enough(tally.counts):
        source = make_source(Camera(name='gate', uri=uri, transport=transport, **login), ring, tally)
        source.open()
        try:
            while not enough(tally.counts):
                source.poll(0.2)
        except SourceError as error:
            print('   %s' % error, file=sys.stderr)
        finally:
            source.close()
    return Watched.kept, tally.counts


def verdict(pictures, judge):
    """How many were right and wrong, shown and gated."""
    counted = collections.Counter((judge.is_right(seen), passed) for seen, passed in pictures)
    return Verdict(counted[True, True], counted[False, True] + counted[None, True], counted[True, False],
                   counted[False, False], counted[None, False])


def after(seconds):
    """Enough is what came in so many seconds."""
    end_s = time.monotonic() + seconds
    return lambda counts: time.monotonic() > end_s


def measure(fault, options, transport, folder, enough, codec='h264'):
    """(Verdict, totals of the books) under one fault."""
    gstreamer.DecodePipeline, before = Watched, gstreamer.DecodePipeline
    try:
        with Simulator(size=SIZE, fps=FPS, gop=FPS, seed=SEED, bitrate_kbit=4000, faultable=True, codec=codec,
                       udp=True) as simulator, Ring.create('%s/ring' % folder, 4, frame_bytes(*SIZE)) as ring:
            if fault != 'none':
                simulator.fault(1, fault, **options)
            login = {'user': simulator.user, 'password': simulator.password}
            pictures, counts = play(simulator.uri(1), login, ring, transport, enough)
    finally:
        gstreamer.DecodePipeline = before
    return verdict(pictures, Judge()), counts


def main():
    import tempfile
    print('codec fault transport: %s' % ' '.join(Verdict._fields))
    for codec in ('h264', 'h265'):
        for fault, options in FAULTS:
            for transport in ('tcp', 'udp'):
                with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
                    found, counts = measure(fault, options, transport, folder, after(SECONDS), codec)
                said = ' '.join('%s=%g' % pair for pair in sorted(options.items()))
                print(codec, fault, said, transport, *found, {name: n for name, n in counts.items() if n}, flush=True)


if __name__ == '__main__':
    main()
