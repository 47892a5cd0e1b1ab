"""The results bus: who subscribes gets results, with the names of the model that found them; nobody else is hurt."""
import contextlib
import os

import numpy as np
import pytest

from edge_app.detections import Detections, Result
from edge_app.frames import FrameMeta
from edge_app.transport.bus import Publisher, Subscriber, publish_model, read_model


def result(sequence, model_id, class_id=0):
    found = Detections(np.array([[1, 2, 3, 4]], np.float32), np.ones(1, np.float32), np.array([class_id]))
    return Result('gate', FrameMeta(sequence, 5 * 10 ** 9, 640, 360), found, 6 * 10 ** 9, model_id)


@pytest.fixture
def publisher(tmp_path):
    with contextlib.closing(Publisher(tmp_path)) as made:
        yield made


def labels(subscriber):
    return [one.detections.label(0) for one in subscriber.results()]


def test_every_subscriber_gets_every_result_in_order(tmp_path, publisher):
    with Subscriber(tmp_path, 'one') as one, Subscriber(tmp_path, 'two') as two:
        publisher.publish([result(number, '').pack() for number in (1, 2)])
        publisher.publish([result(3, '').pack()])
        for subscriber in (one, two):
            assert [found.meta.sequence for found in subscriber.results()] == [1, 2, 3]


def test_subscribers_come_and_go(tmp_path, publisher):
    publisher.publish([result(1, '').pack()])
    with Subscriber(tmp_path, 'late') as late:
        publisher.publish([result(2, '').pack()])
        assert [found.meta.sequence for found in late.results()] == [2]
    publisher.publish([result(3, '').pack()])
    with Subscriber(tmp_path, 'late') as again:
        publisher.publish([result(4, '').pack()])
        assert [found.meta.sequence for found in again.results()] == [4]
    assert os.listdir(str(tmp_path / 'results')) == []


def test_a_subscriber_that_was_killed_keeps_nothing_from_the_others(tmp_path, publisher):
    dead = Subscriber(tmp_path, 'dead')
    publisher.publish([result(1, '').pack()])
    dead._socket.close()        # its path stays, as after SIGKILL
    with Subscriber(tmp_path, 'well') as well:
        publisher.publish([result(2, '').pack(), result(3, '').pack()])
        assert [found.meta.sequence for found in well.results()] == [2, 3]
    with Subscriber(tmp_path, 'dead') as successor:
        publisher.publish([result(4, '').pack()])
        assert [found.meta.sequence for found in successor.results()] == [4]


def test_one_that_does_not_read_keeps_nothing_from_the_others(tmp_path, publisher):
    with Subscriber(tmp_path, 'hung'), Subscriber(tmp_path, 'well') as well:
        seen = []
        for number in range(1, 2001):
            publisher.publish([result(number, '').pack()])
            seen += [found.meta.sequence for found in well.results()]
        assert seen == list(range(1, 2001))


def test_all_names_of_a_model_arrive_however_many(tmp_path, publisher):
    names = ['class number %d' % number for number in range(365)]
    model_id = publish_model(tmp_path, {'names': names})
    with Subscriber(tmp_path, 'one') as one:
        publisher.publish([result(1, model_id, number).pack() for number in (0, 200, 364)])
        assert labels(one) == [names[0], names[200], names[364]]


def test_results_in_flight_keep_the_names_of_their_own_model(tmp_path, publisher):
    old, new = (publish_model(tmp_path, {'names': [name]}) for name in ('person', 'forklift'))
    with Subscriber(tmp_path, 'one') as one:
        publisher.publish([result(1, old).pack(), result(2, new).pack(), result(3, old).pack()])
        assert labels(one) == ['person', 'forklift', 'person']


def test_the_same_model_has_the_same_id_and_another_one_another(tmp_path):
    first = publish_model(tmp_path, {'names': ['a'], 'size': [64, 32]})
    assert publish_model(tmp_path, {'size': [64, 32], 'names': ['a']}) == first
    assert publish_model(tmp_path, {'names': ['b'], 'size': [64, 32]}) != first
    assert read_model(tmp_path, first) == {'names': ['a'], 'size': [64, 32]}


@pytest.mark.parametrize('model_id', ['', 'unknown', '../../etc/passwd', 'a/b'])
def test_a_model_nobody_published_has_no_names_and_a_path_is_no_model(tmp_path, publisher, model_id):
    with Subscriber(tmp_path, 'one') as one:
        publisher.publish([result(1, model_id).pack()])
        assert labels(one) == (['class 0'] if model_id.isalnum() or not model_id else [])
