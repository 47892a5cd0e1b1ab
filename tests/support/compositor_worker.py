"""The compositor worker as a process of its own, in a run directory whose cameras the tests fill."""
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from urllib.parse import urlparse

from edge_app.config import to_dict
from edge_app.stats import Counters


class CompositorWorker:
    """A run directory with the counters of `config`'s cameras, and the compositor worker in it."""

    def __init__(self, config):
        self.config = config
        self.folder = tempfile.mkdtemp(prefix='edge-app-test-', dir='/dev/shm')
        parts = urlparse(config.outputs[0].uri)
        self.address = parts.hostname, parts.port
        self.counters = Counters.create(self.folder, [camera.name for camera in config.cameras])
        self.worker = None

    def start(self):
        self.worker = start_worker(self.config, self.folder)

    def listening(self):
        try:
            socket.create_connection(self.address, 1).close()
        except OSError:
            assert self.worker.poll() is None, self.worker.stderr.read()
            return False
        return True

    def close(self):
        self.worker.kill()
        self.worker.wait()
        self.worker.stdin.close()
        self.worker.stderr.close()
        self.counters.close()
        shutil.rmtree(self.folder)


def start_worker(config, folder):
    """The process as the supervisor starts it: its job on stdin, which stays open."""
    worker = subprocess.Popen([sys.executable, '-m', 'edge_app.supervision.worker', 'compositor'],
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    job = {'target': 'edge_app.workers.compositor', 'arguments': {'config': to_dict(config, secrets=True)},
           'run_dir': folder, 'log_level': 'INFO'}
    worker.stdin.write(json.dumps(job) + '\n')
    worker.stdin.flush()
    return worker
