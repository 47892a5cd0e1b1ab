"""Tiles cover no pixel twice, keep the aspect, and stand on whole chroma samples."""
import itertools

import numpy as np
import pytest

from edge_app.compositor.layout import Rect, bars, columns_for, fitted, gap_of, grid, label_positions, place

SIZES = [(1280, 720), (1920, 1080), (640, 480), (480, 800), (1278, 718)]


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('count', list(range(1, 18)) + [25, 31])
def test_tiles_lie_inside_apart_and_even(count, size):
    tiles = grid(count, size)
    assert len(tiles) == count
    for tile in tiles:
        assert all(value % 2 == 0 for value in tile)
        assert tile.x >= 0 and tile.y >= 0 and tile.right <= size[0] and tile.bottom <= size[1]
    for one, other in itertools.combinations(tiles, 2):
        common = one.intersect(other)
        assert common.width == 0 or common.height == 0
    assert len(set((tile.width, tile.height) for tile in tiles)) == 1


@pytest.mark.parametrize('count, columns', [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 3), (7, 3), (9, 3), (10, 4),
                                            (16, 4)])
def test_a_wide_canvas_gets_a_near_square_grid(count, columns):
    assert columns_for(count, (1280, 720)) == columns


def test_on_a_tall_canvas_two_cameras_stand_above_each_other():
    upper, lower = grid(2, (480, 800))
    assert upper.x == lower.x and upper.bottom < lower.y


def test_a_last_row_with_fewer_tiles_is_centred():
    tiles = grid(5, (1280, 720))
    left, right = tiles[3].x, 1280 - tiles[4].right
    assert abs(left - right) <= 2 and left > tiles[0].x


def test_rows_left_free_at_the_top_stay_free():
    assert all(tile.y >= 24 for tile in grid(4, (1280, 720), top=24))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('aspect', [16 / 9.0, 4 / 3.0, 0.75])
@pytest.mark.parametrize('top', [0, 24])
@pytest.mark.parametrize('count', [1, 2, 3, 4, 6, 9, 16])
def test_a_full_row_takes_the_whole_width(count, top, aspect, size):
    tiles = grid(count, size, aspect, top)
    row = [tile for tile in tiles if tile.y == tiles[0].y]
    assert row[0].x + size[0] - row[-1].right <= 2 * len(row)
    assert all(other.x - one.right == gap_of(size) for one, other in zip(row, row[1:]))


@pytest.mark.parametrize('source', [(640, 360), (640, 480), (352, 640), (1280, 720)])
def test_bars_and_picture_cover_a_tile_once(source):
    tile = Rect(10, 20, 638, 358)
    rect = place(source, tile).rect
    covered = np.zeros((400, 700), int)
    for part in [rect] + bars(tile, rect):
        assert all(value % 2 == 0 for value in part) and part.width > 0 and part.height > 0
        covered[part.y:part.bottom, part.x:part.right] += 1
    assert (covered[20:378, 10:648] == 1).all() and covered.sum() == 638 * 358


def test_neighbours_are_a_thin_gap_apart():
    one, other = grid(4, (1280, 720))[:2]
    assert 0 < other.x - one.right <= gap_of((1280, 720)) + 2


def test_no_camera_no_tile():
    assert grid(0, (1280, 720)) == []


@pytest.mark.parametrize('source', [(640, 360), (640, 480), (352, 640), (1280, 544), (160, 120)])
@pytest.mark.parametrize('tile', [Rect(4, 6, 424, 238), Rect(0, 0, 1280, 720), Rect(10, 10, 312, 176)])
def test_a_picture_keeps_its_aspect_inside_its_tile(source, tile):
    placement = place(source, tile)
    rect = placement.rect
    assert rect.intersect(tile) == rect and all(value % 2 == 0 for value in rect)
    assert rect.width == tile.width or tile.width - rect.width <= 2 or tile.height - rect.height <= 2
    assert rect.width / rect.height == pytest.approx(source[0] / source[1], abs=0.03)


def test_a_picture_of_nearly_the_tiles_size_is_copied_and_keeps_its_bottom_rows():
    tile = Rect(642, 362, 638, 358)
    placement = place((640, 360), tile)
    assert placement.copied and placement.rect == tile and placement.trim_top == 2
    bottom = placement.to_canvas(np.array([[0, 358, 10, 360]], np.float32))[0]
    assert bottom.tolist() == [642, 718, 652, 720]


def test_boxes_land_where_their_pixels_land():
    placement = place((640, 360), Rect(100, 50, 320, 180))
    box = placement.to_canvas(np.array([[0, 0, 640, 360], [320, 180, 640, 360]], np.float32))
    assert box[0].tolist() == [100, 50, 420, 230]
    assert box[1].tolist() == [260, 140, 420, 230]


