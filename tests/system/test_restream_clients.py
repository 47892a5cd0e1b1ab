"""The re-stream played by three independent implementations: FFmpeg, GStreamer, aiortsp. Two at once, and again."""
import os
import subprocess
import sys

import cv2
import pytest

from edge_app.testing.simulator.process import Simulator

from tests.support import sources
from tests.support.running import Running, free_port, site

AIORTSP_CLIENT = os.path.join(sources.ROOT, 'tests', 'support', 'aiortsp_client.py')
IDR = 5


@pytest.fixture(scope='module')
def appliance(tmp_path_factory):
    port = free_port()
    with Simulator(cameras=2, size=(320, 180), fps=10.0, die_with_parent=True) as simulator:
        with Running(site(simulator.uris, simulator.user, port=port), tmp_path_factory.mktemp('restream'),
                     CAMERA_PASSWORD=simulator.password) as running:
            running.wait_live('cam1', 'cam2')
            running.address = 'rtsp://127.0.0.1:%d/' % port
            yield running


def ffmpeg(uri, frames):
    """A started ffprobe that decodes `frames` packets and ends."""
    return subprocess.Popen(['ffprobe', '-v', 'error', '-rtsp_transport', 'tcp', '-read_intervals', '%%+#%d' % frames,
                             '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', uri],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')


def finished(process):
    """Pictures it decoded without a complaint; it must have ended within 30 s."""
    try:
        pictures, complaint = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0 and not complaint, complaint
    return int(pictures)


def gstreamer(uri, path):
    """Run the appliance's own kind of client, rtspsrc, to one picture."""
    run = subprocess.run(['gst-launch-1.0', '-q', 'rtspsrc', 'location=' + uri, 'protocols=tcp', '!', 'rtph264depay',
                          '!', 'avdec_h264', '!', 'videoconvert', '!', 'pngenc', 'snapshot=true', '!', 'filesink',
                          'location=' + path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert run.returncode == 0, run.stdout.decode()
    return cv2.imread(path)


def aiortsp(uri, packets=40):
    """Types of the H.264 units in the first packets."""
    run = subprocess.run([sys.executable, AIORTSP_CLIENT, uri, str(packets)], stdout=subprocess.PIPE, timeout=60)
    return [int(kind) for kind in run.stdout.split()]


@pytest.mark.parametrize('mount', ['mosaic', 'birdseye', 'cam1', 'cam2_annotated'])
def test_every_mount_plays_in_ffmpeg(appliance, mount):
    assert finished(ffmpeg(appliance.address + mount, 12)) >= 11


@pytest.mark.parametrize('mount, size', [('mosaic', (640, 368)), ('cam1', (320, 180))])
def test_gstreamer_decodes_a_picture(appliance, tmp_path, mount, size):
    picture = gstreamer(appliance.address + mount, str(tmp_path / 'picture.png'))
    assert picture.shape[1::-1] == size
    assert picture.std() > 10, 'an even picture shows nothing'


def test_a_third_implementation_gets_a_key_frame_first(appliance):
    types = [kind for kind in aiortsp(appliance.address + 'mosaic') if kind in (1, IDR)]
    assert types[0] == IDR


def test_two_clients_at_once_and_one_that_comes_back(appliance):
    first, second = ffmpeg(appliance.address + 'mosaic', 30), ffmpeg(appliance.address + 'mosaic', 10)
    assert finished(second) >= 9
    again = ffmpeg(appliance.address + 'mosaic', 10)
    assert finished(again) >= 9 and finished(first) >= 29
