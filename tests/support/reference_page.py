"""Writes `edge_app/docs/reference.md` from the code: `make docs`, or `python -m tests.support.reference_page`.

Keys and metrics come from a report, a record and metrics made of one camera's counters; meanings stand where each of
them is defined. A key without a meaning, or a meaning without a key, is an error.
"""
import json
import os
import re
import tempfile
import textwrap

import numpy as np

from edge_app.detections import Detections, Result
from edge_app.frames import FrameMeta
from edge_app.output import jsonl
from edge_app.stats import REASONS, Counters, report
from edge_app.stats.counters import STATE_HELP
from edge_app.telemetry.prometheus import metrics
from edge_app.telemetry.reading import Reading

PAGE = os.path.join(os.path.dirname(report.__file__), os.pardir, 'docs', 'reference.md')
WORKER = {'name': 'capture:gate', 'pid': 41, 'restarts': 0, 'state': 'running', 'cpu_s': 1.25, 'pss_mb': 57.3}
READING = Reading(
    'linux', 'board', cpu_load=(0.5,), cpu_mhz=(2000,), gpu_load=0.5, gpu_mhz=1300, gpu_max_mhz=1300,
    memory_mb={'available': 1, 'nvmap': 1, 'total': 1}, swap_mb={'total': 1, 'used': 0},
    temperatures={'GPU-therm': {'c': 50, 'limit_c': 96}}, power_mode='MAXN', over_current=0)
BOXES = [np.array(values, np.float32) for values in ([[212, 96.5, 260.3, 241]], [0.91])]
RESULT = Result(
    'gate', FrameMeta(7, 0, 640, 360), Detections(*BOXES, class_id=np.array([0]), names=['person']), 83000000)
WIDTH = 120
BOARD = ('`board` holds %s and `read_ns`; a value the board does not give is null, empty or missing. '
         '[What they mean](board.md#telemetry).')
TEXT = '''\
# Reference: results, report, metrics, states

<!-- Written by `make docs`; meanings stand where they are defined: output/jsonl.py, stats/, telemetry/prometheus.py -->

What edge-app writes and answers. Existing keys and names stay; new ones may be added, so ignore those you do not know.

## JSON lines

A sink (`file://events.jsonl`, `stdout:`) gets one JSON object per line and analysed frame (wrapped here):

```json
%(record)s
```

%(record_keys)s

A line is written whole or not at all. Frames that were dropped have no line.

## /api/stats

One JSON object; `edge-app run --json FILE` writes the same at its end. Every key is always there; a value that is not
known (yet) is null. Latencies are in milliseconds.

%(report_keys)s

%(board_keys)s

For each camera `received` = `inferred` + all of `dropped` + `in_flight`; `edge-app run` fails when that does not hold.

## Metrics

`/metrics` is Prometheus text, format 0.0.4. Histograms have the usual `_bucket`, `_sum` and `_count`. Metrics of the
board are left out where it does not give the figure. A gauge is no older than the process that writes it: a camera is
up while new pictures come, a process while the kernel says that it runs; what the supervisor alone knows is left out
while it is silent.

%(metrics)s

## Camera states

The mosaic, the page, `/api/stats`, `/metrics`, `/readyz` and the terminal ask one function for the state, which goes by
what the camera's process reports and by the age of the newest picture. So they agree, and a camera that shows nothing
new is live nowhere, even while its process hangs. The log gives what the camera's process reports.

%(states)s

### What to alarm on

%(alarms)s

They need no password; the reasons do, where one is set. With Prometheus: `edge_app_camera_up == 0` for a camera,
`edge_app_process_up == 0` for a process (the supervisor is one of them), `up == 0` for the page itself. Let an alarm
wait for a minute: cameras are opened again by themselves.

## Drop reasons

Every frame received is analysed, dropped for exactly one of these reasons, or still in flight.

%(reasons)s
'''

ALARMS = (
    ('`/healthz`', "(no answer) the page's process is down", "a container's or load balancer's probe"),
    ('`/readyz`',
     'the appliance does not do its work: a required process is down, the supervisor is silent, nothing is known yet '
     'of a camera',
     'deployment, and restarting. A camera that is away is no reason: a restart would not bring it back'),
    ('`/readyz?cameras=any`', 'that, or no enabled camera is `live`',
     'an alarm on the site: a switch, its power or its network is gone'),
    ('`/readyz?cameras=all`', 'that, or an enabled camera is not `live`',
     'an alarm on each camera; its reasons name it'))


def page():
    """The Markdown of the page."""
    with tempfile.TemporaryDirectory() as folder:
        with Counters.create(folder, ['NAME']) as counters:
            status = {'written_ns': 1, 'workers': [WORKER], 'supervisor': {'pid': None}}
            board = dict(READING._asdict(), read_ns=1)
            found = report.report(counters, status, 0)
            text = metrics(counters, status, '0', board)
    record = jsonl.record(RESULT, 0)
    keys = {re.sub(r'(dropped)\.\w+', r'\1.REASON', key) for key in paths(found)}
    return TEXT % {
        'record': json.dumps(dict(record, captured=1795167109.288)).replace(' "detections"', '\n "detections"'),
        'record_keys': explained(set(paths(record)) | {'detections[].keypoints'}, jsonl.KEYS),
        'report_keys': explained(keys, report.KEYS),
        'board_keys': textwrap.fill(BOARD % ', '.join('`%s`' % name for name in Reading._fields), WIDTH,
                                    break_on_hyphens=False),
        'metrics': table(('metric', 'type', 'labels', 'meaning'), metric_rows(text)),
        'alarms': table(('address', '503 while', 'use it for'), ALARMS),
        'states': table(('state', 'meaning', 'what to do'), help_rows(STATE_HELP)),
        'reasons': table(('reason', 'meaning', 'what to do'), help_rows(REASONS))}


def paths(value, path=''):
    """Dotted paths of the leaves of plain values; the items of a list that holds objects are one, `[]`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, path + '.' + key if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from paths(value[0], path + '[]')
    else:
        yield path


def explained(found, meanings):
    """A table of `meanings`, which are of exactly the keys `found`."""
    assert found == set(meanings), 'without a meaning, or without a key: %s' % sorted(found ^ set(meanings))
    return table(('key', 'meaning'), [('`%s`' % key, meaning) for key, meaning in meanings.items()])


def metric_rows(text):
    """(name, type, labels, help) of each metric in Prometheus text."""
    helps = dict(re.findall(r'^# HELP (\S+) (.*)$', text, re.M))
    for name, kind in re.findall(r'^# TYPE (\S+) (.*)$', text, re.M):
        labels = re.findall(r'^%s(?:_bucket)?\{(.*?)\}' % name, text, re.M)
        names = [label for label in re.findall(r'(\w+)="', labels[0] if labels else '') if label != 'le']
        yield '`%s`' % name, kind, ', '.join('`%s`' % label for label in names), helps[name]


def help_rows(helps):
    return [('`%s`' % name, meaning, action) for name, (meaning, action, *_) in helps.items()]


def table(head, rows):
    lines = ['| %s |' % ' | '.join(cell.replace('|', '\\|') for cell in row) for row in [head] + list(rows)]
    return '\n'.join(lines[:1] + ['|---' * len(head) + '|'] + lines[1:])


if __name__ == '__main__':
    written = page()
    with open(PAGE, 'w', encoding='utf-8') as file:
        file.write(written)
