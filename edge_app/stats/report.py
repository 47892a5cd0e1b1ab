"""What an appliance has done so far, as one JSON-able report: `/api/stats`, the reports of run and demo.

Every key is always there; a number that is not known (yet) is null.
"""
import json
import os
import time

from edge_app.clock import now_ns
from edge_app.stats.accounting import balance
from edge_app.stats.camera_state import analysed_fps, camera_state

SCHEMA = 1
KEYS = {
    'schema': 'version of this report',
    'cameras.NAME.received': 'frames received since the start',
    'cameras.NAME.inferred': 'frames analysed',
    'cameras.NAME.dropped.REASON': 'frames dropped for this reason; every reason is there',
    'cameras.NAME.in_flight': 'frames received, and neither analysed nor dropped yet',
    'cameras.NAME.fps_requested': 'frames per second to analyse: what the camera sends, at most `max_fps`',
    'cameras.NAME.fps_attained': 'frames per second analysed, over the last 4 s',
    'cameras.NAME.latency_ms.result.p50': 'arrival of a frame to its detections, median; since the start',
    'cameras.NAME.latency_ms.result.p95': 'the same, 95th percentile',
    'cameras.NAME.latency_ms.mosaic.p50': 'arrival of a frame to the mosaic that first shows it, median',
    'cameras.NAME.latency_ms.mosaic.p95': 'the same, 95th percentile',
    'cameras.NAME.decoder_delay_ms': 'how long its decoder keeps a picture back until newer ones come; makes no frame '
                                     'stale',
    'cameras.NAME.state': 'see camera states',
    'first_mosaic_s': 'start of the appliance to the first mosaic with a picture of every camera',
    'sets.shown': 'mosaics with pictures of two cameras or more',
    'sets.aligned': 'those whose pictures are at most `align_ms` apart',
    'sets.skew_ms.p50': 'how far apart in time the pictures of a mosaic are, median',
    'sets.skew_ms.p95': 'the same, 95th percentile',
    'sets.clock': '`camera`: by the cameras\' own clocks; `arrival`: by arrival at this machine',
    'engine.backend': 'library that runs the model',
    'engine.why': 'why this backend',
    'engine.model': 'the model',
    'engine.precision': 'arithmetic it computes in',
    'engine.batch_mean': 'mean number of frames in a batch',
    'engine.load_s': 'time to load the model',
    'board': 'the latest reading of the board, null before the first; see below',
    'processes[].name': 'process; the first is the supervisor',
    'processes[].pid': 'its process id',
    'processes[].restarts': 'times it was restarted',
    'processes[].cpu_s': 'CPU time of all its runs',
    'processes[].pss_mb': 'memory in MB, shared pages divided among those who share them (PSS)',
}
"""What each key of `report` means, for the reference page."""
FORMER_NAMES = {'compositor': 'present'}
"""Processes that reports and metrics also list under the name they had."""
NO_STATUS = {'written_ns': 0, 'workers': [], 'supervisor': {}}
"""What `read_status` gives before the supervisor has written for the first time."""


def report(counters, status, started_ns=None, board=None, moment_ns=None):
    """The report of these Counters, the content of status.json (`read_status`) and the board's reading, if any.

    `started_ns` (CLOCK_MONOTONIC) is when the appliance was started; by default the birth of its supervisor.
    `moment_ns`: states and rates as of then; by default now.
    """
    moment_ns = now_ns() if moment_ns is None else moment_ns
    supervisor = status.get('supervisor', {})
    if started_ns is None:
        started_ns = born_ns(supervisor.get('pid'))
    return {'schema': SCHEMA,
            'cameras': {name: camera(page, moment_ns) for name, page in counters.cameras.items()},
            'first_mosaic_s': _since(counters.compositor.get('first_mosaic_ns'), started_ns),
            'sets': sets(counters.compositor), 'engine': engine(counters.engine), 'board': board,
            'processes': list(processes([dict(supervisor, name='supervisor')] + status['workers']))}


