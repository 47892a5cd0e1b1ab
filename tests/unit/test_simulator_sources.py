"""A drawn camera draws once for all its streams, at their sizes, and only while one is watched."""
import numpy as np

from edge_app import clock
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.sources import DrawnSource

MAIN_SIZE, SUB_SIZE = (640, 360), (320, 180)


class Scene:
    """Draws grey and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def picture(self, number, _ms):
        self.asked.append(number)
        return np.full((MAIN_SIZE[1], MAIN_SIZE[0], 3), 120, np.uint8)

    def boxes(self, number):
        return ['boxes of %d' % number]


class Stream:
    """Takes a few pictures, then its viewer leaves."""

    def __init__(self, takes):
        self.left = takes
        self.pictures = []
        self.changed = None

    @property
    def watched(self):
        return self.left > 0

    def push_picture(self, pixels, due_ns, _size):
        self.left -= 1
        self.pictures.append((pixels, due_ns))


class Truth:
    def __init__(self):
        self.lines = []

    def write(self, *line):
        self.lines.append(line)


def _marks(stream, size):
    rows = (size[1] * 3 // 2, size[0])
    return [timecode.read(np.frombuffer(pixels, np.uint8).reshape(rows)[:size[1]]) for pixels, _ in stream.pictures]


def _play(main, sub, truth=None, fps=100, timecode=True):
    scene = Scene()
    source = DrawnSource(7, scene, [(main, MAIN_SIZE), (sub, SUB_SIZE)], fps, clock.now_ns(), truth, timecode)
    source.play()
    return source, scene


def test_one_drawing_serves_both_streams_each_at_its_size():
    main, sub = Stream(5), Stream(5)
    source, scene = _play(main, sub)
    assert source.drawn == len(scene.asked) == 5
    for stream, size in ((main, MAIN_SIZE), (sub, SUB_SIZE)):
        marks = _marks(stream, size)
        assert [found.frame for found in marks] == scene.asked
        assert {found.camera for found in marks} == {7}


def test_without_timecode_pictures_are_sent_as_they_are_drawn():
    main, sub = Stream(2), Stream(2)
    _play(main, sub, timecode=False)
    for stream, size in ((main, MAIN_SIZE), (sub, SUB_SIZE)):
        assert _marks(stream, size) == [None] * 2
        assert len({bytes(pixels) for pixels, _ in stream.pictures}) == 1


def test_an_unwatched_stream_gets_nothing():
    main, sub = Stream(0), Stream(3)
    _play(main, sub)
    assert (len(main.pictures), len(sub.pictures)) == (0, 3)


def test_numbers_rise_and_due_times_lie_on_the_grid():
    main, sub = Stream(6), Stream(0)
    _, scene = _play(main, sub)
    due = [due_ns for _, due_ns in main.pictures]
    assert scene.asked == sorted(set(scene.asked))
    steps = [(number - scene.asked[0]) * 10000000 for number in scene.asked]
    assert [at - due[0] for at in due] == steps


def test_the_truth_bears_the_mark_of_the_main_stream():
    main, sub, truth = Stream(3), Stream(3), Truth()
    _play(main, sub, truth)
    marks = _marks(main, MAIN_SIZE)
    assert truth.lines == [(7, found.frame, found.ms, ['boxes of %d' % found.frame]) for found in marks]


def test_a_stopped_camera_ends_although_nobody_watches():
    source = DrawnSource(1, Scene(), [(Stream(0), MAIN_SIZE)], 25, clock.now_ns())
    source.start()
    source.stop(10)
    assert not source.is_alive()
