"""The arithmetic of `edge-app chaos`: what it says of sightings, windows and leftovers made up here."""
import os
import subprocess
import sys

import pytest

from edge_app.stats.histogram import CELLS, Histogram, bucket
from edge_app.testing.chaos import leftovers
from edge_app.testing.chaos.frame_observer import FrameSighting
from edge_app.testing.chaos.impact import CameraReading, Comparison, cpu_ticks, disorder, gaps_ns, holes, stolen_share
from edge_app.testing.chaos.report import ReportRow, line, summary
from edge_app.testing.chaos.testbed import BalanceAuditor

from tests.support.waiting import until

MS = 1000000
INTERVAL_MS = 100


def seen(*frames):
    """Sightings of (number, moment in ms), each sent INTERVAL_MS x its number and seen when said."""
    return [FrameSighting(index, number, moment * MS, False, 1, number, number * INTERVAL_MS * MS)
            for index, (number, moment) in enumerate(frames, 1)]


def test_a_gap_is_what_arrival_adds_to_sending():
    assert [gap / MS for gap in gaps_ns(seen((1, 130), (2, 230), (3, 380), (4, 430)))] == [0, 50, -50]
    assert [gap / MS for gap in gaps_ns(seen((1, 130), (4, 440)))] == [10]     # two not sent, not late


def test_frames_that_were_not_sampled_are_no_gap_and_no_hole():
    first, _, third = seen((1, 100), (2, 200), (3, 900))
    assert gaps_ns([first, third]) == [] and holes([first, third]) == 0


def test_holes_and_disorder_are_counted():
    pictures = seen((1, 100), (2, 200), (2, 300), (1, 400), (5, 500)) + [FrameSighting(6, 6, 0, False, 0, 0, 0)]
    assert holes(pictures) == 3
    assert disorder(pictures) == {'duplicates': 1, 'out_of_order': 1, 'torn': 1}


