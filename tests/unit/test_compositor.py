"""What a mosaic shows: live tiles, boxes, and never a frozen picture."""
import attrs
import cv2
import numpy as np
import pytest

from edge_app.compositor import drawing, tiles
from edge_app.compositor.mosaic import Compositor, banner_height
from edge_app.compositor.tile_state import TileState, age_text, duration, rate_text
from edge_app.detections import Detections
from edge_app.stats.camera_state import DAMAGED, FROZEN, LIVE, NO_SIGNAL, REFUSED, STARTING

SIZE = (1280, 720)
GREY = np.full((540, 640), 128, np.uint8)


def live(name='gate', **facts):
    return TileState(name, LIVE, **dict({'age_s': 0.08, 'source_fps': 25.0, 'pixels': GREY, 'captured_ns': 1}, **facts))


def found(*boxes, **names):
    return Detections(np.array([box[:4] for box in boxes], np.float32), np.array([box[4] for box in boxes], np.float32),
                      np.array([box[5] for box in boxes]), **names)


def bgr(pixels):
    return cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420).astype(int)


def part(picture, rect):
    return picture[rect.y:rect.bottom, rect.x:rect.right]


def count_like(picture, colour, tolerance=40):
    """Pixels about as red, green, blue as `colour` (y, u, v)."""
    patch = np.full((24, 16), colour.y, np.uint8)
    patch[16:20], patch[20:] = colour.u, colour.v
    wanted = bgr(patch)[4, 4]
    return int((np.abs(picture - wanted).max(axis=2) <= tolerance).sum())


