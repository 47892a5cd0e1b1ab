"""Frames land where the networks were trained to see them, and boxes come back to the pixel they came from."""
import cv2
import numpy as np
import pytest

from edge_app.detectors.letterbox import Letterbox, letterbox_transform
from edge_app.frames import BGR, I420, FrameMeta


def meta(width, height, format=I420):
    return FrameMeta(1, 0, width, height, format)


def picture(width, height, seed=0):
    """A smooth BGR picture with all colours, so that scaling has something to get wrong."""
    noise = np.random.RandomState(seed).randint(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def i420(width, height, seed=0):
    return cv2.cvtColor(picture(width, height, seed), cv2.COLOR_BGR2YUV_I420)


def reference(bgr, size, centred):
    """Letterbox as the networks' own code writes it: scale, then paste into grey."""
    height, width = bgr.shape[:2]
    ratio = min(size[0] / width, size[1] / height)
    if centred:
        new = int(round(width * ratio)), int(round(height * ratio))
        left = int(round((size[0] - new[0]) / 2 - 0.1))
        top = int(round((size[1] - new[1]) / 2 - 0.1))
    else:
        new, left, top = (int(width * ratio), int(height * ratio)), 0, 0
    whole = np.full((size[1], size[0], 3), 114, np.uint8)
    whole[top:top + new[1], left:left + new[0]] = cv2.resize(bgr, new, interpolation=cv2.INTER_LINEAR)
    return whole


def drawn(size, centred, meta, pixels):
    batch = np.zeros((2, size[1], size[0], 3), np.uint8)
    Letterbox(batch, centred).draw(1, meta, pixels)
    assert not batch[0].any()
    return batch[1]


@pytest.mark.parametrize('centred', [False, True])
@pytest.mark.parametrize('size', [(416, 416), (640, 384), (640, 640), (320, 160)])
@pytest.mark.parametrize('frame', [(640, 360), (480, 360), (208, 160), (360, 640)])
def test_i420_equals_the_reference_on_the_same_picture(frame, size, centred):
    pixels = i420(*frame)
    expected = reference(cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420), size, centred)
    np.testing.assert_array_equal(drawn(size, centred, meta(*frame), pixels), expected)


@pytest.mark.parametrize('frame', [(640, 360), (641, 361), (101, 77)])
def test_bgr_equals_the_reference(frame):
    bgr = picture(648, 368)[:frame[1], :frame[0]]
    np.testing.assert_array_equal(drawn((416, 416), True, meta(frame[0], frame[1], BGR), bgr),
                                  reference(bgr, (416, 416), True))


def test_a_frame_that_fits_is_not_scaled():
    pixels = i420(640, 360)
    got = drawn((640, 384), False, meta(640, 360), pixels)
    np.testing.assert_array_equal(got[:360], cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420))
    assert (got[360:] == 114).all()


def test_a_slot_keeps_nothing_of_a_larger_frame_before():
    batch = np.zeros((1, 96, 128, 3), np.uint8)
    box = Letterbox(batch, centred=True)
    box.draw(0, meta(128, 96), i420(128, 96))
    box.draw(0, meta(128, 48), i420(128, 48))
    assert (batch[0, :24] == 114).all() and (batch[0, 72:] == 114).all()


def test_slots_of_one_batch_hold_frames_of_different_cameras():
    batch = np.zeros((2, 96, 128, 3), np.uint8)
    box = Letterbox(batch)
    for slot, frame in enumerate([(128, 96), (64, 96)]):
        box.draw(slot, meta(*frame), i420(*frame, seed=slot))
    for slot, frame in enumerate([(128, 96), (64, 96)]):
        bgr = cv2.cvtColor(i420(*frame, seed=slot), cv2.COLOR_YUV2BGR_I420)
        np.testing.assert_array_equal(batch[slot], reference(bgr, (128, 96), False))


@pytest.mark.parametrize('centred', [False, True])
@pytest.mark.parametrize('frame', [(1280, 720), (810, 1080), (640, 360), (333, 777)])
def test_boxes_come_back_to_the_frame(frame, centred):
    where = letterbox_transform(frame, (416, 416), centred)
    box = np.array([[0.25 * frame[0], 0.5 * frame[1], 0.75 * frame[0], 0.8 * frame[1]]], np.float32)
    inside = box * np.float32(min(416 / frame[0], 416 / frame[1]))
    inside += np.array([where.x, where.y] * 2, np.float32)
    np.testing.assert_allclose(where.to_frame(inside), box, atol=0.01)


def test_boxes_are_cut_off_at_the_frame():
    where = letterbox_transform((640, 360), (416, 416), True)
    got = where.to_frame(np.array([[-50, -50, 900, 900]], np.float32))
    assert got.tolist() == [[0, 0, 640, 360]]
    assert got.dtype == np.float32


@pytest.mark.parametrize('frame', [(640, 360), (101, 77)])
def test_stretched_fills_the_picture_and_boxes_come_back_by_both_ratios(frame):
    bgr = picture(648, 368)[:frame[1], :frame[0]]
    batch = np.zeros((1, 320, 320, 3), np.uint8)
    box = Letterbox(batch, stretched=True)
    box.draw(0, meta(frame[0], frame[1], BGR), bgr)
    where = box.places[0]
    np.testing.assert_array_equal(batch[0], cv2.resize(bgr, (320, 320), interpolation=cv2.INTER_LINEAR))
    boxes = np.array([[0, 0, 320, 320], [80, 160, 240, 200]], np.float32)
    width, height = frame
    np.testing.assert_allclose(where.to_frame(boxes), [[0, 0, width, height],
                               [width / 4, height / 2, width * 3 / 4, height * 5 / 8]], rtol=1e-6)