class Cameras:
    """Two cameras whose counters and pictures a test writes."""

    def __init__(self):
        self.moment_ms, self.inferred, self.counts, self.skipped, self.pictures = 0, 0, [0] * CELLS, 0, []

    def pass_by(self, ms, inferred, latency_ms, pictures=(), skipped=0):
        self.moment_ms += ms
        self.inferred += inferred
        self.counts[bucket(latency_ms * MS)] += inferred
        self.skipped += skipped
        self.pictures = list(pictures)

    def read(self, names):
        return {name: CameraReading(self.moment_ms * MS, self.inferred, Histogram(self.counts, 0),
                                    {'stale_capture': self.inferred // 90, 'resync': 0}, self.skipped)
                for name in names}

    def comparison(self, ticks=lambda: (0, 0)):
        return Comparison(self.read, lambda *span: self.pictures, INTERVAL_MS * MS, ticks)


def test_a_window_with_the_fault_is_compared_with_one_without():
    cameras = Cameras()
    comparison = cameras.comparison()
    for fault, inferred, latency_ms, late_ms, missing in ((False, 50, 40, 10, 0), (True, 45, 60, 110, 2)):
        with comparison.window(fault, ['a', 'b']):
            cameras.pass_by(10000, inferred, latency_ms, seen((1, 100), (2 + missing, 200 + 100 * missing + late_ms)),
                            skipped=missing // 2)
    row = ReportRow('freeze', 'one of 4', times=5)
    row.compare(comparison)
    assert row.healthy_gap_frames == {'p99.5': 1.1, 'fault_free': 0.1}
    assert row.healthy_p95_ratio == pytest.approx(1.5, rel=0.05) and row.healthy_rate_ratio == 0.9
    assert (row.frames_lost, row.frames_lost_fault_free,
            row.kept_out) == (2, 0, {'stale_capture': 2})      # two missing of each, one of them never sent
    assert len(row.failures()) == 3 and row.failures(timing=False) == []
    assert '1.10' in line(row) and '0.90 of their rate' in line(row)
    row.times = 4
    failure, = row.failures()
    assert 'frames of healthy cameras lost' in failure, 'too few windows for a ratio, not for a loss'


def test_stolen_time_is_reported_beside_an_impact():
    cameras = Cameras()
    spent = iter([(0, 0), (10, 100), (10, 100), (12, 200)])
    comparison = cameras.comparison(lambda: next(spent))
    for fault, latency_ms in ((False, 40), (True, 60)):
        with comparison.window(fault, ['a', 'b']):
            cameras.pass_by(10000, 50, latency_ms)
    row = ReportRow('freeze', 'one of 4', times=5, trouble=['something'])
    row.compare(comparison)
    assert row.host_took == 0.1
    assert [('took up to 10 %' in failure) for failure in row.failures()] == [False, True]


@pytest.mark.parametrize('seconds, words', [(14.0, '14 s are too short to measure growth, 251 MB'),
                                            (2514.0, '+0.43 MB an hour over 2514 s, 251 MB')])
def test_growth_per_hour_is_reported_from_half_an_hour_on(seconds, words):
    memory = {'seconds': seconds, 'mb_per_hour': 0.43, 'mb': 251.3, 'descriptors': {}, 'failures': []}
    said = '\n'.join(summary({'model': None, 'memory': memory, 'faults': [], 'good': True, 'complete': True,
                              'seconds': seconds}))
    assert words in said


def test_stolen_time_is_a_share():
    before = cpu_ticks()
    until(lambda: cpu_ticks()[1] > before[1], 10, 'a clock tick')
    assert 0 <= stolen_share(before, cpu_ticks()) <= 1 and stolen_share(before, before) == 0


def test_a_row_within_its_limits_has_no_failures():
    row = ReportRow('rst', 'one of 4', most_detected_s=3.0, most_recovered_s=10.0)
    row.took(0.1, 2.0)
    row.took(0.2, 1.0)
    row.audit(0.0)
    assert (row.times, row.detected_s, row.recovered_s, row.failures()) == (2, 0.2, 2.0, [])


@pytest.mark.parametrize('detected_s, recovered_s, word', [
    (None, 1.0, 'not detected'), (1.0, None, 'not recovered'), (4.0, 1.0, 'detected after 4.0'),
    (1.0, 11.0, 'recovered after 11.0')])
def test_what_took_too_long_is_reported(detected_s, recovered_s, word):
    row = ReportRow('rst', 'one of 4', most_detected_s=3.0, most_recovered_s=10.0)
    row.took(detected_s, recovered_s)
    assert [failure for failure in row.failures() if word in failure] and len(row.failures()) == 1


def test_frames_unaccounted_for_are_a_failure_unless_for_a_moment():
    row = ReportRow('kill', 'capture')
    row.audit(0.4)
    assert row.ledger_balanced and row.failures() == []
    row.audit(6.0)
    row.audit(0.0)
    assert row.ledger_balanced is False and 'frames unaccounted for, for 6.0 s' in row.failures()[0]


def test_the_auditor_measures_how_long_frames_were_unaccounted_for():
    class FakeCounters:
        error = 1

        def balance(self, name, ring):
            return type('Balance', (), {'error': self.error})

    counters = FakeCounters()
    auditor = BalanceAuditor(counters, {'a': None})
    auditor.sample()
    assert until(lambda: auditor.off_s(0) > 0.01)
    counters.error = 0
    auditor.sample()
    assert len(auditor.spans) == 1 and auditor.off_s(auditor.spans[0][2]) == 0.0


@pytest.mark.parametrize('text, found', [('{"a": 1}\n{"a": 2}\n', []), ('{"a": 1}\n{"a"', ['results.jsonl']),
                                         (None, [])])
def test_unfinished_files_are_found(tmp_path, text, found):
    for name in ('report.json.new-7', 'model.onnx.part', 'site.json'):
        (tmp_path / name).write_text('{')
    if text:
        (tmp_path / 'results.jsonl').write_text(text)
    seen = leftovers.unfinished_files(str(tmp_path), str(tmp_path / 'results.jsonl'))
    assert sorted(seen) == sorted(['model.onnx.part', 'report.json.new-7'] + found)


def test_processes_and_zombies_are_found():
    child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    try:
        assert leftovers.still_running([child.pid], 0.1) == [child.pid]
        child.stdin.close()
        until(lambda: child.pid in leftovers.zombies(os.getpid()), 10, 'a zombie of ours')
        assert leftovers.still_running([child.pid]) == [] and child.pid not in leftovers.zombies(os.getpid())
    finally:
        child.wait()
