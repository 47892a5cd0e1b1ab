"""The demo in the first seconds of its life: it needs all of a machine of two cores."""
import json
import subprocess
import sys

import cv2
import pytest

from edge_app.compositor.layout import WIDE, grid, place
from edge_app.compositor.mosaic import banner_height
from edge_app.testing.simulator import timecode

pytestmark = pytest.mark.serial


def test_demo_writes_its_report_and_the_picture_a_viewer_sees(tmp_path):
    report, picture = tmp_path / 'report.json', tmp_path / 'mosaic.png'
    done = subprocess.run([sys.executable, '-m', 'edge_app', 'demo', '--duration', '9', '--json', str(report),
                           '--snapshot', str(picture)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    found = json.loads(report.read_text())
    assert found['schema'] == 1 and len(found['cameras']) == 4
    for name, camera in found['cameras'].items():
        assert camera['state'] == 'live' and camera['inferred'] > 0, name
        assert camera['received'] == camera['inferred'] + sum(camera['dropped'].values()) + camera['in_flight'], name
        assert camera['latency_ms']['result']['p95'] > 0 and camera['latency_ms']['mosaic']['p95'] > 0, name
    assert found['engine']['backend'] and found['engine']['model'] and found['first_mosaic_s'] > 0
    assert {'supervisor', 'analyze', 'present', 'web'} < {process['name'] for process in found['processes']}
    assert marks(cv2.imread(str(picture))) == [1, 2, 3, 4]


def marks(mosaic):
    """Camera numbers burnt into the four pictures of a mosaic with the embedded model's warning above it."""
    size = mosaic.shape[1], mosaic.shape[0]
    rects = [place((640, 360), tile).rect for tile in grid(4, size, WIDE, banner_height(size))]
    found = [timecode.read(mosaic[rect.y:rect.bottom, rect.x:rect.right]) for rect in rects]
    return [one and one.camera for one in found]
