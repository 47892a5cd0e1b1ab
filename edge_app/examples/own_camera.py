"""Frames for your own program: the newest frame of one camera of the appliance that runs on this machine.

    python own_camera.py gate
"""
import glob
import os
import sys

import cv2

from edge_app.clock import now_ns
from edge_app.frames import I420
from edge_app.transport.camera_feed import CameraFeed


def newest(run_dir, camera):
    """(FrameMeta, BGR array [height, width, 3]) of a camera's newest frame, or None. The camera never waits for it."""
    with CameraFeed(run_dir, camera).open() as feed:
        found = feed.read_newest()
    if found is None:
        return None
    meta, pixels = found
    return meta, cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420) if meta.format == I420 else pixels


def main(camera):
    paths = glob.glob('/dev/shm/edge-app-*/%s.frames' % camera)
    if not paths:
        sys.exit('no appliance on this machine has a camera %s' % camera)
    found = newest(os.path.dirname(paths[0]), camera)
    if found is None:
        sys.exit('%s has not sent a frame yet' % camera)
    meta, picture = found
    print('%s: frame %d, %dx%d, %.0f ms old, mean %.1f' % (
        camera, meta.sequence, meta.width, meta.height, (now_ns() - meta.captured_ns) / 1e6, picture.mean()))


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
