"""The parts of `edge-app chaos`: its models, its scales, its judge of pictures, its order of things."""
import os
import resource

import numpy as np
import pytest

from edge_app.clock import now_ns, wall_ns
from edge_app.config.schema import Engine
from edge_app.errors import OutputError
from edge_app.frames import FrameMeta
from edge_app.inference.load_detector import open_detector
from edge_app.testing.chaos import camera_faults, disk_full, kills, memory, models, plan
from edge_app.testing.chaos.camera_faults import FAR, worst_difference
from edge_app.testing.chaos.frame_observer import FrameObserver
from edge_app.testing.chaos.report import ReportRow
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.faults import FAULTS
from edge_app.transport.ring import Ring

from tests.support.waiting import until


def test_a_model_made_to_last_runs_and_finds_nothing(tmp_path):
    path = models.write(str(tmp_path / 'model.onnx'), 3)
    detector, note = open_detector(Engine(**models.settings_of(path)))
    with detector.engine:
        found = detector.find(np.full((90, 160, 3), 200, np.uint8))
    assert note['family'] == 'yolox' and len(found.score) == 0 and detector.engine.max_batch == 1


def test_more_convolutions_take_longer(tmp_path):
    short_ms, long_ms = (models.picture_ms(models.settings_of(models.write(str(tmp_path / ('%d.onnx' % layers)),
                                                                           layers))) for layers in (2, 40))
    assert 0 < short_ms < long_ms


def test_a_light_model_replaces_the_usual_one_where_that_leaves_no_room(tmp_path):
    assert models.with_room(str(tmp_path), 0.01)[0] == {} and not list(tmp_path.iterdir())
    engine, words = models.with_room(str(tmp_path), 10000)
    assert os.path.dirname(engine['model']) == str(tmp_path) and 'the usual one takes' in words
    assert models.picture_ms(engine) < models.picture_ms({'threads': 1, 'batch': 1})


def samples(growth_mb_per_hour, seconds, pid=lambda moment_s: 7, descriptors=lambda moment_s: 12):
    """Two processes, one of which grows."""
    return [(moment_s, {'capture:cam1': (pid(moment_s), 40 + growth_mb_per_hour * moment_s / 3600,
                                         descriptors(moment_s)),
                        'compositor': (8, 60.0, None)}) for moment_s in range(0, seconds, 10)]


def test_descriptors_that_are_away_for_a_moment_are_no_rest():
    """The supervisor's, while it restarts a worker."""
    found = memory.figures(samples(0, 3600, descriptors=lambda moment_s: 10 if moment_s == 1000 else 12))
    assert found['descriptors'] == {'capture:cam1': [12, 12]} and not list(memory.failures(found))


def test_what_happens_the_first_time_is_no_growth():
    held = [(moment_s, {'board': (7, 5.0 if moment_s < 1000 else 6.0, 11)}) for moment_s in range(0, 3600, 10)]
    assert memory.figures(held)['mb_per_hour'] > 0.5 and memory.figures(held, warm_s=1000)['mb_per_hour'] == 0


def test_growth_is_the_slope_of_a_line():
    found = memory.figures(samples(3, 3600))
    assert found['mb_per_hour'] == found['mb_per_hour_by_process']['capture:cam1'] == pytest.approx(3, abs=0.01)
    assert found['descriptors'] == {'capture:cam1': [12, 12]} and found['restarted'] == []
    assert 'grew by 3.00 MB' in next(memory.failures(found))


def test_what_does_not_grow_and_what_was_too_short_is_no_failure():
    assert list(memory.failures(memory.figures(samples(0.5, 3600)))) == []
    assert list(memory.failures(memory.figures(samples(90, 1200)))) == []
    assert memory.figures(samples(1, 180)) == {} and list(memory.failures({})) == []


