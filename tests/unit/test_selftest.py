"""The parts of the self-test that judge: answers of children, access units, kept detections, soaks, the page."""
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from edge_app import cli
from edge_app.commands import selftest as command
from edge_app.detectors.model_file import embedded_model
from edge_app.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_GOOD
from edge_app.telemetry.backends import quiet
from edge_app.testing.harness.children import run_job
from edge_app.testing.selftest import capacity, codecs, engines, golden, ring_integrity, whole
from edge_app.testing.selftest.outcome import ABSENT, FAILED, GOOD, LEFT_OUT, Outcome, judged
from edge_app.testing.selftest.report import write_page
from edge_app.testing.selftest.whole import percentiles

from tests.standins import boards
from tests.support.sources import ROOT

# -- children -------------------------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path, monkeypatch):
    """module(code) -> the name of a module that runs it."""
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))

    def make(code):
        (tmp_path / 'a_check.py').write_text(
            'from edge_app.testing.harness.children import get_job\nwish = get_job()\n' + code)
        return 'a_check'
    return make


def test_the_last_line_is_the_answer_whatever_a_driver_prints(module):
    answer, log, _ = run_job(module('import sys\nprint("Opening in BLOCKING MODE")\nprint("warned", file=sys.stderr)\n'
                                    'import json; print(json.dumps(wish))'), {'frames': 3}, 20)
    assert answer == {'frames': 3} and log == 'warned\n'


@pytest.mark.parametrize('code, words', [
    ('raise SystemExit(7)', 'ended with 7 and no answer'),
    ('print("NvMMLiteOpen")', 'ended with 0 and no answer'),
    ('import os, signal; os.kill(os.getpid(), signal.SIGSEGV)', 'killed by signal 11'),
])
def test_a_child_that_crashes_is_an_error(module, code, words):
    assert words in run_job(module(code), {}, 20)[0]['error']


def test_a_child_that_hangs_is_killed_with_its_own_children(module):
    code = 'import subprocess, threading\nsubprocess.Popen(["sleep", "1000"])\nthreading.Event().wait()'
    answer, _, seconds = run_job(module(code), {}, 2)
    assert 'it hung and was killed' in answer['error'] and seconds < 20


@pytest.mark.parametrize('answer, state, words', [
    ({'fps': 3.0, 'wrong': ''}, GOOD, '3 a second'),
    ({'fps': 3.0, 'wrong': 'grey'}, FAILED, 'grey'),
    ({'error': 'broke'}, FAILED, 'broke'),
    ({'absent': 'no such element'}, ABSENT, 'no such element'),
])
def test_what_an_answer_means(answer, state, words):
    found = judged('codecs', 'decoder', (answer, 'log', 1.0), '{fps:.0f} a second')
    assert (found.state, found.words, found.log) == (state, words, 'log')


# -- codecs ---------------------------------------------------------------------------------------------------------

KEY = b'\0\0\0\1\x67sps\0\0\0\1\x68pps\0\0\1\x65idr'
DELTA = b'\0\0\0\1\x41delta'


@pytest.mark.parametrize('units, words', [
    ([(True, KEY)] + [(False, DELTA)] * 28 + [(True, KEY)] + [(False, DELTA)] * 30, ''),
    ([(True, KEY)] + [(False, DELTA)] * 59, 'one key frame in 60 pictures'),
    ([(True, b'\0\0\1\x65idr')] + [(True, KEY)] * 59, 'no key frame with its parameter sets: NAL units [5]'),
    ([(False, DELTA)] * 60, 'no key frame'),
    ([(True, KEY)] * 53, '53 access units of 60 pictures'),
    ([], '0 access units'),
])
def test_access_units_a_viewer_can_use(units, words):
    found = codecs.wrong_units(units)
    assert words in found and bool(found) == bool(words)


