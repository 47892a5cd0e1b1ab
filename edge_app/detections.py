"""What the engine found in one frame, and the message that carries it."""
import json

import attrs
import numpy as np

from edge_app.frames import FrameMeta


@attrs.frozen(eq=False)
class Detections:
    """Boxes found in one picture, best score first."""

    xyxy = attrs.field()
    """float32 [n, 4]: left, top, right, bottom in pixels of the frame."""
    score = attrs.field()
    """float32 [n], 0 to 1."""
    class_id = attrs.field()
    """int64 [n], an index into the model's names."""
    keypoints = attrs.field(default=None)
    """float32 [n, points, 3]: x and y in pixels of the frame, visibility from 0 to 1; None of models without."""
    names = attrs.field(default=())
    """Class names of the model, by class_id."""

    def __len__(self):
        return len(self.score)

    def label(self, index):
        """The class name of box `index`, 'class 7' where the model has none for it."""
        class_id = int(self.class_id[index])
        return self.names[class_id] if class_id < len(self.names) else 'class %d' % class_id

    @classmethod
    def empty(cls):
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def scaled(self, x, y):
        """The same boxes in a picture `x` times as wide and `y` times as high."""
        points = None if self.keypoints is None else self.keypoints * np.array([x, y, 1], np.float32)
        return attrs.evolve(self, xyxy=self.xyxy * np.array([x, y, x, y], np.float32), keypoints=points)


@attrs.frozen(eq=False)
class Result:
    """The detections of one frame of one camera, with the frame's facts untouched."""

    camera = attrs.field()
    meta = attrs.field()
    """FrameMeta of the frame looked at; the boxes are in its pixels."""
    detections = attrs.field()
    inferred_ns = attrs.field()
    """CLOCK_MONOTONIC when the boxes were known."""
    model_id = attrs.field(default='')
    """Which model found them, see `transport.bus.read_model`."""

    def pack(self):
        """Bytes of a JSON object, a few hundred plus about 40 per box and 20 per keypoint."""
        found = self.detections
        message = {
            'camera': self.camera, 'meta': list(self.meta), 'inferred_ns': self.inferred_ns, 'model_id': self.model_id,
            'xyxy': _rounded(found.xyxy, 2), 'score': _rounded(found.score, 4), 'class_id': found.class_id.tolist()}
        if found.keypoints is not None and found.keypoints.size:
            message['keypoints'] = _rounded(found.keypoints, 2)
        return json.dumps(message, separators=(',', ':')).encode()

    @classmethod
    def unpack(cls, data, names_of=lambda model_id: ()):
        """The Result of `pack`'s bytes; ValueError when they are anything else.

        `names_of(model_id)` gives the class names of a model.
        """
        try:
            message = json.loads(data.decode())
            count = len(message['score'])
            model_id = _model_id(message)
            found = Detections(_array(message, 'xyxy', np.float32, (count, 4)),
                               _array(message, 'score', np.float32, (count,)),
                               _array(message, 'class_id', np.int64, (count,)),
                               _keypoints(message, count), names_of(model_id))
            return cls(_only(str, message['camera']), FrameMeta(*[_only(int, fact) for fact in message['meta']]), found,
                       _only(int, message['inferred_ns']), model_id)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError('not a result: %s' % error)


def _rounded(array, places):
    """Lists of numbers without the tail of digits that a float32 grows as a float64."""
    return np.round(array.astype(np.float64), places).tolist()


def _only(kind, value):
    if type(value) is not kind:     # True is an int, too
        raise TypeError('%s where %s should be' % (type(value).__name__, kind.__name__))
    return value


def _model_id(message):
    """A model_id of a message: it names a file, so nothing but letters and digits."""
    model_id = _only(str, message['model_id'])
    if model_id and not model_id.isalnum():
        raise ValueError('model_id %r' % model_id)
    return model_id


def _array(message, key, kind, shape):
    """Numbers of a message in this shape; ValueError when they are not so many, or not finite."""
    none = np.zeros((0,) + shape[1:])       # an empty list has no shape of its own
    wide = np.array(message[key] or none, np.float64 if kind == np.float32 else kind)
    if wide.shape != shape or not (np.abs(wide) <= np.finfo(np.float32).max).all():
        raise ValueError('%s of shape %s, or not finite' % (key, list(wide.shape)))
    return wide.astype(kind)


def _keypoints(message, count):
    """float32 [n, points, 3] of a message, None of one without."""
    if 'keypoints' not in message:
        return None
    points = message['keypoints']
    return _array(message, 'keypoints', np.float32, (count, len(points[0]) if points else 0, 3))
