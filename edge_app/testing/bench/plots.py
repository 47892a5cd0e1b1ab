"""Bars and lines as SVG, written by hand: a report must not need a plotting library."""
from xml.sax.saxutils import escape

WIDTH, ROW, LEFT, RIGHT = 780, 26, 250, 90
COLOURS = {'': '#4c7dd9', 'floor': '#9aa3af', 'bad': '#d9644c'}


def bars(rows, unit='', goal=None):
    """SVG of [(label, median, least, most, kind)] as bars with whiskers; `goal` is drawn as a line across."""
    rows = [row for row in rows if row[1] is not None]
    if not rows:
        return ''
    top = max([row[3] for row in rows] + [goal or 0.0]) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / float(top)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="sans-serif" '
             'font-size="13">' % (WIDTH, ROW * len(rows) + 22, WIDTH)]
    for number, row in enumerate(rows):
        parts += _bar(number * ROW + 4, scale, unit, row)
    if goal is not None:
        x, bottom = LEFT + goal * scale, ROW * len(rows) + 2
        parts.append('<line x1="%.1f" x2="%.1f" y1="0" y2="%d" stroke="#2a9d5c" stroke-dasharray="4 3"/>' % (x, x, bottom))
        parts.append('<text x="%.1f" y="%d" text-anchor="middle" fill="#2a9d5c">goal %g</text>' % (x, bottom + 14, goal))
    return '\n'.join(parts + ['</svg>'])


def _bar(y, scale, unit, row):
    label, middle, least, most, kind = row
    end, centre = LEFT + middle * scale, y + 9
    yield '<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 8, y + 14, escape(label))
    yield '<rect x="%d" y="%d" width="%.1f" height="18" fill="%s"/>' % (LEFT, y, max(1.0, middle * scale), COLOURS[kind])
    yield '<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#222"/>' % (LEFT + least * scale, LEFT + most * scale,
                                                                       centre, centre)
    yield '<text x="%.1f" y="%d">%s</text>' % (max(end, LEFT + most * scale) + 6, y + 14,
                                              escape('%.3g%s' % (middle, unit)))


def stack(rows, unit=' ms'):
    """SVG of [(label, [(part, value)])]: each row a bar of its parts one after the other."""
    top = max([sum(value for _, value in parts) for _, parts in rows] + [1e-9])
    scale, lines = (WIDTH - LEFT - RIGHT) / float(top), []
    tints = ('#4c7dd9', '#6fb07f', '#d9a74c', '#b06fa8', '#d9644c', '#5fb7c4')
    for number, (label, parts) in enumerate(rows):
        x, y = LEFT, number * 2 * ROW + 4
        lines.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 8, y + 14, escape(label)))
        for place, (part, value) in enumerate(parts):
            wide = max(0.0, value) * scale
            lines.append('<rect x="%.1f" y="%d" width="%.1f" height="18" fill="%s"><title>%s: %.2f%s</title></rect>' % (
                x, y, wide, tints[place % len(tints)], escape(part), value, unit))
            x += wide
        lines.append('<text x="%.1f" y="%d">%.1f%s</text>' % (x + 6, y + 14, sum(value for _, value in parts), unit))
    return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="sans-serif" ' \
           'font-size="13">\n%s\n</svg>' % (WIDTH, len(rows) * 2 * ROW, WIDTH, '\n'.join(lines))
