"""The histograms of the books: percentiles, windows, and what Prometheus gets."""
import math
import random

import numpy as np
import pytest

from edge_app.stats import Counters, histogram


@pytest.fixture
def gate(tmp_path):
    with Counters.create(tmp_path, ['gate']) as counters:
        yield counters.cameras['gate']


def nearest_rank(values, q):
    return sorted(values)[max(0, math.ceil(len(values) * q / 100) - 1)]


@pytest.mark.parametrize('q', [1, 5, 25, 50, 75, 90, 95, 99, 99.9, 100])
@pytest.mark.parametrize('name, draw', [
    ('uniform', lambda chance: chance.uniform(1e6, 1e9)),
    ('latencies', lambda chance: chance.lognormvariate(math.log(60e6), 0.4)),
    ('all decades', lambda chance: 10 ** chance.uniform(5.01, 10.99)),
    ('constant', lambda chance: 40e6),
])
def test_percentiles_are_right_within_four_percent(gate, name, draw, q):
    chance = random.Random(name)
    values = [draw(chance) for _ in range(2000)]
    for value in values:
        gate.observe('result', value)
    found = gate.histogram('result').percentile(q)
    assert found == pytest.approx(nearest_rank(values, q), rel=0.04)


def test_no_bucket_is_wider_than_four_percent():
    edges = [histogram._edge_ns(number) for number in range(histogram.CELLS - 1)]
    assert edges[0] == 1e5 and edges[-1] == pytest.approx(1e11)
    assert max(upper / lower for lower, upper in zip(edges, edges[1:])) < 1.04
    for number, (lower, upper) in enumerate(zip(edges, edges[1:]), 1):
        assert histogram.bucket(lower * 1.001) == histogram.bucket(upper * 0.999) == number


def test_durations_outside_are_counted_at_the_ends(gate):
    for duration in (0, -5, 99999, 10 ** 11 + 1, 10 ** 14):
        gate.observe('mosaic', duration)
    found = gate.histogram('mosaic')
    assert found.count == 5
    assert found.percentile(50) == 100000 and found.percentile(100) == pytest.approx(10 ** 11)
    assert gate.histogram('result').count == 0


def test_an_empty_histogram_has_no_percentile(gate):
    assert gate.histogram('result').percentile(50) is None


def test_percentiles_are_in_percent(gate):
    gate.observe('result', 10 ** 7)
    with pytest.raises(ValueError, match='did you mean 95'):
        gate.histogram('result').percentile(0.95)


def test_a_window_is_a_difference(gate):
    for _ in range(10):
        gate.observe('result', 10 ** 9)
    before = gate.histogram('result')
    for _ in range(3):
        gate.observe('result', 10 ** 7)
    window = gate.histogram('result') - before
    assert window.count == 3 and window.sum_ns == 3 * 10 ** 7
    assert window.percentile(99) == pytest.approx(10 ** 7, rel=0.04)


def test_prometheus_buckets_are_cumulative_and_complete(gate):
    for duration_ms in (0.05, 2, 30, 31, 500, 200000):
        gate.observe('result', duration_ms * 1e6)
    buckets = gate.histogram('result').buckets()
    edges, counts = zip(*buckets)
    assert list(edges) == sorted(set(edges)) and edges[0] == 0.0001 and edges[-1] == math.inf
    assert list(counts) == sorted(counts) and counts[-1] == gate.histogram('result').count == 6
    below = dict(buckets)
    assert below[0.0001] == 1 and below[0.01] == 2 and below[0.1] == 4 and below[1.0] == 5 and below[100.0] == 5
    assert np.isclose(gate.histogram('result').sum_ns, 200563.05e6)
