"""Results as JSON lines: one object per inferred frame, and clear words when they cannot be written."""
import contextlib
import io
import json
import os
import resource
import signal
import sys

import attrs
import numpy as np
import pytest

from edge_app.config import Sink
from edge_app.detections import Detections, Result
from edge_app.errors import EXIT_FINAL, OutputError
from edge_app.frames import FrameMeta
from edge_app.output.jsonl import JsonLines, record
from edge_app.transport.bus import Publisher, Subscriber, publish_model
from edge_app.workers import results

RESULT = Result('gate', FrameMeta(7, 5 * 10 ** 9, 640, 360),
                Detections(np.array([[1.04, 2, 30.5, 40]], np.float32), np.array([0.91], np.float32), np.array([1]),
                           names=('person', 'car')),
                5 * 10 ** 9 + 83 * 10 ** 6)


def test_a_record_says_who_what_where_and_when():
    assert record(RESULT, 1000 * 10 ** 9) == {
        'camera': 'gate', 'sequence': 7, 'captured': 1005.0, 'latency_ms': 83.0, 'size': [640, 360],
        'detections': [{'label': 'car', 'score': 0.91, 'box': [1.0, 2.0, 30.5, 40.0]}]}


def test_a_class_without_a_name_and_a_frame_without_detections_are_records_too():
    nameless = attrs.evolve(RESULT, detections=attrs.evolve(RESULT.detections, names=('person',)))
    assert record(nameless, 0)['detections'][0]['label'] == 'class 1'
    empty = Result('gate', RESULT.meta, Detections.empty(), RESULT.inferred_ns)
    assert record(empty, 0)['detections'] == []


def test_the_points_of_a_pose_stand_with_their_box():
    points = np.array([[[10.04, 20, 0.5], [30, 40.06, 0.98765]]], np.float32)
    posed = Result('gate', RESULT.meta, attrs.evolve(RESULT.detections, keypoints=points), RESULT.inferred_ns)
    assert record(posed, 0)['detections'] == [
        {'label': 'car', 'score': 0.91, 'box': [1.0, 2.0, 30.5, 40.0],
         'keypoints': [[10.0, 20.0, 0.5], [30.0, 40.1, 0.988]]}]


def test_lines_are_appended(tmp_path):
    path = tmp_path / 'events.jsonl'
    path.write_text('{"earlier":1}\n')
    with JsonLines(str(path)) as sink:
        sink.write([{'a': 1}, {'b': 2}])
        assert path.read_text().count('\n') == 3, 'written while open'
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{'earlier': 1}, {'a': 1}, {'b': 2}]


@pytest.mark.parametrize('gone', [os.rename, lambda path, _: os.unlink(path)])
def test_a_file_that_was_renamed_is_begun_anew_and_loses_nothing(tmp_path, gone):
    path = tmp_path / 'events.jsonl'
    with JsonLines(str(path)) as sink:
        sink.write([{'a': 1}])
        gone(str(path), str(path) + '.old')
        sink.write([{'b': 2}])
        sink.write([{'c': 3}])
    assert path.read_text() == '{"b":2}\n{"c":3}\n'
    assert gone is not os.rename or (tmp_path / 'events.jsonl.old').read_text() == '{"a":1}\n'


def test_a_file_that_others_put_in_its_place_is_appended_to(tmp_path):
    """As logrotate's `create` does; what was cut short in it is taken back first."""
    path = tmp_path / 'events.jsonl'
    with JsonLines(str(path)) as sink:
        os.unlink(str(path))
        path.write_text('{"x":1}\n{"y')
        sink.write([{'a': 1}])
    assert path.read_text() == '{"x":1}\n{"a":1}\n'


def test_a_folder_that_goes_is_said(tmp_path):
    (tmp_path / 'results').mkdir()
    with JsonLines(str(tmp_path / 'results' / 'events.jsonl')) as sink:
        (tmp_path / 'results').rename(tmp_path / 'moved')
        with pytest.raises(OutputError, match='create the folder'):
            sink.write([{'a': 1}])


