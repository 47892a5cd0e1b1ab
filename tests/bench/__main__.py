"""All benchmarks in one report: those of `edge-app bench all`, then those of this folder."""
from edge_app.commands.bench import report_command
from edge_app.testing.bench.report import HD, SMALL, ReportPart, no_plot
from edge_app.testing.bench.report import parts as installed_parts
from edge_app.testing.harness import html_report

from tests.bench import decode, latency, reconnect, run, scaling, start, transport
from tests.bench.peers import measure as peers

AWAY_S = 10.0
"""How long a camera is away: a silent one is given up after 5 s, so less would measure something else."""


def parts(settings, share=1.0, times=5):
    """Every ReportPart, in the order they run."""
    few = (times + 1) // 2
    return installed_parts(settings, share, times) + [ReportPart(*row) for row in (
        ('scaling', 'One to sixteen cameras of 640x360 at 10 fps',
         lambda: scaling.measure([1, 2, 4, 8, 16], SMALL, 10.0, settings, 10 * share, few),
         scaling.lines, draw_scaling, 'residual under 10 %, per camera at most 1.15 times the baseline'),
        ('latency', 'Where the time of a frame goes',
         lambda: latency.measure(4, HD, 25.0, settings, 10.0, 10 * share, few), latency.lines, draw_latency),
        ('start', 'Start',
         lambda: start.measure((1, 4, 16), SMALL, 10.0, settings, 2 * times if times > 1 else 1), start.lines, no_plot,
         'at most 1.5 s after the key frames, p90; 16 cameras at most 1.5 s more than one'),
        ('reconnect', 'A camera away for ten seconds',
         lambda: reconnect.measure(4, SMALL, 10.0, settings, AWAY_S, few), reconnect.lines, no_plot,
         'the others keep at least 0.95 of their rate'))] + [
        decode.part(share), transport.part(share, times), peers.part(settings, share, times)]


def draw_scaling(found):
    return html_report.bars([bar for row in found['rows'] for bar in (
        ('%d cameras' % row['cameras'], row['appliance'], ''), ('baseline', row['floor'], 'floor'))], ' CPU s/s')


def draw_latency(found):
    return html_report.stacks([('to a ' + ('result' if way == 'result' else 'viewer'),
                                [(stage['stage'], stage.get('median') or 0.0) for stage in one['mean_ms']])
                               for way, one in found['stages'].items()])


if __name__ == '__main__':
    run(report_command('bench', parts))
