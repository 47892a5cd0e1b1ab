"""Reports as one HTML file that needs nothing else: tables, and plots as SVG without a plotting library."""
from html import escape

WIDTH, ROW, LEFT, RIGHT = 780, 26, 250, 90
COLOURS = {'': '#4c7dd9', 'floor': '#9aa3af'}
TINTS = ('#4c7dd9', '#6fb07f', '#d9a74c', '#b06fa8', '#d9644c', '#5fb7c4')
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title><style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; width: 100%% }
td, th { text-align: left; vertical-align: top; padding: .3em .8em .3em 0; border-bottom: 1px solid #8884 }
h2 { margin-top: 2em } .state { white-space: nowrap; font-weight: bold } .name { white-space: nowrap }
pre { overflow-x: auto; font-size: 85%%; background: #8881; padding: .8em } .small { font-size: 90%% }
summary { cursor: pointer } .number { text-align: right; white-space: nowrap } svg text { fill: currentColor }
.goal { color: #1a7f37 } svg .goal { fill: #1a7f37; stroke: none }
</style></head><body>
%s</body></html>
"""


def page(title, body):
    """A whole page; `body` is HTML."""
    return PAGE % (text(title), body)


def text(value):
    return escape(str(value))


def table(heads, rows):
    """A table of rows of `cell`s."""
    head = '<tr>%s</tr>' % ''.join('<th>%s' % text(one) for one in heads) if heads else ''
    return '<table>%s%s</table>' % (head, ''.join('<tr>%s</tr>' % ''.join(row) for row in rows))


def cell(content, kind='', colour=''):
    """One cell of text, of a class of the style sheet."""
    return '<td%s%s>%s' % (' class="%s"' % kind if kind else '', ' style="color: %s"' % colour if colour else '',
                           text(content))


def svg(height, parts, title=''):
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-size="13" role="img" '
            'aria-label="%s">\n%s\n</svg>' % (WIDTH, height, WIDTH, text(title), '\n'.join(parts)))


def label(x, y, words, anchor='start', kind=''):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (x, y, anchor, kind and ' class="%s"' % kind,
                                                                     text(words))


def rectangle(x, y, width, colour, title=''):
    return '<rect x="%.1f" y="%.1f" width="%.1f" height="18" fill="%s">%s</rect>' % (
        x, y, width, colour, title and '<title>%s</title>' % text(title))


def line(x1, x2, y1, y2, colour, more=''):
    return '<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s"%s/>' % (x1, x2, y1, y2, colour, more)


def bars(rows, unit='', goal=None):
    """Bars with whiskers of [(label, `statistics.spread` or None, kind)]; `goal` is drawn across."""
    rows = [row for row in rows if row[1] is not None]
    if not rows:
        return ''
    scale = (WIDTH - LEFT - RIGHT) / float(max([row[1]['max'] for row in rows] + [goal or 0.0]) or 1.0)
    parts = []
    for number, (words, found, kind) in enumerate(rows):
        y, end = number * ROW + 4, LEFT + found['max'] * scale
        parts += [label(LEFT - 8, y + 14, words, 'end'),
                  rectangle(LEFT, y, max(1.0, found['median'] * scale), COLOURS[kind]),
                  line(LEFT + found['min'] * scale, end, y + 9, y + 9, 'currentColor'),
                  label(end + 6, y + 14, '%.3g%s' % (found['median'], unit))]
    if goal is not None:
        x, bottom = LEFT + goal * scale, ROW * len(rows) + 2
        parts += [line(x, x, 0, bottom, '#1a7f37', ' stroke-dasharray="4 3"'),
                  label(x, bottom + 14, 'goal %g' % goal, 'middle', 'goal')]
    return svg(ROW * len(rows) + 22, parts)


def stacks(rows, unit=' ms'):
    """One bar per [(label, [(part, value)])], made of its parts."""
    scale = (WIDTH - LEFT - RIGHT) / float(max([sum(value for _, value in parts) for _, parts in rows] + [1e-9]))
    drawn = []
    for number, (words, parts) in enumerate(rows):
        x, y = LEFT, number * 2 * ROW + 4
        drawn.append(label(LEFT - 8, y + 14, words, 'end'))
        for place, (part, value) in enumerate(parts):
            width = max(0.0, value) * scale
            drawn.append(rectangle(x, y, width, TINTS[place % len(TINTS)], '%s: %.2f%s' % (part, value, unit)))
            x += width
        drawn.append(label(x + 6, y + 14, '%.1f%s' % (sum(value for _, value in parts), unit)))
    return svg(len(rows) * 2 * ROW, drawn)


def chart(title, values):
    """One line over time, a value a second, None where it is unknown; from 0 up, with its least and greatest value."""
    known = [value for value in values if value is not None]
    top, step = max(known) or 1, (WIDTH - 80.0) / max(1, len(values) - 1)
    points = ' '.join('%.1f,%.1f' % (60 + place * step, 112 - 84 * value / top) for place, value in enumerate(values)
                      if value is not None)
    return svg(140, [label(60, 14, '%s: %.5g to %.5g' % (title, min(known), max(known))),
                     line(60, WIDTH - 20, 112, 112, '#888'),
                     '<polyline points="%s" fill="none" stroke="#0969da" stroke-width="2"/>' % points,
                     label(4, 34, '%.5g' % max(known)), label(4, 116, 0), label(60, 130, '0 s'),
                     label(WIDTH - 20, 130, '%d s' % (len(values) - 1), 'end')], title)
