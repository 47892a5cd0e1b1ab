"""The picture `--snapshot` asks for."""
import os

from edge_app.supervision import child
from edge_app.supervision.managed_process import WorkerSpec

TIMEOUT_S = 20.0
"""Longest wait of the client for a picture."""
LEAD_S = 6.0
"""The client is started this long before the end, so that it has connected and seen detections."""
SETTLED_S = 3.0


class Snapshot:
    """A client of the first RTSP output, in its own process, that saves one picture as it decoded it."""

    def __init__(self, appliance, path, duration_s=None):
        self.path = os.path.abspath(path)
        self._due_s = max(SETTLED_S, duration_s - LEAD_S) if duration_s else SETTLED_S
        output = appliance.config.served_outputs[0]
        self._spec = WorkerSpec('snapshot', 'edge_app.workers.snapshot', {
            'uri': output.uri, 'path': self.path, 'user': output.user, 'password': output.password,
            'wait_s': 2.0, 'timeout_s': TIMEOUT_S, 'certificate': appliance.config.tls.certificate})
        self._run_dir = appliance.run_dir
        self._child = self._code = None

    def poll(self, elapsed_s):
        """Start the client once the run has lasted long enough."""
        if self._child is None and elapsed_s >= self._due_s:
            self._child = child.spawn(self._spec, self._run_dir)

    @property
    def pending(self):
        if self._child is not None and self._code is None:
            self._code = self._child.poll()
        return self._code is None

    @property
    def failure(self):
        """Why there is no picture, None when there is one."""
        if self.pending:
            return 'snapshot: the run ended first'
        return 'snapshot: the client failed with exit code %d' % self._code if self._code else None
