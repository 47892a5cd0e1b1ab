"""What is really to be seen: the boxes of every picture sent, as lines of JSON."""
import json
import threading

from edge_app.errors import OutputError
from edge_app.testing.simulator.scene import CLASSES


class TruthFile:
    """One line per drawn picture, written as it is sent: camera and frame (as in the mark), ms (unix time), boxes.

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
