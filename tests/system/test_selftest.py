"""The self-test for real: on this machine, and on a Jetson's elements as the stand-ins play them."""
import glob
import json
import os
import subprocess
import sys

import pytest

from edge_app.supervision.run_dir import BASE
from edge_app.testing.selftest import codecs, ring_integrity
from edge_app.testing.selftest.outcome import ABSENT, FAILED, GOOD

from tests import jetson
from tests.sources import ROOT

SITE = """cameras:
  - {name: gate, uri: "rtsp://192.0.2.1/live", user: admin, password: "%s"}
"""
PASSWORD = 'canary-of-a-password'


@pytest.fixture
def board(monkeypatch):
    """board(**bugs): children from now on see a TX2's elements."""
    def be(**bugs):
        for name, value in jetson.environment('tx2', **bugs).items():
            monkeypatch.setenv(name, value)
    return be


def kept():
    return glob.glob(os.path.join(BASE, 'edge-app-selftest-*'))


@pytest.mark.timeout(280)
def test_all_of_it_on_this_machine(tmp_path):
    (tmp_path / 'site.yaml').write_text(SITE % PASSWORD)
    os.chmod(str(tmp_path / 'site.yaml'), 0o600)
    before = set(kept())
    done = subprocess.run([sys.executable, '-m', 'edge_app', 'selftest', str(tmp_path / 'site.yaml'), '--report',
                           str(tmp_path / 'report'), '--soak', '5', '--only', 'codecs', '--only', 'engine', '--only',
                           'run'],
                          cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          timeout=270)
    assert done.returncode in (0, 1) and 'report.html' in done.stdout, done.stdout
    with open(str(tmp_path / 'report' / 'report.json')) as file:
        text = file.read()
    with open(str(tmp_path / 'report' / 'report.html')) as file:
        assert PASSWORD not in text and PASSWORD not in file.read()
    found = json.loads(text)
    assert found['good'] == (done.returncode == 0), 'a busy machine may exceed the limits of latency, and says so'
    states = {(one['part'], one['name']): one['state'] for one in found['outcomes']}
    assert states['codecs', 'encoder software'] == states['codecs', 'decoder software'] == GOOD
    assert states['codecs', 'decoder jetson'] == ABSENT and states['engine', 'onnxruntime fp32'] == GOOD
    ages = [one['figures'] for one in found['outcomes'] if one['part'] == 'latency']
    assert len(ages) == 2 and all(0 < one.get('p50_ms', 0) <= one['p95_ms'] for one in ages), done.stdout
    assert len(found['samples']) >= 4 and found['samples'][-1]['board']['cpu_load'][0] is not None
    assert found['facts']['versions']['gstreamer'] and 'gate' in found['facts']['configuration']
    assert set(kept()) <= before, 'nothing stays in shared memory'


def test_rings(tmp_path):
    outcomes = list(ring_integrity.check(str(tmp_path), 2))
    assert [outcome.state for outcome in outcomes] == [GOOD, GOOD], outcomes
    assert outcomes[0].figures['careless_torn'] > 0, 'torn frames could have been seen'


def states(outcomes):
    return {outcome.name: (outcome.state, outcome.words) for outcome in outcomes}


def test_a_boards_codecs(board, tmp_path):
    board()
    found = states(codecs.check(str(tmp_path), True))
    for name in ('encoder jetson', 'decoder jetson'):
        assert found[name][0] == GOOD, found[name]


@pytest.mark.parametrize('bug, words', [('hang=20', 'hung and was killed'), ('silent=20', '19 pictures')])
def test_a_boards_decoder_that_is_broken(board, tmp_path, monkeypatch, bug, words):
    board(bugs=bug)
    monkeypatch.setattr(codecs, 'CHILD_S', 25.0)
    found = states(codecs.check(str(tmp_path), True))
    assert found['decoder jetson'][0] == FAILED and words in found['decoder jetson'][1], found['decoder jetson']
    assert found['decoder software'][0] == GOOD, 'the others are tried all the same'