@pytest.mark.parametrize('descriptors, found', [
    (lambda moment_s: 12 + 5 * (moment_s % 100 == 0), []),
    (lambda moment_s: 12 + moment_s // 600, ['capture:cam1 has 15 descriptors at rest, 13 before'])])
def test_descriptors_that_stay_are_told_from_those_that_come_and_go(descriptors, found):
    assert list(memory.failures(memory.figures(samples(0, 3600, descriptors=descriptors)))) == found


def test_a_process_that_came_anew_is_named_and_may_hold_another_amount():
    anew = [(moment_s, {'capture:cam1': (7 + moment_s // 1800, 40 + 9 * (moment_s >= 1800), 12)})
            for moment_s in range(0, 3600, 10)]
    found = memory.figures(anew)
    assert found['restarted'] == ['capture:cam1'] and found['mb_per_hour'] == 0


def test_one_that_grows_and_comes_anew_is_growing():
    saw = [(moment_s, {'capture:cam1': (7 + moment_s // 600, 40 + 6 * (moment_s % 600) / 3600, 12)})
           for moment_s in range(0, 3600, 10)]
    assert memory.figures(saw)['mb_per_hour'] == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize('kept', [0, 6])
def test_what_sessions_take_and_give_back_is_no_growth(kept):
    """Growing sessions of 90 s, which release it once their descriptors are closed: what stays between them counts."""
    def busy(moment_s):
        return moment_s % 100 < 90
    seen = [(moment_s, {'capture:cam1': (7, 25 + kept * moment_s / 3600 + (moment_s % 100 < 91) * (4 + moment_s / 600),
                                         20 + 8 * busy(moment_s))})
            for moment_s in np.arange(0, 3600, 0.25)]
    assert memory.figures(seen)['mb_per_hour'] == pytest.approx(kept, abs=0.01)


def test_descriptors_that_are_fewer_for_a_moment_are_no_rest():
    """As the supervisor's while a process restarts."""
    def fewer(moment_s):
        return moment_s == 2000
    seen = [(moment_s, {'supervisor': (7, 25 + 6 * moment_s / 3600, 34 - fewer(moment_s))})
            for moment_s in np.arange(0, 3600, 0.25)]
    assert memory.figures(seen)['mb_per_hour'] == pytest.approx(6, abs=0.01)


def test_what_was_never_at_rest_is_reported():
    seen = [(moment_s, {'capture:cam1': (7, 25, moment_s % 2), 'web': (8, 30, 12)}) for moment_s in range(0, 3600)]
    found = memory.figures(seen)
    assert found['mb_per_hour_by_process'] == {'capture:cam1': None, 'web': 0}
    assert list(memory.failures(found)) == ['capture:cam1 was too rarely at rest to be measured']


def test_a_process_that_ends_is_not_measured_while_it_releases_memory():
    ending = [(moment_s, {'capture:cam1': (7 + moment_s // 1200, 5 if moment_s % 1200 >= 1197 else 40,
                                           3 if moment_s % 1200 >= 1197 else 20)})
              for moment_s in range(0, 3600)]
    assert memory.figures(ending)['mb_per_hour'] == 0


def test_the_first_minutes_of_a_life_do_not_count():
    growing = [(moment_s, {'capture:cam1': (7 + moment_s // 1200, 40 + min(100, moment_s % 1200) / 10, 12)})
               for moment_s in range(0, 3600, 10)]
    assert memory.figures(growing)['mb_per_hour'] == 0


def test_the_worst_block_tells_a_wrong_picture():
    drawn = np.full((360, 640), 100, np.uint8)
    noisy, torn, other_mark = drawn + 3, drawn.copy(), drawn.copy()
    torn[32:48, 64:80] = 160
    other_mark[350:] = 0
    assert worst_difference(noisy, drawn) <= FAR < worst_difference(torn, drawn)
    assert worst_difference(other_mark, drawn) == 0 and worst_difference(drawn[:180], drawn) == 255


def test_a_place_is_filled_to_its_end(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200001, limits[1]))
        filled = disk_full.fill(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.path.getsize(filled) == 200001


class FakeTestbed:
    """As much of a Testbed as tells which processes there are."""

    names = ['capture:cam1', 'capture:cam2', 'analyze', 'supervisor']

    @property
    def running(self):
        return self

    def workers(self):
        return {name: {'pid': 1} for name in self.names}

    note_processes = workers


def test_each_kind_of_process_is_hit_as_often_as_any_other():
    names = kills.victims(FakeTestbed(), 30, seed=1)
    kinds = [kills.kind(name) for name in names]
    assert sorted(set(kinds)) == ['analyze', 'capture',
                                  'supervisor'] and all(kinds.count(one) == 10 for one in set(kinds))
    assert names == kills.victims(FakeTestbed(), 30, seed=1) != kills.victims(FakeTestbed(), 30, seed=2)
    assert {'capture:cam1', 'capture:cam2'} <= set(names)


def test_every_fault_of_the_cameras_is_done():
    done = {fault for case in camera_faults.CASES for faults in case.hits for fault, _ in faults}
    assert done == set(FAULTS)


def test_a_part_that_cannot_go_on_is_reported_and_the_others_follow(monkeypatch):
    rows = []
    run = plan.ChaosRun(plan.SHORT, [], rows.append, None, None)
    for part, error in (('cameras', OutputError('no port left')), ('processes', ConnectionError('hung up'))):
        monkeypatch.setattr(plan.ChaosRun, part, failing(part, error))
    run.all()
    assert [(row.name, row.failures()) for row in rows] == [
        ('cameras', ['could not continue: no port left']), ('processes', ['could not continue: hung up'])]


def test_what_was_done_before_ctrl_c_is_reported(monkeypatch):
    monkeypatch.setattr(plan.ChaosRun, 'all', lambda run: run.add(ReportRow('rst', 'all', times=1))
                        or failing('all', KeyboardInterrupt())(run))
    found = plan.run(plan.SHORT)
    assert [row['name'] for row in found['faults']] == ['rst'] and not found['complete'] and not found['good']


def failing(name, error):
    """A method of this name that raises."""
    def method(self):
        raise error
    method.__name__ = name
    return method


@pytest.mark.parametrize('length', [plan.SHORT, plan.LONG])
def test_how_long_it_will_be_is_known_of_everything(length):
    said = []
    progress = plan.ChaosProgress(length, plan.names(), said.append)
    progress._reported_s -= plan.PROGRESS_EVERY_S
    progress.begin('freeze')
    for name in plan.names():
        progress.done(name)
    progress._reported_s -= plan.PROGRESS_EVERY_S
    progress.begin('the end')
    first, last = (int(words.split('about ')[1].split()[0]) for words in said)
    assert first > last == 0 and len(set(plan.names())) == len(plan.names())


def test_every_frame_of_a_ring_is_seen_with_its_timecode(tmp_path):
    picture = np.full((180 * 3 // 2, 320), 128, np.uint8)
    with Ring.create(str(tmp_path / 'cam1.frames'), 4,
                     picture.nbytes) as ring, FrameObserver(str(tmp_path), ['cam1']) as observer:
        for number in range(1, 4):
            timecode.write(picture[:180], 1, number, wall_ns() // 1000000)
            before_ns = now_ns()
            ring.write(FrameMeta(number, before_ns, 320, 180), picture)
            until(lambda: len(observer.seen['cam1']) == number and now_ns() - observer.seen['cam1'][-1].seen_ns > 5e6,
                  10,
                  'frame %d seen, 5 ms ago: marks tell milliseconds' % number)
        ring.write(FrameMeta(4, now_ns(), 320, 180), np.full_like(picture, 90))
        until(lambda: len(observer.seen['cam1']) == 4, 10, 'the frame without a mark seen')
        seen = observer.seen['cam1']
        assert [(sighting.index, sighting.number, sighting.marked) for sighting in seen] == [
            (1, 1, True), (2, 2, True), (3, 3, True), (4, 0, False)]
        assert before_ns <= seen[2].seen_ns and abs(seen[2].sent_ns - before_ns) < 1e9
        assert observer.sent_after('cam1', seen[1].seen_ns).number == 3
        assert observer.sent_after('cam1', now_ns()) is None
        observer.forget()
        assert observer.between('cam1', 0, now_ns()) == []