def test_a_file_stays_below_its_limit_and_the_one_before_is_kept(tmp_path):
    path = tmp_path / 'events.jsonl'
    with JsonLines(str(path), 30) as sink:
        for number in range(10):
            sink.write([{'n': number}])         # 8 bytes
            assert os.path.getsize(str(path)) <= 30
        assert path.read_text() == '{"n":9}\n'
        assert (tmp_path / 'events.jsonl.1').read_text() == '{"n":6}\n{"n":7}\n{"n":8}\n'
        sink.write([{'long': 'x' * 100}])       # one that is longer than the limit is written whole
    assert path.read_text().endswith('x"}\n') and (tmp_path / 'events.jsonl.1').read_text() == '{"n":9}\n'
    assert sorted(os.listdir(str(tmp_path))) == ['events.jsonl', 'events.jsonl.1']


def test_standard_output_stays_open(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, 'stdout', screen)
    with JsonLines() as sink:
        sink.write([{'a': 1}])
    assert screen.getvalue() == '{"a":1}\n'


def test_a_folder_that_is_not_there_is_said_with_the_fix():
    with pytest.raises(OutputError, match='/nowhere/events.jsonl.*create the folder') as caught:
        JsonLines('/nowhere/events.jsonl').open()
    assert caught.value.exit_code == EXIT_FINAL


def test_a_full_disk_is_said():
    with JsonLines('/dev/full') as sink:
        with pytest.raises(OutputError, match='free some space'):
            sink.write([{'a': 1}])


@pytest.mark.parametrize('before, kept', [('{"a":1}\n{"b"', '{"a":1}\n'), ('{"a"', ''), ('', ''),
                                          ('x' * 200000 + '\n' + 'y' * 200000, 'x' * 200000 + '\n')])
def test_a_line_cut_short_is_taken_back_by_the_next_one(tmp_path, before, kept):
    path = tmp_path / 'events.jsonl'
    path.write_text(before)
    with JsonLines(str(path)) as sink:
        sink.write([{'c': 3}])
    assert path.read_text() == kept + '{"c":3}\n'


def test_what_a_full_disk_cut_short_is_taken_back(tmp_path):
    path = tmp_path / 'events.jsonl'
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonLines(str(path)) as sink:
        sink.write([{'a': 1}])
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
            with pytest.raises(OutputError, match='free some space'):
                sink.write([{'b': 'b' * 200}])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        sink.write([{'c': 3}])
    assert path.read_text() == '{"a":1}\n{"c":3}\n'


def test_a_pipe_takes_results_too(tmp_path):
    path = str(tmp_path / 'pipe')
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with JsonLines(path) as sink:
            sink.write([{'a': 1}])
            assert os.read(reader, 100) == b'{"a":1}\n'
    finally:
        os.close(reader)


def test_what_waits_in_the_inbox_is_written_to_every_sink_and_anything_else_left_out(tmp_path):
    paths = [tmp_path / 'one.jsonl', tmp_path / 'two.jsonl']
    with contextlib.ExitStack() as stack:
        subscriber = stack.enter_context(Subscriber(tmp_path, 'results'))
        publisher = stack.enter_context(contextlib.closing(Publisher(tmp_path)))
        message = attrs.evolve(RESULT, model_id=publish_model(tmp_path, {'names': ['person', 'car']})).pack()
        publisher.publish([message, b'{"no": "result"}', message])
        sinks = [results.make_sink(Sink('file://%s' % path)) for path in paths]
        for sink in sinks:
            sink.open()
        results.write_waiting(subscriber, sinks)
        for sink in sinks:
            sink.close()
    for path in paths:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line['detections'][0]['label'] for line in lines] == ['car', 'car']


@pytest.mark.parametrize('uri, path', [('stdout:', None), ('file://events.jsonl', 'events.jsonl'),
                                       ('file:///var/log/events.jsonl', '/var/log/events.jsonl')])
def test_a_uri_names_its_sink(uri, path):
    sink = results.make_sink(Sink(uri, max_mb=0.5))
    assert (sink.path, sink.max_bytes) == (path, path and 1 << 19)
