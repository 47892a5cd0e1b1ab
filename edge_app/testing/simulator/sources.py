"""Where a simulated camera's pictures come from: a drawn scene, made only while somebody watches."""
import json
import threading

import cv2
import numpy as np

from edge_app import clock
from edge_app.errors import OutputError
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.scene import CLASSES


class Pacer:
    """Numbers pictures from 0 on a grid of `fps` per second that begins at `start_ns` (clock.now_ns).

    The clock leads: who is late leaves pictures out rather than drift.
    """

    def __init__(self, fps, start_ns):
        self.interval_ns = int(round(1e9 / fps))
        self.start_ns = start_ns

    def due_ns(self, number):
        """When picture `number` is to be made."""
        return self.start_ns + number * self.interval_ns

    def after(self, last, now_ns):
        """Number of the picture to make after picture `last`: the next, or the present one if that is overdue."""
        return max(last + 1, (now_ns - self.start_ns) // self.interval_ns)


class TruthFile:
    """One JSON line per drawn picture, written as it is sent: camera and frame (as in the timecode), ms (unix), boxes.

    A box: `class`, `xyxy` in pixels of the main stream, `visible` (share of the object in sight, 0 to 1).
    """

    def __init__(self, path):
        self._lock = threading.Lock()
        try:
            self._file = open(path, 'w', 1)
        except OSError as error:
            raise OutputError('--truth: %s cannot be written: %s' % (path, error.strerror))

    def write(self, camera, frame, ms, boxes):
        """Add one picture; `boxes` are the scene's."""
        line = json.dumps({'camera': camera, 'frame': frame, 'ms': ms, 'boxes': [
            {'class': CLASSES[box.class_id], 'xyxy': [round(float(edge), 1) for edge in box.xyxy],
             'visible': round(float(box.visible), 3)} for box in boxes]}, separators=(',', ':'))
        with self._lock:
            if not self._file.closed:
                self._file.write(line + '\n')

    def close(self):
        with self._lock:
            self._file.close()


class Source(threading.Thread):
    """A thread that feeds streams while one of them is watched."""

    def __init__(self, name, streams):
        super(Source, self).__init__(name=name, daemon=True)
        self.streams = streams
        self.skipped = 0
        """Pictures left out because the machine was late."""
        self._stopping = threading.Event()
        self._changed = threading.Event()
        for stream in streams:
            stream.changed = self._changed.set

    @property
    def watched(self):
        return not self._stopping.is_set() and any(stream.watched for stream in self.streams)

    def run(self):
        while self._wait_for_viewer():
            self.play()

    def play(self):
        """Feed the streams until `watched` is false."""
        raise NotImplementedError

    def _wait_for_viewer(self):
        """Sleep until somebody watches; -> False when the camera is to stop."""
        while not self._stopping.is_set():
            self._changed.clear()
            if self.watched:
                return True
            self._changed.wait()
        return False

    def sleep_until(self, due_ns):
        """Sleep, but no longer than the camera is to run."""
        self._stopping.wait(max(0, due_ns - clock.now_ns()) / 1e9)

    def stop(self, timeout_s=1.0):
        self._stopping.set()
        self._changed.set()
        if self.is_alive():
            self.join(timeout_s)


class DrawnSource(Source):
    """Draws a scene at a steady rate, once for all its streams, each at its own size.

    `streams` is [(Stream, (width, height))], the largest first, which is the size the scene is drawn at. A picture's
    timecode carries the wall time at which it is handed to the encoder.
    """

    def __init__(self, number, scene, streams, fps, start_ns, truth=None, timecode=True):
        super(DrawnSource, self).__init__('draw-%d' % number, [stream for stream, _ in streams])
        self.number = number
        self.drawn = 0
        self.black = False
        self.timecode = self.has_timecode = timecode
        self._scene = scene
        self._sized = self._sized_first = streams
        self._pacer = Pacer(fps, start_ns)
        self._truth = truth

    def play(self):
        last = self._pacer.after(-1, clock.now_ns()) - 1
        while self.watched:
            number = self._pacer.after(last, clock.now_ns())
            self.skipped += number - last - 1
            self.sleep_until(self._pacer.due_ns(number))
            self._send(number, self._pacer.due_ns(number))
            last = number

    def resize(self, sizes):
        """From the next picture on each stream has another size, in their order; None: its first one."""
        first = self._sized_first
        self._sized = first if sizes is None else [(stream, size) for (stream, _), size in zip(first, sizes)]

    def _send(self, number, due_ns):
        black, with_timecode = self.black, self.timecode
        picture = self._scene.picture(number, _wall_ms())
        if black:
            picture = np.zeros_like(picture)
        self.drawn += 1
        sent_ms = [self._send_to(stream, picture, size, number, due_ns, with_timecode)
                   for stream, size in self._sized if stream.watched]
        if self._truth and sent_ms:
            self._truth.write(self.number, number, sent_ms[0], [] if black else self._scene.boxes(number))

    def _send_to(self, stream, picture, size, number, due_ns, with_timecode):
        if size != (picture.shape[1], picture.shape[0]):
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        ms = _wall_ms()
        if with_timecode:
            timecode.write(picture, self.number, number, ms)
        stream.push_picture(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes(), due_ns, size)
        return ms


def _wall_ms():
    return clock.wall_ns() // 1000000
