"""All benchmarks in sequence, and one page of their results, report.html, with the figures as JSON beside it."""
import functools
import os
import time
from typing import Callable, NamedTuple

from edge_app.errors import EdgeAppError
from edge_app.testing.bench import capacity, engine, pipeline
from edge_app.testing.harness import html_report, statistics

HD, SMALL = (1920, 1080), (640, 360)


def no_plot(_found):
    return ''


class ReportPart(NamedTuple):
    """One benchmark of the report."""

    name: str
    title: str
    run: Callable
    lines: Callable
    """The report as text."""
    draw: Callable = no_plot
    """Its plots as HTML."""
    goal: str = ''


def parts(settings, share=1.0, times=5):
    """Every ReportPart in order, each for `share` of its usual duration, the important ones repeated `times` times."""
    found = []
    for regime in ('saturated', 'paced'):
        for viewer in (False, True):
            goal = 'efficiency at least %.2f, saturation ratio at least 0.90' % (0.85 if viewer else 0.9)
            found.append(ReportPart(
                'pipeline-%s%s' % (regime, '-viewer' if viewer else ''),
                'Four cameras of 1920x1080 at 25 fps: %s, %s viewer' % (regime, 'one' if viewer else 'no'),
                functools.partial(pipeline.measure, 4, HD, 25.0, settings, regime, viewer, 30 * share, times),
                pipeline.lines, draw_pipeline, goal if regime == 'saturated' else ''))
    return found + [ReportPart(*row) for row in (
        ('engine', 'Engines beside their bare libraries',
         lambda: engine.measure_all(settings['model'], engine.backends('all', settings['model']), (1, 4),
                                    settings['precision'], settings['threads'], 10 * share),
         lambda rows: [engine.HEADING] + [engine.sentence(row) for row in rows['rows']], draw_engine,
         'at most 1.05 at batch 4'),
        ('capacity', 'How many cameras',
         lambda: capacity.measure(SMALL, 10.0, settings, 200.0, 0.95, 64, 10 * share),
         lambda found: [capacity.sentence(trial) for trial in found['trials']] + list(capacity.lines(found))))]


def write_all(settings, folder, echo, chosen):
    """Run the ReportParts `chosen`, write their JSON and the page; path of the page, which names failed parts too."""
    os.makedirs(folder, exist_ok=True)
    started, sections = time.time(), []
    for part in chosen:
        echo('%s ...' % part.title)
        plots = ''
        try:
            found = part.run()
            statistics.write(os.path.join(folder, part.name + '.json'), found)
            lines, plots = list(part.lines(found)), part.draw(found)
        except EdgeAppError as error:
            lines = ['failed: %s' % error]
        for line in lines:
            echo('  ' + line)
        sections.append(section(part, lines, plots))
    path = os.path.join(folder, 'report.html')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(page(sections, started, settings))
    return os.path.abspath(path)


def section(part, lines, plots):
    """One part as HTML."""
    goal = '<p class="goal">Goal: %s</p>' % html_report.text(part.goal) if part.goal else ''
    return '<h2>%s</h2>%s\n%s\n<pre>%s</pre>' % (html_report.text(part.title), goal, plots,
                                                 html_report.text('\n'.join(lines)))


def page(sections, started, settings):
    """The whole report."""
    here = statistics.machine()
    about = '%s, %d cores, Python %s; started %s, load %s at its end. Model %s, %s, batch %d, backend %s.' % (
        here['cpu'], here['cores'], here['python'], time.strftime('%Y-%m-%d %H:%M', time.localtime(started)),
        here['load'], os.path.basename(settings['model'] or ''), settings['precision'], settings['batch'],
        settings['backend'])
    body = '<h1>edge-app bench</h1><p>%s</p><p>Medians of all runs, with the least and the greatest.</p>\n%s\n'
    return html_report.page('edge-app bench', body % (html_report.text(about), '\n'.join(sections)))


def draw_pipeline(found):
    ratios = [(name, found[name.replace(' ', '_')], '') for name in ('efficiency', 'saturation ratio')]
    costs = [(name, spent, '') for name, spent in sorted(found['cpu_s_per_s'].items())]
    costs += [('baseline: ' + name, spent, 'floor') for name, spent in sorted(found['floor']['cpu_s_per_s'].items())]
    return '%s\n<p>CPU seconds per second</p>\n%s' % (
        html_report.bars(ratios, goal=0.85 if found['asked']['viewer'] else 0.9), html_report.bars(costs))


def draw_engine(found):
    rows = [row for row in found['rows'] if row.get('ratio')]
    return html_report.bars([('%s, batch %d' % (row['backend'], row['batch']), dict(
        row['ratio'], min=row['ratio']['p25'], max=row['ratio']['p75']), '') for row in rows], goal=1.05)
