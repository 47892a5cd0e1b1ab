"""A runtime for a real MLServer: runs an ONNX detector with ONNX Runtime, as a user's own server would."""
import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Runtime(MLModel):
    """Loads the file named by the model's `uri`."""

    async def load(self):
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, providers=['CPUExecutionProvider'])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pixels = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        names = [port.name for port in self.session.get_outputs()]
        arrays = self.session.run(names, {payload.inputs[0].name: pixels})
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(name, array)
                                                                for name, array in zip(names, arrays)])
