"""The report as one HTML file that needs nothing else: to be sent, opened anywhere, and read in ten years."""
import html
import json

STATES = {'good': ('good', '#1a7f37'), 'failed': ('FAILED', '#cf222e'), 'absent': ('not here', '#6e7781'),
          'left out': ('left out', '#6e7781')}
HERE = {True: 'This is a Jetson: its own codecs and TensorRT had to be there.',
        False: 'This is no Jetson: what is special to one could not be tried and stands as "not here".'}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>edge-app selftest: %(board)s</title><style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; width: 100%% } td, th { text-align: left; vertical-align: top; padding: .3em .8em .3em 0;
border-bottom: 1px solid #8884 } h2 { margin-top: 2em } .state { white-space: nowrap; font-weight: bold }
.name { white-space: nowrap } pre { overflow-x: auto; font-size: 85%%; background: #8881; padding: .8em } .small { font-size: 90%% }
summary { cursor: pointer } svg text { fill: currentColor; font-size: 12px } .number { text-align: right; white-space: nowrap }
</style></head><body>
<h1>edge-app selftest</h1>
<p><strong style="color: %(colour)s">%(verdict)s</strong><br>%(place)s<br>%(board)s, %(when)s, edge-app %(version)s</p>
%(body)s</body></html>
"""


def page(report):
    """HTML of a report (a dict as in its JSON)."""
    failed = [outcome for outcome in report['outcomes'] if outcome['state'] == 'failed']
    verdict = '%d of %d checks failed' % (len(failed), len(report['outcomes'])) if failed else 'nothing failed'
    body = ''.join((_outcomes(report['outcomes']), _soak(report['samples']), _facts(report), _doctor(report['facts']['doctor']),
                    _budget(report['facts']['budget']), _configuration(report['facts']['configuration']), _logs(report['outcomes'])))
    return PAGE % {'board': _text(report['facts']['board']['board']), 'when': _text(report['when']), 'verdict': verdict,
                   'colour': STATES['failed' if failed else 'good'][1], 'body': body,
                   'place': HERE[report['jetson']], 'version': _text(report['facts']['versions']['edge_app'])}


def _text(value):
    return html.escape(str(value))


def _table(heads, rows):
    """A table; cells are HTML."""
    head = '<tr>%s</tr>' % ''.join('<th>%s' % one for one in heads) if heads else ''
    return '<table>%s%s</table>' % (head, ''.join('<tr>%s</tr>' % ''.join(row) for row in rows))


def _cell(content, kind=''):
    return '<td%s>%s' % (' class="%s"' % kind if kind else '', content)


def _outcomes(outcomes):
    rows = []
    for outcome in outcomes:
        words, colour = STATES[outcome['state']]
        rows.append(['<td class="state" style="color: %s">%s' % (colour, words), _cell(_text(outcome['part'])),
                     _cell(_text(outcome['name'])), _cell(_text(outcome['words'])),
                     _cell('%.0f s' % outcome['seconds'] if outcome['seconds'] else '', 'number')])
    return '<h2>What was checked</h2>' + _table(('', 'part', 'check', 'what came of it', ''), rows)


# -- the soak -------------------------------------------------------------------------------------------------------

def _soak(samples):
    lines = [('inferences per second', [sample['fps'] for sample in samples]),
             ('GPU clock, MHz', [_of(sample, 'gpu_mhz') for sample in samples]),
             ('GPU load, %', [None if _of(sample, 'gpu_load') is None else 100 * _of(sample, 'gpu_load') for sample in samples]),
             ('hottest zone, C', [_hottest(sample) for sample in samples]),
             ('memory available, MB', [(_of(sample, 'memory_mb') or {}).get('available') for sample in samples])]
    drawn = [_chart(title, values) for title, values in lines if any(value is not None for value in values)]
    missing = [title for title, values in lines if all(value is None for value in values)]
    return '<h2>The soak</h2>%s%s' % (''.join(drawn) or '<p>There are no figures of it.', '<p class="small">Not told by this machine: %s.'
                                      % _text(', '.join(missing)) if missing else '')


def _of(sample, name):
    return (sample['board'] or {}).get(name)


def _hottest(sample):
    zones = _of(sample, 'temperatures') or {}
    return max([zone['c'] for zone in zones.values()] or [None])


def _chart(title, values):
    """One line over time from 0 up, with its least and greatest value."""
    known = [value for value in values if value is not None]
    top = max(known) or 1
    across = 760.0 / max(1, len(values) - 1)
    points = ' '.join('%.1f,%.1f' % (60 + place * across, 112 - 84 * value / top) for place, value in enumerate(values)
                      if value is not None)
    return ('<svg viewBox="0 0 840 140" role="img" aria-label="{title}"><text x="60" y="14">{title}: {low:.5g} to {high:.5g}</text>'
            '<line x1="60" x2="820" y1="112" y2="112" stroke="#888"/><polyline points="{points}" fill="none" stroke="#0969da" '
            'stroke-width="2"/><text x="4" y="34">{high:.5g}</text><text x="4" y="116">0</text><text x="60" y="130">0 s</text>'
            '<text x="780" y="130">{end} s</text></svg>').format(title=_text(title), low=min(known), high=max(known), points=points,
                                                                 end=len(values) - 1)


# -- the rest -------------------------------------------------------------------------------------------------------

def _facts(report):
    facts = report['facts']
    rows = [[_cell(_text(name), 'name'), _cell(_text(value if isinstance(value, str) else json.dumps(_rounded(value))))]
            for group in ('versions', 'machine', 'board') for name, value in facts[group].items() if value not in (None, '', {}, [])]
    return '<h2>Where</h2>' + _table((), rows)


def _rounded(value):
    """Numbers within as people read them."""
    if isinstance(value, float):
        return float('%.4g' % value)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value


def _doctor(findings):
    colours = {'good': STATES['good'][1], 'warning': '#9a6700', 'bad': STATES['failed'][1]}
    rows = [['<td class="state" style="color: %s">%s' % (colours[finding['level']], _text(finding['level'])),
             _cell(_text(finding['area'])), _cell(_text(finding['what'])), _cell(_text(finding['fix']))] for finding in findings]
    return '<h2>What doctor says</h2>' + _table(('', 'area', 'what', 'to mend it'), rows)


def _budget(found):
    problems = ''.join('<p style="color: %s">does not fit a TX2: %s' % (STATES['failed'][1], _text(problem))
                       for problem in found['problems'])
    rows = [[_cell(_text(verdict['words'])), _cell(_text('%s: %s' % (verdict['kind'], verdict['source'])))]
            for verdict in found.get('resources', ())]
    return '<h2>Budget on a TX2</h2>%s%s<p class="small">%s' % (problems, _table(('', 'capacity by'), rows),
                                                                '<br>'.join(map(_text, found.get('notes', ()))))


def _configuration(text):
    return '<h2>Configuration, secrets masked</h2><pre>%s</pre>' % _text(text) if text else ''


def _logs(outcomes):
    shown = ''.join('<details><summary>%s: %s</summary><pre>%s</pre></details>' % (
        _text(outcome['part']), _text(outcome['name']), _text(outcome['log'])) for outcome in outcomes if outcome['log'].strip())
    return '<h2>Logs</h2>' + (shown or '<p>Nothing was said.')
