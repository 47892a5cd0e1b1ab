"""One run of the appliance as a person sees it: what is said on the way, the snapshot, the verdict at the end."""
import contextlib
import functools
import json
import os
import signal

import attrs
import click

from edge_app import clock, uris
from edge_app.app.appliance import Appliance, check_ports
from edge_app.app.config_reload import ConfigReload
from edge_app.app.model_probe import ModelProbe, probe_model
from edge_app.errors import EXIT_FAILED, EXIT_GOOD, ConfigError, EdgeAppError, OutputError
from edge_app.files import write_atomic
from edge_app.schemes import OUTPUTS
from edge_app.stats import STATES, reconcile_analyze, reconcile_for_analyze
from edge_app.stats.report import born_ns, read_status, report
from edge_app.supervision import child
from edge_app.supervision.managed_process import FAILED, WAITING, WorkerSpec
from edge_app.supervision.run_dir import prepare_run_dir
from edge_app.supervision.worker import keep_memory_private
from edge_app.telemetry import latest_reading

FRESH_NS = 2 * 10 ** 9
"""At the end every camera must have a frame inferred and one shown this recently."""
SNAPSHOT_S = 20.0
"""Longest wait of the snapshot's client for a picture."""
PICTURES = ('.png', '.jpg', '.jpeg')
SNAPSHOT_LEAD_S = 6.0
"""The client is sent this long before the end, so that it has connected and seen boxes."""


def run(config, duration_s=None, snapshot=None, json_path=None, say=None, read=None):
    """Run `config` until Ctrl-C, `q` in a window or `duration_s`; returns the exit code.

    `read()` gives the configuration anew after SIGHUP and when its file has changed; None: it stays as it is.
    `say` prints a line: by default on stdout, or on stderr where stdout carries results.

    EXIT_GOOD only when every enabled camera delivered: live at the end, a frame inferred and one shown within the last
    two seconds, books that balance, and the snapshot taken where one was asked for.
    """
    if say is None:
        say = functools.partial(click.echo, err=any(uris.scheme_of(sink.uri) == 'stdout' for sink in config.sinks))
    _check(config, snapshot, json_path)
    probe_model(config.engine)
    keep_memory_private()
    with prepare_run_dir() as run_dir:
        appliance = Appliance(config, run_dir)
        try:
            session = Session(appliance, duration_s, snapshot, say, ConfigReload(read, config) if read else None)
            appliance.supervisor.run(until=session.over, on_tick=session.tick,
                                     on_hangup=session.hung_up if read else None)
            return session.finish(json_path)
        finally:
            appliance.close()


def _check(config, snapshot, json_path, before=None):
    """ConfigError for whatever is known to fail later; nothing is started and nothing left open.

    `before`: the Config that runs, if one does.
    """
    problems = ['--%s: %s is no folder; choose another path' % (option, os.path.dirname(os.path.abspath(path)))
                for option, path in (('snapshot', snapshot), ('json', json_path))
                if path and not os.path.isdir(os.path.dirname(os.path.abspath(path)))]
    if snapshot and not snapshot.lower().endswith(PICTURES):
        problems.append('--snapshot: %s: its name must end with %s' % (snapshot, ' or '.join(PICTURES)))
    if snapshot and not _rtsp_outputs(config):
        problems.append('--snapshot: no rtsp:// output to take it from; add one under outputs')
    windows = [output.uri for output in config.outputs if OUTPUTS[uris.scheme_of(output.uri)].display]
    if windows and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        problems.append('%s no display here; set DISPLAY (:0 on a Jetson with a screen), or leave it to the rtsp:// output'
                        % windows[0])
    if not any(camera.enabled for camera in config.cameras):
        problems.append('cameras: none is enabled; set `enabled: true` for one')
    if problems:
        raise ConfigError(*problems)
    check_ports(config, before)


def _same_model(engine, other):
    """Whether one engine process would do for both."""
    return engine == attrs.evolve(other, score=engine.score, iou=engine.iou)


