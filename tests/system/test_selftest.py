"""The self-test as a whole, for real, on this machine."""
import glob
import json
import os
import subprocess
import sys

import pytest

from edge_app.supervision.run_dir import BASE
from edge_app.testing.selftest.outcome import ABSENT, GOOD

from tests.support.sources import ROOT

pytestmark = pytest.mark.serial
SITE = """cameras:
  - {name: gate, uri: "rtsp://192.0.2.1/live", user: admin, password: "%s"}
"""
PASSWORD = 'canary-of-a-password'


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
