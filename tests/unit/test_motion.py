"""Still pictures and moving ones, in arrays that say what moved."""
import numpy as np
import pytest

from edge_app.inference.motion_gate import HALVINGS, MAX_SKIP_S, NOISE, MotionGate, blocks, changed_percent

SECOND = 10 ** 9
BLOCK_PX = 2 ** HALVINGS
SIZE = (64, 128)


def yard(walker=None, light=100, noise=0, seed=0):
    """Luma of a grey yard; `walker`: x of the left edge of a bright figure of 2 x 4 cells."""
    picture = np.full(SIZE, light, np.float64)
    if walker is not None:
        picture[16:16 + 4 * BLOCK_PX, walker:walker + 2 * BLOCK_PX] = 200
    if noise:
        picture += np.random.RandomState(seed).normal(0, noise, SIZE)
    return picture.clip(0, 255).astype(np.uint8)


def passed(motion, pictures):
    """Indexes of the pictures inferred, 25 a second, each inferred at once when it is let through."""
    inferred = []
    for number, picture in enumerate(pictures):
        moment = SECOND * 100 + number * SECOND // 25
        if not motion.is_still(picture, moment):
            motion.inferred(blocks(picture), moment)
            inferred.append(number)
    return inferred


def test_of_a_still_picture_one_in_two_seconds_is_inferred():
    every = int(MAX_SKIP_S * 25)
    assert passed(MotionGate(0.5), [yard()] * (2 * every + 1)) == [0, every, 2 * every]


def test_a_sensor_that_rustles_is_still():
    assert passed(MotionGate(0.5), [yard(noise=8, seed=seed) for seed in range(40)]) == [0]


def test_what_walks_is_inferred_and_so_is_what_has_just_left():
    walk = [yard()] * 3 + [yard(8 * step) for step in range(5)] + [yard()] * 3
    assert passed(MotionGate(0.5), walk) == [0, 3, 4, 5, 6, 7, 8]


def test_a_share_is_of_the_cells():
    before, seen = blocks(yard()), blocks(yard(0))
    assert seen.shape == (8, 16) and changed_percent(seen, before) == 100 * 8 / 128.0
    assert passed(MotionGate(6.0), [yard(), yard(0)]) == [0, 1] and passed(MotionGate(6.5), [yard(), yard(0)]) == [0]
    assert passed(MotionGate(0), [yard(), yard(), yard(0)]) == [0, 2]


def test_slow_dusk_adds_up_against_the_picture_inferred_last():
    dusk = [yard(light=100 - step) for step in range(2 * NOISE + 3)]
    assert passed(MotionGate(0.5), dusk) == [0, NOISE + 1, 2 * NOISE + 2]


def test_a_picture_let_through_and_not_inferred_is_no_reference():
    motion = MotionGate(0.5)
    assert passed(motion, [yard()]) == [0]
    moment = SECOND * 100 + SECOND // 25
    assert not motion.is_still(yard(0), moment) and not motion.is_still(yard(0), moment + SECOND // 25)
    motion.inferred(blocks(yard(0)), moment)
    assert motion.is_still(yard(0), moment + 2 * SECOND // 25)


@pytest.mark.parametrize('size', [(16, 16), (3, 5)])
def test_another_size_is_a_change(size):
    motion = MotionGate(50)
    assert passed(motion, [yard()]) == [0]
    assert not motion.is_still(np.zeros(size, np.uint8), SECOND * 100 + 1)
