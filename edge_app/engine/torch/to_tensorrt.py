"""torch2trt as an engine: the network of a Darknet `.cfg` becomes a TensorRT engine without an ONNX file in between.

Boxes are decoded by torch after it. The engine is built at every start and not saved: where that takes too long, the
`tensorrt` backend runs the same `.cfg` through ONNX and keeps its plan.
"""
import torch
from torch2trt import torch2trt

from edge_app.engine.progress import Progress
from edge_app.engine.torch.backend import Torch
from edge_app.errors import EngineError, EngineUnavailable, reason_of

WORKSPACE_BYTES = 512 << 20
"""What TensorRT may use while it builds; as much as the `tensorrt` backend gives it."""


def quiet(line):
    """Ignores progress."""


class Torch2Trt(Torch):
    """torch2trt 0.4 and later: one engine for exactly `batch` pictures, which all its versions can build."""

    backend = 'torch2trt'

    def _choose_device(self):
        device = super(Torch2Trt, self)._choose_device()
        if device.type != 'cuda':
            raise EngineUnavailable('torch2trt needs an NVIDIA GPU that torch can use; this torch %s finds none. Use '
                                    'engine.backend torch or onnxruntime' % torch.__version__)
        return device

    def read(self, size=None):
        if not self.path.lower().endswith('.cfg'):
            raise EngineError('%s: torch2trt takes Darknet .cfg files only; backend torch runs TorchScript' % self.path)
        super(Torch2Trt, self).read(size)
        self.fixed_batch = self.max_batch

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.loaded:
            self.close()
        super(Torch2Trt, self).load(colour, mean, scale)
        network, decoder = self.module
        width, height = self.input_size
        example = torch.zeros(self.max_batch, 3, height, width, device=self.device)
        try:
            with Progress('building a TensorRT engine of %s' % self.path, self.on_progress or quiet):
                engine = torch2trt(network.eval(), [example], fp16_mode=self.precision == 'fp16', keep_network=False,
                                   max_workspace_size=WORKSPACE_BYTES, max_batch_size=self.max_batch)
        except (RuntimeError, AttributeError, TypeError, AssertionError) as error:
            raise EngineError('%s: torch2trt could not build an engine: %s' % (self.path, reason_of(error)))
        self.module = torch.nn.Sequential(engine, decoder)

    def halve(self):
        """Nothing to do: the engine is built in half precision, its inputs and outputs stay single."""
