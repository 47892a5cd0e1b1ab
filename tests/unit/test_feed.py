"""Which frame a tile shows, with which boxes: rings, books and results as they really are, times made up."""
import contextlib

import numpy as np
import pytest

from edge_app.clock import now_ns
from edge_app.compositor import outputs
from edge_app.compositor.feed import TileFeed
from edge_app.compositor.mosaic import Compositor
from edge_app.compositor.output_loop import OutputLoop
from edge_app.config import from_dict
from edge_app.detections import Detections, Result
from edge_app.frames import DAMAGED, FrameMeta
from edge_app.output.null import NullSink
from edge_app.output.window import CameraWindowSink
from edge_app.stats import STATES, Counters
from edge_app.stats.camera_state import BOXES_CARRIED_NS, EXACT_WAIT_NS, LIVE, NO_SIGNAL, REFUSED, STARTING
from edge_app.transport.ring import Ring
from edge_app.workers import compositor
from edge_app.workers.capture import shortened
from edge_app.workers.compositor import ShownFrames

SIZE = (64, 36)
MS = 1000000
START = 10 ** 12


class Site(object):
    """A run directory with cameras whose frames come when the test says so."""

    def __init__(self, folder, *names):
        self.folder = str(folder)
        self.counters = Counters.create(self.folder, names)
        self.rings, self.sequence = {}, {}
        for name in names:
            self.counters.cameras[name].set('source_fps_milli', 25000)
            self.counters.cameras[name].set('state', STATES.index('starting'))
            self.counters.cameras[name].set('silent_after_ns', 3000 * MS)

    def feed(self, name, **options):
        return TileFeed(self.folder, name, SIZE, self.counters.cameras[name], **options)

    def frame(self, name, at_ns, flags=0, size=SIZE):
        """One frame captured at that moment; its luma says its sequence number."""
        if name not in self.rings:
            self.rings[name] = Ring.create('%s/%s.frames' % (self.folder, name), 6, SIZE[0] * SIZE[1] * 3 // 2)
        number = self.sequence[name] = self.sequence.get(name, 0) + 1
        meta = FrameMeta(number, at_ns, size[0], size[1], flags=flags)
        self.counters.cameras[name].set('last_frame_ns', at_ns)
        self.rings[name].write(meta, np.full((size[1] * 3 // 2, size[0]), 16 + number, np.uint8))
        return meta

    def state(self, name, state, reason='', since_ns=0):
        page = self.counters.cameras[name]
        page.set('state', STATES.index(state))
        page.set('state_since_ns', since_ns)
        page.info = {'reason': reason}


def result(name, meta, *boxes):
    boxes = np.array(boxes or [(1, 2, 3, 4)], np.float32)
    return Result(name, meta, Detections(boxes, np.ones(len(boxes), np.float32), np.zeros(len(boxes), np.int64)),
                  meta.captured_ns + 50 * MS)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, 'gate', 'yard', 'dock')


def number_of(view):
    """Sequence number of the frame a view shows."""
    return int(view.pixels[0, 0]) - 16


def test_before_the_first_frame_a_camera_is_starting(site):
    view, index = site.feed('gate').tile_state(START)
    assert (view.state, index, view.pixels) == (STARTING, 0, None)


def test_the_newest_frame_is_shown_with_its_age(site):
    feed = site.feed('gate')
    for number in range(9):
        site.frame('gate', START + number * 40 * MS)
    view, index = feed.tile_state(START + 400 * MS)
    assert (view.state, number_of(view), index) == (LIVE, 9, 9)
    assert view.age_s == pytest.approx(0.08) and view.source_fps == 25.0 and feed.intact(index)


def test_silence_turns_a_picture_into_no_signal_with_the_age_of_the_last_frame(site):
    feed = site.feed('gate')
    site.frame('gate', START)
    site.state('gate', 'live', reason='no picture for 5 s')
    assert feed.tile_state(START + 2900 * MS)[0].state == LIVE
    view, index = feed.tile_state(START + 12400 * MS)
    assert (view.state, view.pixels, index, view.reason) == (NO_SIGNAL, None, 0, 'no picture for 5 s')
    assert view.age_s == pytest.approx(12.4)
    site.frame('gate', START + 13000 * MS)
    assert feed.tile_state(START + 13010 * MS)[0].state == LIVE


def test_a_refusal_says_why_and_since_when(site):
    site.state('gate', 'refused', reason='wrong user or password', since_ns=START)
    view = site.feed('gate').tile_state(START + 5000 * MS)[0]
    assert (view.state, view.reason, view.age_s) == (REFUSED, 'wrong user or password', 5.0)


def test_damage_is_handed_on(site):
    feed = site.feed('gate')
    site.frame('gate', START, flags=DAMAGED)
    assert feed.tile_state(START)[0].held
    site.frame('gate', START + 40 * MS)
    assert not feed.tile_state(START + 40 * MS)[0].held


def test_the_last_good_picture_is_held_and_marked_while_damaged_ones_come(site):
    feed, page = site.feed('gate'), site.counters.cameras['gate']
    site.frame('gate', START)
    page.set('last_damaged_ns', START + 9000 * MS)
    view, index = feed.tile_state(START + 9040 * MS)
    assert (view.state, number_of(view), index, view.held) == ('damaged', 1, 1, True)
    assert view.age_s == pytest.approx(9.04)
    assert feed.tile_state(START + 12040 * MS)[0].state == NO_SIGNAL, 'nothing comes any more'
    site.frame('gate', START + 12080 * MS)
    view = feed.tile_state(START + 12090 * MS)[0]
    assert (view.state, number_of(view), view.held) == (LIVE, 2, False)


def test_live_draws_the_newest_boxes_on_the_newest_frame_until_they_are_old(site):
    feed = site.feed('gate')
    first = site.frame('gate', START)
    feed.add(result('gate', first, (1, 2, 3, 4)))
    site.frame('gate', START + BOXES_CARRIED_NS)
    view = feed.tile_state(START + BOXES_CARRIED_NS)[0]
    assert number_of(view) == 2 and view.detections.xyxy.tolist() == [[1, 2, 3, 4]]
    site.frame('gate', START + BOXES_CARRIED_NS + MS)
    assert feed.tile_state(START + BOXES_CARRIED_NS + MS)[0].detections is None


def test_boxes_of_a_still_picture_stay_until_the_next_one_is_inferred(site):
    cameras = from_dict({'cameras': [{'name': 'gate', 'uri': 'test://', 'motion_percent': 0.5},
                                     {'name': 'yard', 'uri': 'test://'}]}).cameras
    seen = {}
    for camera in cameras:
        feed = site.feed(camera.name, carried_ns=compositor.carried_ns(camera))
        feed.add(result(camera.name, site.frame(camera.name, START)))
        site.frame(camera.name, START + 2000 * MS)
        seen[camera.name] = feed.tile_state(START + 2000 * MS)[0].detections
    assert len(seen['gate']) == 1 and seen['yard'] is None


def test_boxes_follow_a_change_of_the_pictures_size(site):
    feed = site.feed('gate')
    feed.add(result('gate', site.frame('gate', START), (8, 4, 16, 8)))
    site.frame('gate', START + 40 * MS, size=(32, 18))
    assert feed.tile_state(START + 40 * MS)[0].detections.xyxy.tolist() == [[4, 2, 8, 4]]


def test_exact_shows_the_very_frame_the_boxes_belong_to(site):
    feed = site.feed('gate')
    metas = [site.frame('gate', START + number * 40 * MS) for number in range(5)]
    feed.add(result('gate', metas[2], (5, 6, 7, 8)))
    view, index = feed.tile_state(START + 200 * MS, 'exact')
    assert number_of(view) == 3 and index == 3 and view.detections.xyxy.tolist() == [[5, 6, 7, 8]]


def test_exact_falls_back_to_the_newest_frame_without_boxes(site):
    feed = site.feed('gate')
    metas = [site.frame('gate', START + number * 40 * MS) for number in range(9)]
    feed.add(result('gate', metas[0]))
    view = feed.tile_state(START + 360 * MS, 'exact')[0]
    assert number_of(view) == 9 and view.detections is None, 'its frame is overwritten'
    feed.add(result('gate', metas[8]))
    assert number_of(feed.tile_state(START + 360 * MS, 'exact')[0]) == 9
    site.frame('gate', metas[8].captured_ns + EXACT_WAIT_NS)
    view = feed.tile_state(metas[8].captured_ns + EXACT_WAIT_NS, 'exact')[0]
    assert number_of(view) == 10 and view.detections is None, 'the engine is silent: no frozen picture'


def test_a_result_that_comes_late_changes_nothing_and_one_of_a_new_process_counts(site):
    feed = site.feed('gate')
    metas = [site.frame('gate', START + number * 40 * MS) for number in range(3)]
    feed.add(result('gate', metas[2], (3, 3, 3, 3)))
    feed.add(result('gate', metas[1], (2, 2, 2, 2)))
    assert feed.tile_state(START + 100 * MS)[0].detections.xyxy[0, 0] == 3
    feed.add(result('gate', metas[2]._replace(sequence=1, captured_ns=START + 90 * MS), (9, 9, 9, 9)))
    assert feed.tile_state(START + 100 * MS)[0].detections.xyxy[0, 0] == 9


def test_aligned_tiles_show_one_moment(site):
    feeds = [site.feed(name) for name in ('gate', 'yard')]
    for number in range(6):
        site.frame('gate', START + number * 40 * MS)
    for number in range(4):
        site.frame('yard', START + 5 * MS + number * 40 * MS)
    sink = Pictures()
    stage = OutputLoop(feeds, sink, Compositor((128, 72)), 25, align_ms=40)
    shown = stage.show(START + 210 * MS, '')
    moments = [captured_ns for _, captured_ns in shown.frames.values()]
    assert max(moments) - min(moments) <= 40 * MS and shown.frames['yard'][0] == 4
    free = OutputLoop(feeds, sink, Compositor((128, 72)), 25).show(START + 210 * MS, '')
    assert free.frames['gate'][0] == 6


def test_frames_close_together_are_not_held_back(site):
    feeds = [site.feed(name) for name in ('gate', 'yard')]
    for number in range(3):
        site.frame('gate', START + number * 40 * MS)
        site.frame('yard', START + 30 * MS + number * 40 * MS)
    shown = OutputLoop(feeds, Pictures(), Compositor((128, 72)), 25, align_ms=40).show(START + 120 * MS, '')
    assert shown.frames['gate'][0] == 3 and shown.frames['yard'][0] == 3


def test_the_skew_of_a_set_is_told_and_whether_it_is_within_the_tolerance(site):
    feeds = [site.feed(name) for name in ('gate', 'yard')]
    site.frame('gate', START)
    stage = OutputLoop(feeds, Pictures(), Compositor((128, 72)), 25, align_ms=40)
    alone = stage.show(START + 10 * MS, '')
    assert (alone.skew_ns, alone.aligned) == (None, False), 'one picture is no set'
    site.frame('yard', START + 15 * MS)
    near = stage.show(START + 20 * MS, '')
    assert (near.skew_ns, near.aligned, near.camera_clock) == (15 * MS, True, False)
    site.frame('yard', START + 500 * MS)
    assert stage.show(START + 510 * MS, '').skew_ns == 500 * MS, 'gate is too far behind to be waited for'
    counted = ShownFrames(site.counters)
    for shown in (alone, near):
        counted.count(shown)
    page = site.counters.compositor
    assert (page.sets, page.sets_aligned, page.camera_clock) == (1, 1, 0) and page.histogram('skew').count == 1


def test_a_picture_that_is_held_because_newer_ones_are_damaged_is_of_no_set(site):
    feeds = [site.feed(name) for name in ('gate', 'yard')]
    site.frame('gate', START)
    site.frame('yard', START + 500 * MS)
    site.counters.cameras['gate'].set('last_damaged_ns', START + 490 * MS)
    shown = OutputLoop(feeds, Pictures(), Compositor((128, 72)), 25, align_ms=40).show(START + 510 * MS, '')
    assert shown.frames['gate'][0] and shown.skew_ns is None


class Pictures(NullSink):
    """Keeps what it was given."""

    def put(self, meta, pixels):
        self.pixels = pixels.copy()
        return super(Pictures, self).put(meta, pixels)


def test_a_picture_says_what_it_held(site):
    sink = Pictures()
    stage = OutputLoop([site.feed('gate'), site.feed('yard')], sink, Compositor((128, 72)), 25)
    site.frame('gate', START)
    shown = stage.show(START + 30 * MS, '')
    assert shown.frames == {'gate': (1, START)} and not shown.complete and shown.handed
    assert sink.last.captured_ns == START and sink.last.size == (128, 72)
    site.frame('yard', START + 20 * MS)
    assert stage.show(START + 40 * MS, '').complete and sink.last.captured_ns == START + 20 * MS


class PictureOfEachCamera(CameraWindowSink, NullSink):
    """What windows of single cameras are, without a screen."""

    __init__, open, put, close = NullSink.__init__, NullSink.open, NullSink.put, NullSink.close


def test_windows_of_single_cameras_show_each_of_them(site, monkeypatch):
    monkeypatch.setattr(outputs, 'sink_class', lambda scheme: PictureOfEachCamera)
    cameras = [{'name': name, 'uri': 'test://', 'size': list(SIZE)} for name in ('gate', 'yard')]
    for name in ('gate', 'yard'):
        site.state(name, 'live')
        site.frame(name, now_ns())
    with contextlib.ExitStack() as stack:
        config = from_dict({'cameras': cameras, 'outputs': [{'uri': 'windows:'}]})
        loop = compositor.RenderLoop(config, site.folder, stack)
        loop.compose_due(now_ns())
    assert [site.counters.cameras[name].shown for name in ('gate', 'yard')] == [1, 1]


def test_a_note_of_very_many_cameras_is_written_with_less_in_it(site):
    counted = ShownFrames(site.counters)
    paths = ['/mosaic'] + ['/a-camera-with-a-rather-long-name%d' % number for number in range(100)]
    counted.publish({'outputs': [{'uri': 'rtsp://x', 'paths': paths, 'viewers': 2}], 'tiles': {'gate': [0, 0, 64, 36]}})
    assert site.counters.compositor.info == {'outputs': [{'uri': 'rtsp://x', 'paths': ['/mosaic'], 'viewers': 2}]}


@pytest.mark.parametrize('reason', ['x' * 4000, '\u00e4' * 4000, '\U0001f600' * 4000])
def test_a_camera_that_says_too_much(site, reason):
    site.counters.cameras['gate'].info = {'reason': shortened(reason), 'decoder': 'x' * 500}
    assert site.counters.cameras['gate'].info['reason'] == reason[:150] and shortened('no route') == 'no route'


def test_the_rhythm_with_and_without_a_viewer(site):
    sink = Pictures()
    stage = OutputLoop([site.feed('gate')], sink, Compositor((128, 72)), 25, always=True)
    site.frame('gate', START)
    stage.show(START, '')
    assert START < stage.due_ns() <= START + 40 * MS
    sink.wanted = False
    assert not stage.show(START + 40 * MS, '').handed
    assert stage.due_ns() >= START + 500 * MS
    stage.due_now()
    assert stage.due_ns() <= START
    stage.always = False
    assert stage.due_ns() is None


def test_a_torn_tile_is_drawn_again(site):
    """The ring goes round while the picture is composed: what is handed on is the newest frame, whole."""
    site.frame('gate', START)
    feed = site.feed('gate')
    tile_state, torn = feed.tile_state, []

    def be_overtaken(now_ns, *arguments, **named):
        seen = tile_state(now_ns, *arguments, **named)
        if not torn:
            torn.append(True)
            for number in range(1, 8):
                site.frame('gate', START + number * MS)
        return seen
    feed.tile_state = be_overtaken
    sink = Pictures()
    shown = OutputLoop([feed], sink, Compositor((128, 72)), 25).show(START + 10 * MS, '')
    assert shown.frames['gate'][0] == 8
    assert (sink.pixels[50:70, 10:100] == 16 + 8).all()


def test_a_new_ring_in_the_old_ones_place_is_found(site, tmp_path):
    feed = site.feed('gate')
    site.frame('gate', START)
    assert feed.tile_state(START)[0].state == LIVE
    (tmp_path / 'gate.frames').unlink()
    site.rings.clear()
    site.frame('gate', START + 5000 * MS)
    view = feed.tile_state(START + 5000 * MS)[0]
    assert view.state == LIVE and number_of(view) == 2
