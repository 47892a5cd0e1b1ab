"""A model on another machine, over the KServe v2 protocol (Triton, MLServer, OpenVINO Model Server) by Triton's client.

kserve.github.io, "Open Inference Protocol", REST. Tensors are sent as bytes if the server has that extension, else as
JSON, which is many times slower.
"""
import logging
import re
import socket
import urllib.parse

import numpy as np
import tritonclient.http as triton
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPProtocolViolationError

from edge_app.engine import metadata
from edge_app.engine.base import HostEngine
from edge_app.engine.ports import Port
from edge_app.errors import ConfigError, EngineError, reason_of

log = logging.getLogger(__name__)

ADDRESS = re.compile(r'/v2/models/([^/]+)(?:/versions/([^/]+))?/?$')
TYPES = {'FP32': np.float32, 'FP16': np.float16, 'UINT8': np.uint8}
BINARY = 'binary_tensor_data'
CONFIGURATION = 'model_configuration'
CONNECT_S = 3.0
ANSWER_S = 20.0
LARGEST_PX = 64 * 1000000
"""Of a whole batch: the server states the size, and memory is reserved for it."""
FAILURES = (triton.InferenceServerException if hasattr(triton, 'InferenceServerException') else RuntimeError,
            HTTPConnectionClosed, HTTPParseError, HTTPProtocolViolationError, OSError, socket.timeout, ValueError,
            KeyError, TypeError, AttributeError, IndexError)
"""Raised by the client when a server is away or answers with anything else: it checks little itself."""


def parse(address):
    """(scheme, host:port, model, version or '') of an address. ConfigError names what it should look like."""
    parts = urllib.parse.urlsplit(address)
    found = ADDRESS.match(parts.path)
    if parts.scheme not in ('http', 'https') or not parts.hostname or not found or parts.query or parts.username:
        raise ConfigError('engine.model: %s is not the address of a model; write http://host:8000/v2/models/yolox'
                          % address.replace('%s@' % parts.netloc.rpartition('@')[0], ''))
    return parts.scheme, parts.netloc, found.group(1), found.group(2) or ''


class KServe(HostEngine):
    """One model of one server. Every failure is an EngineError: the engine's process ends and is restarted."""

    backend = 'kserve'
    client = None

    def read(self, size=None):
        scheme, host, self.name, self.version = parse(self.path)
        self.client = triton.InferenceServerClient(host, ssl=scheme == 'https', connection_timeout=CONNECT_S,
                                                   network_timeout=ANSWER_S)
        stated = self._request('describe the model', self.client.get_model_metadata, self.name, self.version)
        server = self._request('describe itself', self.client.get_server_metadata)
        extensions = server.get('extensions') if isinstance(server, dict) else None
        extensions = extensions if isinstance(extensions, list) else []
        self.binary = BINARY in extensions
        self._ports(stated, 'inputs')  # first, whether it is a description at all
        self.metadata = metadata.of_server(stated, self._configuration() if CONFIGURATION in extensions else {})
        self._read_input(stated, size)
        self._read_outputs(stated)

    def _configuration(self):
        """Triton's configuration of the model, a dict; it may be kept from clients."""
        try:
            found = self._request('show its configuration', self.client.get_model_config, self.name, self.version)
        except EngineError as error:
            log.info('%s', error)
            return {}
        return found if isinstance(found, dict) else {}

    def _request(self, what, call, *arguments, **options):
        """The client's answer; an EngineError of one line for any failure."""
        try:
            return call(*arguments, **options)
        except FAILURES as error:
            raise EngineError('%s: the server does not %s (%s); is it running, and is the model loaded?'
                              % (self.path, what, reason_of(error)))

    def _read_input(self, stated, size):
        inputs = self._ports(stated, 'inputs')
        kinds = [str(one.get('datatype')) for one in inputs]
        self.set_input([Port(one['name'], TYPES.get(kind, kind), tuple(one['shape']))
                        for one, kind in zip(inputs, kinds)], size)
        self.kind, shape = kinds[0], inputs[0]['shape']
        if max(1, self.fixed_batch) * self.input_size[0] * self.input_size[1] > LARGEST_PX:
            raise EngineError('%s: the server describes an input of %s; more than %d million pixels are not tried'
                              % (self.path, shape, LARGEST_PX // 1000000))

    def _ports(self, stated, key):
        """Inputs or outputs as the server lists them."""
        ports = stated.get(key) if isinstance(stated, dict) else None
        good = isinstance(ports, list) and all(
            isinstance(port, dict) and isinstance(port.get('name'), str) and isinstance(port.get('shape'), list)
            and all(isinstance(side, int) for side in port['shape']) for port in ports)
        if not good:
            raise EngineError('%s: the server describes the model with no usable %s: %.200r' % (self.path, key, ports))
        return ports

    def _read_outputs(self, stated):
        """One run on black: exact shapes, and proof that it runs."""
        names = [port['name'] for port in self._ports(stated, 'outputs')]
        count = self.fixed_batch or 1
        arrays = self._call(np.zeros(self.input_shape(count), self.dtype), names)
        for name, array in zip(names, arrays):
            if array.ndim < 2 or len(array) != count:
                raise EngineError('%s: answers %d pictures with %s %s: no row per picture'
                                  % (self.path, count, name, list(array.shape)))
        self.outputs = tuple((name, array.shape[1:]) for name, array in zip(names, arrays))

    def load(self, colour='bgr', mean=(0, 0, 0), scale=1.0):
        if self.client is None:
            self.read()
        super(KServe, self).load(colour, mean, scale)

    def run_pixels(self, pixels):
        arrays = self._call(pixels, [name for name, _ in self.outputs])
        for (name, shape), array in zip(self.outputs, arrays):
            if array.shape != (len(pixels),) + shape:
                raise EngineError('%s: answers with %s %s, and not with %s as before' % (
                    self.path, name, list(array.shape), [len(pixels)] + list(shape)))
        return arrays

    def _call(self, pixels, names):
        """float32 arrays of the outputs `names`."""
        put = triton.InferInput(self.input_name, list(pixels.shape), self.kind)
        put.set_data_from_numpy(pixels, binary_data=self.binary)
        wanted = [triton.InferRequestedOutput(name, binary_data=self.binary) for name in names]
        answer = self._request('infer', self.client.infer, self.name, [put], self.version, wanted)
        return [self._array(answer, name) for name in names]

    def _array(self, answer, name):
        array = self._request('answer in the protocol', answer.as_numpy, name)
        if array is None or array.dtype.kind not in 'fiu':
            raise EngineError('%s: its answer has no numbers for %s' % (self.path, name))
        return np.asarray(array, np.float32)

    def close(self):
        if self.client is not None:
            self.client.close()
        self.client = None
        super(KServe, self).close()
