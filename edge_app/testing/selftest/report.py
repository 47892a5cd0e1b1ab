"""The report as one HTML file that needs nothing else: to be sent, opened anywhere, and read in ten years."""
import json

from edge_app.testing.harness.html_report import cell, chart, page, table, text

GREEN, RED, AMBER, GREY = '#1a7f37', '#cf222e', '#9a6700', '#6e7781'
STATES = {'good': ('good', GREEN), 'failed': ('FAILED', RED), 'absent': ('not here', GREY),
          'left out': ('left out', GREY)}
LEVELS = {'good': GREEN, 'warning': AMBER, 'bad': RED}
PLACES = {True: 'This is a Jetson: its own codecs and TensorRT must be present.',
          False: 'This is not a Jetson: what only a Jetson has could not be tried and is marked "not here".'}


def write_page(report):
    """HTML of a report (a dict as in its JSON)."""
    outcomes, facts = report['outcomes'], report['facts']
    configuration = text(facts['configuration'] or '')
    failed = sum(outcome['state'] == 'failed' for outcome in outcomes)
    head = '<h1>edge-app selftest</h1><p><strong style="color: %s">%s</strong><br>%s<br>%s</p>\n' % (
        RED if failed else GREEN, '%d of %d checks failed' % (failed, len(outcomes)) if failed else 'no check failed',
        text(PLACES[report['jetson']]),
        text('%s, %s, edge-app %s' % (facts['board']['board'], report['when'], facts['versions']['edge_app'])))
    return page('edge-app selftest: %s' % facts['board']['board'], head + ''.join((
        _outcomes(outcomes), _soak(report['samples']), _facts(facts), _doctor(facts['doctor']),
        _budget(facts['budget']),
        configuration and '<h2>Configuration, secrets masked</h2><pre>%s</pre>' % configuration, _logs(outcomes))))


def _outcomes(outcomes):
    rows = [[cell(STATES[outcome['state']][0], 'state', STATES[outcome['state']][1]), cell(outcome['part']),
             cell(outcome['name']), cell(outcome['words']),
             cell('%.0f s' % outcome['seconds'] if outcome['seconds'] else '', 'number')] for outcome in outcomes]
    return '<h2>Checks</h2>' + table(('', 'part', 'check', 'result', ''), rows)


def _soak(samples):
    lines = [('analysed per second', [sample['fps'] for sample in samples]),
             ('GPU clock, MHz', [_reading(sample, 'gpu_mhz') for sample in samples]),
             ('GPU load, %', [None if _reading(sample, 'gpu_load') is None else 100 * _reading(sample, 'gpu_load')
                              for sample in samples]),
             ('hottest zone, C', [_hottest(sample) for sample in samples]),
             ('memory available, MB', [(_reading(sample, 'memory_mb') or {}).get('available') for sample in samples])]
    drawn = [chart(title, values) for title, values in lines if any(value is not None for value in values)]
    missing = [title for title, values in lines if all(value is None for value in values)]
    return '<h2>Soak</h2>%s%s' % (''.join(drawn) or '<p>No figures were recorded.',
                                  '<p class="small">Not available on this machine: %s.' % text(', '.join(missing))
                                  if missing else '')


def _reading(sample, name):
    return (sample['board'] or {}).get(name)


def _hottest(sample):
    zones = _reading(sample, 'temperatures') or {}
    return max([zone['c'] for zone in zones.values()] or [None])


def _facts(facts):
    rows = [[cell(name, 'name'), cell(value if isinstance(value, str) else json.dumps(_rounded(value)))]
            for group in ('versions', 'machine', 'board')
            for name, value in facts[group].items() if value not in (None, '', {}, [])]
    return '<h2>Machine</h2>' + table((), rows)


def _rounded(value):
    """The same with four digits of each number."""
    if isinstance(value, float):
        return float('%.4g' % value)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value


def _doctor(findings):
    rows = [[cell(finding['level'], 'state', LEVELS[finding['level']]), cell(finding['area']), cell(finding['what']),
             cell(finding['fix'])] for finding in findings]
    return '<h2>edge-app doctor</h2>' + table(('', 'area', 'finding', 'how to fix it'), rows)


def _budget(found):
    problems = ''.join('<p style="color: %s">does not fit a TX2: %s' % (RED, text(problem))
                       for problem in found['problems'])
    rows = [[cell(verdict['words']), cell('%s: %s' % (verdict['kind'], verdict['source']))]
            for verdict in found.get('resources', ())]
    return '<h2>Budget on a TX2</h2>%s%s<p class="small">%s' % (problems, table(('', 'capacity from'), rows),
                                                                '<br>'.join(map(text, found.get('notes', ()))))


def _logs(outcomes):
    shown = ''.join('<details><summary>%s: %s</summary><pre>%s</pre></details>' % (
        text(outcome['part']), text(outcome['name']), text(outcome['log']))
                    for outcome in outcomes if outcome['log'].strip())
    return '<h2>Logs</h2>' + (shown or '<p>None.')
