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

    def __len__(self):
        return len(self.score)

    @classmethod
    def empty(cls):
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def scaled(self, x, y):
        """The same boxes in a picture `x` times as wide and `y` times as high."""
        return attrs.evolve(self, xyxy=self.xyxy * np.array([x, y, x, y], np.float32))


@attrs.frozen(eq=False)
class Result:
    """The detections of one frame of one camera, with the frame's facts untouched."""

    camera = attrs.field()
    meta = attrs.field()
    """FrameMeta of the frame looked at; the boxes are in its pixels."""
    detections = attrs.field()
    inferred_ns = attrs.field()
    """CLOCK_MONOTONIC when the boxes were known."""

    def pack(self):
        """Bytes of a JSON object, a few hundred plus about 40 per box."""
        found = self.detections
        return json.dumps({
            'camera': self.camera, 'meta': list(self.meta), 'inferred_ns': self.inferred_ns,
            'xyxy': np.round(found.xyxy, 2).tolist(), 'score': np.round(found.score, 4).tolist(),
            'class_id': found.class_id.tolist()}, separators=(',', ':')).encode()

    @classmethod
    def unpack(cls, data):
        """The Result of `pack`'s bytes; ValueError when they are anything else."""
        try:
            message = json.loads(data.decode())
            found = Detections(np.array(message['xyxy'], np.float32).reshape(-1, 4),
                               np.array(message['score'], np.float32), np.array(message['class_id'], np.int64))
            return cls(message['camera'], FrameMeta(*message['meta']), found, message['inferred_ns'])
        except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
            raise ValueError('not a result: %s' % error)
