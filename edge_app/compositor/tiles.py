"""One camera's tile: its picture with boxes and a header line, or a card that says why there is none."""
from typing import NamedTuple

from edge_app.compositor import drawing, lettering
from edge_app.compositor.drawing import AMBER, BLACK, CARD, CARD_EDGE, GREEN, MUTED, RED, WHITE
from edge_app.compositor.layout import Rect, even, place
from edge_app.compositor.view import (DISABLED, LIVE, NO_SIGNAL, REFUSED, STARTING, age_text, duration, rate_text)

FREE_SHARE = 0.05
"""The lowest part of every picture is left as it came: cameras burn time and marks there."""

HEADER_OPACITY = 0.72

STATES = {
    LIVE: ('live', GREEN), STARTING: ('STARTING', AMBER), NO_SIGNAL: ('NO SIGNAL', RED),
    REFUSED: ('REFUSED', RED), DISABLED: ('OFF', MUTED)}
"""What a state is called on the screen, and its colour."""


class Style(NamedTuple):
    """What the words on a tile may say."""

    labels: bool = True
    """Class and score at each box."""
    names: bool = True
    """The camera's name in the header line."""


def cap_height(tile_height):
    """Height of the capitals in a tile: a 32nd of it, never too small to read."""
    return max(8, min(18, int(round(tile_height / 32.0))))


def header_height(cap_px):
    return even(cap_px * 2.2)


def draw(canvas, tile, view, names=(), style=Style()):
    """Draw a camera's View into its tile (a Rect); `names` are the model's class names. Returns the picture's Rect."""
    placement = place(view.size, tile)
    if view.state == LIVE and view.pixels is not None:
        canvas.picture(view.pixels, placement)
        if view.detections is not None:
            _boxes(canvas, placement, view.detections, names if style.labels else None)
        _header(canvas, placement.rect, view, style)
    else:
        _card(canvas, placement.rect, view, style)
    return placement.rect


def _boxes(canvas, placement, found, names):
    """Outlines, then captions over all of them; `names` None leaves the captions out."""
    rect = placement.rect
    cap_px = cap_height(rect.height)
    header = header_height(cap_px)
    clip = Rect(rect.x, rect.y + header, rect.width, even(rect.height * (1 - FREE_SHARE)) - header)
    thickness = 2 if rect.height < 560 else 4
    marks = []
    for index in range(len(found) - 1, -1, -1):          # best score last: on top
        class_id = int(found.class_id[index])
        box = _even_box(placement.to_canvas(found.xyxy[index:index + 1])[0])
        colour = drawing.class_colour(class_id)
        canvas.outline(box, colour, thickness, clip)
        if names is not None:
            name = names[class_id] if class_id < len(names) else 'class %d' % class_id
            marks.append((box, '%s %.2f' % (name, found.score[index]), colour))
    for box, text, colour in marks:
        _caption(canvas, clip, box, drawing.label(text, cap_px, colour))


def _even_box(xyxy):
    left, top, right, bottom = [int(value) // 2 * 2 for value in xyxy.tolist()]
    return Rect(left, top, max(2, right - left), max(2, bottom - top))


def _caption(canvas, clip, box, patch):
    """On top of the box, inside it where there is no room above; always inside `clip`, else left out."""
    height, width = patch[0].shape
    visible = clip.intersect(box)
    if not visible.width or not visible.height or width > clip.width or height > clip.height:
        return
    y = box.y - height if box.y - height >= clip.y else max(box.y, clip.y)
    x = min(max(box.x, clip.x), clip.right - width)
    canvas.stamp(x, min(y, clip.bottom - height), patch)


def _header(canvas, rect, view, style):
    """Name and state on the left, rate and age on the right as far as there is room."""
    cap_px = cap_height(rect.height)
    height = header_height(cap_px)
    canvas.shade(Rect(rect.x, rect.y, rect.width, height), BLACK, HEADER_OPACITY)
    word, colour = ('DAMAGED', AMBER) if view.state == LIVE and view.damaged else STATES[view.state]
    x = _dot(canvas, rect.x + even(cap_px * 0.8), rect.y, height, cap_px, colour)
    y = rect.y + even((height - lettering.line_height(cap_px)) / 2)
    room = rect.right - even(cap_px * 0.8) - x
    name = lettering.shortened(view.name if style.names else '', cap_px, room, bold=True)
    x += canvas.text(x, y, name, cap_px, WHITE, bold=True) + even(cap_px * 0.8) if name else 0
    if view.state == LIVE:                               # a card says its state in large letters
        x = _word(canvas, x, y, rect, word, cap_px, colour)
        _figures(canvas, x, y, rect, view, cap_px)


def _dot(canvas, x, top, height, cap_px, colour):
    size = max(4, even(cap_px * 0.9))
    canvas.cover(x, top + even((height - size) / 2), drawing.disc(size), colour)
    return x + size + even(cap_px * 0.6)


def _word(canvas, x, y, rect, word, cap_px, colour):
    """The state's name where it fits; the end of it."""
    wide = lettering.width(word, cap_px)
    if x + wide > rect.right:
        return x
    canvas.text(x, y, word, cap_px, colour)
    return x + wide + even(cap_px)


def _figures(canvas, x, y, rect, view, cap_px):
    """Right-aligned, least important first to go: the age, then the rate."""
    rate, age = rate_text(view), age_text(view.age_s or 0.0)
    for text in ('%s   %s' % (rate, age), rate):
        wide = lettering.width(text, cap_px) + even(cap_px * 0.6)
        if rect.right - wide >= x:
            canvas.text(rect.right - wide, y, text, cap_px, MUTED)
            return


def headline(view):
    """The large words of a card: 'NO SIGNAL 12 s'."""
    word = STATES[view.state][0]
    if view.state == DISABLED or view.age_s is None:
        return word
    return '%s %s' % (word, duration(view.age_s))


def _card(canvas, rect, view, style):
    """A dim card: name on top, the state with its age in the middle, the reason below."""
    canvas.fill(rect, CARD)
    canvas.outline(rect, CARD_EDGE, 2, rect)
    cap_px = cap_height(rect.height)
    _header(canvas, rect, view, style)
    large = even(min(cap_px * 2, rect.width / 18))
    room = rect.width - 4 * cap_px
    reasons = lettering.wrapped(view.reason, cap_px, room, lines=3) if view.reason else []
    line, big_line = lettering.line_height(cap_px), lettering.line_height(large)
    y = rect.y + even((rect.height - big_line - len(reasons) * line) / 2)
    _centred(canvas, rect, y, headline(view), large, STATES[view.state][1], bold=True)
    for index, text in enumerate(reasons):
        _centred(canvas, rect, y + big_line + index * line, text, cap_px, MUTED)


def _centred(canvas, rect, y, text, cap_px, colour, bold=False):
    text = lettering.shortened(text, cap_px, rect.width, bold)
    if text:
        canvas.text(rect.x + even((rect.width - lettering.width(text, cap_px, bold)) / 2), y, text, cap_px, colour,
                    bold)
