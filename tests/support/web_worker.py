"""The web worker before a run directory of its own, with two cameras, and a client that asks it."""
import contextlib
import http.client
import json
import os
import ssl
import threading

import attrs

from edge_app import config
from edge_app.clock import now_ns
from edge_app.frames import frame_bytes
from edge_app.stats import STATES
from edge_app.supervision.worker_context import WorkerContext
from edge_app.transport.ring import Ring, frames_path
from edge_app.web import listen
from edge_app.workers import web

from tests.support.waiting import until

SIZE = (64, 48)


def settings(port=None, host='127.0.0.1', tls=config.Tls(), **asked):
    """Plain values of a configuration with the cameras gate and yard; `asked` is what the page asks of visitors."""
    made = attrs.evolve(config.from_uris(['test://a', 'test://b']), web=config.Web(host=host, port=port, **asked),
                        tls=tls)
    cameras = tuple(attrs.evolve(camera, name=name) for camera, name in zip(made.cameras, ('gate', 'yard')))
    return config.to_dict(attrs.evolve(made, cameras=cameras), secrets=True)


@attrs.define
class Appliance:
    """A run directory as a supervisor and its workers leave it, and the web worker in front of it."""

    run_dir = attrs.field()
    counters = attrs.field()
    port = attrs.field(default=0)
    trusted = attrs.field(default=None)
    """The certificate its address is trusted with; None: plain HTTP."""

    def state(self, camera, state):
        """As capture leaves it; a live camera has just had a frame, and the next one may take an hour."""
        page = self.counters.cameras[camera]
        page.set('state', STATES.index(state))
        page.set('silent_after_ns', 3600 * 10 ** 9)
        page.set('last_frame_ns', now_ns() if state == 'live' else 0)

    def write_status(self, **changes):
        row = {'name': 'analyze', 'pid': os.getpid(), 'restarts': 0, 'state': 'running', 'exit_code': None,
               'reason': '', 'required': True, 'cpu_s': 0.1, 'pss_mb': 1.0, 'since_s': 1.0}
        status = {'written_ns': now_ns(), 'workers': [dict(row, **changes)],
                  'supervisor': {'pid': os.getpid(), 'cpu_s': 1.0, 'pss_mb': 1.0}}
        with open(os.path.join(self.run_dir, 'status.json'), 'w') as file:
            json.dump(status, file)

    def ring(self, camera):
        return Ring.create(frames_path(self.run_dir, camera), 3, frame_bytes(*SIZE))

    def connection(self):
        if self.trusted is None:
            return http.client.HTTPConnection('127.0.0.1', self.port, timeout=10)
        context = ssl.create_default_context(cafile=self.trusted)
        context.check_hostname = False
        return http.client.HTTPSConnection('127.0.0.1', self.port, timeout=10, context=context)

    def get(self, path, **headers):
        """(status, headers, body); a header's name with _ for -."""
        connection = self.connection()
        try:
            connection.request('GET', path, headers={name.replace('_', '-'): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def answers(self):
        try:
            return self.get('/healthz')[0] == 200
        except ConnectionRefusedError:
            return False

    def json(self, path, **headers):
        status, _, body = self.get(path, **headers)
        return status, json.loads(body.decode())


def serving(appliance, context, made):
    """The thread in which the worker runs, once its address is known."""
    thread = threading.Thread(target=web.main, args=(context, made), daemon=True)
    thread.start()
    appliance.port = until(lambda: listen.announced_port(appliance.run_dir), 20, 'web.json')
    return thread


@contextlib.contextmanager
def running(appliance, made):
    """`appliance` with a worker in a thread; one that does not end when told fails the test."""
    context = WorkerContext('web', appliance.run_dir)
    thread = serving(appliance, context, made)
    appliance.write_status()
    try:
        yield appliance
    finally:
        context.stop()
        thread.join(5)
    assert not thread.is_alive(), 'the web worker did not end'
