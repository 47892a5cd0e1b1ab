"""The engine's process on rings, books and sockets as in the appliance; the test is its cameras and its reader."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from edge_app.clock import now_ns
from edge_app.config import from_uris, to_dict
from edge_app.frames import DAMAGED, I420, FrameMeta, frame_bytes
from edge_app.stats import Counters
from edge_app.transport.bus import Subscriber
from edge_app.transport.mailbox import Outbox
from edge_app.transport.ring import Ring, frames_path

from tests.support import tiny_onnx
from tests.support.waiting import until

SIZE = (128, 64)
RED, GREEN = 2, 1
COLOURS = {GREEN: (0, 255, 0), RED: (0, 0, 255)}
FIELD = (32, 16, 64, 48)
"""Where a coloured field lies in a frame; the network sees it at a quarter of the area."""


class Site:
    """A run directory with two cameras that deliver when told."""

    def __init__(self, folder, stack):
        self.folder = str(folder)
        self.stack = stack
        self.model = os.path.join(self.folder, 'model.onnx')
        with open(self.model, 'wb') as stream:
            stream.write(tiny_onnx.detector('yolov8', (64, 32),
                                            metadata={'names': "{0: 'blue', 1: 'green', 2: 'red'}"}))
        self.names = ('gate', 'yard')
        self.counters = stack.enter_context(Counters.create(self.folder, self.names))
        self.rings = {name: stack.enter_context(
            Ring.create(frames_path(self.folder, name), 4, frame_bytes(*SIZE))) for name in self.names}
        self.results = stack.enter_context(Subscriber(self.folder, 'test'))
        self.doorbell = stack.enter_context(contextlib.closing(Outbox(os.path.join(self.folder, 'analyze.sock'))))

    def config(self, engine=None, **each):
        """A whole configuration as a dict: the two cameras, the tiny model."""
        config = to_dict(from_uris(['rtsp://127.0.0.1/gate', 'rtsp://127.0.0.1/yard']), secrets=True)
        for camera, name in zip(config['cameras'], self.names):
            camera.update(each, name=name)
        config['engine'].update({'model': self.model, 'threads': 1}, **(engine or {}))
        return config

    def start(self, config=None, running=True):
        """The worker as the supervisor starts it; with `running` once it takes frames."""
        job = {'target': 'edge_app.workers.analyze', 'arguments': {'config': config or self.config()},
               'run_dir': self.folder}
        self.counters.engine.info = {}
        process = subprocess.Popen([sys.executable, '-m', 'edge_app.supervision.worker', 'analyze'],
                                   stdin=subprocess.PIPE,
                                   cwd=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        self.stack.callback(end, process)
        process.stdin.write(json.dumps(job).encode() + b'\n')
        process.stdin.flush()
        if running:
            until(lambda: process.poll() is not None or self.note().get('state') == 'running', 30, 'a running engine')
            assert process.poll() is None
        return process

    def note(self):
        return self.counters.engine.info

    def cell(self, name, cell):
        return self.counters.cameras[name].get(cell)

    def waiting(self):
        """Frames nobody has accounted for yet."""
        return sum(ring.head - self.cell(name, 'taken_index') + self.cell(name, 'inferring')
                   for name, ring in self.rings.items())

    def deliver(self, name, colour=RED, captured_ns=None, flags=0):
        """One frame with a field of one colour, booked as a capture process books it."""
        picture = np.full((SIZE[1], SIZE[0], 3), 114, np.uint8)
        left, top, right, bottom = FIELD
        picture[top:bottom, left:right] = COLOURS[colour]
        ring, page = self.rings[name], self.counters.cameras[name]
        meta = FrameMeta(ring.head + 1, captured_ns or now_ns(), SIZE[0], SIZE[1], I420, flags=flags, pts_ns=77)
        page.add_many(received=1, captured=1)
        ring.write(meta, cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420))
        self.doorbell.wake()
        return meta

    def result(self, seconds=10):
        """The next result posted."""
        found = []

        def look():
            found.extend(self.results.results())
            return found
        return until(look, seconds, 'a result')[0]

    def balanced(self):
        """Balances of both cameras once everything is accounted for."""
        until(lambda: not self.waiting(), 10, 'all frames accounted for')
        found = {name: self.counters.balance(name, ring) for name, ring in self.rings.items()}
        assert {name: balance.error for name, balance in found.items()} == {'gate': 0, 'yard': 0}
        assert all(balance.in_flight == 0 for balance in found.values())
        return found


def end(process):
    process.stdin.close()
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.fixture
def site(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Site(tmp_path, stack)


@pytest.mark.parametrize('colour, name', [(RED, 'gate'), (GREEN, 'yard')])
def test_what_is_in_a_frame_comes_out_with_its_facts(site, colour, name):
    site.start()
    meta = site.deliver(name, colour)
    result = site.result()
    assert (result.camera, result.meta) == (name, meta)
    found = result.detections
    labels = [found.label(index) for index in range(len(found))]
    assert labels == [('blue', 'green', 'red')[one] for one in found.class_id]
    assert set(result.detections.class_id) == {colour}
    assert result.inferred_ns >= meta.captured_ns
    for left, top, right, bottom in result.detections.xyxy:  # its cells lie inside the field, to the pixel
        assert left >= FIELD[0] and top >= FIELD[1] and right <= FIELD[2] and bottom <= FIELD[3]
    balance = site.balanced()[name]
    assert balance.inferred == 1 == site.counters.engine.pictures
    assert site.counters.cameras[name].histogram('result').count == 1


def test_the_note_says_what_runs_and_why(site):
    site.start()
    note = site.note()
    assert (note['backend'], note['model'], note['family']) == ('onnxruntime', site.model, 'yolov8')
    assert (note['classes'], note['precision'], note['warning']) == (3, 'fp32', '')
    assert note['why'] and site.counters.engine.load_ns > 0


def test_frames_from_before_the_engine_are_engine_down(site):
    for _ in range(7):
        site.deliver('gate')
    site.start()
    site.deliver('gate')
    assert site.result().meta.sequence == 8
    balance = site.balanced()['gate']
    assert (balance.dropped['engine_down'], balance.inferred) == (7, 1)


def test_a_killed_engine_leaves_books_that_balance(site):
    process = site.start()
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        site.deliver('gate')
        site.deliver('yard')
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(5):
        site.deliver('gate')
    site.start()
    balances = site.balanced()
    assert balances['gate'].dropped['engine_down'] >= 5
    before = balances['gate'].inferred
    site.deliver('gate')
    until(lambda: site.cell('gate', 'inferred') == before + 1, 10, 'inference after the restart')
    site.balanced()


def test_more_than_it_can_take_is_overload_and_shared(site):
    with open(site.model, 'wb') as stream:
        stream.write(tiny_onnx.detector('yolov8', (640, 640)))
    site.start(site.config({'batch': 1}))

    def enough():
        for name in 10 * site.names:
            site.deliver(name)
        site.results.receive()
        return all(site.cell(name, 'inferred') > 80 and site.cell(name, 'overload') for name in site.names)

    until(enough, 60, 'eighty of each camera inferred, others left out')
    balances = site.balanced()
    for balance in balances.values():
        assert balance.dropped['overload'] > 0
        assert balance.dropped['rate_limit'] == balance.dropped['stale'] == 0
    inferred = [balance.inferred for balance in balances.values()]
    assert min(inferred) >= 0.8 * max(inferred) > 10


def test_a_limit_is_kept_and_named(site):
    site.start(site.config(max_fps=10))
    started = time.monotonic()
    for number in range(60):
        site.deliver('gate')
        time.sleep(max(0.0, started + (number + 1) / 30 - time.monotonic()))
    passed = time.monotonic() - started
    until(lambda: site.rings['gate'].head - site.cell('gate', 'taken_index') <= 1, 10, 'all but a held back frame')
    until(lambda: not site.cell('gate', 'inferring'), 10, 'the last inference')
    site.deliver('gate')
    until(lambda: not site.waiting() or site.cell('gate', 'stale_engine'), 5, 'the last frame taken or too old')
    assert site.cell('gate', 'rate_limit') >= 30
    assert site.cell('gate', 'inferred') <= 10 * passed + 5
    assert site.balanced()['gate'].received == 61


def test_old_and_damaged_frames_are_not_inferred(site):
    site.start()
    site.deliver('gate', captured_ns=now_ns() - 2000000000)
    site.deliver('yard', flags=DAMAGED)
    balances = site.balanced()
    assert balances['gate'].dropped['stale'] == 1 and balances['yard'].dropped['corrupt'] == 1
    assert site.counters.engine.pictures == 0


def test_a_still_picture_costs_no_inference_and_is_counted(site):
    site.start(site.config(motion_percent=0.5))
    first = site.deliver('gate')
    assert site.result().meta == first
    for _ in range(5):
        still = site.deliver('gate')
        until(lambda: site.cell('gate', 'taken_index') == still.sequence, 5, 'a look at it')
    moved = site.deliver('gate', GREEN)
    until(lambda: not site.waiting(), 5, 'the last inference')
    found = site.balanced()['gate']
    assert found.received == 7 and found.dropped['motion_gate'] + found.inferred == 7
    assert found.dropped['motion_gate'] >= 4, 'but for one that is due after two seconds'
    results = [result.meta for result in site.results.results()]
    assert results[-1] == moved


def test_the_stand_in_needs_no_model(site):
    site.start(site.config({'backend': 'fake', 'model': None}))
    site.deliver('gate')
    assert len(site.result().detections) == 2
    assert site.note()['warning']


def test_asked_to_stop_it_stops(site):
    process = site.start()
    site.deliver('gate')
    site.result()
    process.send_signal(signal.SIGTERM)
    assert process.wait(4) == 0
    assert site.note()['state'] == 'stopped'


@pytest.mark.parametrize('content, words', [(b'not a model', 'not a model'),
                                            (tiny_onnx.classifier(), 'fits no known detector layout')])
def test_a_file_that_is_no_detector_ends_it_and_the_note_says_why(site, content, words):
    with open(site.model, 'wb') as stream:
        stream.write(content)
    process = site.start(running=False)
    assert process.wait(30) in (1, 2)
    assert site.note()['state'] == 'failed' and words in site.note()['why']
