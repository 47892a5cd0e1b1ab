"""The appliance on simulated cameras: the age of pictures when they are seen, and the effect of heat over time."""
import contextlib
import json
import time
import urllib.request

import numpy as np

from edge_app.clock import now_ns, wall_ns
from edge_app.detectors.model_file import embedded_model
from edge_app.telemetry.heat import heat
from edge_app.testing.harness.appliance import RunningAppliance
from edge_app.testing.harness.children import ProcessFailed
from edge_app.testing.harness.site import random_port, site
from edge_app.testing.harness.viewer import StreamViewer
from edge_app.testing.selftest.outcome import FAILED, GOOD, Outcome
from edge_app.testing.simulator.process import Simulator

SIZE, FPS, SEED = (640, 360), 15, 5033
LATENCY_S = 6.0
SETTLED = 0.25
"""Share of a soak after which the machine counts as warmed up."""
LEAST_KEPT = 0.85
"""Share of the early rate that must be left at the end."""
MOST_AGE_MS = 2000.0
FEWEST_TIMECODES = 20


def check(soak_s, cameras=2, on_step=lambda words: None):
    """(Outcomes, samples): latency by the timecode, then a soak of `soak_s`; samples are one dict per second of it."""
    with Simulator(cameras=cameras, size=SIZE, fps=FPS, seed=SEED, die_with_parent=True) as simulator:
        values = site(simulator, random_port(), engine={'model': embedded_model()},
                      web={'port': random_port()})
        on_step('the appliance starts')
        try:
            with RunningAppliance(values, simulator.password) as running:
                running.wait_live()
                on_step('latency')
                outcomes = [_latency(title, values['outputs'][0]['uri'].replace('mosaic', mount)) for title, mount in (
                    ('a camera as it sent it', 'cam1'), ('a camera with its boxes', 'cam1_annotated'))]
                on_step('soak, %d s' % soak_s)
                samples = list(_samples(running, soak_s))
                return outcomes + [_soak(samples, soak_s, running.stop(), running)], samples
        except ProcessFailed as error:
            return [Outcome('latency', 'the appliance', FAILED, 'it did not get ready', log=str(error))], []


def _latency(title, uri):
    started_s = time.monotonic()
    try:
        with StreamViewer(uri, per_s=1000, decoder='') as viewer:
            time.sleep(LATENCY_S)
            offset_ns, sightings, log = wall_ns() - now_ns(), viewer.sightings(), viewer.log()
    except ProcessFailed as error:
        return Outcome('latency', title, FAILED, str(error), {'error': str(error)},
                       round(time.monotonic() - started_s, 1))
    figures = dict(percentiles([(moment_ns + offset_ns) / 1e6 - sent_ms for _, _, moment_ns, sent_ms in sightings]),
                   read=len(sightings), unread=viewer.unread)
    words = '{read} timecodes could be read and {unread} not'
    if len(sightings) >= FEWEST_TIMECODES:
        words = ('median {p50_ms:.0f} ms, 95 % under {p95_ms:.0f} ms, longest {most_ms:.0f} ms; {read} timecodes read, '
                 '{unread} not')
    good = len(sightings) >= FEWEST_TIMECODES and figures['p95_ms'] < MOST_AGE_MS
    return Outcome('latency', title, GOOD if good else FAILED, words.format(**figures), figures,
                   round(time.monotonic() - started_s, 1), log)


def percentiles(ages):
    """p50_ms, p95_ms and most_ms; None without any."""
    if not ages:
        return {'p50_ms': None, 'p95_ms': None, 'most_ms': None}
    return {'p50_ms': float(np.percentile(ages, 50)), 'p95_ms': float(np.percentile(ages, 95)),
            'most_ms': float(max(ages))}


def _samples(running, seconds):
    """One dict each second: second, fps (of all cameras), board (a reading)."""
    address = 'http://127.0.0.1:%d/api/stats' % running.values['web']['port']
    started_s, second = time.monotonic(), 0
    while second < seconds and running.process.poll() is None:
        with contextlib.suppress(OSError, ValueError), \
                contextlib.closing(urllib.request.urlopen(address, timeout=5)) as answer:
            stats = json.loads(answer.read().decode())
            rates = [camera['fps_attained'] for camera in stats['cameras'].values()]
            yield {'second': second, 'fps': sum(rates) if None not in rates else None, 'board': stats['board']}
        second = int(time.monotonic() - started_s) + 1
        time.sleep(max(0.0, started_s + second - time.monotonic()))


def _soak(samples, soak_s, code, running):
    figures = summary(samples)
    words = 'analysed %s/s early, %s/s at the end; hottest zone %s; exit code %d' % (
        _figure(figures['early_fps']), _figure(figures['late_fps']), figures['hottest'] or 'unknown', code)
    troubles = ['the run failed'] if code else []
    troubles += ['heat: ' + figures['heat']] if figures['heat'] else []
    if figures['early_fps'] and figures['late_fps'] < LEAST_KEPT * figures['early_fps'] and soak_s >= 60:
        troubles.append('less than %d %% of the early rate was left' % (100 * LEAST_KEPT))
    if not samples:
        troubles.append('it gave no figures')
    return Outcome('soak', '%d s' % soak_s, FAILED if troubles else GOOD, '; '.join(troubles + [words]), figures,
                   float(soak_s), running.log())


def summary(samples):
    """early_fps, late_fps, hottest and heat of the samples of a soak."""
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
