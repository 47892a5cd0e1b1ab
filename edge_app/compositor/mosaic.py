"""The mosaic: all cameras' tiles on one I420 canvas that is kept from picture to picture."""
from edge_app.compositor import drawing, text_rendering, tiles
from edge_app.compositor.layout import WIDE, Rect, even, grid

BANNER_SHARE = 1 / 30.0


class Compositor:
    """Draws cameras' TileStates; what lies around the tiles is drawn only when their places change."""

    def __init__(self, size, style=tiles.Style()):
        self.canvas = drawing.Canvas(size)
        self.tiles = []
        self._style = style
        self._plan = None

    @property
    def size(self):
        return self.canvas.size

    def compose(self, tile_states, warning=''):
        """Draw one TileState per camera, and one line of warning above all ('' for none).

        Returns the canvas's I420 array [h * 3 / 2, w]: the same memory every time, good until the next call.
        """
        plan = len(tile_states), aspect_of(tile_states), warning
        if plan != self._plan:
            self._lay_out(*plan)
            self._plan = plan
        for index, tile_state in enumerate(tile_states):
            self.draw(index, tile_state)
        return self.canvas.pixels

    def draw(self, index, tile_state):
        """Redraw one camera's tile."""
        tiles.draw(self.canvas, self.tiles[index], tile_state, self._style)

    def _lay_out(self, count, aspect, warning):
        top = banner_height(self.size) if warning else 0
        self.tiles = grid(count, self.size, aspect, top)
        self.canvas.fill(self.canvas.rect, drawing.BACKGROUND)
        if warning:
            self._banner(warning, top)

    def _banner(self, warning, height):
        cap_px = even(height * 0.45)
        self.canvas.fill(Rect(0, 0, self.size[0], height), drawing.PLACEHOLDER)
        text = text_rendering.shortened(warning, cap_px, self.size[0] - 2 * height)
        x = even((self.size[0] - text_rendering.width(text, cap_px)) / 2)
        self.canvas.text(x, even((height - text_rendering.line_height(cap_px)) / 2), text, cap_px, drawing.AMBER)


def banner_height(size):
    """Rows the warning takes on a canvas of this size."""
    return max(16, even(size[1] * BANNER_SHARE))


def aspect_of(tile_states):
    """The middle one of the cameras' aspects, rounded so that a few pixels do not move every tile."""
    aspects = sorted(tile_state.size[0] / float(tile_state.size[1]) for tile_state in tile_states)
    middle = aspects[len(aspects) // 2] if aspects else WIDE
    return WIDE if abs(middle - WIDE) < 0.05 else round(middle, 2)
