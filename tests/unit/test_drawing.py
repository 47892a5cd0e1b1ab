"""Drawing on I420: the colours that were asked for, and not a pixel beside."""
import cv2
import numpy as np
import pytest

from edge_app.compositor import drawing, text_rendering
from edge_app.compositor.drawing import Canvas, class_colour, label, rgb
from edge_app.compositor.layout import Rect, place

SIZE = (160, 120)


def changed(canvas, before):
    """Bounding box (x, y, right, bottom) of the luma that differs, None for none."""
    rows, columns = np.nonzero(canvas.planes[0] != before[:SIZE[1]])
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


@pytest.mark.parametrize('red, green, blue', [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0),
                                              (247, 181, 56), (12, 200, 99)])
def test_a_colour_is_the_one_opencv_makes_of_it(red, green, blue):
    patch = np.full((16, 16, 3), (blue, green, red), np.uint8)
    i420 = cv2.cvtColor(patch, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    expected = i420[0], i420[256], i420[256 + 64]
    assert np.abs(np.array(rgb(red, green, blue), int) - np.array(expected, int)).max() <= 1


def test_a_fill_changes_its_rectangle_in_all_three_planes_and_nothing_else():
    canvas = Canvas(SIZE)
    before = canvas.pixels.copy()
    canvas.fill(Rect(20, 30, 40, 10), rgb(255, 0, 0))
    assert changed(canvas, before) == (20, 30, 60, 40)
    bgr = cv2.cvtColor(canvas.pixels, cv2.COLOR_YUV2BGR_I420)
    assert bgr[35, 40].tolist() == pytest.approx([0, 0, 255], abs=4)
    assert (bgr[31:39, 22:58] == bgr[35, 40]).all()
    assert np.count_nonzero(canvas.planes[1] != before[SIZE[1]:].reshape(-1)[0]) == 20 * 5


@pytest.mark.parametrize('rect', [Rect(-20, -10, 40, 40), Rect(150, 110, 40, 40), Rect(400, 400, 10, 10),
                                  Rect(-50, 20, 20, 20)])
def test_what_lies_outside_the_picture_is_left_out(rect):
    canvas = Canvas(SIZE)
    canvas.fill(rect, rgb(255, 255, 255))
    canvas.blend_fill(rect, rgb(0, 0, 0), 0.5)
    canvas.outline(rect, rgb(255, 255, 255), 2, canvas.rect)
    inside = rect.intersect(canvas.rect)
    assert np.count_nonzero(canvas.planes[0] != drawing.BACKGROUND.y) == inside.width * inside.height


def test_a_text_over_the_edge_loses_what_is_outside():
    whole, cut = Canvas(SIZE), Canvas(SIZE)
    whole.text(20, 10, 'HHHH', 10, rgb(255, 255, 255))
    cut.text(-6, -4, 'HHHH', 10, rgb(255, 255, 255))
    assert (cut.planes[0][:60, :80] == whole.planes[0][14:74, 26:106]).all()
    cut.text(400, 400, 'outside', 10, rgb(255, 255, 255))


def test_an_outline_is_a_frame_and_stays_in_its_clip():
    canvas = Canvas(SIZE)
    before = canvas.pixels.copy()
    canvas.outline(Rect(20, 20, 60, 60), rgb(0, 255, 0), 2, Rect(0, 0, 160, 50))
    assert changed(canvas, before) == (20, 20, 80, 50)
    assert canvas.planes[0][40, 50] == drawing.BACKGROUND.y
    assert canvas.planes[0][40, 20] == rgb(0, 255, 0).y


def test_shade_mixes():
    canvas = Canvas(SIZE)
    canvas.fill(canvas.rect, rgb(255, 255, 255))
    canvas.blend_fill(Rect(0, 0, 40, 40), rgb(0, 0, 0), 0.5)
    assert canvas.planes[0][10, 10] == pytest.approx((235 + 16) / 2, abs=1)
    assert canvas.planes[0][10, 50] == 235


def test_text_is_written_in_its_colour_smoothly():
    canvas = Canvas(SIZE)
    canvas.text(4, 4, 'HHH', 16, rgb(0, 255, 0))
    bgr = cv2.cvtColor(canvas.pixels, cv2.COLOR_YUV2BGR_I420).astype(int)
    ink = bgr[(canvas.planes[0] > 135)]
    assert len(ink) > 50 and (ink[:, 1] > ink[:, 0] + 40).all() and (ink[:, 1] > ink[:, 2] + 40).all()
    levels = set(canvas.planes[0].reshape(-1).tolist())
    assert len(levels) > 10, 'edges have levels in between'


def test_colours_of_classes_stay_and_differ():
    colours = [class_colour(number) for number in range(80)]
    assert colours == [class_colour(number) for number in range(80)]
    for first, second in zip(colours, colours[1:]):
        assert abs(first.u - second.u) + abs(first.v - second.v) > 40


@pytest.mark.parametrize('class_id', range(0, 80, 7))
def test_a_caption_can_be_read_on_its_plate(class_id):
    colour = class_colour(class_id)
    plate = label('person 0.87', 10, colour)[0].astype(int)
    assert np.abs(plate - colour.y).max() > 80
    assert plate.shape[0] % 2 == 0 and plate.shape[1] % 2 == 0


def test_a_text_too_long_is_shortened_and_one_that_fits_is_not():
    assert text_rendering.shortened('gate', 10, 200) == 'gate'
    short = text_rendering.shortened('a camera with a very long name', 10, 80)
    assert short.endswith('..') and text_rendering.width(short, 10) <= 80
    assert text_rendering.shortened('gate', 10, 3) == ''


def test_a_long_reason_is_wrapped_at_words():
    lines = text_rendering.wrapped('wrong user or password: set cameras[3].user and password', 10, 200, 3)
    assert 1 < len(lines) <= 3 and all(text_rendering.width(line, 10) <= 200 for line in lines)
    assert ' '.join(lines) == 'wrong user or password: set cameras[3].user and password'
    assert len(text_rendering.wrapped('word ' * 100, 10, 100, 2)) == 2


def test_letters_the_font_has_not_are_replaced():
    assert text_rendering.plain(u'B\xfcro \u2014 \u5317') == 'Buro ? ?'


def test_a_picture_of_the_tiles_size_arrives_unchanged_and_a_scaled_one_alike():
    source = cv2.cvtColor(np.random.RandomState(1).randint(0, 255, (60, 80, 3)).astype(np.uint8),
                          cv2.COLOR_BGR2YUV_I420)
    canvas = Canvas(SIZE)
    canvas.picture(source, place((80, 60), Rect(40, 30, 80, 60)))
    assert (canvas.planes[0][30:90, 40:120] == source[:60]).all()
    assert (canvas.planes[1][15:45, 20:60].reshape(-1) == source[60:75].reshape(-1)).all()
    flat = np.full((90, 80), 77, np.uint8)
    canvas.picture(flat, place((80, 60), canvas.rect))
    assert (canvas.pixels == 77).all()