def test_words():
    assert [duration(s) for s in (0.4, 12.9, 185)] == ['0 s', '12 s', '3 min 05 s']
    assert [duration(s) for s in (7500, 100000)] == ['2 h 05 min', '1 d 3 h']
    assert [age_text(s) for s in (0.083, 0.9, 1.24)] == ['85 ms', '900 ms', '1.2 s']
    assert rate_text(live(inference_fps=12.44)) == '12.4/25 fps' and rate_text(live()) == '25 fps'
    assert tiles.headline(TileState('gate', NO_SIGNAL, age_s=12.4)) == 'NO SIGNAL 12 s'


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 9, 16])
def test_every_live_camera_is_in_its_tile(count):
    compositor = Compositor(SIZE)
    levels = [60 + 10 * number for number in range(count)]
    pixels = compositor.compose([live('cam%d' % level, pixels=_flat(level)) for level in levels])
    for tile, level in zip(compositor.tiles, levels):
        assert part(pixels[:720], tile)[tile.height // 2, tile.width // 2] == level


def _flat(level):
    pixels = np.full((540, 640), 128, np.uint8)
    pixels[:360] = level
    return pixels


@pytest.mark.parametrize('state, colour', [(NO_SIGNAL, drawing.RED), (REFUSED, drawing.RED), (STARTING, drawing.AMBER)])
def test_a_camera_that_is_away_shows_a_card_and_not_its_last_picture(state, colour):
    compositor = Compositor(SIZE)
    bright = live(pixels=_flat(235))
    compositor.compose([bright, bright])
    before = compositor.canvas.pixels.copy()
    pixels = compositor.compose([
        bright, TileState('yard', state, age_s=12, reason='the camera closed the connection', pixels=GREY)])
    picture = bgr(pixels)
    left, right = compositor.tiles
    assert (part(pixels[:720], left) == part(before[:720], left)).all(), 'the neighbour is untouched'
    assert part(picture, right).mean() < 60, 'dim'
    assert count_like(part(picture, right), colour) > 200, 'the words in their colour'


def test_the_card_changes_as_the_age_grows_and_goes_when_the_picture_is_back():
    compositor = Compositor(SIZE)
    first = compositor.compose([TileState('gate', NO_SIGNAL, age_s=12)]).copy()
    assert (compositor.compose([TileState('gate', NO_SIGNAL, age_s=12.6)]) == first).all()
    assert (compositor.compose([TileState('gate', NO_SIGNAL, age_s=13.1)]) != first).any()
    back = compositor.compose([live(pixels=_flat(200))])
    assert (back[60:720] == 200).all()


def test_a_box_is_drawn_where_it_is_in_the_colour_of_its_class():
    compositor = Compositor((640, 360))
    boxes = found((100, 120, 300, 240, 0.9, 3), names=('a', 'b', 'c', 'bus'))
    picture = bgr(compositor.compose([live(detections=boxes)]))
    colour = drawing.class_colour(3)
    assert count_like(picture[120:122, 100:300], colour) == 400
    assert count_like(picture[238:240, 100:300], colour) == 400
    assert count_like(picture[122:238, 100:102], colour) == 232
    assert (np.abs(picture[130:230, 110:290] - picture[300, 500]).max() == 0), 'nothing inside the box'
    assert count_like(picture[100:120, 100:180], colour) > 500, 'the caption on top'


def test_the_lowest_twentieth_of_every_picture_is_left_as_it_came():
    compositor = Compositor((1280, 720))
    views = [live(detections=found((5, 200, 400, 359, 0.9, 1), (0, 352, 60, 360, 0.8, 2), (600, 349, 640, 360, 0.7, 3)))
             for _ in range(4)]
    pixels = compositor.compose(views)
    for tile in compositor.tiles:
        free = tile.height - int(tile.height * 0.95) - 1
        assert (pixels[tile.bottom - free:tile.bottom, tile.x:tile.right] == 128).all()


def test_a_caption_stays_inside_its_picture():
    compositor = Compositor((1280, 720))
    boxes = found((600, 100, 660, 200, 0.9, 1), (-30, 10, 40, 90, 0.8, 2), (300, -20, 340, 30, 0.7, 3),
                  names=('a', 'an extraordinarily long name', 'b', 'c'))
    pixels = compositor.compose([live(), live(detections=boxes)])
    outside = np.ones(SIZE[::-1], bool)
    for tile in compositor.tiles:
        part(outside, tile)[:] = False
    assert (pixels[:720][outside] == drawing.BACKGROUND.y).all()


def test_captions_of_two_boxes_at_one_place_are_both_readable():
    compositor = Compositor((640, 360))
    both = compositor.compose([live(detections=found((100, 120, 300, 240, 0.9, 0), (104, 124, 304, 244, 0.8, 1),
                                                     names=('car', 'truck')))])
    label = [drawing.label(text, tiles.cap_height(360), drawing.class_colour(number))[0]
             for number, text in enumerate(['car 0.90', 'truck 0.80'])]
    assert all(_contains(both[:360], one) for one in label)


def _contains(luma, patch):
    height, width = patch.shape
    return any((luma[y:y + height, x:x + width] == patch).all()
               for y in range(0, luma.shape[0] - height, 2) for x in range(0, luma.shape[1] - width, 2))


def test_a_picture_narrower_than_its_tile_stands_on_a_plain_ground():
    compositor = Compositor(SIZE)
    narrow = np.full((540, 360), 128, np.uint8)
    pixels = compositor.compose([live()] * 3 + [live(size=(360, 360), pixels=narrow)])
    tile = compositor.tiles[3]
    assert tile.right == SIZE[0] and pixels[tile.bottom - 20, tile.x + tile.width // 2] == 128
    for x in (tile.x + 4, tile.right - 4):
        assert (pixels[tile.y + 40:tile.bottom, x] == drawing.PLACEHOLDER.y).all()


def test_the_header_leaves_the_camera_its_time_even_in_a_small_tile():
    compositor = Compositor(SIZE)
    pixels = compositor.compose([live('gate', inference_fps=12.4)] * 16)
    for tile in compositor.tiles:
        assert (pixels[tile.y:tile.bottom, tile.x:tile.x + int(tile.width * 0.44)] == 128).all()


def test_captions_and_names_can_be_left_out():
    boxes = found((100, 120, 300, 240, 0.9, 3), names=('bus',) * 4)
    with_words = Compositor((640, 360)).compose([live(detections=boxes)])
    mute = Compositor((640, 360), tiles.Style(labels=False, names=False))
    without = mute.compose([live(detections=boxes)])
    assert (without[100:118, 100:180] == 128).all() and (with_words[100:118, 100:180] != 128).any()
    assert (with_words[:24] != without[:24]).any()


@pytest.mark.parametrize('size', [(640, 360), (1280, 720)])
def test_the_top_left_corner_stays_the_cameras_own(size):
    """Cameras write date and time there; name, state, rate and age stand on the right."""
    pixels = Compositor(size).compose([live('gate', inference_fps=12.4)])
    assert (pixels[:size[1], :size[0] // 2] == 128).all()
    assert (pixels[:24, size[0] // 2:] != 128).any()


def test_in_a_narrow_tile_the_name_stays_longest():
    wide, narrow = (Compositor(size).compose([live('gate', inference_fps=12.4, size=size, pixels=_grey(size))])
                    for size in ((320, 180), (96, 180)))
    assert (narrow[:16, :90] != 128).any() and (narrow[20:170, :90] == 128).all()
    assert (wide[:16, 160:] != 128).any()


def _grey(size):
    return np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)


@pytest.mark.parametrize('state', [DAMAGED, FROZEN])
def test_a_picture_that_is_not_new_is_known_by_its_border(state):
    compositor = Compositor((640, 360))
    whole = bgr(compositor.compose([live()]))
    old = bgr(compositor.compose([attrs.evolve(live(), state=state)]))
    assert count_like(old[:24], drawing.AMBER) > 20 > count_like(whole[:24], drawing.AMBER)
    assert count_like(old[20:300, :4], drawing.AMBER) == 280 * 4, 'a border'
    assert (old[-16:] == whole[-16:]).all(), 'the strip of the marks stays as it came'


def test_a_warning_stands_above_all_tiles_and_goes_with_its_cause():
    compositor = Compositor(SIZE)
    warned = compositor.compose([live()] * 4, 'simulated scenes only: set engine.model').copy()
    height = banner_height(SIZE)
    assert all(tile.y >= height for tile in compositor.tiles)
    assert count_like(bgr(warned)[:height], drawing.AMBER) > 100
    calm = compositor.compose([live()] * 4)
    assert compositor.tiles[0].y == 0 and count_like(bgr(calm), drawing.AMBER) == 0


def test_a_picture_that_changes_its_shape_leaves_nothing_behind():
    compositor = Compositor(SIZE)
    others = [live()] * 3
    compositor.compose(others + [live(pixels=_flat(235))])
    narrow = np.full((540, 480), 128, np.uint8)
    pixels = compositor.compose(others + [live(size=(480, 360), pixels=narrow)])
    assert not (part(pixels[:720], compositor.tiles[3]) == 235).any()


def test_a_class_without_a_name_and_a_score_are_written():
    pixels = Compositor((640, 360)).compose([live(detections=found((100, 120, 300, 240, 0.5, 9), names=('one',)))])
    assert (pixels[100:118, 104:180] != 128).any()
