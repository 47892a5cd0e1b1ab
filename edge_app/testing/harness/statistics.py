"""Figures of several runs as reports give them."""
import json
import math
import os
import platform

import numpy as np

SCHEMA = 1


def spread(values, digits=4):
    """{"median", "min", "max"} of the known values; None without any."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return None
    return {name: round(float(value), digits)
            for name, value in (('median', np.median(known)), ('min', min(known)), ('max', max(known)))}


def percentiles(values, wanted=(50, 95, 99)):
    """{"p50", "p95", "p99", "samples"} of the values of one run; None each without values."""
    found = {'p%d' % q: round(float(np.percentile(values, q)), 3) if len(values) else None for q in wanted}
    return dict(found, samples=len(values))


def spreads(runs, digits=4):
    """`spread` of every key over the dicts of several runs, which may be nested."""
    keys = sorted({key for run in runs for key in run})
    found = {}
    for key in keys:
        values = [run[key] for run in runs if run.get(key) is not None]
        nested = values and isinstance(values[0], dict)
        found[key] = spreads(values, digits) if nested else spread(values, digits)
    return found


def machine():
    """Description of this machine and its load."""
    return {'cpu': _cpu(), 'cores': len(os.sched_getaffinity(0)), 'machine': platform.machine(),
            'python': platform.python_version(), 'load': [round(load, 2) for load in os.getloadavg()]}


def _cpu():
    with open('/proc/cpuinfo') as stream:
        facts = dict(line.partition(':')[::2] for line in stream)
    return next((value.strip() for key, value in facts.items() if key.strip() == 'model name'), platform.processor())


def report(asked, found):
    """What `--json` writes: the figures found, what was asked for, and the machine."""
    return dict(found, schema=SCHEMA, machine=machine(), asked=asked)


def text(found, unit='', digits=2):
    """'0.93 (0.91 to 0.95)' for a `spread`; '-' for None."""
    if not found:
        return '-'
    form = '%%.%df%%s (%%.%df to %%.%df)' % (digits, digits, digits)
    return form % (found['median'], unit, found['min'], found['max'])


def write(path, content):
    """Write JSON to the file if one was asked for."""
    if path:
        with open(path, 'w') as stream:
            json.dump(content, stream, indent=1)
            stream.write('\n')
