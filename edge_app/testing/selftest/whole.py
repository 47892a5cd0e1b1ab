"""The whole appliance at work on simulated cameras: how old pictures are when seen, and what heat makes of it over time."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

from edge_app.commands.demo import configuration, free_port
from edge_app.config import to_dict
from edge_app.telemetry.heat import heat
from edge_app.testing.selftest import viewer
from edge_app.testing.selftest.outcome import FAILED, GOOD, LOG_CHARACTERS, Outcome, ask, environment
from edge_app.testing.simulator.process import Simulator

SIZE, FPS, SEED = (640, 360), 15, 5033
READY_S = 90.0
LATENCY_S = 6.0
SETTLED = 0.25
"""Share of a soak after which it is taken to be warmed up."""
LEAST_KEPT = 0.85
"""Share of the early inference rate that must be left at the end."""
MOST_AGE_MS = 2000.0
FEWEST_MARKS = 20


def check(folder, soak_s, cameras=2, on_step=lambda words: None):
    """(Outcomes, samples): latency by the mark, then a soak of `soak_s`; samples are one dict per second of it."""
    with Simulator(cameras=cameras, size=SIZE, fps=FPS, seed=SEED, die_with_parent=True) as simulator:
        with Run(folder, simulator) as run:
            on_step('the appliance starts')
            if not run.ready():
                return [Outcome('latency', 'the appliance', FAILED, 'it did not get ready', log=run.log())], []
            on_step('latency')
            outcomes = [_latency(title, run.address(mount)) for title, mount in (
                ('a camera as it sent it', run.camera), ('a camera with its boxes', run.camera + '_annotated'))]
            on_step('soak, %d s' % soak_s)
            samples = list(run.samples(soak_s))
            code = run.stop()
            return outcomes + [_soak(samples, soak_s, code, run)], samples


def _latency(title, uri):
    answer, log, seconds = ask(viewer.__name__, {'uri': uri, 'seconds': LATENCY_S}, viewer.FIRST_S + LATENCY_S + 20)
    if 'error' in answer or answer['read'] < FEWEST_MARKS:
        words = answer.get('error') or '%(read)d marks could be read and %(unread)d not' % answer
        return Outcome('latency', title, FAILED, words, answer, seconds, log)
    words = 'median {p50_ms:.0f} ms, 95 % under {p95_ms:.0f} ms, longest {most_ms:.0f} ms; {read} marks read, {unread} not'
    return Outcome('latency', title, GOOD if answer['p95_ms'] < MOST_AGE_MS else FAILED, words.format(**answer), answer, seconds, log)


def _soak(samples, soak_s, code, run):
    figures = summary(samples)
    words = 'inference %s/s early, %s/s at the end; hottest %s; exit code %d' % (
        _figure(figures['early_fps']), _figure(figures['late_fps']), figures['hottest'] or 'not known', code)
    troubles = ['the run failed'] if code else []
    troubles += ['heat: ' + figures['heat']] if figures['heat'] else []
    if figures['early_fps'] and figures['late_fps'] < LEAST_KEPT * figures['early_fps'] and soak_s >= 60:
        troubles.append('less than %d %% of the early rate was left' % (100 * LEAST_KEPT))
    if not samples:
        troubles.append('no figures could be had from it')
    return Outcome('soak', '%d s' % soak_s, FAILED if troubles else GOOD, '; '.join(troubles + [words]), figures, float(soak_s), run.log())


def summary(samples):
    """early_fps, late_fps, hottest and heat of a soak's samples."""
    rates = [sample['fps'] for sample in samples if sample['fps'] is not None]
    quarter = max(1, int(len(rates) * SETTLED))
    early, late = rates[quarter:2 * quarter] or rates, rates[-quarter:]
    boards = [sample['board'] for sample in samples if sample['board']]
    zones = [(zone['c'], name) for board in boards for name, zone in board['temperatures'].items()]
    heats = [found.why for found in map(heat, boards) if found.hot]
    return {'early_fps': _mean(early), 'late_fps': _mean(late), 'heat': heats[-1] if heats else '',
            'hottest': '%.0f C in %s' % max(zones) if zones else ''}


def _mean(values):
    return round(sum(values) / len(values), 2) if values else None


def _figure(value):
    return 'unknown' if value is None else '%.1f' % value


class Run:
    """`edge-app run` in a process of its own, asked over its own HTTP."""

    def __init__(self, folder, simulator):
        config = to_dict(configuration(simulator), secrets=True)
        config['web'].update(enabled=True, port=free_port(8180))
        self.camera = config['cameras'][0]['name']
        self._mosaic = config['outputs'][0]['uri']
        self._page = 'http://127.0.0.1:%d' % config['web']['port']
        self._log_path = os.path.join(folder, 'run.log')
        self.report_path = os.path.join(folder, 'run.json')
        path = os.path.join(folder, 'site.json')
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as file:
            json.dump(config, file)
        with open(self._log_path, 'w') as log:
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'edge_app', 'run', path, '--json', self.report_path], stdout=log, stderr=subprocess.STDOUT,
                env=environment(), stdin=subprocess.DEVNULL)

    def address(self, mount):
        """Where a camera of this name is served."""
        return self._mosaic.rpartition('/')[0] + '/' + mount

    def stats(self):
        """The appliance's report; None while there is none."""
        try:
            with contextlib.closing(urllib.request.urlopen(self._page + '/api/stats', timeout=5)) as answer:
                return json.loads(answer.read().decode())
        except (OSError, ValueError):
            return None

    def ready(self):
        """Wait until every camera has been inferred; False when the process ended or took too long."""
        until_s = time.monotonic() + READY_S
        while time.monotonic() < until_s and self._process.poll() is None:
            stats = self.stats()
            if stats and stats['first_mosaic_s'] and all(camera['inferred'] for camera in stats['cameras'].values()):
                return True
            time.sleep(0.5)
        return False

    def samples(self, seconds):
        """One dict each second: second, fps (of all cameras), board (a reading)."""
        started_s = time.monotonic()
        second = 0
        while second < seconds and self._process.poll() is None:
            stats = self.stats()
            if stats:
                rates = [camera['fps_attained'] for camera in stats['cameras'].values()]
                yield {'second': second, 'fps': sum(rates) if None not in rates else None, 'board': stats['board']}
            second = int(time.monotonic() - started_s) + 1
            time.sleep(max(0.0, started_s + second - time.monotonic()))

    def stop(self):
        """SIGINT, as Ctrl-C; the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def log(self):
        """The end of what it said."""
        with open(self._log_path, errors='replace') as file:
            return file.read()[-LOG_CHARACTERS:]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
