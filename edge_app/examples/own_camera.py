"""Frames for your own program: the newest frame of one camera of the appliance that runs on this machine.

    python own_camera.py gate
"""
import glob
import os
import sys

try:
    import cv2

    from edge_app.clock import now_ns
    from edge_app.errors import EdgeAppError
    from edge_app.frames import I420
    from edge_app.supervision.run_dir import running
    from edge_app.transport.camera_feed import CameraFeed
except ImportError as missing:
    sys.exit('own_camera: %s; run it with the Python of edge-app, .venv/bin/python' % missing)


def newest(run_dir, camera):
    """(FrameMeta, BGR array [height, width, 3]) of a camera's newest frame, or None. The camera never waits for it."""
    with CameraFeed(run_dir, camera).open() as feed:
        found = feed.read_newest()
    if found is None:
        return None
    meta, pixels = found
    return meta, cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420) if meta.format == I420 else pixels


def run_dir_of(camera):
    """Run directory of the appliance with this camera; LookupError says which cameras there are."""
    found = {os.path.basename(path)[:-len('.frames')]: run_dir for run_dir in running()
             for path in glob.glob(os.path.join(run_dir, '*.frames'))}
    if camera not in found:
        raise LookupError('no appliance of this user has a camera %s; there %s' % (
            camera, 'are ' + ', '.join(sorted(found)) if found else 'is none: start `edge-app run` first'))
    return found[camera]


def main(camera):
    """Print what the newest frame of the camera is."""
    found = newest(run_dir_of(camera), camera)
    if found is None:
        raise LookupError('%s has not sent a frame yet' % camera)
    meta, picture = found
    print('%s: frame %d, %dx%d, %.0f ms old, mean %.1f' % (
        camera, meta.sequence, meta.width, meta.height, (now_ns() - meta.captured_ns) / 1e6, picture.mean()))


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('own_camera: give the name of one camera: python own_camera.py gate')
    try:
        main(sys.argv[1])
    except (EdgeAppError, LookupError) as error:
        sys.exit('own_camera: %s' % error)
