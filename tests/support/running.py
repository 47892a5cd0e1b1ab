"""A real `edge-app run` in a process of its own, looked at from outside."""
import contextlib
import glob
import os
import random
import signal
import socket
import subprocess
import sys

from edge_app.stats import STATES, Counters
from edge_app.stats.report import read_status
from edge_app.supervision.run_dir import BASE

from tests.support.waiting import until


class Running:
    """`edge-app run` on `text` (a YAML configuration), with `environment` added; a context manager."""

    COMMAND = ('run',)

    def __init__(self, text, folder, *options, **environment):
        self.log = os.path.join(str(folder), 'run.log')
        path = os.path.join(str(folder), 'site.yaml')
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(text)
        os.chmod(path, 0o600)
        with open(self.log, 'w', encoding='utf-8') as log:
            command = [sys.executable, '-m', 'edge_app'] + list(self.COMMAND) + [path] + list(options)
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                            env=dict(os.environ, **environment))
        self.run_dir = os.path.join(BASE, 'edge-app-%d' % self.process.pid)
        self.counters = None

    def __enter__(self):
        try:
            until(lambda: self.process.poll() is not None or self.workers(), 20, 'the first workers')
            assert self.process.poll() is None, self.text()
            self.counters = Counters.open(self.run_dir)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc):
        self._end()

    def _end(self):
        if self.counters is not None:
            self.counters.close()
            self.counters = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def text(self):
        """All it said so far."""
        with open(self.log, encoding='utf-8') as log:
            return log.read()

    def workers(self):
        """{name: row of status.json}, of those with a process."""
        return {row['name']: row for row in read_status(self.run_dir)['workers'] if row['pid']}

    def state(self, camera):
        return STATES[self.counters.cameras[camera].state]

    def wait_live(self, *cameras, seconds=20):
        """Until each camera is live and a frame of it was inferred and shown."""
        for name in cameras:
            page = self.counters.cameras[name]
            until(lambda: self.state(name) == 'live' and page.inferred and page.shown, seconds,
                  '%s live, inferred and shown; it said %s' % (name, self.text()[-2000:]))


def leftovers(pid):
    """Run directories of the `edge-app run` that had this process id."""
    path = os.path.join(BASE, 'edge-app-%d' % pid)
    return glob.glob(path) + glob.glob(path + '-*')


def site(uris, user, extra='', web=False, port=None):
    """YAML of an appliance for these camera addresses, named cam1, cam2...; the password is ${CAMERA_PASSWORD}."""
    lines = ['cameras:']
    for number, uri in enumerate(uris, 1):
        lines.append('  - {name: cam%d, uri: "%s", user: %s, password: "${CAMERA_PASSWORD}", size: [320, 176]}'
                     % (number, uri, user))
    lines.append('outputs: [{uri: "rtsp://127.0.0.1:%d/mosaic", size: [640, 368], fps: 10}]' % (port or free_port()))
    if not web:
        lines.append('web: off')
    return '\n'.join(lines + [extra]) + '\n'


def free_port():
    """A port of the loopback nobody listens on: at random, for others look too; below those that clients are given."""
    while True:
        port = random.SystemRandom().randrange(10000, 32768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(('127.0.0.1', port))
            return port