def read_status(run_dir):
    """What the supervisor wrote last; NO_STATUS before it wrote anything."""
    try:
        with open(os.path.join(run_dir, 'status.json')) as file:
            return json.load(file)
    except FileNotFoundError:
        return NO_STATUS


def camera(page, moment_ns):
    """One camera's part: the balance of its frames, its rates and latencies."""
    cells = page.snapshot()
    frames = balance(cells)
    return {'received': frames.received, 'inferred': frames.inferred, 'dropped': frames.dropped,
            'in_flight': frames.in_flight,
            'fps_requested': _per_thousand(cells['requested_fps_milli']),
            'fps_attained': analysed_fps(page, moment_ns) or None,
            'latency_ms': {name: _percentiles(page.histogram(name)) for name in ('result', 'mosaic')},
            'decoder_delay_ms': cells['decoder_delay_ns'] / 1e6,
            'state': camera_state(page, moment_ns)}


def sets(page):
    """Pictures of several cameras shown together: how far apart the moments lie that they show, and by whose clock."""
    cells = page.snapshot()
    return {'shown': cells['sets'], 'aligned': cells['sets_aligned'], 'skew_ms': _percentiles(page.histogram('skew')),
            'clock': ('camera' if cells['camera_clock'] else 'arrival') if cells['sets'] else None}


def engine(page):
    """The engine's part; `why` says how the backend came to be chosen."""
    note, cells = page.info, page.snapshot()
    batch_mean = cells['pictures'] / cells['batches'] if cells['batches'] else None
    return {'backend': note.get('backend'), 'why': note.get('why'), 'model': note.get('model'),
            'precision': note.get('precision'), 'batch_mean': _rounded(batch_mean, 2),
            'load_s': _rounded(cells['load_ns'] / 1e9, 3) if cells['load_ns'] else None}


def processes(workers):
    """A row for each process. The row under a former name leaves CPU time and memory out, so that sums stay right."""
    for worker in workers:
        yield process(worker)
        if worker['name'] in FORMER_NAMES:
            yield dict(process(worker), name=FORMER_NAMES[worker['name']], cpu_s=None, pss_mb=None)


def process(worker):
    """One process's part, of a row of status.json."""
    return {'name': worker['name'], 'pid': worker.get('pid'), 'restarts': worker.get('restarts', 0),
            'cpu_s': worker.get('cpu_s'), 'pss_mb': _rounded(worker.get('pss_mb'), 1)}


def born_ns(pid):
    """When process `pid` was started, on CLOCK_MONOTONIC within 20 ms; None when there is no such process.

    Field 22 of /proc/<pid>/stat (proc(5)): clock ticks since boot, on a clock that also counts suspended time.
    """
    try:
        with open('/proc/%s/stat' % pid, 'rb') as stat:
            ticks = int(stat.read().rpartition(b')')[2].split()[19])
        with open('/proc/uptime') as uptime:
            since_boot_s = float(uptime.read().split()[0])
    except OSError:
        return None
    age_s = since_boot_s - ticks / os.sysconf('SC_CLK_TCK')
    return int((time.monotonic() - age_s) * 1e9)


def is_running(pid):
    """Whether process `pid` runs: it exists, and is neither stopped nor dead and not waited for."""
    try:
        with open('/proc/%s/stat' % pid, 'rb') as stat:
            return stat.read().rpartition(b')')[2].split()[0] not in (b'T', b'Z', b'X')
    except OSError:
        return False


def _since(moment_ns, started_ns):
    if not moment_ns or started_ns is None:
        return None
    return _rounded((moment_ns - started_ns) / 1e9, 3)


def _percentiles(histogram):
    found = {'p%d' % q: histogram.percentile(q) for q in (50, 95)}
    return {name: None if ns is None else round(ns / 1e6, 1) for name, ns in found.items()}


def _per_thousand(milli):
    """A gauge nobody has set yet stands at 0."""
    return milli / 1000 if milli else None


def _rounded(value, digits):
    return None if value is None else round(value, digits)
