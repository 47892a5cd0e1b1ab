"""Where each camera's tile lies on the canvas, and where its picture lies in the tile. Pure geometry, all in pixels.

Every number is even, so that a rectangle covers whole chroma samples of an I420 picture.
"""
import itertools
from typing import NamedTuple

WIDE = 16 / 9.0
COPY_TOLERANCE_PX = 8
"""A picture this close to its tile's size is copied and trimmed, not scaled: sharper, and cheaper."""

STRETCH_PX = 4
"""A picture that would leave so little of its tile free fills it."""

SMALL_BOX = 4
"""A box no higher than so many lines of its label, and narrower than it, could be hidden by another label."""


class Rect(NamedTuple):
    """Left, top, width, height; even pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self):
        return self.x + self.width

    @property
    def bottom(self):
        return self.y + self.height

    def intersect(self, other):
        """The part both have; width or height 0 when there is none."""
        x, y, width, height = self
        left, top, wide, high = other  # compared by hand: this runs a hundred times for each picture
        right, bottom = x + width, y + height
        right = right if right < left + wide else left + wide
        bottom = bottom if bottom < top + high else top + high
        x, y = x if x > left else left, y if y > top else top
        return Rect(x, y, right - x if right > x else 0, bottom - y if bottom > y else 0)

    def encloses(self, other):
        """Whether all of `other` lies inside."""
        x, y, width, height = self
        left, top, wide, high = other
        return x <= left and y <= top and left + wide <= x + width and top + high <= y + height


class TileTransform(NamedTuple):
    """How a source picture comes onto the canvas: pixel (x, y) lands on ((x - trim) * scale + rect's corner)."""

    rect: Rect
    trim_top: int
    scale_x: float
    scale_y: float
    copied: bool
    """True: rows and columns are copied 1:1, `trim_top` rows and the surplus on the right are left out."""

    def to_canvas(self, xyxy):
        """Boxes [n, 4] of the source picture in canvas pixels."""
        return ((xyxy - (0, self.trim_top, 0, self.trim_top)) * (self.scale_x, self.scale_y, self.scale_x, self.scale_y)
                + (self.rect.x, self.rect.y, self.rect.x, self.rect.y))


def even(value):
    """The next even number downwards."""
    return int(value) // 2 * 2


def fitted(aspect, box):
    """Largest even (width, height) of this aspect inside `box` (width, height)."""
    width = min(box[0], box[1] * aspect)
    return max(2, even(width + 0.5)), max(2, even(min(box[1], width / aspect + 1)))


def gap_of(size):
    """Pixels between two tiles of a canvas of this size."""
    return 4 if size[0] >= 960 else 2


def columns_for(count, size, aspect=WIDE):
    """Columns of the grid whose pictures are largest; among equals the fuller one, then the wider one."""
    def merit(columns):
        rows = -(-count // columns)
        width = min(size[0] / columns, size[1] / rows * aspect)
        return round(width), -(columns * rows), columns
    return max(range(1, count + 1), key=merit)


def grid(count, size, aspect=WIDE, top=0):
    """`count` tiles of one size on a canvas (width, height), below its first `top` rows.

    Tiles share the whole width and are as high as a picture of `aspect` needs, or as there is room for. What they
    leave free above and below is shared equally; a last row with fewer tiles is centred.
    """
    if count < 1:
        return []
    gap, space = gap_of(size), (size[0], size[1] - top)
    columns = columns_for(count, space, aspect)
    rows = -(-count // columns)
    width = even((space[0] - gap * (columns - 1)) / columns)
    height = even((space[1] - gap * (rows - 1)) / rows)
    if height - width / aspect > COPY_TOLERANCE_PX:
        height = even(width / aspect + 1)
    y = top + even((space[1] - rows * (height + gap) + gap) / 2)
    return [Rect(x, y + row * (height + gap), width, height)
            for row in range(rows)
            for x in _row(min(columns, count - row * columns), size[0], width, gap)]


def _row(count, canvas_width, width, gap):
    start = even((canvas_width - count * (width + gap) + gap) / 2)
    return [start + column * (width + gap) for column in range(count)]


def place(source, tile):
    """Placement of a source picture (width, height) in a tile: aspect kept but for STRETCH_PX, centred.

    Nothing is cut except a few pixels at the top and right of a picture that all but has the tile's size.
    """
    width, height = source
    if abs(width - tile.width) <= COPY_TOLERANCE_PX and abs(height - tile.height) <= COPY_TOLERANCE_PX:
        shown = min(even(width), tile.width), min(even(height), tile.height)
        return TileTransform(_centred(shown, tile), even(height) - shown[1], 1.0, 1.0, True)
    shown = fitted(width / float(height), (tile.width, tile.height))
    if tile.width - shown[0] <= STRETCH_PX and tile.height - shown[1] <= STRETCH_PX:
        shown = tile.width, tile.height
    return TileTransform(_centred(shown, tile), 0, shown[0] / float(width), shown[1] / float(height), False)


def _centred(size, tile):
    return Rect(tile.x + even((tile.width - size[0]) / 2), tile.y + even((tile.height - size[1]) / 2), *size)


def bars(tile, rect):
    """What a picture at `rect` leaves free of its tile: to the left, to the right, above, below; no empty ones."""
    sides = (Rect(tile.x, tile.y, rect.x - tile.x, tile.height),
             Rect(rect.right, tile.y, tile.right - rect.right, tile.height),
             Rect(rect.x, tile.y, rect.width, rect.y - tile.y),
             Rect(rect.x, rect.bottom, rect.width, tile.bottom - rect.bottom))
    return [side for side in sides if side.width and side.height]


def label_positions(boxes, sizes, area):
    """Where the label of each box goes: [(x, y) or None], even pixels, inside the Rect `area` and none over another.

    `boxes` are Rects, `sizes` the labels' (width, height), both in the order in which labels choose their place. One
    sits on its box, or else in its top, under it, in its bottom, or on top of what is above it, moved sideways while it
    still touches half of the box's width or of its own, and over another small box only if nothing else is free. None:
    there is no room, or nothing of the box lies in the area.
    """
    corners = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    small = [box for box, (width, height) in zip(corners, sizes)
             if box[3] - box[1] < SMALL_BOX * height and box[2] - box[0] < width]
    labels, positions = [], []
    for box, (width, height) in zip(corners, sizes):
        reach, others = _label_reach(box, width, height, area), [other for other in small if other is not box]
        position = reach and (_beside_boxes(reach, width, height, labels, others)
                              or _beside_labels(reach, width, height, labels))
        if position:
            labels.append((position[0], position[1], position[0] + width, position[1] + height))
        positions.append(position)
    return positions


def _label_reach(box, width, height, area):
    """(first x, wanted x, last x, [y]) of a label, the best y first; None where it has no place at all."""
    (left, top, right, bottom), (area_x, area_y, area_width, area_height) = box, area
    area_right, area_bottom = area_x + area_width, area_y + area_height
    left, top, right, bottom = max(left, area_x), max(top, area_y), min(right, area_right), min(bottom, area_bottom)
    touching = min(right - left, width) // 4 * 2
    first, last = max(area_x, left - width + touching), min(area_right - width, right - touching)
    if left >= right or top >= bottom or first > last:
        return None
    rows = [y for y in (top - height, top, bottom, bottom - height, top - 2 * height)
            if area_y <= y <= area_bottom - height]
    return first, min(max(left, first), last), last, rows


def _beside_boxes(reach, width, height, labels, boxes):
    """The first place, at the wanted x or moved as far as it may, that is free of labels and boxes; None without."""
    first, wanted, last, rows = reach
    for y, x in itertools.product(rows, (wanted, last, first)):
        right, bottom = x + width, y + height
        for x0, y0, x1, y1 in labels:
            if x0 < right and x < x1 and y0 < bottom and y < y1:
                break
        else:
            for x0, y0, x1, y1 in boxes:
                if x0 < right and x < x1 and y0 < bottom and y < y1:
                    break
            else:
                return x, y
    return None


def _beside_labels(reach, width, height, labels):
    """The first row with room between labels, there the place nearest to the wanted x; None without."""
    first, wanted, last, rows = reach
    for y in rows:
        taken = [(x0, x1) for x0, y0, x1, y1 in labels if y0 < y + height and y < y1]
        free = [x for x in [wanted] + [x for x0, x1 in taken for x in (x1, x0 - width)]
                if first <= x <= last and all(x + width <= x0 or x1 <= x for x0, x1 in taken)]
        if free:
            return min(free, key=lambda x: abs(x - wanted)), y
    return None
