"""A client of an RTSP stream that decodes it and reads the marks: what a viewer saw, and when. A child of a benchmark.

One line of JSON in: {"uri", "user", "password", "latency_ms", "tiles": {camera number: [x, y, width, height]}, "per_s"};
"tiles" null is the whole picture, one camera's. Answers: "ready" with the first picture, then to every line the sightings
since the last one, [[camera number, picture number, moment in ns], ...].
"""
import json
import select
import sys

from edge_app import gst
from edge_app.errors import SourceLost
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.viewer import Viewer


def sightings(moment_ns, luma, tiles):
    """[camera number, picture number, moment] of every mark in the picture."""
    for camera, (x, y, width, height) in tiles.items():
        found = timecode.read(luma[y:y + height, x:x + width])
        if found:
            yield [int(camera), found.frame, moment_ns]


def watch(viewer, wish):
    """Look at pictures until told no more."""
    seen, looked_ns, ready = [], 0, False
    while True:
        picture = viewer.picture()
        if picture and not ready:
            ready = True
            print(json.dumps('ready'), flush=True)
        if picture and picture[0] - looked_ns >= 1e9 / wish['per_s']:
            looked_ns = picture[0]
            whole = {'1': (0, 0, picture[1].shape[1], picture[1].shape[0])}
            seen += sightings(picture[0], picture[1], wish['tiles'] or whole)
        if select.select([sys.stdin], [], [], 0)[0]:
            if not sys.stdin.readline():
                return
            print(json.dumps(seen), flush=True)
            seen = []


def main():
    wish = json.loads(sys.stdin.readline())
    decoder = [gst.make('avdec_h264', max_threads=1)]
    viewer = Viewer(wish['uri'], decoder, wish['user'], wish['password'], wish['latency_ms'])
    try:
        watch(viewer, wish)
    except SourceLost:
        pass   # what is watched may end first
    finally:
        viewer.close()


if __name__ == '__main__':
    main()
