"""The least this machine can spend on the same work, built from the bare parts.

    one gst-launch-1.0 per camera    receive, decode, scale to the size that frames have in the appliance, discard
    one loop around the library      the same model, precision, threads and batch, on one constant array
    one encoder, if somebody watches the appliance's own settings, fed with ready-made pictures

No frame passes from one to the other, nothing is drawn, no box is decoded. What an appliance needs beyond this is its
own.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

from edge_app.compositor.layout import grid
from edge_app.supervision.process_usage import cpu_s, pss_mb
from edge_app.testing.harness.children import JsonChild, get_job, put_answer, requested, stop
from edge_app.testing.harness.simulated_cameras import SEEDS, clip, latencies_ms, tool
from edge_app.testing.harness.site import random_port
from edge_app.testing.harness.viewer import StreamViewer

MOSAIC, MOSAIC_FPS, MOSAIC_KBIT = (1280, 720), 25, 3000
"""Defaults of an output."""
MOSAIC_PICTURES = 25


def chain(uri, user, password, size=(640, 360)):
    """Arguments of one camera's gst-launch-1.0. The password is the simulator's, which is no secret."""
    return ['gst-launch-1.0', '-q', 'rtspsrc', 'location=' + uri, 'user-id=' + user, 'user-pw=' + password,
            'protocols=tcp', 'latency=100', '!', 'rtph264depay', '!', 'h264parse', '!',
            'avdec_h264', 'max-threads=1', '!',
            'videoscale', '!', 'video/x-raw,width=%d,height=%d' % tuple(size), '!', 'fakesink']


def encoder(folder):
    """Arguments that encode the pictures of a folder in a loop at the mosaic's rate, to stdout."""
    from edge_app.gst import choose_encoder
    row = choose_encoder()[0]
    settings = ['%s=%s' % (name.replace('_', '-'), value)
                for name, value in row.settings(MOSAIC_KBIT, MOSAIC_FPS).items()]
    return (['gst-launch-1.0', '-q', 'multifilesrc', 'location=%s/%%03d.i420' % folder, 'loop=true', 'stop-index=%d'
             % (MOSAIC_PICTURES - 1), '!', 'rawvideoparse', 'format=i420', 'width=%d' % MOSAIC[0],
             'height=%d' % MOSAIC[1],
             'framerate=%d/1' % MOSAIC_FPS, '!', 'identity', 'sync=true', '!', row.element] + settings
            + ['!', 'h264parse', '!', 'video/x-h264,stream-format=byte-stream,alignment=au', '!', 'fdsink',
               'sync=false'])


VIEWER = ('gst-launch-1.0 -q fdsrc ! video/x-h264,stream-format=byte-stream ! h264parse ! avdec_h264 max-threads=1 ! '
          'fakesink sync=false').split()
"""Decodes as the appliance's viewer does, and is excluded from the CPU figures too."""


def mosaics(cameras):
    """I420 bytes of the encoder's pictures: what the cameras sent, in tiles as the appliance lays them out.

    Decoded pictures, because drawn ones have all the noise that a camera's encoder removes and cost three times as much
    to encode. As many as lie between two key frames, so that the loop has no seam.
    """
    clips = [cv2.VideoCapture(clip(cameras.size, cameras.fps, seed)) for seed in SEEDS[:cameras.count]]
    canvas = np.full((MOSAIC[1], MOSAIC[0], 3), 18, np.uint8)
    for _ in range(MOSAIC_PICTURES):
        shown = [_next(one) for one in clips]
        for place, (x, y, width, height) in enumerate(grid(cameras.count, MOSAIC)):
            canvas[y:y + height, x:x + width] = cv2.resize(shown[place % len(shown)], (width, height))
        yield cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420).tobytes()


def _next(capture):
    """The next picture of a cv2.VideoCapture, from the start again after the last."""
    good, picture = capture.read()
    if not good:
        capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        picture = capture.read()[1]
    return picture


