"""Two synchronised cameras in one mosaic: what was burnt into their pictures says that both show one moment."""
from edge_app import gst
from edge_app.compositor.layout import Rect, place
from edge_app.stats.report import read_status, report
from edge_app.testing.harness.stream_decoder import StreamDecoder
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator

from tests.support.running import Running, free_port
from tests.support.waiting import until

FPS = 4
INTERVAL_MS = 1000 / FPS
SITE = '''cameras:
  - {name: cam1, uri: "%s", user: admin, password: "${CAMERA_PASSWORD}", size: [320, 176], latency_ms: 0}
  - {name: cam2, uri: "%s", user: admin, password: "${CAMERA_PASSWORD}", size: [320, 176], latency_ms: 250}
engine: off
outputs: [{uri: "rtsp://127.0.0.1:%d/mosaic", size: [640, 368], fps: 10, align_ms: 40}]
web: off
'''


def marks_in(luma, tiles):
    """The marks of both tiles, None for one that cannot be read."""
    rects = [place((320, 176), Rect(*tiles[name])).rect for name in ('cam1', 'cam2')]
    return [timecode.read(luma[rect.y:rect.bottom, rect.x:rect.right]) for rect in rects]


def read_together(running, port, count):
    """[(mark of one camera, mark of the other)] of so many mosaics in which both can be read."""
    tiles = until(lambda: running.counters.compositor.info.get('tiles'), 20, 'where the tiles lie')
    viewer, found = StreamDecoder('rtsp://127.0.0.1:%d/mosaic' % port, gst.choose_decoder('h264')[0].make('h264')), []

    def look():
        seen = viewer.picture()
        both = marks_in(seen[1], tiles) if seen else [None]
        if all(both):
            found.append(both)
        return len(found) >= count
    try:
        until(look, 60, '%d mosaics with two marks' % count)
    finally:
        viewer.close()
    return found


def test_two_synchronised_cameras_are_shown_at_the_same_moment(tmp_path):
    """One of them comes 250 ms late, by its jitter buffer: one picture. Both number theirs alike."""
    port = free_port()
    with Simulator(cameras=2, size=(320, 176), fps=FPS, synchronised=True) as cameras:
        with Running(SITE % (tuple(cameras.uris) + (port,)), tmp_path, CAMERA_PASSWORD=cameras.password) as running:
            until(lambda: running.counters.compositor.camera_clock, 60, 'sender reports of both')
            seen = read_together(running, port, 40)
            found = report(running.counters, read_status(running.run_dir))['sets']
    apart = sorted(abs(one.frame - other.frame) for one, other in seen)
    assert apart[len(apart) // 2] == 0, apart
    assert found['skew_ms']['p50'] < INTERVAL_MS and found['clock'] == 'camera'
    assert found['shown'] >= found['aligned'] > 0
