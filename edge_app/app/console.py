"""What a run prints: where to watch, what changes, and the table at the end."""
import json
import os

from edge_app import clock
from edge_app.stats.camera_state import state_text


class Console:
    """Prints with `say`, a callable that takes one line; each piece of news once."""

    def __init__(self, appliance, say):
        self._appliance, self._say = appliance, say
        self._said = {}

    def start(self):
        """How to watch and how to stop."""
        config = self._appliance.config
        ways = ['Ctrl-C'] + ['q in the window'] * any(output.scheme.display for output in config.outputs)
        self._say('edge-app is running with %d camera%s. Stop it with %s.' % (
            len(config.enabled_cameras), '' if len(config.enabled_cameras) == 1 else 's', ' or '.join(ways)))
        self._addresses()

    def update(self, started_ns):
        """Print what has changed; `started_ns` is when the command was started."""
        self._addresses()
        counters = self._appliance.counters
        engine = counters.engine.info
        if engine.get('model'):
            self._news('engine', 'engine    {model} on {backend}, {precision}: {why}'.format(**engine))
        self.cameras()
        first_ns = counters.compositor.first_mosaic_ns
        self._news('first mosaic', first_ns and 'first complete mosaic after %.1f s' % ((first_ns - started_ns) / 1e9))
        if 'note' not in self._said:       # once: the engine's warning of heat changes with every reading
            self._news('note', engine.get('warning') and 'note      ' + engine['warning'])

    def cameras(self):
        """Print the cameras whose state has changed."""
        pages = self._appliance.counters.cameras
        for camera in self._appliance.config.enabled_cameras:
            self._news(camera.name, '%s: %s' % (camera.name, state_text(pages[camera.name], clock.now_ns())))

    def end(self, report, failures, written):
        """The table of the report, what failed, and the files `written`: [(title, path)]."""
        self._say(table(report))
        for failure in failures:
            self._say('FAILED %s' % failure)
        for title, path in written:
            self._say('%-9s %s' % (title, path))

    def _addresses(self):
        for number, (title, address) in enumerate(addresses(self._appliance)):
            self._news((title, number), '%-9s %s' % (title, address))

    def _news(self, what, text):
        if text and self._said.get(what) != text:
            self._said[what] = text
            self._say(text)


def addresses(appliance):
    """(title, address or command) of all a person can open, as far as it is known by now."""
    for output in appliance.config.served_outputs:
        yield 'mosaic', output.address
        yield 'watch', '%s   (or with ffplay, VLC)' % player_command(output.address)
        yield 'cameras', ', '.join(mounts(output))
    page = web_page(appliance)
    if page:
        yield 'web page', page['url']


def player_command(address):
    """The command that shows an RTSP output on this machine."""
    return 'mpv ' + address.replace('://0.0.0.0', '://127.0.0.1').replace('://[::]', '://[::1]')


def mounts(output):
    """Addresses at which an RTSP output serves single cameras."""
    scheme, _, rest = output.address.partition('://')
    for suffix, wanted in (('', output.raw), ('_annotated', output.annotated)):
        if wanted:
            yield '%s://%s/CAMERA%s' % (scheme, rest.partition('/')[0], suffix)


def web_page(appliance):
    """{host, port, url} of the web worker; {} where it is off, or not there yet."""
    try:
        with open(os.path.join(appliance.run_dir, 'web.json')) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def table(report):
    """The cameras of a report as lines of text; received = analysed + dropped + in flight."""
    width = max([16] + [len(name) for name in report['cameras']])
    row = '%%-%ds %%-10s %%9s %%9s %%8s %%9s %%7s %%9s  %%s' % width
    lines = [row % ('camera', 'state', 'received', 'analysed', 'dropped', 'in flight', 'fps', 'p95 ms', 'reasons')]
    for name, camera in report['cameras'].items():
        dropped = {reason: count for reason, count in camera['dropped'].items() if count}
        lines.append(row % (
            name, camera['state'], camera['received'], camera['inferred'], sum(dropped.values()), camera['in_flight'],
            _number(camera['fps_attained']), _number(camera['latency_ms']['result']['p95']),
            ', '.join('%s %d' % item for item in dropped.items())))
    return '\n'.join(lines)


def _number(value):
    return '-' if value is None else '%.1f' % value
