"""Simulated cameras in processes of their own, for tests, the demo and benchmarks. No GStreamer in the caller."""
import json
import signal
from urllib.parse import quote

import attrs

from edge_app.errors import ConfigError, OutputError
from edge_app.testing.harness.children import JsonChild
from edge_app.testing.simulator.settings import MAIN, SUB, Settings

START_S = 30.0
ANSWER_S = 5.0


class SimulatorProcess(JsonChild):
    """One simulator process; the password goes in by its stdin, and the end of that pipe ends it."""

    def __init__(self, settings):
        self.settings = settings
        super(SimulatorProcess, self).__init__('edge_app.testing.simulator', settings.to_json(), own_session=False,
                                               keep_log=False)

    def ready(self):
        """Wait until clients may come; the bound ports. OutputError or ConfigError otherwise."""
        answer = self.answer(START_S)
        if 'error' in answer:
            self.stop()
            raise (ConfigError if answer['configuration'] else OutputError)(answer['error'])
        return answer['ports']


class Simulator:
    """Simulated RTSP cameras; a context manager, ready for clients when entered.

    with Simulator(cameras=2, size=(640, 360), fps=15) as simulator:
        simulator.uris              # main streams, without credentials; sub_uris: the small ones
        simulator.user, simulator.password

    Keywords are those of `Settings`; the port is a free one unless given. With `apart` each camera is a process with
    a port of its own and can be stopped, started, paused and killed alone; cameras are numbered from `first` (1).
    """

    def __init__(self, cameras=1, apart=False, **settings):
        settings.setdefault('port', 0)
        self.settings = Settings(cameras=cameras, port_per_camera=settings.pop('port_per_camera', apart), **settings)
        self.apart = apart
        if apart and not self.settings.port_per_camera:
            raise ConfigError('cameras apart have a port each: leave port_per_camera out')
        if apart and self.settings.truth:
            raise ConfigError('truth is one file: not for cameras apart')
        if apart and (self.settings.faults or self.settings.control):
            raise ConfigError('a plan or a control socket is for cameras of one process: leave out apart')
        self.ports = ()
        self._children = {}

    def start(self):
        """Start the processes and wait until all are ready; OutputError or ConfigError says why they are not."""
        wanted = {None: self.settings}
        if self.apart:
            wanted = {number: self._alone(number) for number in self.settings.numbers}
        try:
            self._children = {number: SimulatorProcess(settings) for number, settings in wanted.items()}
            self.ports = tuple(port for child in self._children.values() for port in child.ready())
        except BaseException:
            self.stop()
            raise
        return self

    def _alone(self, number, port=None):
        index = number - self.settings.first
        path = self.settings.file_of(number)
        if port is None:
            port = self.settings.port + index if self.settings.port else 0
        return attrs.evolve(self.settings, cameras=1, first=number, port=port, files=(path,) if path else ())

    def stop(self):
        """End all processes."""
        for child in self._children.values():
            child.stop()

    def kill(self, number=None):
        """SIGKILL: every process, or that of one camera (apart)."""
        for child in ([self._child(number)] if number is not None else self._children.values()):
            child.kill()

    def stop_camera(self, number):
        """Unplug a camera: its port is closed, its viewers are cut off."""
        self._child(number).stop()

    def start_camera(self, number):
        """Plug a stopped or killed camera in again, at its old address."""
        self._child(number).stop()
        self._children[number] = SimulatorProcess(self._alone(number, self.ports[number - self.settings.first]))
        self._children[number].ready()

    def pause(self, number):
        """SIGSTOP: connections stay open, nothing comes any more."""
        self._child(number).signal(signal.SIGSTOP)

    def resume(self, number):
        self._child(number).signal(signal.SIGCONT)

    def _child(self, number):
        if not self.apart:
            raise ConfigError('one process serves all cameras: for a single one ask for Simulator(apart=True)')
        return self._children[number]

    @property
    def pids(self):
        """Process ids, by camera number or, when there is one process for all, by None."""
        return {number: child.pid for number, child in self._children.items()}

    @property
    def user(self):
        return self.settings.user

    @property
    def password(self):
        return self.settings.password

    @property
    def uris(self):
        """The main streams, in the order of the cameras, without credentials."""
        return [self.uri(number) for number in self.settings.numbers]

    @property
    def sub_uris(self):
        """The sub streams: half the width and height."""
        return [self.uri(number, SUB) for number in self.settings.numbers]

    def uri(self, number, stream=MAIN):
        return self.settings.uri(number, stream, self.ports)

    def uri_with_password(self, number, stream=MAIN):
        """For players that take credentials in the address only. Not for argv of anything that matters."""
        login = '%s:%s@' % (quote(self.user, safe=''), quote(self.password, safe=''))
        return self.uri(number, stream).replace('rtsp://', 'rtsp://' + login, 1)

    def counts(self):
        """{camera number: what it did so far}, see `SimulatedCamera.counts`."""
        found = {}
        for child in self._children.values():
            found.update(child.request('counts', ANSWER_S))
        return {int(number): counts for number, counts in found.items()}

    def fault(self, camera, kind, seconds=None, **options):
        """Begin a fault of one camera (or 'all') now, for `seconds` or until `clear`.

        Kinds and their options: docs/simulator.md. Needs `faultable=True`. ConfigError names every mistake.
        """
        request = dict(options, camera=camera, fault=kind)
        if seconds is not None:
            request['for_s'] = seconds
        for child in self._children_of(camera):
            _faults(child, request)

    def clear(self, camera='all'):
        """End the faults of one camera, or of all."""
        for child in self._children_of(camera):
            _faults(child, {'clear': camera})

    def faults(self):
        """The active faults: [{'camera', 'fault', 'since_s', 'for_s'}]."""
        return [fault for child in self._children.values() for fault in _faults(child, {'active': True})]

    def _children_of(self, camera):
        if self.apart and camera != 'all':
            return [self._child(camera)]
        return list(self._children.values())

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def _faults(child, request):
    answer = child.request(json.dumps(request), ANSWER_S)
    if 'error' in answer:
        raise ConfigError(answer['error'])
    return answer['active']
