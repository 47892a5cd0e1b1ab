"""One camera's tile: its picture with boxes and a header, or a card that says why there is none."""
from typing import NamedTuple

from edge_app.compositor import drawing, text_rendering
from edge_app.compositor.drawing import AMBER, BLACK, GREEN, MUTED, PLACEHOLDER, PLACEHOLDER_EDGE, RED, WHITE
from edge_app.compositor.layout import Rect, bars, even, label_positions, place
from edge_app.compositor.tile_state import age_text, duration, rate_text
from edge_app.stats.camera_state import DAMAGED, DISABLED, FROZEN, LIVE, NO_SIGNAL, REFUSED, SHOWN, STARTING

FREE_SHARE = 0.05
"""The lowest part of every picture is left as it came: cameras burn time, name or a timecode into it."""

HEADER_OPACITY = 0.72
HEADER_SHARE = 0.55
"""Of the tile's width; a name alone may take more."""

STATES = {
    LIVE: ('live', GREEN), STARTING: ('STARTING', AMBER), NO_SIGNAL: ('NO SIGNAL', RED),
    REFUSED: ('REFUSED', RED), DISABLED: ('OFF', MUTED), FROZEN: ('FROZEN', AMBER),
    DAMAGED: ('DAMAGED', AMBER)}
"""What a state is called on the screen, and its colour."""


class Style(NamedTuple):
    """Which words a tile shows."""

    labels: bool = True
    """Class and score at each box."""
    names: bool = True
    """The camera's name in the header line."""


def cap_height(tile_height):
    """Height of the capitals in a tile: a 32nd of it, never too small to read."""
    return max(8, min(18, int(round(tile_height / 32.0))))


def header_height(cap_px):
    return even(cap_px * 2.2)


def draw(canvas, tile, tile_state, style=Style()):
    """Draw a camera's TileState into its tile (a Rect)."""
    if tile_state.state in SHOWN and tile_state.pixels is not None:
        placement = place(tile_state.size, tile)
        canvas.picture(tile_state.pixels, placement)
        if tile_state.detections is not None:
            _boxes(canvas, placement, tile_state.detections, style.labels)
        if tile_state.state != LIVE:
            # a border, open at the bottom, that cannot be taken for a box
            rect = placement.rect
            above = Rect(rect.x, rect.y, rect.width, even(rect.height * (1 - FREE_SHARE)))
            canvas.outline(rect, AMBER, max(4, even(rect.height / 60.0)), above)
        for bar in bars(tile, placement.rect):
            canvas.fill(bar, PLACEHOLDER)
        _header(canvas, tile, tile_state, style)
    else:
        _placeholder(canvas, tile, tile_state, style)


def _boxes(canvas, placement, found, labelled):
    """Outlines, then labels over all of them unless `labelled` is false."""
    rect = placement.rect
    cap_px = cap_height(rect.height)
    header, height = header_height(cap_px), even(rect.height * (1 - FREE_SHARE))
    clip = Rect(rect.x, rect.y, rect.width, height)
    thickness = 2 if rect.height < 560 else 4
    boxes = [_even_box(xyxy) for xyxy in placement.to_canvas(found.xyxy)]
    colours = [drawing.class_colour(int(class_id)) for class_id in found.class_id]
    for box, colour in list(zip(boxes, colours))[::-1]:          # best score last: on top
        canvas.outline(box, colour, thickness, clip)
    if not labelled:
        return
    # The most certain choose first, among about equals the nearest: scores alone would make labels jump about.
    order = sorted(range(len(boxes)), key=lambda index: (-int(found.score[index] * 10), -boxes[index].bottom))
    labels = [drawing.label('%s %.2f' % (found.label(index), found.score[index]), cap_px, colours[index])
              for index in order]
    sizes = [label[0].shape[::-1] for label in labels]
    below_header = Rect(rect.x, rect.y + header, rect.width, height - header)
    for label, position in zip(labels, label_positions([boxes[index] for index in order], sizes, below_header)):
        if position:
            canvas.blit(position[0], position[1], label)


def _even_box(xyxy):
    left, top, right, bottom = [int(value) // 2 * 2 for value in xyxy.tolist()]
    return Rect(left, top, max(2, right - left), max(2, bottom - top))


def _header(canvas, rect, tile_state, style):
    """One line on a plate in the top right corner, as wide as it needs: cameras write the time into the left one."""
    cap_px = cap_height(rect.height)
    height, gap = header_height(cap_px), even(cap_px * 0.8)
    dot, words = max(4, even(cap_px * 0.9)), _words(tile_state, style)
    wide = _width(words, cap_px, gap) + dot + 2 * gap
    while len(words) > (1 if tile_state.state == LIVE else 2) and wide > rect.width * HEADER_SHARE:
        words.pop()
        wide = _width(words, cap_px, gap) + dot + 2 * gap
    wide = min(wide, rect.width)
    x = rect.right - wide
    canvas.blend_fill(Rect(x, rect.y, wide, height), BLACK, HEADER_OPACITY)
    canvas.blend_mask(x + gap, rect.y + even((height - dot) / 2), drawing.disc(dot), STATES[tile_state.state][1])
    x += gap + dot
    for text, colour, bold in words:
        text = text_rendering.shortened(text, cap_px, rect.right - x - gap, bold)
        if text:
            y = rect.y + even((height - text_rendering.line_height(cap_px)) / 2)
            x += gap + canvas.text(x + gap, y, text, cap_px, colour, bold)


def _words(tile_state, style):
    """[(text, colour, bold)] of the header, most important first; a card says its state itself, in large letters."""
    words = [(tile_state.name, WHITE, True)] if style.names else []
    if tile_state.state in SHOWN:
        words += [STATES[tile_state.state] + (False,), (rate_text(tile_state), MUTED, False),
                  (age_text(tile_state.age_s or 0.0), MUTED, False)]
    return words


def _width(words, cap_px, gap):
    return sum(text_rendering.width(text, cap_px, bold) + gap for text, _, bold in words)


def headline(tile_state):
    """The large words of a card: 'NO SIGNAL 12 s'."""
    word = STATES[tile_state.state][0]
    if tile_state.state == DISABLED or tile_state.age_s is None:
        return word
    return '%s %s' % (word, duration(tile_state.age_s))


def _placeholder(canvas, rect, tile_state, style):
    """A dim card: name on top, the state with its age in the middle, the reason below."""
    canvas.fill(rect, PLACEHOLDER)
    canvas.outline(rect, PLACEHOLDER_EDGE, 2, rect)
    cap_px = cap_height(rect.height)
    _header(canvas, rect, tile_state, style)
    large = even(min(cap_px * 2, rect.width / 18))
    room = rect.width - 4 * cap_px
    reasons = text_rendering.wrapped(tile_state.reason, cap_px, room, lines=3) if tile_state.reason else []
    line, big_line = text_rendering.line_height(cap_px), text_rendering.line_height(large)
    y = rect.y + even((rect.height - big_line - len(reasons) * line) / 2)
    _centred(canvas, rect, y, headline(tile_state), large, STATES[tile_state.state][1], bold=True)
    for index, text in enumerate(reasons):
        _centred(canvas, rect, y + big_line + index * line, text, cap_px, MUTED)


def _centred(canvas, rect, y, text, cap_px, colour, bold=False):
    text = text_rendering.shortened(text, cap_px, rect.width, bold)
    if text:
        canvas.text(rect.x + even((rect.width - text_rendering.width(text, cap_px, bold)) / 2), y, text, cap_px, colour,
                    bold)
