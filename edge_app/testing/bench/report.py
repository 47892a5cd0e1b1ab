"""All benchmarks one after the other, and one page that shows what came of them: report.html, its figures as JSON beside it."""
import os
import time
from html import escape

from edge_app.errors import EdgeAppError
from edge_app.testing.bench import capacity, engine, latency, pipeline, plots, reconnect, scaling, start, statistics

HD, SMALL = (1920, 1080), (640, 360)
AWAY_S = 10.0
"""How long a camera is away: shorter would be another thing, because a silent one is given up after 5 s."""
STYLE = ('body{font:15px/1.45 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{background:#f4f5f7;padding:.8em;'
         'overflow-x:auto}h2{margin-top:2em;border-bottom:1px solid #ddd}.goal{color:#2a7d4c}')


class Part:
    """One benchmark of the report: how it is run, what is said of it, what it is to reach and how it is drawn."""

    def __init__(self, name, title, run, lines, draw=lambda found: '', goal=''):
        self.name, self.title, self.run, self.lines, self.draw, self.goal = name, title, run, lines, draw, goal


def parts(settings, share=1.0, times=5):
    """Every Part, in the order they are run: each for `share` of its seconds, the important ones so many `times`."""
    few = (times + 1) // 2

    def whole(regime, viewer):
        name = '%s, %s viewer' % (regime, 'one' if viewer else 'no')
        goal = 'efficiency at least %.2f%s' % (0.85 if viewer else 0.9,
                                               ', saturation ratio at least 0.90' if regime == 'saturated' else '')
        return Part('pipeline-%s%s' % (regime, '-viewer' if viewer else ''), 'Four cameras of 1920x1080 at 25 fps: ' + name,
                    lambda: pipeline.measure(4, HD, 25.0, settings, regime, viewer, 30 * share, times),
                    pipeline.lines, draw_pipeline, goal if regime == 'saturated' else '')
    return [whole(regime, viewer) for regime in ('saturated', 'paced') for viewer in (False, True)] + [
        Part('scaling', 'One to sixteen cameras of 640x360 at 10 fps',
             lambda: scaling.measure([1, 2, 4, 8, 16], SMALL, 10.0, settings, 10 * share, few),
             scaling.lines, draw_scaling, 'residual under 10 %, per camera at most 1.15 times the floor'),
        Part('engine', 'Engines beside their bare libraries',
             lambda: engine.measure_all(settings['model'], engine.backends('all', settings['model']), (1, 4),
                                        settings['precision'], settings['threads'], 10 * share),
             lambda found: [engine.HEADING] + [engine.sentence(row) for row in found['rows']], draw_engine,
             'at most 1.05 at batch 4'),
        Part('latency', 'Where the time of a frame goes',
             lambda: latency.measure(4, HD, 25.0, settings, 10.0, 10 * share, few), latency.lines,
             draw_latency),
        Part('start', 'Start',
             lambda: start.measure(start.CAMERAS, SMALL, 10.0, settings, 2 * times if times > 1 else 1), start.lines, goal='at most 1.5 s after the key frames, p90; 16 cameras at most 1.5 s more than one'),
        Part('reconnect', 'A camera away for ten seconds',
             lambda: reconnect.measure(4, SMALL, 10.0, settings, AWAY_S, few), reconnect.lines,
             goal='the others keep at least 0.95 of their rate'),
        Part('capacity', 'How many cameras', lambda: capacity.measure(SMALL, 10.0, settings, 200.0, 0.95, 64, 10 * share),
             lambda found: [capacity.sentence(trial) for trial in found['trials']] + list(capacity.lines(found))),
    ]


def write_all(settings, folder, say, chosen):
    """Run every Part of `chosen`, write its JSON and the page; the page's path. A part that fails says so on the page."""
    os.makedirs(folder, exist_ok=True)
    started, sections = time.time(), []
    for part in chosen:
        say('%s ...' % part.title)
        try:
            found = part.run()
        except EdgeAppError as error:
            say('  failed: %s' % error)
            sections.append(section(part, ['failed: %s' % error], ''))
            continue
        statistics.write(os.path.join(folder, part.name + '.json'), found)
        told = list(part.lines(found))
        for line in told:
            say('  ' + line)
        sections.append(section(part, told, part.draw(found)))
    path = os.path.join(folder, 'report.html')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(page(sections, started, settings))
    return os.path.abspath(path)


def section(part, told, drawn):
    """One part as HTML."""
    goal = '<p class="goal">Goal: %s</p>' % escape(part.goal) if part.goal else ''
    return '<h2>%s</h2>%s\n%s\n<pre>%s</pre>' % (escape(part.title), goal, drawn, escape('\n'.join(told)))


def page(sections, started, settings):
    """The whole report."""
    here = statistics.machine()
    about = '%s, %d cores, Python %s; begun %s, load %s at its end. Model %s, %s, batch %d, backend %s.' % (
        here['cpu'], here['cores'], here['python'], time.strftime('%Y-%m-%d %H:%M', time.localtime(started)),
        here['load'], os.path.basename(settings['model'] or ''), settings['precision'], settings['batch'],
        settings['backend'])
    return ('<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>edge-app bench</title><style>%s</style>\n'
            '<h1>edge-app bench</h1><p>%s</p><p>Medians, with the least and the most of all runs; whiskers show the '
            'same.</p>\n%s\n</html>\n' % (STYLE, escape(about), '\n'.join(sections)))


def bar(label, found, kind=''):
    """A row of `plots.bars` of a `figures.spread`."""
    found = found or {'median': None, 'min': 0, 'max': 0}
    return label, found['median'], found['min'], found['max'], kind


def draw_pipeline(found):
    goal = 0.85 if found['asked']['viewer'] else 0.9
    ratios = [bar('efficiency', found['efficiency']), bar('saturation ratio', found['saturation_ratio'])]
    costs = [bar(name, spent) for name, spent in sorted(found['cpu_s_per_s'].items())]
    costs += [bar('floor: ' + name, spent, 'floor') for name, spent in sorted(found['floor']['cpu_s_per_s'].items())]
    return plots.bars(ratios, goal=goal) + '\n<p>CPU seconds per second</p>\n' + plots.bars(costs)


def draw_scaling(found):
    rows = []
    for row in found['rows']:
        rows += [bar('%d cameras' % row['cameras'], row['appliance']), bar('the floor', row['floor'], 'floor')]
    return plots.bars(rows, ' CPU s/s')


def draw_engine(found):
    rows = [row for row in found['rows'] if row.get('ratio')]
    return plots.bars([('%s, batch %d' % (row['backend'], row['batch']), row['ratio']['median'], row['ratio']['p25'],
                        row['ratio']['p75'], '') for row in rows], goal=1.05)


def draw_latency(found):
    return plots.stack([('to a ' + ('result' if way == 'result' else 'viewer'),
                         [(stage['stage'], stage.get('median') or 0.0) for stage in one['mean_ms']])
                        for way, one in found['stages'].items()])
