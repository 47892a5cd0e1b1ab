"""The demo in the first seconds of its life: it needs all of a machine of two cores."""
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge_app.commands.demo import SEED
from edge_app.compositor.layout import grid
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.drawn_source import DrawnSource
from edge_app.testing.simulator.scene import Scene

from tests.support.running import free_port
from tests.support.sources import ROOT

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


def test_the_shipped_configuration_shows_a_street_with_detections(tmp_path):
    with open(os.path.join(ROOT, 'deploy', 'site.yaml'), encoding='utf-8') as site:
        text = site.read().replace('credentials_file:', '#').replace(':8554/', ':%d/' % free_port())
    path, results, picture = tmp_path / 'site.yaml', tmp_path / 'results.jsonl', tmp_path / 'mosaic.png'
    path.write_text(text.replace('port: 8080', 'port: %d' % free_port()) + '\nsinks: [{uri: "file://results.jsonl"}]\n')
    done = subprocess.run([sys.executable, '-m', 'edge_app', 'run', str(path), '--duration', '9', '--snapshot',
                           str(picture)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    found = [json.loads(line)['detections'] for line in results.read_text().splitlines()]
    labels = {one['label'] for detections in found for one in detections if one['score'] > 0.6}
    assert 'person' in labels and len(labels) > 1 and sum(map(bool, found)) > 0.9 * len(found), labels
    background = Scene(int(DrawnSource.DEFAULTS['seed']), conditions=DrawnSource.DEFAULTS['conditions'],
                       timecode=False).background.picture
    mosaic = cv2.imread(str(picture))
    assert np.median(cv2.absdiff(cv2.resize(background, mosaic.shape[1::-1]), mosaic)) < 12
