"""Results as JSON lines, one object per inferred frame."""
import json
import os
import stat
import sys

from edge_app import clock, uris
from edge_app.errors import OutputError
from edge_app.output.base import OutputUnavailable, ResultSink

BLOCK = 65536
"""Bytes read at a time to find the end of the last line."""

KEYS = {
    'camera': 'name of the camera',
    'sequence': 'number of the frame at this camera, from 1; gaps are frames that were not analysed',
    'captured': ('arrival of the frame at this machine (from a file or over HTTP: when it was due), '
                 'Unix time in seconds'),
    'latency_ms': 'arrival to detections',
    'size': 'width and height of the frame in pixels',
    'detections[].label': 'class name, `class N` where the model names none',
    'detections[].score': 'confidence, 0 to 1',
    'detections[].box': 'left, top, right, bottom in pixels of the frame',
    'detections[].keypoints': 'of pose models only: [x, y, visibility] of each keypoint',
}
"""What each key of a record means, for the reference page."""


def record(result, wall_minus_monotonic_ns):
    """The object of one Result: camera, sequence, captured (unix seconds), latency_ms, detections in frame pixels.

    Detections of a pose model have `keypoints`, a list of [x, y, visibility].
    """
    found = result.detections
    detections = [
        {'label': found.label(index), 'score': round(score, 4), 'box': [round(edge, 1) for edge in box]}
        for index, (score, box) in enumerate(zip(found.score.tolist(), found.xyxy.tolist()))]
    if found.keypoints is not None:
        for one, points in zip(detections, found.keypoints.tolist()):
            one['keypoints'] = [[round(x, 1), round(y, 1), round(sure, 3)] for x, y, sure in points]
    return {
        'camera': result.camera,
        'sequence': result.meta.sequence,
        'captured': round((result.meta.captured_ns + wall_minus_monotonic_ns) / 1e9, 3),
        'latency_ms': round((result.inferred_ns - result.meta.captured_ns) / 1e6, 1),
        'size': list(result.meta.size),
        'detections': detections}


def wall_minus_monotonic_ns():
    """What to add to a CLOCK_MONOTONIC moment for Unix time, by the system's clock as it is now."""
    return clock.wall_ns() - clock.now_ns()


class JsonLines(ResultSink):
    """Writes records to a file, appending, or to standard output. `with` opens and closes it.

    A file holds whole lines only: a line that a full disk truncated is removed, here or when it is opened next. One
    that was renamed or removed is begun anew at the next record.
    """

    def __init__(self, path=None, max_bytes=None):
        """`path` None: standard output. A file that would grow beyond `max_bytes` is first renamed to `<path>.1`."""
        self.path, self.max_bytes = path, max_bytes
        self._fd = None
        self._whole = False

    @classmethod
    def for_sink(cls, sink):
        if uris.scheme_of(sink.uri) == 'stdout':
            return cls()
        return cls(uris.file_path(sink.uri), sink.max_mb and int(sink.max_mb * 2 ** 20))

    def open(self):
        if self.path is None:
            return
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            self._whole = stat.S_ISREG(os.fstat(self._fd).st_mode)
            if self._whole:     # not a pipe or a device, which has no end to seek to
                os.ftruncate(self._fd, whole_bytes(self.path))
        except OSError as error:
            raise OutputUnavailable('%s: cannot write results: %s; create the folder or choose another path'
                                    % (self.path, error.strerror))

    def write(self, records):
        """Append records, unbuffered; OutputError when the disk is full or the reader is gone."""
        text = ''.join(json.dumps(record, separators=(',', ':')) + '\n' for record in records)
        try:
            if self.path is None:
                sys.stdout.write(text)
                sys.stdout.flush()
            else:
                data = text.encode()
                if self._whole and self._is_over(len(data)):
                    self.close()
                    self.open()
                self._append(data)
        except OutputUnavailable:
            raise
        except OSError as error:
            raise OutputError('%s: cannot write results: %s; free some space or choose another place'
                              % (self.path or 'standard output', error.strerror))

    def _is_over(self, more):
        """Whether the open file is no longer the one at the path: others renamed it, or it is full and was, here."""
        ours = os.fstat(self._fd)
        try:
            if not os.path.samestat(ours, os.stat(self.path)):
                return True
        except FileNotFoundError:
            return True
        full = self.max_bytes and ours.st_size and ours.st_size + more > self.max_bytes
        if full:
            os.replace(self.path, self.path + '.1')
        return full

    def _append(self, data):
        before = os.fstat(self._fd).st_size
        try:
            while data:
                data = data[os.write(self._fd, data):]
        except OSError:
            if self._whole:
                os.ftruncate(self._fd, before)
            raise

    def close(self):
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None


def whole_bytes(path):
    """Bytes of a file up to the end of its last whole line."""
    with open(path, 'rb') as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            stream.seek(start)
            place = stream.read(end - start).rfind(b'\n')
            if place >= 0:
                return start + place + 1
            end = start
    return 0
