"""What the child programs have in common: the job on stdin, the model as a user of ONNX Runtime runs it, the counts.

One line of JSON in: {"uris", "first" (number of the first camera), "model", "threads", "mode"}. To every further line
an answer: {"done": {camera: pictures inferred}, "fresh": {camera: those that were not inferred before}, "seen":
[[camera, picture number, moment in ns], ...]}. When stdin ends, every process of this session ends.
"""
import functools
import json
import os
import signal
import threading

import cv2
import numpy as np

from edge_app.clock import now_ns
from edge_app.testing.simulator import timecode

EVERY = 3
"""One timecode is read in this many pictures of a camera, as for the appliance (harness/result_listener.py)."""
SCORE, OVERLAP = 0.4, 0.45
STRIDES = (8, 16, 32)


class Work:
    """The wish, and what was done of it."""

    def __init__(self):
        # What the programs print would be taken for answers, and a fork of theirs would wait for the lock of sys.stdin.
        self._questions, self._answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), 'w')
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        wish = json.loads(self._questions.readline())
        self.uris, self.first, self.mode = wish['uris'], wish['first'], wish['mode']
        self.model, self.threads = wish['model'], wish['threads']
        os.environ['OPENCV_FFMPEG_CAPTURE_OPTIONS'] = 'rtsp_transport;tcp'
        self._done, self._fresh, self._last, self._seen = {}, {}, {}, []
        threading.Thread(target=self._answer, daemon=True).start()

    def note(self, place, picture):
        """The picture (uint8 BGR) of the camera at this place of `uris` has its boxes now."""
        moment_ns, camera = now_ns(), self.first + place
        self._done[camera] = self._done.get(camera, 0) + 1
        row = picture.shape[0] - timecode.strip_height(picture.shape[0]) * 3 // 4
        told = picture[row, ::8].tobytes()      # two pictures of one number are the same to the bit
        if self._last.get(camera) == told:
            return
        self._last[camera] = told
        self._fresh[camera] = self._fresh.get(camera, 0) + 1
        found = timecode.read(picture) if self._fresh[camera] % EVERY == 0 else None
        if found:
            self._seen.append([camera, found.frame, moment_ns])

    def _answer(self):
        for _ in self._questions:
            seen, self._seen = self._seen, []
            answer = {'done': dict(self._done), 'fresh': dict(self._fresh), 'seen': seen}
            self._answers.write(json.dumps(answer) + '\n')
            self._answers.flush()
        if os.getsid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)    # the program's own children, too
        os._exit(0)


class Session:
    """A YOLOX model in an InferenceSession as the library makes it, with the code around it that people write."""

    def __init__(self, work):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = work.threads
        self._session = onnxruntime.InferenceSession(work.model, options, providers=['CPUExecutionProvider'])
        put = self._session.get_inputs()[0]
        self._name, self._height, self._width = put.name, put.shape[2], put.shape[3]
        self._most = put.shape[0] if isinstance(put.shape[0], int) else 64

    def boxes(self, pictures):
        """[boxes, 4] corners of each uint8 BGR picture."""
        found = []
        for start in range(0, len(pictures), self._most):
            some = pictures[start:start + self._most]
            batch = np.stack([self._letterbox(picture) for picture in some])
            for rows, picture in zip(self._session.run(None, {self._name: batch})[0], some):
                found.append(decoded(rows, self._width, self._height)[:, :4] / self._scale(picture))
        return found

    def _scale(self, picture):
        return min(self._width / picture.shape[1], self._height / picture.shape[0])

    def _letterbox(self, picture):
        scale, canvas = self._scale(picture), np.full((self._height, self._width, 3), 114, np.uint8)
        width, height = int(picture.shape[1] * scale), int(picture.shape[0] * scale)
        canvas[:height, :width] = cv2.resize(picture, (width, height))
        return canvas.transpose(2, 0, 1).astype(np.float32)


def decoded(rows, width, height):
    """float32 [boxes, 6] of x, y, x, y, score, class from the rows of one picture, as in YOLOX demo/ONNXRuntime."""
    cells, steps = grid(width, height)
    scores = rows[:, 4] * rows[:, 5:].max(axis=1)
    sure = np.flatnonzero(scores > SCORE)
    centre = (rows[sure, :2] + cells[sure]) * steps[sure]
    size = np.exp(rows[sure, 2:4]) * steps[sure]
    corner = centre - size / 2
    kept = cv2.dnn.NMSBoxes(np.concatenate([corner, size], axis=1).tolist(), scores[sure].tolist(), SCORE, OVERLAP)
    kept = np.array(kept, int).reshape(-1)
    classes = rows[sure[kept], 5:].argmax(axis=1)
    return np.concatenate([corner[kept], corner[kept] + size[kept], scores[sure[kept], None], classes[:, None]],
                          axis=1).astype(np.float32)


@functools.lru_cache(maxsize=1)
def grid(width, height):
    """([rows, 2] columns and rows of cells, [rows, 1] strides) of a YOLOX head."""
    cells, steps = [], []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
        cells.append(np.stack([x, y], 2).reshape(-1, 2))
        steps.append(np.full((x.size, 1), stride))
    return np.concatenate(cells), np.concatenate(steps)