@pytest.mark.parametrize('on_jetson, state', [(True, FAILED), (False, ABSENT)])
def test_what_a_board_must_have(monkeypatch, tmp_path, on_jetson, state):
    answers = {'rows': {'encoders': ['jetson', 'software'], 'decoders': ['jetson', 'software']},
               'encode': {'absent': 'missing nvv4l2h264enc'}, 'decode': {'absent': 'missing nvv4l2decoder'}}
    monkeypatch.setattr(codecs, 'run_job', lambda module, wish, timeout_s: (answers[wish['action']], '', 0.1))
    found = list(codecs.check(str(tmp_path), on_jetson))
    assert [outcome.state for outcome in found] == [state, ABSENT, LEFT_OUT, LEFT_OUT]


def test_no_gstreamer_is_one_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(codecs, 'run_job', lambda *wish: ({'error': 'no gi'}, 'traceback', 0.1))
    assert [(found.state, found.words) for found in codecs.check(str(tmp_path), False)] == [(FAILED, 'no gi')]


# -- kept detections ------------------------------------------------------------------------------------------------

ONE = [0, 0.9, 10.0, 10.0, 110.0, 60.0]


@pytest.mark.parametrize('found, count', [
    ([ONE], 0),
    ([[0, 0.885, 10.5, 10.0, 110.0, 60.0]], 0),
    ([[0, 0.85, 10.0, 10.0, 110.0, 60.0]], 2),
    ([[1, 0.9, 10.0, 10.0, 110.0, 60.0]], 2),
    ([[0, 0.9, 30.0, 10.0, 130.0, 60.0]], 2),
    ([], 1),
    ([ONE, [2, 0.9, 0.0, 0.0, 5.0, 5.0]], 1),
    ([ONE, [2, 0.42, 0.0, 0.0, 5.0, 5.0]], 0),
])
def test_differences_that_count(found, count):
    """A difference in place, class or score is one missing and one too many; near the threshold nothing counts."""
    assert len(list(golden.differences(found, [ONE], 0.35))) == count


def test_half_precision_may_be_less_precise():
    off = [[0, 0.86, 10.0, 10.0, 110.0, 60.0]]
    assert not list(golden.differences(off, [ONE], 0.35, 'fp16')) and list(golden.differences(off, [ONE], 0.35, 'fp32'))


def test_overlaps():
    assert golden.iou([0, 0, 2, 2], [0, 0, 2, 2]) == 1
    assert golden.iou([0, 0, 2, 2], [1, 0, 3, 2]) == pytest.approx(1 / 3)
    assert golden.iou([0, 0, 1, 1], [2, 2, 3, 3]) == 0 == golden.iou([0, 0, 0, 0], [0, 0, 0, 0])


def test_there_are_golden_detections_of_the_embedded_model():
    """After a new model: python -m edge_app.testing.selftest.golden"""
    kept = golden.read(embedded_model())
    assert kept and sorted(kept['pictures']) == sorted(golden.pictures()) and len(golden.pictures()) >= 4
    sure = [box for found in kept['pictures'].values() for box in found if box[1] >= kept['threshold'] + golden.MARGIN]
    assert len(sure) >= 20 and len({box[0] for box in sure}) >= 4, 'enough to tell a wrong engine from a right one'


def test_they_are_found_again_here():
    answer = engines.compare('onnxruntime', 'fp32', embedded_model())
    assert answer['agreeing'] == answer['pictures'] == len(golden.pictures()) and not answer['wrong']


def test_another_models_detections_are_not_found(monkeypatch):
    kept = golden.read(embedded_model())
    name = sorted(kept['pictures'])[0]
    monkeypatch.setattr(golden, 'read', lambda path: dict(kept, pictures=dict(kept['pictures'], **{name: [ONE]})))
    answer = engines.compare('onnxruntime', 'fp32', embedded_model())
    assert answer['agreeing'] == answer['pictures'] - 1
    assert name in answer['wrong'] and 'found and not expected' in answer['wrong']


@pytest.mark.parametrize('on_jetson, state', [(True, FAILED), (False, ABSENT)])
def test_engines_of_a_board(monkeypatch, on_jetson, state):
    monkeypatch.setattr(engines, 'unavailable_reason', lambda backend: 'not installed')
    found = {outcome.name: outcome.state for outcome in engines.check(on_jetson)}
    assert found['tensorrt'] == state and found['onnxruntime'] == ABSENT