class Baseline:
    """All parts running together; a context manager."""

    def __init__(self, cameras, job, viewer):
        """`job`: of the loop, see `bare_loop`; `viewer`: with an encoder and a decoder of its stream."""
        self._cameras, self._job, self._viewer = cameras, job, viewer
        self._counted = {}
        self._uncounted = []

    def __enter__(self):
        tool('gst-launch-1.0')
        with contextlib.ExitStack() as undo:
            undo.callback(self._end)
            # In this session as the chains are: where the kernel groups processes by session, they compete as equals.
            self._loop = undo.enter_context(JsonChild(__name__, self._job, own_session=False))
            for number, uri in enumerate(self._cameras.uris, 1):
                self._start('chain:cam%d' % number, chain(uri, self._cameras.user, self._cameras.password))
            if self._viewer:
                self._start_encoder(undo)
            self.about = self._loop.answer()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc):
        self._undo.close()

    def _start(self, name, command, **pipes):
        self._counted[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, **pipes)
        return self._counted[name]

    def _start_encoder(self, undo):
        folder = tempfile.mkdtemp(prefix='edge-app-baseline-', dir='/dev/shm')
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        for number, picture in enumerate(mosaics(self._cameras)):
            with open(os.path.join(folder, '%03d.i420' % number), 'wb') as file:
                file.write(picture)
        made = self._start('encoder', encoder(folder), stdout=subprocess.PIPE)
        self._uncounted.append(subprocess.Popen(VIEWER, stdin=made.stdout))
        made.stdout.close()

    def _end(self):
        for process in list(self._counted.values()) + self._uncounted:
            stop(process)

    def pictures(self):
        """Pictures that the loop has done."""
        return self._loop.request()['pictures']

    def cpu_s(self):
        """{part: CPU seconds so far}."""
        return {name: cpu_s(pid) for name, pid in self._pids()}

    def pss_mb(self):
        return {name: round(pss_mb(pid) or 0.0, 1) for name, pid in self._pids()}

    def _pids(self):
        return [(name, process.pid) for name, process in self._counted.items()] + [('bare loop', self._loop.pid)]

    def failed(self):
        """Names of the parts that have ended."""
        return [name for name, process in self._counted.items() if process.poll() is not None]


def bare_result(cameras, seconds):
    """Latencies in ms of rtspsrc ! decode ! appsink on the first camera."""
    with StreamViewer(cameras.uris[0], None, cameras.user, cameras.password, 100) as viewer:
        time.sleep(seconds)
        return latencies_ms(cameras, viewer.sightings())


def bare_restream(cameras, seconds):
    """Latencies in ms of rtspsrc ! decode ! x264enc ! RTSP on the first camera, as a client decodes it."""
    port = random_port()
    with JsonChild('edge_app.testing.bench.restream_baseline', {
            'uri': cameras.uris[0], 'user': cameras.user, 'password': cameras.password, 'port': port}) as server:
        server.answer()
        with StreamViewer('rtsp://127.0.0.1:%d/bare' % port) as viewer:
            time.sleep(seconds)
            return latencies_ms(cameras, viewer.sightings())


def bare_loop(engine, per_s):
    """Run the library alone until stdin ends; answers {"pictures"} for each line.

    `engine`: settings of config.Engine; `per_s`: pictures a second, 0 for as many as it can.
    """
    from edge_app.config import Engine
    from edge_app.detectors.letterbox import single_thread
    from edge_app.inference.load_detector import open_detector
    single_thread()
    detector, note = open_detector(Engine(**engine))
    # A model made for a fixed number of pictures takes exactly those.
    count = detector.engine.fixed_batch or detector.engine.max_batch
    once = detector.engine.raw_runner(np.full((count,) + detector.batch.shape[1:], 114, np.uint8))
    del detector
    if once is None:
        sys.exit('the %s engine has no bare loop to compare with' % note['backend'])
    once()
    put_answer({key: note[key] for key in ('backend', 'precision', 'batch', 'model')})
    done, due_s, pause_s = 0, time.monotonic(), count / per_s if per_s else 0.0
    while True:
        if requested(max(0.0, due_s - time.monotonic()) if pause_s else 0.0):
            put_answer({'pictures': done})
        if time.monotonic() >= due_s:
            once()
            done += count
            due_s = max(due_s + pause_s, time.monotonic() - pause_s)


if __name__ == '__main__':
    bare_loop(**get_job())
