"""PyTorch as an engine: a Darknet `.cfg` with `.weights`, or a TorchScript file, on the first GPU or the processor."""
import logging
import warnings

import numpy as np
import torch

from edge_app.engine import metadata
from edge_app.engine.base import Engine, open_size, threads_for
from edge_app.engine.darknet.conversion import metadata_of, weights_of
from edge_app.engine.darknet.network import read_network
from edge_app.engine.darknet.weights import read_weights
from edge_app.engine.notes import SCRIPT
from edge_app.engine.torch.darknet import Decoder, Network
from edge_app.errors import EngineError, reason_of

log = logging.getLogger(__name__)


class Torch(Engine):
    """Runs in float32, on a GPU in float16 where the configuration says so."""

    backend = 'torch'
    module = None
    """From pictures [n, 3, h, w] to one array or several; on `device`."""
    darknet = None
    """The Network of a `.cfg`."""

    def read(self, size=None):
        torch.set_num_threads(threads_for(self.config))
        self.device = self._choose_device()
        self.precision = 'fp16' if self.config.precision == 'fp16' and self.device.type == 'cuda' else 'fp32'
        if self.path.lower().endswith('.cfg'):
            self._read_darknet()
        else:
            self._read_script(size)
        self.module = self.module.to(self.device).eval()
        self._read_outputs()

    def _choose_device(self):
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')

    def _read_darknet(self):
        self.darknet = read_network(self.path)
        self.input_size = self.darknet.size
        self.metadata = metadata_of(self.darknet)
        numbers = read_weights(weights_of(self.path), self.darknet)[1]
        self.module = torch.nn.Sequential(Network(self.darknet, numbers), Decoder(self.darknet))

    def _read_script(self, size):
        """Only TorchScript: a pickled checkpoint would run whatever its author wrote while it is loaded."""
        notes = {SCRIPT: ''}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # torch announces that torch.jit will go one day
                self.module = torch.jit.load(self.path, map_location=self.device, _extra_files=notes)
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineError('%s: not TorchScript, the only torch files that are loaded; convert a checkpoint with '
                              'the code it belongs to (torch.jit.trace, or `yolo export format=torchscript`): %s'
                              % (self.path, reason_of(error)))
        self.metadata = metadata.of_json(notes[SCRIPT])
        self.input_size = tuple(size) if size else open_size(None, self.metadata)

    def _read_outputs(self):
        """A run on black pictures: the shapes, and proof that it runs. A script traced for one batch takes no other."""
        batch = int(self.metadata['batch']) if self.metadata.get('batch', '').isdigit() else 1
        arrays = self._black(batch)
        self.outputs = tuple(('output%d' % number, tuple(array.shape[1:])) for number, array in enumerate(arrays))
        self.fixed_batch = 0 if self.darknet or self._takes(batch + 1) else batch

    def _black(self, count):
        width, height = self.input_size
        return self._call(torch.zeros(count, 3, height, width, device=self.device))

    def _takes(self, count):
        """True when the module answers for another number of pictures too."""
        try:
            return all(len(array) == count for array in self._black(count))
        except EngineError:
            return False

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.module is None:
            self.read()
        if self.config.precision not in ('auto', self.precision):
            log.warning('%s: torch runs it here in %s; engine.precision %s is ignored', self.path, self.precision,
                        self.config.precision)
        self.dtype = torch.float32
        if self.precision == 'fp16':
            self.halve()
        self.flipped = colour == 'rgb'
        self.mean, self.scale = (
            torch.from_numpy(np.ones((1, 3, 1, 1), np.float32) * np.array(value, np.float32).reshape(1, -1, 1, 1))
            .to(self.device) for value in (mean, scale))
        self.loaded = True

    def halve(self):
        """Half precision for the network; boxes are still decoded in single."""
        (self.module if self.darknet is None else self.module[0]).half()
        self.dtype = torch.float16

    def run(self, batch):
        pictures = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device).permute(0, 3, 1, 2)
        if self.flipped:
            pictures = pictures.flip(1)
        return self._call(((pictures.float() - self.mean) * self.scale).to(self.dtype))

    def _call(self, pictures):
        """float32 arrays of the module's answer."""
        try:
            with torch.no_grad():
                answer = self.module(pictures)
            return [array.float().cpu().numpy() for array in tensors(answer)]
        except (RuntimeError, TypeError) as error:
            raise EngineError('%s: torch %s failed on %d pictures of %dx%d: %s' % (
                (self.path, torch.__version__, len(pictures)) + tuple(self.input_size) + (reason_of(error),)))

    def close(self):
        self.module = None
        super(Torch, self).close()


def tensors(answer):
    """The tensors of an answer that may be one, or a tuple or list of them; others within are left out."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    return [one for one in answer if isinstance(one, torch.Tensor)]
