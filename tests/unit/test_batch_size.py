"""How many pictures to a batch."""
import pytest

from edge_app.inference.scheduler import AGAIN, FIRST, BatchSize


def at_work(sizes, batches, cost_ms, waiting=64):
    """Sizes of so many batches, when `waiting` pictures are there each time and one of n costs `cost_ms(n)` in all."""
    seen = []
    for _ in range(batches):
        taken = sizes.next(waiting)
        sizes.took(taken, int(cost_ms(taken) * 1e6))
        seen.append(taken)
    return seen


@pytest.mark.parametrize('cost_ms, size', [
    pytest.param(lambda n: 10.0 * n, 1, id='a processor'),
    pytest.param(lambda n: {1: 8.5, 2: 16.2, 4: 33.8}[n], 2, id='one whose cache two pictures fit'),
    pytest.param(lambda n: 10.0 + n, 4, id='a GPU'),
    pytest.param(lambda n: 10.0 * n + 0.2, 1, id='what a batch costs besides is too little to wait for'),
    pytest.param(lambda n: 10.0 * n + 1, 2, id='what a batch costs besides is worth waiting for'),
    pytest.param(lambda n: 33.0, 4, id='a model for exactly four'),
])
def test_as_few_as_cost_no_more(cost_ms, size):
    assert set(at_work(BatchSize(4), AGAIN - 1, cost_ms)[3 * FIRST:]) == {size}


def test_it_tries_each_size_first():
    assert at_work(BatchSize(6), 3 * FIRST, lambda n: 10.0 * n) == [1] * FIRST + [2] * FIRST + [4] * FIRST
    assert at_work(BatchSize(6), 4 * FIRST, lambda n: 10.0 * n)[-FIRST:] == [6] * FIRST


def test_one_slow_batch_changes_nothing():
    sizes = BatchSize(4)
    at_work(sizes, 30, lambda n: 10.0 * n)
    sizes.took(1, int(90e6))
    assert at_work(sizes, 10, lambda n: 10.0 * n) == [1] * 10


def test_a_machine_that_becomes_another_is_noticed():
    sizes = BatchSize(4)
    at_work(sizes, 3 * AGAIN, lambda n: 10.0 * n)
    assert at_work(sizes, 30 * AGAIN, lambda n: 10.0 + n)[-2] == 4


@pytest.mark.parametrize('most, waiting', [(4, 3), (16, 3), (64, 7)])
def test_fewer_cameras_than_a_batch_may_have(most, waiting):
    assert at_work(BatchSize(most), 50, lambda n: 10.0 * n, waiting)[-20:] == [1] * 20
    assert at_work(BatchSize(most), 50, lambda n: 10.0 + n, waiting)[-20:] == [waiting] * 20


def test_more_come_than_before():
    sizes = BatchSize(8)
    at_work(sizes, 50, lambda n: 10.0, waiting=3)
    assert at_work(sizes, 30, lambda n: 10.0, waiting=8)[-10:] == [8] * 10


def test_a_batch_of_one_only():
    assert at_work(BatchSize(1), 10, lambda n: 10.0) == [1] * 10
