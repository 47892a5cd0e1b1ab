"""The counters as Prometheus text, format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/

Counters end in `_total`, times are in seconds, labels are few: camera, reason, process. Never an address or a pid.

A gauge is only as good as the process that writes it: once that one is gone or silent, what it said last is left out,
or found out anew.
"""
import math

from edge_app.clock import now_ns
from edge_app.stats.accounting import balance
from edge_app.stats.camera_state import LIVE, SUPERVISOR_SILENT_S, analysed_fps, camera_state, is_recent
from edge_app.stats.report import FORMER_NAMES, is_running

CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
PREFIX = 'edge_app_'

LATENCIES = (
    ('result', 'result_latency_seconds', 'From the arrival of a frame to its detections.'),
    ('mosaic', 'mosaic_latency_seconds', 'From the arrival of a frame to the mosaic that first shows it.'),
)


class Text:
    """Metrics in the order they are written, each with its help and type once."""

    def __init__(self):
        self._lines = []

    def metric(self, name, kind, help_text, samples):
        """`samples` are (labels, value); the name's suffix may stand in the labels as '' for histograms."""
        self._lines.append('# HELP %s%s %s' % (PREFIX, name, help_text))
        self._lines.append('# TYPE %s%s %s' % (PREFIX, name, kind))
        for labels, value in samples:
            self.sample(name, labels, value)

    def sample(self, name, labels, value):
        inside = ','.join('%s="%s"' % (key, escaped(text)) for key, text in labels)
        self._lines.append('%s%s%s %s' % (PREFIX, name, '{%s}' % inside if inside else '', number(value)))

    def histogram(self, name, help_text, histograms):
        """`histograms` are (labels, Histogram)."""
        self.metric(name, 'histogram', help_text, ())
        for labels, histogram in histograms:
            for edge_s, count in histogram.buckets():
                self.sample(name + '_bucket', labels + (('le', number(edge_s)),), count)
            self.sample(name + '_sum', labels, histogram.sum_ns / 1e9)
            self.sample(name + '_count', labels, histogram.count)

    def __str__(self):
        return '\n'.join(self._lines) + '\n'


def escaped(text):
    return str(text).replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')


def number(value):
    if isinstance(value, float) and math.isinf(value):
        return '+Inf'
    return '%.9g' % value if isinstance(value, float) else str(value)


def metrics(counters, status, version, board=None):
    """All metrics of these Counters, the content of status.json, and the board's reading where there is one."""
    text, moment_ns = Text(), now_ns()
    up = running(status, moment_ns)
    text.metric('build_info', 'gauge', '1; the label names the version.', [((('version', version),), 1)])
    _cameras(text, {(('camera', name),): page for name, page in counters.cameras.items()}, moment_ns)
    _engine(text, counters.engine.snapshot())
    _mosaic(text, counters.compositor.snapshot(), counters.compositor.histogram('skew'),
            up.get('compositor', True))
    _processes(text, status['workers'], up)
    if board and up.get('board', True):
        board_metrics(text, board)
    return str(text)


def running(status, moment_ns):
    """{process: whether it runs now}: the supervisor's word, if it still has one, and the kernel's."""
    found = {worker['name']: worker['state'] == 'running' and is_running(worker['pid']) for worker in status['workers']}
    found['supervisor'] = is_recent(status['written_ns'], moment_ns, SUPERVISOR_SILENT_S)
    return found


def _cameras(text, pages, moment_ns):
    cells = {labels: page.snapshot() for labels, page in pages.items()}
    frames = {labels: balance(counters) for labels, counters in cells.items()}

    def each(name, kind, help_text, value):
        text.metric(name, kind, help_text, [(labels, value(labels)) for labels in cells])

    each('camera_up', 'gauge', '1 in state live, else 0.', lambda of: int(camera_state(pages[of], moment_ns) == LIVE))
    each('camera_reconnects_total', 'counter', 'Times the camera was opened again after the first.',
         lambda of: cells[of]['reconnects'])
    each('camera_frames_received_total', 'counter', 'Frames received from the camera.',
         lambda of: frames[of].received)
    each('camera_frames_inferred_total', 'counter', 'Frames analysed by the engine.', lambda of: frames[of].inferred)
    each('camera_frames_in_flight', 'gauge', 'Frames received, and neither analysed nor dropped yet.',
         lambda of: frames[of].in_flight)
    text.metric('camera_frames_dropped_total', 'counter', 'Frames dropped before analysis, by reason.',
                [(labels + (('reason', reason),), count)
                 for labels, found in frames.items() for reason, count in sorted(found.dropped.items())])
    each('camera_requested_fps', 'gauge', 'Frames per second to analyse: what the camera sends, at most max_fps.',
         lambda of: cells[of]['requested_fps_milli'] / 1000 * (camera_state(pages[of], moment_ns) == LIVE))
    each('camera_attained_fps', 'gauge', 'Frames per second analysed, over the last 4 s.',
         lambda of: analysed_fps(pages[of], moment_ns))
    for kept, name, help_text in LATENCIES:
        text.histogram(name, help_text, [(labels, page.histogram(kept)) for labels, page in pages.items()])