def test_fitted_is_the_largest_of_its_aspect():
    assert fitted(16 / 9.0, (640, 720)) == (640, 360)
    assert fitted(1.0, (640, 360)) == (360, 360)


AREA = Rect(40, 24, 600, 316)


def scattered(seed, count, crowded):
    """Boxes, some of them partly or wholly outside AREA, and their labels' sizes."""
    rng = np.random.RandomState(seed)
    reach = (200, 80) if crowded else (660, 380)
    boxes = [Rect(*(int(value) // 2 * 2 for value in (
        rng.uniform(0, reach[0]), rng.uniform(0, reach[1]), rng.uniform(2, 160), rng.uniform(2, 160))))
        for _ in range(count)]
    return boxes, [(int(rng.uniform(30, 110)) // 2 * 2, 18) for _ in range(count)]


def labels_of(boxes, sizes, area=AREA):
    return [position and Rect(*(position + size)) for position, size in zip(label_positions(boxes, sizes, area), sizes)]


def apart(one, other):
    common = one.intersect(other)
    return not common.width or not common.height


@pytest.mark.parametrize('crowded', [False, True])
@pytest.mark.parametrize('seed', range(40))
def test_labels_lie_inside_at_their_box_and_never_over_another(seed, crowded):
    boxes, sizes = scattered(seed, 24, crowded)
    labels = labels_of(boxes, sizes)
    for box, label in zip(boxes, labels):
        if label is None:
            continue
        assert AREA.encloses(label) and label.x % 2 == 0 and label.y % 2 == 0
        seen = AREA.intersect(box)
        assert min(label.right, seen.right) - max(label.x, seen.x) >= min(label.width, seen.width) // 2 - 2
        assert seen.y - 2 * label.height <= label.y <= seen.bottom
    for one, other in itertools.combinations([label for label in labels if label], 2):
        assert apart(one, other)


@pytest.mark.parametrize('seed', range(40))
def test_a_label_is_left_out_only_where_those_before_it_take_all_its_places(seed):
    boxes, sizes = scattered(seed, 24, crowded=True)
    labels = labels_of(boxes, sizes)
    assert any(label is None for label in labels), 'crowded enough to say something'
    for number, label in enumerate(labels):
        before = [other for other in labels[:number] if other]
        if label is None:
            for spot in spots(AREA.intersect(boxes[number]), *sizes[number]):
                assert not AREA.encloses(spot) or not all(apart(spot, other) for other in before), number


def spots(seen, width, height):
    """All places of a label at what is seen of a box, at every even column."""
    touching = min(seen.width, width) // 4 * 2
    for y in (seen.y - 2 * height, seen.y - height, seen.y, seen.bottom - height, seen.bottom):
        for x in range(seen.x - width + touching, seen.right - touching + 1, 2):
            if seen.width and seen.height:
                yield Rect(x, y, width, height)


def test_the_first_label_sits_on_its_box_and_the_next_gives_way():
    box = Rect(200, 200, 60, 80)
    labels = labels_of([box] * 5, [(90, 18)] * 5)
    assert labels[0] == Rect(200, 182, 90, 18)
    assert labels[1] == Rect(200, 200, 90, 18), 'in its top'
    assert labels[2].y == 280 and labels[3].y == 262, 'under it, in its bottom'
    assert labels[4] == Rect(200, 164, 90, 18), 'on top of the first'


def test_a_label_moves_sideways_before_it_leaves_its_row():
    one, other = labels_of([Rect(200, 200, 80, 80), Rect(260, 200, 80, 80)], [(90, 18)] * 2)
    assert (one.x, other.x) == (200, 300) and other.y == one.y


def test_a_label_does_not_hide_another_small_object_while_there_is_room_elsewhere():
    far, near = Rect(200, 160, 30, 36), Rect(206, 200, 30, 40)
    labels = labels_of([near, far], [(90, 18)] * 2)
    assert apart(labels[0], far) and apart(labels[1], near)
    assert labels[1] == Rect(200, 142, 90, 18)


def test_without_room_above_a_label_lies_in_its_box():
    assert labels_of([Rect(100, 20, 60, 80)], [(50, 18)]) == [Rect(100, 24, 50, 18)]
    assert labels_of([Rect(620, 100, 60, 80)], [(50, 18)]) == [Rect(590, 82, 50, 18)], 'not over the right edge'


@pytest.mark.parametrize('box, size', [
    (Rect(0, 100, 40, 40), (50, 18)), (Rect(100, 360, 40, 40), (50, 18)), (Rect(100, 100, 40, 40), (700, 18)),
    (Rect(100, 100, 40, 40), (50, 400))])
def test_a_box_out_of_sight_and_a_label_too_large_have_none(box, size):
    assert label_positions([box], [size], AREA) == [None]
