"""A camera whose pictures come two at a time, because it sends B-frames, before an engine that has time for all."""
from tests.support import situations
from tests.support.rtsp_camera import Camera
from tests.support.running import Running, free_port
from tests.support.waiting import until

SITE = '''cameras:
  - {name: pairs, uri: "%s", size: [320, 240]}
  - {name: beside, uri: "%s", size: [320, 240]}
engine: {backend: fake}
outputs: [{uri: "rtsp://127.0.0.1:%d/mosaic", size: [640, 240], fps: 5}]
web: off
'''


@situations.camera('B-frames: pictures come in pairs; none is left out while the engine has time')
def test_none_of_a_pair_is_left_out_while_the_engine_has_time(tmp_path):
    with Camera(size='320x240', fps=10, bframes=1) as pairs, Camera(size='320x240', fps=19) as beside:
        with Running(SITE % (pairs.uri, beside.uri, free_port()), tmp_path) as running:
            running.wait_live('pairs', 'beside')
            pages = running.counters.cameras
            before = {name: page.snapshot() for name, page in pages.items()}
            until(lambda: pages['pairs'].received >= before['pairs']['received'] + 40, 60, 'forty frames of the pairs')
            found = {name: page.snapshot() for name, page in pages.items()}
    for name, cells in found.items():
        assert cells['overload'] == before[name]['overload'], name
        captured, inferred = (cells[cell] - before[name][cell] for cell in ('captured', 'inferred'))
        assert captured > 30 and abs(captured - inferred) <= 3, name
