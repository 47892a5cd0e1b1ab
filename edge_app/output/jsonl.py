"""Results as JSON lines, one object per inferred frame."""
import contextlib
import json
import sys

from edge_app import clock
from edge_app.errors import OutputError
from edge_app.output.base import OutputUnavailable


def record(result, names, wall_minus_monotonic_ns):
    """The object of one Result: camera, sequence, captured (unix seconds), latency_ms, detections in frame pixels.

    Detections of a pose model have `keypoints`, a list of [x, y, visibility].
    """
    found = result.detections
    detections = [
        {'label': names[class_id] if class_id < len(names) else 'class %d' % class_id, 'score': round(score, 4),
         'box': [round(edge, 1) for edge in box]}
        for class_id, score, box in zip(found.class_id.tolist(), found.score.tolist(), found.xyxy.tolist())]
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
    """What to add to a CLOCK_MONOTONIC moment for unix time, by the system's clock as it stands now."""
    return clock.wall_ns() - clock.now_ns()


class JsonLines(object):
    """Writes records to a file, appending, or to standard output. `with` opens and closes it."""

    def __init__(self, path=None):
        """`path` None: standard output."""
        self.path = path
        self._stream = None

    def open(self):
        if self.path is None:
            self._stream = sys.stdout
            return
        try:
            self._stream = open(self.path, 'a', encoding='utf-8')
        except OSError as error:
            raise OutputUnavailable('%s: cannot write results: %s; create the folder or choose another path'
                                    % (self.path, error.strerror))

    def write(self, records):
        """Append records and hand them to the system; OutputError when the disk is full or the reader is gone."""
        try:
            self._stream.write(''.join(json.dumps(record, separators=(',', ':')) + '\n' for record in records))
            self._stream.flush()
        except OSError as error:
            raise OutputError('%s: cannot write results: %s; free some space or choose another place'
                              % (self.path or 'standard output', error.strerror))

    def close(self):
        if self._stream is not None and self.path is not None:
            with contextlib.suppress(OSError):      # what could not be written was said by `write`
                self._stream.close()
        self._stream = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *exc):
        self.close()
