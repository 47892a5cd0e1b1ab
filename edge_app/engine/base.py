"""What every inference library looks like from outside: uint8 pictures in, float32 arrays out."""
import ast

import cv2
import numpy as np

from edge_app.errors import EngineError

DEFAULT_SIZE = (640, 640)
SIDES_PX = range(32, 4097)


def open_size(size, metadata):
    """(width, height) for a model that leaves them open: `size` if given, Ultralytics' `imgsz` text, 640 x 640.

    `imgsz` is '[height, width]' or one number: docs.ultralytics.com, export arguments.
    """
    if size:
        return tuple(size)
    try:
        value = ast.literal_eval(metadata.get('imgsz', '')[:100])
    except (SyntaxError, ValueError):
        return DEFAULT_SIZE
    sides = (value, value) if isinstance(value, int) else value
    if isinstance(sides, (list, tuple)) and len(sides) == 2 and all(side in SIDES_PX for side in sides):
        return sides[1], sides[0]
    return DEFAULT_SIZE


class Engine:
    """One model in one library. Read it, load it, run it, close it; a context manager.

    `read` finds out what the model is, `load` builds the preparation of the pixels into it: between the two
    a card (detectors/card.py) decides colour order and scale from what was read.
    A backend *must* write `read`, `load` and `run`, and *may* write `close`.
    """

    backend = ''
    """Name in the BACKENDS table."""
    input_size = None
    """(width, height) of the pictures it takes, once read."""
    max_batch = 1
    """Most pictures worth handing over at once."""
    fixed_batch = 0
    """Pictures per run where the model allows no other number, else 0."""
    precision = 'fp32'
    outputs = ()
    """((name, shape of one picture's rows), ...), once read: (('output', (3549, 85)),)."""
    loaded = False
    on_progress = None
    """Called with a line of text every second or two while `read` takes long, from other threads too."""

    def __init__(self, path, config):
        """`path` of the model file; `config` with `batch`, `threads` and `precision` (config.Engine)."""
        self.path = path
        self.config = config
        self.max_batch = max(1, config.batch)
        self.metadata = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def read(self, size=None):
        """Fill in `input_size`, `outputs`, `metadata`, `fixed_batch`.

        `size` (width, height) is used where the model leaves its own open. EngineError for a file that is no model.
        """
        raise NotImplementedError

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        """Get ready to run: pixels become (pixel in `colour` order - mean) * scale, in planes."""
        raise NotImplementedError

    def run(self, batch):
        """One run of the library: a list of float32 arrays with one row per picture of `batch`."""
        raise NotImplementedError

    def prepare(self, slot, picture, rows=slice(None)):
        """Told that `picture`, uint8 [height, width, 3], stands in slot `slot` of the next batch, new in `rows` only.

        A backend that makes planes of the pixels itself does so now, while they are in the processor's cache, and uses
        them when `infer` is told that all is prepared. Others have nothing to do.
        """

    def run_prepared(self, batch):
        """`run` for a batch whose every slot went through `prepare` after its last change."""
        return self.run(batch)

    def bare(self, batch):
        """A function without arguments that runs the library alone on these pictures, prepared beforehand.

        For measuring what our own part costs; None where there is nothing to compare with. The engine must be loaded.
        """
        return None

    def close(self):
        """Give everything back; the engine may be loaded again. Safe to call twice."""
        self.loaded = False

    def infer(self, batch, prepared=False):
        """Outputs for uint8 [n, height, width, 3] BGR pictures: a list of float32 arrays of n rows each.

        They may be the engine's own memory, good until the next call. EngineError when not loaded or of wrong shape.
        `prepared`: each picture was told to `prepare` since it changed.
        """
        if not self.loaded:
            raise EngineError('the %s engine is not loaded: call load() first' % self.backend)
        width, height = self.input_size
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (height, width, 3) or not len(batch):
            raise EngineError('pictures must be uint8 [n, %d, %d, 3], not %s %s'
                              % (height, width, batch.dtype, list(batch.shape)))
        if not self.fixed_batch or len(batch) == self.fixed_batch:
            return self.run_prepared(batch) if prepared else self.run(batch)
        return self._in_portions(batch, self.fixed_batch)

    def _in_portions(self, batch, portion):
        """A model of a fixed batch runs as often as needed, the last time filled up with the last picture."""
        runs = []
        for start in range(0, len(batch), portion):
            part = batch[start:start + portion]
            missing = portion - len(part)
            whole = np.concatenate([part] + [part[-1:]] * missing) if missing else part
            runs.append([array[:len(part)].copy() for array in self.run(whole)])
        return [np.concatenate(arrays) for arrays in zip(*runs)]


class Planes:
    """Turns uint8 [n, h, w, 3] BGR into the network's [n, 3, h, w], in memory that is used again.

    For libraries that cannot take uint8 themselves, or not as fast. OpenCV takes the colours apart in a third of the time
    numpy needs (416 x 416: 0.05 ms against 0.15).
    """

    def __init__(self, colour='bgr', mean=(0, 0, 0), scale=1.0, dtype=np.float32):
        self.order = (0, 1, 2) if colour == 'bgr' else (2, 1, 0)
        self.mean = np.zeros(3, np.float32) + np.array(mean, np.float32)
        self.scale = np.ones(3, np.float32) * np.array(scale, np.float32)
        self.dtype = dtype
        self.memory = np.empty(0, np.float32)
        self.put_in = set()
        """Slots whose planes are those of the picture last `put` there."""

    def __call__(self, batch):
        """Planes of a whole batch."""
        for slot, picture in enumerate(batch):
            self.put(slot, picture, room=len(batch))
        self.put_in.clear()  # whoever puts pictures in slot by slot does not know of these
        return self._planes(len(batch))

    def put(self, slot, picture, rows=slice(None), room=1):
        """Planes of one picture, of `rows` only where the rest is there already; memory for at least `room` slots."""
        height, width, _ = picture.shape
        if self.memory.shape[1:] != (3, height, width) or len(self.memory) < max(room, slot + 1):
            self.memory = np.empty((max(room, slot + 1), 3, height, width), np.float32)
            self.apart = [np.empty((height, width), np.uint8) for _ in range(3)]
            self.put_in.clear()
        rows = rows if slot in self.put_in else slice(None)
        self.put_in.add(slot)
        apart = cv2.split(picture[rows], [plane[rows] for plane in self.apart])
        for plane, channel, mean, scale in zip(self.memory[slot], self.order, self.mean, self.scale):
            self._fill(plane[rows], apart[channel], mean, scale)

    def prepared(self, count):
        """Planes of the first `count` slots as they were `put`; None when one of them was not."""
        return self._planes(count) if self.put_in.issuperset(range(count)) else None

    def _planes(self, count):
        return self.memory[:count].astype(self.dtype, copy=False)

    @staticmethod
    def _fill(plane, pixels, mean, scale):
        if mean:
            np.subtract(pixels, mean, out=plane, dtype=np.float32)
            plane *= scale
        elif scale != 1:
            np.multiply(pixels, scale, out=plane, dtype=np.float32)
        else:
            np.copyto(plane, pixels)
