"""Capture on machines with and without gst-python's overrides: Debian has them for its own Python, a venv has not.

gi looks for overrides along sys.path, so a folder on PYTHONPATH is enough to have them. Where the distribution's own
were built for this interpreter those are tried as well.
"""
import os
import subprocess
import sys
import sysconfig

import pytest

from tests.support.capture_process import CaptureProcess
from tests.support.clips import write_clip
from tests.support.rtsp_camera import Camera
from tests.support.waiting import until

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STAND_IN = os.path.join(os.path.dirname(HERE), 'standins', 'gst_overrides')
DISTRIBUTION = '/usr/lib/python3/dist-packages'
ASK = 'from edge_app.gst import Gst; print(hasattr(Gst, "AddError"), hasattr(Gst, "LinkError"))'


def places():
    """{name: folder to add to the path} of the overrides to try."""
    found = {'absent': None, 'stand-in': STAND_IN}
    compiled = '_gi_gst' + (sysconfig.get_config_var('EXT_SUFFIX') or '')
    if os.path.exists(os.path.join(DISTRIBUTION, 'gi', 'overrides', compiled)):
        found['distribution'] = None  # filled by `only_overrides`
    return found


@pytest.fixture(params=sorted(places()))
def env(request, tmp_path):
    """An environment in which the overrides are there, or not."""
    folder = places()[request.param]
    if request.param == 'distribution':
        folder = only_overrides(tmp_path)
    paths = [path for path in (folder, ROOT) if path]
    env = {'PYTHONPATH': os.pathsep.join(paths)}
    said = subprocess.check_output([sys.executable, '-W', 'ignore', '-c', ASK], env=dict(os.environ, **env),
                                   universal_newlines=True)
    assert said.split() == ['%s' % (request.param != 'absent')] * 2
    return env


def only_overrides(tmp_path):
    """A folder with the distribution's Gst overrides and nothing else of its packages."""
    target = tmp_path / 'overrides' / 'gi' / 'overrides'
    target.mkdir(parents=True)
    source = os.path.join(DISTRIBUTION, 'gi', 'overrides')
    for name in os.listdir(source):
        if name.startswith(('Gst', '_gi_gst')):
            (target / name).symlink_to(os.path.join(source, name))
    return str(tmp_path / 'overrides')


def test_a_camera_is_captured(tmp_path, env):
    run_dir = tmp_path / 'run'
    run_dir.mkdir()
    with Camera(codec='h264') as camera, CaptureProcess(run_dir, camera.uri, env=env) as capture:
        capture.until_frames(5)
        camera.say('size 320x240')
        assert capture.ends() == 75
        assert 'Traceback' not in capture.log and 'copied twice' not in capture.log
    assert capture.balance().error == 0


def test_a_file_is_captured(tmp_path, env):
    run_dir = tmp_path / 'run'
    run_dir.mkdir()
    clip = write_clip(tmp_path / 'clip.mkv', [40 * number for number in range(10)], bframes=2)
    with CaptureProcess(run_dir, 'file://%s' % clip, env=env) as capture:
        capture.until_frames(5)
        until(lambda: 'end of file' in capture.log, 15, 'the end')
        assert capture.terminate() == 0 and 'Traceback' not in capture.log
    assert capture.balance().error == 0
