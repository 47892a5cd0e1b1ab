"""Tiles cover no pixel twice, keep the aspect, and stand on whole chroma samples."""
import itertools

import numpy as np
import pytest

from edge_app.compositor.layout import Rect, columns_for, fitted, gap_of, grid, place

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