def has_terminal():
    """Whether there is a terminal this process belongs to; after it hung up there is none."""
    try:
        os.close(os.open('/dev/tty', os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _rtsp_outputs(config):
    return [output for output in config.outputs if OUTPUTS[uris.scheme_of(output.uri)].listens]


class Session:
    """Looks at the books once a second and says what changed."""

    def __init__(self, appliance, duration_s, snapshot, say, reread=None):
        self.reread = reread
        self._terminal = has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN   # nohup: it may go
        self.appliance, self.duration_s, self.say = appliance, duration_s, say
        self.started_ns = clock.now_ns()
        self.born_ns = born_ns(os.getpid())
        self.snapshot = Snapshot(appliance, snapshot) if snapshot else None
        self.status, self.states = read_status(appliance.run_dir), {}
        self.late = ['it ended before the first look']
        self._said = {}
        self._over = False
        self._wanted = None
        """(Config, ModelProbe or None) to be taken over."""

    # -- while it runs ----------------------------------------------------------------------------------------------

    def over(self):
        """Whether the time is up (and the snapshot taken), or somebody closed the window."""
        if self._over:
            return True
        if any(worker['name'] == 'compositor' and worker['quit'] for worker in self.status['workers']):
            return True
        return (self.duration_s is not None and self._elapsed_s() >= self.duration_s
                and not (self.snapshot and self.snapshot.pending()))

    def tick(self):
        """Remember how things stand, say what changed, send the snapshot's client when it is time."""
        if self.reread and self.reread.due():
            self.change()
        if self._wanted:
            self._take_over()
        self.status = read_status(self.appliance.run_dir)
        self.states = {name: STATES[page.state] for name, page in self.appliance.counters.cameras.items()}
        self.appliance.show_disabled({worker['name'] for worker in self.status['workers'] if worker['pid']})
        self._book_for_the_dead()
        self.late = list(self._late())
        self._say_news()
        if self.snapshot and self._elapsed_s() >= self._snapshot_due_s():
            self.snapshot.start()

    def hung_up(self):
        """SIGHUP: read the configuration again; or the terminal we were started from is gone, and we go with it."""
        if self._terminal and not has_terminal():
            self._over = True
        else:
            self.change()

    def change(self):
        """Go on with the configuration as its file is now; one that is wrong is refused whole.

        A new model is loaded by a process of its own first; the cameras are looked after meanwhile.
        """
        self._drop_wanted()
        with self._refusing():
            config, runs = self.reread.read(), running(self.appliance)
            _check(config, None, None, runs)
            self._wanted = config, None if _same_model(config.engine, runs.engine) else ModelProbe(config.engine)
        if self._wanted:
            self._take_over()

    def _take_over(self):
        """Change to the wanted configuration if its model is known to be usable by now."""
        config, model = self._wanted
        with self._refusing():
            if model and not model.over():
                return
            self.appliance.change(config)
            self.say('configuration taken over')
        self._drop_wanted()

    def _drop_wanted(self):
        if self._wanted and self._wanted[1]:
            self._wanted[1].close()
        self._wanted = None

    @contextlib.contextmanager
    def _refusing(self):
        try:
            yield
        except (EdgeAppError, OSError) as error:
            self.say('configuration refused, the one before stays in use:\n' + str(error))

    def _book_for_the_dead(self):
        """While there is no engine process the frames that pass are entered here, or they would seem in flight."""
        engine = [worker for worker in self.status['workers'] if worker['name'] == 'analyze']
        off = self.status['workers'] and not engine and not self.appliance.config.engine.enabled
        for page in [self.appliance.counters.cameras[camera.name] for camera in self._enabled()]:
            if engine and not engine[0]['pid'] and engine[0]['state'] in (WAITING, FAILED):
                reconcile_for_analyze(page)
            elif off and page.inferring:        # switched off, and killed with a batch in hand
                reconcile_analyze(page)

    def _elapsed_s(self):
        return (clock.now_ns() - self.started_ns) / 1e9

    def _snapshot_due_s(self):
        return max(3.0, self.duration_s - SNAPSHOT_LEAD_S) if self.duration_s else 3.0

    def _late(self):
        """A line for each worker that is down and each way in which an enabled camera does not deliver now."""
        now_ns = clock.now_ns()
        for worker in self._down():
            yield '%s: %s' % (worker['name'], worker['reason'] or 'ended with %s' % worker['exit_code'])
        for camera in self._enabled():
            page = self.appliance.counters.cameras[camera.name]
            state = STATES[page.state]
            if state != 'live':
                yield '%s: %s' % (camera.name, _reason(page, state))
            elif self.appliance.config.engine.enabled and now_ns - page.last_inferred_ns > FRESH_NS:
                yield '%s: no frame inferred within the last 2 s' % camera.name
            elif now_ns - page.last_shown_ns > FRESH_NS:
                yield '%s: no frame shown within the last 2 s' % camera.name

    def _down(self):
        return [worker for worker in self.status['workers'] if worker['state'] == FAILED]

    def _enabled(self):
        return [camera for camera in self.appliance.config.cameras if camera.enabled]

    def _say_news(self):
        for title, address in addresses(self.appliance):
            self._news(title, address, '%-8s %%s' % title)
        engine = self.appliance.counters.engine.info
        self._news('engine', engine.get('model') and '{model} on {backend}, {precision}: {why}'.format(**engine),
                   'engine   %s')
        for camera in self._enabled():
            page = self.appliance.counters.cameras[camera.name]
            self._news(camera.name, _reason(page, STATES[page.state]), camera.name + ': %s')
        first_ns = self.appliance.counters.compositor.first_mosaic_ns
        self._news('first mosaic', first_ns and '%.1f s' % ((first_ns - self.born_ns) / 1e9), 'complete mosaic after %s')

    def _news(self, what, text, words):
        if text and self._said.get(what) != text:
            self._said[what] = text
            self.say(words % text)

    # -- at the end -------------------------------------------------------------------------------------------------

    def finish(self, json_path):
        """Say how it went, write the report; the exit code."""
        self._drop_wanted()
        found = report(self.appliance.counters, self.status, self.born_ns, latest_reading.read(self.appliance.run_dir))
        for name, state in self.states.items():
            found['cameras'][name]['state'] = state  # as it was before everything was told to end
        failures = self.late + list(self._unbalanced())
        if self.snapshot and not self.snapshot.taken:
            failures.append('snapshot: %s' % self.snapshot.outcome())
        self.say(table(found))
        for failure in failures:
            self.say('not good: ' + failure)
        if self.snapshot and self.snapshot.taken:
            self.say('snapshot ' + self.snapshot.path)
        if json_path:
            write_json(json_path, found)
            self.say('report   ' + os.path.abspath(json_path))
        return max([worker['exit_code'] for worker in self._down()] + [EXIT_FAILED if failures else EXIT_GOOD])

    def _unbalanced(self):
        for camera in self._enabled():
            error = self.appliance.counters.balance(camera.name, self.appliance.rings[camera.name]).error
            if error:
                yield '%s: the books are off by %d frames' % (camera.name, error)


def _reason(page, state):
    """The camera's state in words, with why where it is not live."""
    note = page.info
    if state == 'live':
        return 'live, {codec} {width}x{height}'.format(**note) if 'codec' in note else 'live'
    return '%s: %s' % (state.replace('_', ' '), note['reason']) if note.get('reason') else state.replace('_', ' ')


def addresses(appliance):
    """(title, address) of all a person can open, as far as it is known by now."""
    for output in _rtsp_outputs(appliance.config):
        yield 'mosaic', output.address
        yield 'cameras', ', '.join(mounts(output))
    page = web_page(appliance)
    if page:
        yield 'page', page['url']


def web_page(appliance):
    """{host, port, url} of the web worker; {} where it is off, or not there yet."""
    try:
        with open(os.path.join(appliance.run_dir, 'web.json')) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def running(appliance):
    """The Config in use, with the port that the web worker has found for itself."""
    config = appliance.config
    return attrs.evolve(config, web=attrs.evolve(config.web, port=config.web.port or web_page(appliance).get('port')))


def mounts(output):
    """Addresses at which an RTSP output serves cameras alone."""
    scheme, _, rest = output.address.partition('://')
    for suffix, wanted in (('', output.raw), ('_annotated', output.annotated)):
        if wanted:
            yield '%s://%s/CAMERA%s' % (scheme, rest.partition('/')[0], suffix)


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
        write_atomic(path, json.dumps(found, indent=1))
    except OSError as error:
        raise OutputError('%s: cannot write the report: %s; choose another path' % (path, error.strerror))


class Snapshot:
    """A client of the first RTSP output, in a process of its own, that saves one picture as it decoded it."""

    def __init__(self, appliance, path):
        self._run_dir = appliance.run_dir
        self._output = _rtsp_outputs(appliance.config)[0]
        self._certificate = appliance.config.tls.certificate
        self.path = os.path.abspath(path)
        self._child = None
        self._code = None

    def start(self):
        """Send the client, once."""
        if self._child is None:
            output = self._output
            self._child = child.spawn(WorkerSpec('snapshot', 'edge_app.workers.snapshot', {
                'uri': output.uri, 'path': self.path, 'user': output.user, 'password': output.password,
                'wait_s': 2.0, 'timeout_s': SNAPSHOT_S, 'certificate': self._certificate}), self._run_dir)

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
