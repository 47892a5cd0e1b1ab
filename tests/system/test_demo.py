"""The demo in the first seconds of its life: it needs all of a machine of two cores."""
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge_app.commands.demo import SEED
from edge_app.compositor.layout import grid
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.scene import Scene

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
    assert {'supervisor', 'analyze', 'compositor', 'web'} < {process['name'] for process in found['processes']}
    mosaic = cv2.imread(str(picture))
    size = mosaic.shape[1], mosaic.shape[0]
    for number, tile in enumerate(grid(4, size), 1):
        part = mosaic[tile.y:tile.bottom, tile.x:tile.right]
        scenes = [Scene(SEED + other, timecode=False).background.picture for other in (1, 2, 3, 4)]
        apart = [np.median(cv2.absdiff(cv2.resize(scene, part.shape[1::-1]), part)) for scene in scenes]
        assert np.argmin(apart) == number - 1 and min(apart) < 12, apart
        assert timecode.read(part) is None, 'no strip for programs'
