"""A camera that repeats one picture, and what is not one."""
import random

import pytest

from edge_app.camera.repetition import LEVELS, LOOK_S, SAME, STEP, Repetition

SECOND = 10 ** 9
SIZE = 100 * STEP


def street(number):
    """A grey street with something bright at another place in each picture."""
    luma = bytearray([90]) * SIZE
    start = number * 7 % 80 * STEP
    luma[start:start + 10 * STEP] = bytes([220]) * (10 * STEP)
    return bytes(luma)


def still(quality):
    """A photograph as an encoder draws it anew with another quality: every pixel a little different."""
    noise = random.Random(quality)
    return bytes(90 + noise.randint(0, LEVELS - 1) for _ in range(SIZE))


def since_s(pictures, fps=10):
    """When the picture came that is repeated at the end, in seconds; 0: none is."""
    found = Repetition()
    for number, picture in enumerate(pictures):
        moment = SECOND + int(number * SECOND / fps)
        if found.is_due(moment):
            found.look(memoryview(picture), moment)
    return found.since_ns / SECOND


MOVING = [street(number) for number in range(30)]


def test_a_moving_camera_that_stops_repeats_its_last_picture():
    assert since_s(MOVING + MOVING[-1:] * 40) == pytest.approx(1 + 3.0, abs=LOOK_S + 0.1)
    assert since_s(MOVING + MOVING[-1:] * SAME) == 0


def test_one_new_picture_is_no_repetition_any_more():
    assert since_s(MOVING + MOVING[-1:] * 40 + [street(0)] * (int(LOOK_S * 10) + 1)) == 0


def test_a_picture_that_never_moved_is_a_still_one():
    assert since_s([street(0)] * 600) == 0
    photographs = [still(quality) for quality in range(5)]
    assert since_s([photographs[number // 20 % 5] for number in range(200)] + photographs[:1] * 300) == 0
    assert since_s([street(number // 60) for number in range(600)] + [street(0)] * 300) == 0, 'nor a slide show'


def test_a_scene_of_exactly_one_second_is_no_repetition():
    assert since_s(MOVING[:10] * 60) == 0


def test_a_slow_camera_is_given_as_many_pictures():
    assert since_s(MOVING + MOVING[-1:] * (SAME - 1), fps=1) == 0
    assert since_s(MOVING + MOVING[-1:] * SAME, fps=1) == 1 + len(MOVING) - 1