def _engine(text, cells):
    text.metric('engine_batches_total', 'counter', 'Batches the engine has run.', [((), cells['batches'])])
    text.metric('engine_pictures_total', 'counter', 'Frames in these batches.', [((), cells['pictures'])])
    text.metric('engine_busy_seconds_total', 'counter', 'Time spent running them.', [((), cells['busy_ns'] / 1e9)])
    text.metric('engine_load_seconds', 'gauge', 'Time to load the model.', [((), cells['load_ns'] / 1e9)])


def _mosaic(text, cells, skew, up):
    text.metric('mosaic_frames_composed_total', 'counter', 'Mosaics drawn.', [((), cells['composed'])])
    text.metric('mosaic_frames_encoded_total', 'counter', 'Mosaics encoded.', [((), cells['encoded'])])
    text.metric('mosaic_sets_total', 'counter', 'Mosaics with frames of two cameras or more.', [((), cells['sets'])])
    text.metric('mosaic_sets_aligned_total', 'counter', 'Those whose frames are at most align_ms apart.',
                [((), cells['sets_aligned'])])
    text.histogram('mosaic_skew_seconds', 'How far apart in time the frames of a mosaic are.',
                   [((), skew)])
    text.metric('mosaic_viewers', 'gauge', 'Clients that watch the mosaic now.', [((), cells['viewers'] * up)])


def _processes(text, workers, up):
    """Without word of the supervisor nothing is known of CPU time and memory."""
    labelled = [((('process', worker['name']),), worker) for worker in workers]
    former = [((('process', FORMER_NAMES[worker['name']]),), worker) for worker in workers
              if worker['name'] in FORMER_NAMES]
    supervisor = ((('process', 'supervisor'),), {'name': 'supervisor'})
    text.metric('process_up', 'gauge', '1 while the process runs.',
                [(labels, int(up[worker['name']])) for labels, worker in [supervisor] + labelled + former])
    text.metric('process_restarts_total', 'counter', 'Times the process was restarted.',
                [(labels, worker['restarts']) for labels, worker in labelled + former])
    text.metric('process_cpu_seconds_total', 'counter', 'CPU time of all its runs.',
                [(labels, float(worker['cpu_s'])) for labels, worker in labelled if up['supervisor']])
    text.metric('process_memory_bytes', 'gauge', 'Memory, shared pages divided among those who share them (PSS).',
                [(labels, int(worker['pss_mb'] * 2 ** 20)) for labels, worker in labelled
                 if worker['pss_mb'] is not None and up['supervisor']])


def board_metrics(text, reading):
    """The board's latest reading; figures it does not give are left out."""
    def single(name, help_text, value):
        if value is not None:
            text.metric(name, 'gauge', help_text, [((), value)])

    single('board_gpu_load_ratio', 'Load of the GPU, 0 to 1.', reading['gpu_load'])
    single('board_gpu_clock_hertz', 'Clock of the GPU.', _times(reading['gpu_mhz'], 1e6))
    for which, help_text in (('load_ratio', 'Load of a core, 0 to 1.'), ('clock_hertz', 'Clock of a core.')):
        values = reading['cpu_load'] if which == 'load_ratio' else [_times(mhz, 1e6) for mhz in reading['cpu_mhz']]
        text.metric('board_cpu_' + which, 'gauge', help_text,
                    [((('core', core),), value) for core, value in enumerate(values) if value is not None])
    for kind in ('memory', 'swap'):
        text.metric('board_%s_bytes' % kind, 'gauge', 'Of the machine, by part; nvmap is what GPU and codecs hold.',
                    [((('part', part),), int(size * 2 ** 20)) for part, size in sorted(reading[kind + '_mb'].items())])
    text.metric('board_temperature_celsius', 'gauge', 'Temperature of a thermal zone.',
                [((('zone', zone),), float(at['c'])) for zone, at in sorted(reading['temperatures'].items())])
    text.metric('board_throttled', 'gauge', 'Parts of the board that are being throttled now.',
                [((), len(reading['throttled']))])
    if reading['over_current'] is not None:
        text.metric('board_over_current_alarms_total', 'counter', 'Over-current alarms since the board booted.',
                    [((), reading['over_current'])])
    if reading['power_mode']:
        text.metric('board_power_mode_info', 'gauge', '1; the label names it.',
                    [((('mode', reading['power_mode']),), 1)])


def _times(value, factor):
    return None if value is None else value * factor