def test_a_model_without_golden_detections_is_reported(monkeypatch):
    monkeypatch.setattr(golden, 'digest_of', lambda path: 'other')
    monkeypatch.setattr(engines, 'unavailable_reason', lambda backend: 'not installed')
    assert [found.name for found in engines.check(False) if found.state == FAILED] == ['golden detections']


# -- rings, latency, soak -------------------------------------------------------------------------------------------

@pytest.mark.parametrize('torn_frames, whole_frames, careless, state, words', [
    (0, 5000, 12, GOOD, 'without the checks 12 of 900 were torn'),
    (0, 5000, 0, GOOD, 'did not put them to the test'),
    (1, 5000, 12, FAILED, '1 torn of 5000'),
    (0, 30, 12, FAILED, 'too few to judge'),
])
def test_what_torn_frames_mean(torn_frames, whole_frames, careless, state, words):
    found = ring_integrity._verdict({'torn': torn_frames, 'whole': whole_frames, 'refused': 3,
                                     'careless_torn': careless, 'careless_reads': 900})
    assert found[0] == state and words in found[1]


def test_ages():
    assert percentiles([]) == {'p50_ms': None, 'p95_ms': None, 'most_ms': None}
    assert percentiles([100, 200, 300]) == {'p50_ms': 200, 'p95_ms': 290, 'most_ms': 300}


def sample(second, fps, temperature_c=60.0, tmp_path=None, **changes):
    zones = {'GPU-therm': {'c': temperature_c, 'limit_c': 95.5}}
    return {'second': second, 'fps': fps, 'board': dict(quiet('/nowhere').sample()._asdict(), temperatures=zones,
                                                        backend='jetson', **changes)}


class Log:
    def log(self):
        return 'said'


@pytest.mark.parametrize('rates, celsius, soak_s, code, state, words', [
    ([20.0] * 100, 60.0, 100, 0, GOOD, 'analysed 20.0/s early, 20.0/s at the end; hottest zone 60 C in GPU-therm'),
    ([20.0] * 60 + [10.0] * 40, 60.0, 100, 0, FAILED, 'less than 85 % of the early rate'),
    ([20.0] * 6 + [10.0] * 4, 60.0, 10, 0, GOOD, '10.0/s at the end'),
    ([20.0] * 100, 95.0, 100, 0, FAILED, 'heat: GPU-therm at 95 C of 96 C'),
    ([20.0] * 100, 60.0, 100, 1, FAILED, 'the run failed'),
    ([], 60.0, 100, 0, FAILED, 'no figures'),
    ([None] * 20, 60.0, 100, 0, GOOD, 'analysed unknown'),
])
def test_soaks(rates, celsius, soak_s, code, state, words):
    found = whole._soak([sample(second, fps, celsius) for second, fps in enumerate(rates)], soak_s, code, Log())
    assert found.state == state and words in found.words


# -- the report -----------------------------------------------------------------------------------------------------

@pytest.fixture
def facts(monkeypatch, tmp_path):
    reading = quiet(boards.build(tmp_path / 'board', boards.tx2())).sample()._asdict()
    gathered = {'versions': {'edge_app': '1.2.3', 'l4t': 'R32.7.6 t186ref'},
                'machine': {'kernel': '4.9.337-tegra', 'nothing': ''},
                'board': json.loads(json.dumps(reading)), 'configuration': 'password: "***"\n',
                'doctor': [{'area': 'ports', 'level': 'bad', 'what': '8554 <taken>', 'fix': 'stop it'}],
                'budget': {'problems': ['memory'], 'resources': [], 'notes': ['a note']}}
    monkeypatch.setattr('edge_app.testing.selftest.facts.gather', lambda config: gathered)


def made(monkeypatch, *outcomes, samples=()):
    monkeypatch.setattr(command, 'run', lambda *arguments: (list(outcomes), list(samples)))


@pytest.mark.parametrize('state, code', [(GOOD, EXIT_GOOD), (ABSENT, EXIT_GOOD), (LEFT_OUT, EXIT_GOOD),
                                         (FAILED, EXIT_FAILED)])
