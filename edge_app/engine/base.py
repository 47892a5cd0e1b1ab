"""The interface of every inference library: uint8 pictures in, float32 arrays out."""
import ast
import os
from typing import List, Sequence

import cv2
import numpy as np

from edge_app.engine.ports import Port, check_input
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


def threads_for(config):
    """Threads of one inference: as configured, else all cores but one, which is left to decoders and drawing.

    On two busy cores one thread gave 40 to 70 pictures/s and two gave 41 to 49, at 15 % more processor time each:
    threads of one picture wait for each other whenever a decoder takes one's core (yolox_nano 416).
    """
    return config.threads or max(1, len(os.sched_getaffinity(0)) - 1)


class Engine:
    """One model in one library. Read it, load it, run it, close it; a context manager.

    `read` examines the model, `load` sets up the preparation of pixels: in between, the model's card
    (detectors/model_card.py) decides on colour order and scale.
    A backend *must* implement `read`, `load` and `run`, and *may* implement `close`.
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
    """Called with a line of text every second or two while `read` takes long, also from other threads."""

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

    def read(self, size=None) -> None:
        """Fill in `input_size`, `outputs`, `metadata`, `fixed_batch`.

        `size` (width, height) is used where the model leaves its own open. EngineError for a file that is no model.
        """
        raise NotImplementedError

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0) -> None:
        """Get ready to run: pixels become (pixel in `colour` order - mean) * scale, in planes."""
        raise NotImplementedError

    def run(self, batch: np.ndarray) -> List[np.ndarray]:
        """One run of the library: a list of float32 arrays with one row per picture of `batch`."""
        raise NotImplementedError

    def prepare(self, slot, picture, rows=slice(None)) -> None:
        """`picture`, uint8 [height, width, 3], is in slot `slot` of the next batch, changed in `rows` only.

        A backend that converts pixels on the processor does so now, while they are in its cache, and uses the result
        when `infer` is called with `prepared`. Others do nothing.
        """

    def run_prepared(self, batch):
        """`run` for a batch whose every slot went through `prepare` after its last change."""
        return self.run(batch)

    def raw_runner(self, batch):
        """A function without arguments that runs only the library on these pictures, prepared beforehand.

        For measuring the overhead of everything else; None where there is no comparison. The engine must be loaded.
        """
        return None

    def close(self):
        """Release everything; the engine may be loaded again. Safe to call twice."""
        self.loaded = False

    def infer(self, batch: np.ndarray, prepared: bool = False) -> List[np.ndarray]:
        """Outputs for uint8 [n, height, width, 3] BGR pictures: a list of float32 arrays of n rows each.

        They may be the engine's own memory, valid until the next call. EngineError when not loaded or of wrong shape.
        `prepared`: `prepare` was called for each picture since it changed.
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
        """Run a model of a fixed batch as often as needed, the last time padded with the last picture."""
        runs = []
        for start in range(0, len(batch), portion):
            part = batch[start:start + portion]
            missing = portion - len(part)
            whole = np.concatenate([part] + [part[-1:]] * missing) if missing else part
            runs.append([array[:len(part)].copy() for array in self.run(whole)])
        return [np.concatenate(arrays) for arrays in zip(*runs)]


class HostEngine(Engine):
    """An engine whose input is prepared on the processor. A backend implements `run_pixels` instead of `run`."""

    input_name = None
    dtype = np.float32
    """Type of the model's input."""
    channels_last = False
    """The model takes [n, height, width, 3] instead of [n, 3, height, width]."""
    planes = None

    def set_input(self, inputs: Sequence[Port], size) -> None:
        """Fill in what follows from the model's one input; EngineError for one that takes no pictures."""
        self.channels_last = check_input(self.path, inputs)
        self.input_name, self.dtype, shape = inputs[0]
        self.precision = 'fp16' if self.dtype == np.float16 else 'fp32'
        self.fixed_batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
        height, width = shape[1:3] if self.channels_last else shape[2:4]
        fixed = all(isinstance(side, int) and side > 0 for side in (width, height))
        self.input_size = (width, height) if fixed else open_size(size, self.metadata)

    def input_shape(self, count):
        """Shape of the input for `count` pictures."""
        width, height = self.input_size
        return (count, height, width, 3) if self.channels_last else (count, 3, height, width)

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0) -> None:
        if self.dtype == np.uint8:  # such a model normalises in its own graph
            mean, scale = (0, 0, 0), 1.0
        self.planes = Planes(colour, mean, scale, self.dtype)
        self.loaded = True

    def prepare(self, slot, picture, rows=slice(None)) -> None:
        self.planes.put(slot, picture, rows, self.max_batch)

    def run(self, batch: np.ndarray) -> List[np.ndarray]:
        return self.run_pixels(self.pixels(batch))

    def run_prepared(self, batch):
        return self.run_pixels(self.pixels(batch, self.planes.prepared(len(batch))))

    def pixels(self, batch, planes=None):
        """The network's input for a batch, of `planes` that were prepared if any."""
        pixels = self.planes(batch) if planes is None else planes
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) if self.channels_last else pixels

    def run_pixels(self, pixels: np.ndarray) -> List[np.ndarray]:
        """`run` on the network's input."""
        raise NotImplementedError


class Planes:
    """Converts uint8 [n, h, w, 3] BGR to the network's [n, 3, h, w], in reused memory.

    For libraries that cannot do so themselves, or not as fast. OpenCV splits the channels in a third of the time numpy
    needs (416 x 416: 0.05 ms against 0.15).
    """

    def __init__(self, colour='bgr', mean=(0, 0, 0), scale=1.0, dtype=np.float32):
        self.order = (0, 1, 2) if colour == 'bgr' else (2, 1, 0)
        self.mean = np.zeros(3, np.float32) + np.array(mean, np.float32)
        self.scale = np.ones(3, np.float32) * np.array(scale, np.float32)
        self.dtype = dtype
        self.memory = np.empty(0, np.float32)
        self.put_in = set()
        """Slots whose planes are of the picture last `put` there."""

    def __call__(self, batch):
        """Planes of a whole batch."""
        for slot, picture in enumerate(batch):
            self.put(slot, picture, room=len(batch))
        self.put_in.clear()  # these did not come slot by slot
        return self._planes(len(batch))

    def put(self, slot, picture, rows=slice(None), room=1):
        """Convert one picture, only `rows` where the rest is unchanged; memory for at least `room` slots."""
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
        """Planes of the first `count` slots as they were `put`; None when one is missing."""
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
