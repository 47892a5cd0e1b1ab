"""A small server of the KServe v2 protocol (JSON tensors) that runs a model, or misbehaves as told."""
import http.server
import json
import socketserver
import threading

import numpy as np
import onnxruntime


class V2Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves the ONNX model `path` as `tiny`; `spoil(kind, answer)` may change an answer, or give bytes to send raw."""

    daemon_threads = True

    def __init__(self, path):
        super(V2Server, self).__init__(('127.0.0.1', 0), Answers)
        self.session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
        self.spoil = lambda kind, answer: answer
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    @property
    def address(self):
        return 'http://127.0.0.1:%d/v2/models/tiny' % self.server_address[1]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def metadata(self):
        sides = lambda port: [side if isinstance(side, int) else -1 for side in port.shape]  # noqa: E731
        ports = {key: [{'name': port.name, 'datatype': 'FP32', 'shape': sides(port)} for port in found]
                 for key, found in (('inputs', self.session.get_inputs()), ('outputs', self.session.get_outputs()))}
        return dict(ports, name='tiny', platform='tests', versions=[])

    def infer(self, request):
        put = request['inputs'][0]
        array = np.array(put['data'], np.float32).reshape(put['shape'])
        names = [port.name for port in self.session.get_outputs()]
        arrays = self.session.run(names, {put['name']: array})
        return {'model_name': 'tiny', 'outputs': [
            {'name': name, 'datatype': 'FP32', 'shape': list(found.shape), 'data': found.ravel().tolist()}
            for name, found in zip(names, arrays)]}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == '/v2':
            return self._send('server', {'name': 'tests', 'version': '1', 'extensions': []})
        if self.path == '/v2/models/tiny':
            return self._send('model', self.server.metadata())
        return self._send('unknown', {'error': 'no such model'}, 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self._send('infer', self.server.infer(json.loads(body.decode())))

    def _send(self, kind, answer, status=200):
        answer = self.server.spoil(kind, answer)
        if isinstance(answer, bytes):  # not even HTTP
            self.wfile.write(answer)
            self.close_connection = True
            return
        if isinstance(answer, tuple):
            status, answer = answer
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