def test_both_files_and_the_exit_code(monkeypatch, tmp_path, facts, state, code):
    made(monkeypatch, Outcome('codecs', 'encoder <x>', state, 'so & so', {'fps': 1.0}, 2.0, 'a <log>'),
         samples=[sample(0, 20.0)])
    done = CliRunner().invoke(command.selftest, ['--report', str(tmp_path / 'new')], standalone_mode=False)
    assert done.exception is None and done.return_value == code
    with open(str(tmp_path / 'new' / 'report.json')) as file:
        report = json.load(file)
    assert report['good'] == (code == EXIT_GOOD) and report['outcomes'][0]['figures'] == {'fps': 1.0}
    with open(str(tmp_path / 'new' / 'report.html')) as file:
        text = file.read()
    for escaped in ('encoder &lt;x&gt;', 'so &amp; so', 'a &lt;log&gt;', '8554 &lt;taken&gt;', 'R32.7.6 t186ref',
                    'MAXP_CORE_ARM'):
        assert escaped in text
    assert 'src=' not in text and '<script' not in text and 'href=' not in text, 'one file, nothing to fetch'


def test_a_page_without_samples_and_of_nothing(monkeypatch, tmp_path, facts):
    made(monkeypatch)
    assert cli.main(['selftest', '--report', str(tmp_path)]) == EXIT_GOOD
    with open(str(tmp_path / 'report.json')) as file:
        assert 'No figures were recorded' in write_page(json.load(file))


def test_parts_that_were_not_asked_for_are_in_the_report(monkeypatch):
    monkeypatch.setattr(ring_integrity, 'check', lambda folder, seconds: [Outcome('rings', 'torn', GOOD, '')])
    outcomes, samples = command.run(('rings',), False, 10, 2)
    assert [(found.part, found.state) for found in outcomes] == [
        ('rings', GOOD), ('codecs', LEFT_OUT), ('engine', LEFT_OUT), ('run', LEFT_OUT), ('capacity', LEFT_OUT)]


CAPACITY = {'cameras': 3, 'trials': [], 'asked': {'most': 16, 'size': [640, 360], 'fps': 10.0, 'p95_ms': 200.0,
                                                  'share': 0.95}}


@pytest.mark.parametrize('code, state, words', [
    ('json.dump(%r, open(sys.argv[2], "w"))' % CAPACITY, GOOD,
     '3 of at most 16, of 640x360 at 10 frames/s: 95 % of their results'),
    ('json.dump(%r, open(sys.argv[2], "w"))' % dict(CAPACITY, cameras=0), FAILED, '0 of at most 16'),
    ('open(sys.argv[2], "w").write("{"); sys.exit(1)', FAILED, 'it ended with 1'),
    ('print("no GStreamer"); sys.exit(3)', FAILED, 'it ended with 3'),
    ('import time; time.sleep(1000)', FAILED, 'not done after 2 s'),
])
def test_capacity(tmp_path, code, state, words):
    found = capacity.check(str(tmp_path), [sys.executable, '-c', 'import json, sys\n' + code], 2.0)
    assert found.state == state and found.words.startswith(words) and found.seconds < 20
    assert 'no GStreamer' in found.log or 'no GStreamer' not in code


def test_capacity_asks_the_benchmark_there_is():
    """The command that is run exists, with the options it is given."""
    from edge_app.commands.bench import bench
    names = {option for parameter in bench.commands['capacity'].params for option in parameter.opts}
    assert {'--most', '--json'} <= names


def test_a_folder_is_needed():
    assert cli.main(['selftest']) == EXIT_CONFIG


def test_the_command_starts_quickly():
    """Help must not wait for GStreamer, OpenCV or an engine."""
    code = ('import sys, edge_app.commands.selftest\n'
            'sys.exit(" ".join(name for name in ("gi", "cv2", "numpy", "onnxruntime") if name in sys.modules) or 0)')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, PYTHONPATH=ROOT))
    assert done.returncode == 0, done.stderr
