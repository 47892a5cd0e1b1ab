"""One run of the appliance as a person sees it: what is said on the way, the snapshot, the verdict at the end."""
import functools
import json
import os

import click

from edge_app import child, clock
from edge_app.appliance import Appliance, check_ports
from edge_app.books import STATES
from edge_app.config import uris
from edge_app.errors import EXIT_FAILED, EXIT_GOOD, OutputError
from edge_app.model_check import check_model
from edge_app.report import read_status, report
from edge_app.run_dir import prepare_run_dir
from edge_app.seat import Worker

FRESH_NS = 2 * 10 ** 9
"""At the end every camera must have a frame inferred and one shown this recently."""
SNAPSHOT_S = 20.0
"""Longest wait of the snapshot's client for a picture."""
SNAPSHOT_LEAD_S = 6.0
"""The client is sent this long before the end, so that it has connected and seen boxes."""


def run(config, duration_s=None, snapshot=None, json_path=None, say=None):
    """Run `config` until Ctrl-C, `q` in a window or `duration_s`; returns the exit code.

    `say` prints a line: by default on stdout, or on stderr where stdout carries results.

    EXIT_GOOD only when every enabled camera delivered: live at the end, a frame inferred and one shown within the last
    two seconds, books that balance, and the snapshot taken where one was asked for.
    """
    if say is None:
        say = functools.partial(click.echo, err=any(uris.scheme_of(sink.uri) == 'stdout' for sink in config.sinks))
    check_ports(config)
    check_model(config.engine)
    with prepare_run_dir() as run_dir:
        appliance = Appliance(config, run_dir)
        try:
            session = Session(appliance, duration_s, snapshot, say)
            appliance.supervisor.run(until=session.over, on_tick=session.tick)
            return session.finish(json_path)
        finally:
            appliance.close()


class Session:
    """Looks at the books once a second and says what changed."""

    def __init__(self, appliance, duration_s, snapshot, say):
        self.appliance, self.duration_s, self.say = appliance, duration_s, say
        self.started_ns = clock.now_ns()
        self.snapshot = Snapshot(appliance, snapshot) if snapshot else None
        self.status, self.states = read_status(appliance.run_dir), {}
        self.late = ['it ended before the first look']
        self._said = {}

    # -- while it runs ----------------------------------------------------------------------------------------------

    def over(self):
        """Whether the time is up (and the snapshot taken), or somebody closed the window."""
        if any(worker['name'] == 'present' and worker['exit_code'] == EXIT_GOOD for worker in self.status['workers']):
            return True
        return (self.duration_s is not None and self._elapsed_s() >= self.duration_s
                and not (self.snapshot and self.snapshot.pending()))

    def tick(self):
        """Remember how things stand, say what changed, send the snapshot's client when it is time."""
        self.status = read_status(self.appliance.run_dir)
        self.states = {name: STATES[page.state] for name, page in self.appliance.books.cameras.items()}
        self.late = list(self._late())
        self._say_news()
        if self.snapshot and self._elapsed_s() >= self._snapshot_due_s():
            self.snapshot.start()

    def _elapsed_s(self):
        return (clock.now_ns() - self.started_ns) / 1e9

    def _snapshot_due_s(self):
        return max(3.0, self.duration_s - SNAPSHOT_LEAD_S) if self.duration_s else 3.0

    def _late(self):
        """A line for each way in which an enabled camera does not deliver now."""
        now_ns = clock.now_ns()
        for camera in self._enabled():
            page = self.appliance.books.cameras[camera.name]
            state = STATES[page.state]
            if state != 'live':
                yield '%s: %s' % (camera.name, _reason(page, state))
            elif self.appliance.config.engine.enabled and now_ns - page.last_inferred_ns > FRESH_NS:
                yield '%s: no frame inferred within the last 2 s' % camera.name
            elif now_ns - page.last_shown_ns > FRESH_NS:
                yield '%s: no frame shown within the last 2 s' % camera.name

    def _enabled(self):
        return [camera for camera in self.appliance.config.cameras if camera.enabled]

    def _say_news(self):
        for title, address in addresses(self.appliance):
            self._news(title, address, '%-8s %%s' % title)
        engine = self.appliance.books.engine.note
        self._news('engine', engine.get('model') and '{model} on {backend}, {precision}: {why}'.format(**engine),
                   'engine   %s')
        self._news('warning', engine.get('warning'), 'warning  %s')
        for camera in self._enabled():
            page = self.appliance.books.cameras[camera.name]
            self._news(camera.name, _reason(page, STATES[page.state]), camera.name + ': %s')
        first_ns = self.appliance.books.present.first_mosaic_ns
        self._news('first mosaic', first_ns and '%.1f s' % ((first_ns - self.started_ns) / 1e9), 'complete mosaic after %s')

    def _news(self, what, text, words):
        if text and self._said.get(what) != text:
            self._said[what] = text
            self.say(words % text)

    # -- at the end -------------------------------------------------------------------------------------------------

    def finish(self, json_path):
        """Say how it went, write the report; the exit code."""
        found = report(self.appliance.books, self.status, self.started_ns)
        for name, state in self.states.items():
            found['cameras'][name]['state'] = state  # as it was before everything was told to end
        failures = self.late + list(self._unbalanced())
        if self.snapshot and not self.snapshot.taken:
            failures.append('snapshot: %s' % self.snapshot.outcome())
        if json_path:
            write_json(json_path, found)
        self.say(table(found))
        for failure in failures:
            self.say('not good: ' + failure)
        return EXIT_FAILED if failures else EXIT_GOOD

    def _unbalanced(self):
        for camera in self._enabled():
            error = self.appliance.books.balance(camera.name, self.appliance.rings[camera.name]).error
            if error:
                yield '%s: the books are off by %d frames' % (camera.name, error)


