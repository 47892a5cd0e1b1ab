"""Frames for a program of your own: the newest picture of one camera of the appliance that runs on this machine.

    python own_camera.py gate
"""
import glob
import sys

import cv2

from edge_app.clock import now_ns
from edge_app.frames import I420
from edge_app.transport.ring import Ring


def newest(path):
    """(FrameMeta, BGR array [height, width, 3]) of the newest frame in a ring, or None. Never makes the camera wait."""
    with Ring.open(path) as ring:
        found = ring.newest()
        read = ring.read(found[0]) if found else None
        if read is None:
            return None
        meta, pixels = read
        return meta, cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420) if meta.format == I420 else pixels.copy()


def main(camera):
    paths = glob.glob('/dev/shm/edge-app-*/%s.frames' % camera)
    if not paths:
        sys.exit('no appliance on this machine has a camera %s' % camera)
    found = newest(paths[0])
    if found is None:
        sys.exit('%s has sent nothing yet' % camera)
    meta, picture = found
    print('%s: frame %d, %dx%d, %.0f ms old, mean %.1f' % (
        camera, meta.sequence, meta.width, meta.height, (now_ns() - meta.captured_ns) / 1e6, picture.mean()))


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
