"""What every camera backend promises: synthetic, file, RTSP; the same tests over all."""
import gc
import os

import numpy as np
import pytest

from edge_app.camera import make_source
from edge_app.camera.frame_accounting import OUTCOMES, OutcomeCounts
from edge_app.clock import now_ns
from edge_app.config.schema import Camera
from edge_app.errors import SourceError, SourceLost, SourceRefused
from edge_app.frames import frame_bytes
from edge_app.transport.ring import Ring

from tests.support.clips import write_clip
from tests.support.rtsp_camera import Camera as RtspCamera
from tests.support.waiting import until

BOX = (320, 192)
FRAMES = 30


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp('clip') / 'a clip.mkv', [40 * number for number in range(FRAMES)])


@pytest.fixture(scope='module')
def rtsp_camera():
    with RtspCamera(size='640x360') as camera:
        yield camera


@pytest.fixture(params=('test', 'drawn', 'file', 'rtsp'))
def uri(request, clip, rtsp_camera):
    return {'test': 'test://?fps=25&frames=%d' % FRAMES, 'drawn': 'drawn://?fps=25&frames=%d' % FRAMES,
            'rtsp': rtsp_camera.uri,
            'file': 'file://' + str(clip).replace(' ', '%20')}[request.param]


@pytest.fixture
def ring(tmp_path):
    with Ring.create(tmp_path / 'ring', 8, frame_bytes(*BOX)) as ring:
        yield ring


def session(uri, ring, tally=None, **settings):
    return make_source(Camera(name='gate', uri=uri, size=BOX, **settings), ring, tally or OutcomeCounts())


def frame(source):
    """The next frame's facts."""
    return until(lambda: source.poll(0.2), 15, 'a frame')


def balanced(source):
    counts, on_the_way = source.accounting.snapshot()
    return counts['received'] == sum(counts[fate] for fate in OUTCOMES) + on_the_way


def test_frames_come_with_their_facts(uri, ring):
    with session(uri, ring) as source:
        source.open()
        metas = [frame(source) for _ in range(5)]
    assert [meta.size for meta in metas] == [(320, 180)] * 5
    assert all(late.sequence > early.sequence and late.captured_ns > early.captured_ns
               for early, late in zip(metas, metas[1:]))
    assert metas[0].sequence >= 1 and 0 < now_ns() - metas[-1].captured_ns < 60e9
    assert source.stream_info['width'] == 640 and source.stream_info['height'] == 360 and source.stream_info['codec']


def test_the_ring_holds_the_newest_frame(uri, ring):
    with session(uri, ring) as source:
        source.open()
        for number in range(1, 4):
            meta = frame(source)
            assert ring.newest() == (number, meta)
        pixels = ring.read(3)[1]
    assert pixels.shape == (270, 320) and len(np.unique(pixels)) > 2


def test_the_books_balance_while_it_runs_and_after(uri, ring):
    with session(uri, ring) as source:
        source.open()
        for _ in range(5):
            frame(source)
            assert balanced(source)
    counts, on_the_way = source.accounting.snapshot()
    assert balanced(source) and on_the_way == 0
    assert counts['captured'] == ring.head >= 5 and counts['decoded'] >= counts['captured']


def test_poll_gives_up_after_its_time(uri, ring):
    with session(uri, ring) as source:
        source.open()
        began = now_ns()
        source.poll(0.05)
        assert now_ns() - began < 5e9


def test_a_second_session_goes_on_counting(uri, ring):
    tally = OutcomeCounts(sequence=100)
    with session(uri, ring, tally) as first:
        first.open()
        last = frame(first).sequence
    assert last > 100
    with session(uri, ring, tally) as second:
        second.open()
        assert frame(second).sequence > last


def test_closing_is_quick_and_may_be_repeated(uri, ring):
    source = session(uri, ring)
    source.open()
    frame(source)
    assert source.close() and source.close()


def descriptors():
    return len(os.listdir('/proc/self/fd'))


def test_sessions_leave_nothing_open(uri, ring):
    def once():
        with session(uri, ring) as source:
            source.open()
            frame(source)
    once()
    before = descriptors()
    for _ in range(3):
        once()
    gc.collect()
    assert until(lambda: descriptors() <= before, 5, 'closed descriptors')


def test_an_end_is_told(uri, ring):
    if uri.startswith('rtsp'):
        uri = uri.replace('/live', '/other')
    with session(uri, ring) as source:
        source.open()
        with pytest.raises(SourceError) as told:
            until(lambda: source.poll(0.2) and False, 15, 'the end')
    assert isinstance(told.value, SourceRefused if uri.startswith('rtsp') else SourceLost)
    assert balanced(source)


@pytest.mark.parametrize('uri', ('videotestsrc ! filesink location=%s', 'fakesrc', 'teleport://x', ''))
def test_a_uri_is_never_a_pipeline(uri, tmp_path):
    camera = type('Camera', (), {'uri': uri.replace('%s', str(tmp_path / 'pwned')), 'size': BOX})
    with pytest.raises(SourceRefused):
        make_source(camera, None, OutcomeCounts())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('query', ('fps=0', 'fps=x', 'size=640', 'seed=?', 'fps=nan'))
def test_a_bad_test_camera_is_refused(query):
    with pytest.raises(SourceRefused):
        session('test://?' + query, None)