def _reason(page, state):
    """The camera's state in words, with why where it is not live."""
    note = page.note
    if state == 'live':
        return 'live, {codec} {width}x{height}'.format(**note) if 'codec' in note else 'live'
    return '%s: %s' % (state.replace('_', ' '), note['reason']) if note.get('reason') else state.replace('_', ' ')


def addresses(appliance):
    """(title, address) of all a person can open, as far as it is known by now."""
    for output in appliance.config.outputs:
        if uris.scheme_of(output.uri) == 'rtsp':
            yield 'mosaic', output.address
    try:
        with open(os.path.join(appliance.run_dir, 'web.json')) as stream:
            yield 'page', json.load(stream)['url']
    except (OSError, ValueError, KeyError):
        pass  # the web worker is off, or not there yet


def table(found):
    """The report as a few lines of text."""
    lines = ['%-16s %-10s %9s %9s %8s %7s %9s  %s' % (
        'camera', 'state', 'received', 'inferred', 'dropped', 'fps', 'p95 ms', 'dropped for')]
    for name, camera in found['cameras'].items():
        dropped = {reason: count for reason, count in camera['dropped'].items() if count}
        lines.append('%-16s %-10s %9d %9d %8d %7s %9s  %s' % (
            name, camera['state'], camera['received'], camera['inferred'], sum(dropped.values()),
            _number(camera['fps_attained']), _number(camera['latency_ms']['result']['p95']),
            ', '.join('%s %d' % item for item in dropped.items())))
    return '\n'.join(lines)


def _number(value):
    return '-' if value is None else '%.1f' % value


def write_json(path, found):
    """The report, whole or not at all; OutputError when it cannot be written."""
    try:
        with open(path + '.part', 'w') as stream:
            json.dump(found, stream, indent=1)
        os.replace(path + '.part', path)
    except OSError as error:
        raise OutputError('%s: cannot write the report: %s; choose another path' % (path, error.strerror))


class Snapshot:
    """A client of the first RTSP output, in a process of its own, that saves one picture as it decoded it."""

    def __init__(self, appliance, path):
        self._run_dir = appliance.run_dir
        self._output = next((output for output in appliance.config.outputs
                             if uris.scheme_of(output.uri) == 'rtsp'), None)
        if self._output is None:
            raise OutputError('--snapshot: no RTSP output to take it from; add one under outputs')
        self._path = os.path.abspath(path)
        self._child = None
        self._code = None

    def start(self):
        """Send the client, once."""
        if self._child is None:
            output = self._output
            self._child = child.spawn(Worker('snapshot', 'edge_app.workers.watch', {
                'uri': output.uri, 'path': self._path, 'user': output.user, 'password': output.password,
                'wait_s': 2.0, 'timeout_s': SNAPSHOT_S}), self._run_dir)

    def pending(self):
        """Whether it is still to come."""
        if self._child is not None and self._code is None:
            self._code = self._child.poll()
        return self._code is None

    @property
    def taken(self):
        return not self.pending() and self._code == 0

    def outcome(self):
        """Why there is none."""
        return 'the run ended first' if self.pending() else 'the client failed, exit code %d' % self._code
