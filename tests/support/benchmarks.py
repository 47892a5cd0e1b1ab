"""Whole benchmarks made quick; fixtures for whoever imports them."""
import json

import pytest

from edge_app import cli
from edge_app.testing.bench import capacity, pipeline

from tests.bench import latency, reconnect
from tests.bench.peers import measure
from tests.support import tiny_onnx

SMALL = ['--size', '320x180', '--fps', '5']
SETTLE_S = 0.5
"""Figures do not count here, so nothing has to get going first."""


@pytest.fixture(autouse=True)
def quick(tmp_path_factory, monkeypatch):
    """Hardly any time to settle; clips are drawn once for a run of tests, not into the home of whoever runs them."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.getbasetemp() / 'clips'))
    for module in (capacity, latency, measure, pipeline, reconnect):
        monkeypatch.setattr(module, 'SETTLE_S', SETTLE_S)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'tiny.onnx'
    path.write_bytes(tiny_onnx.detector('yolox', (64, 64)))
    return str(path)


def bench(tmp_path, *arguments, **options):
    """What `edge-app bench ARGUMENTS --json` wrote, or another `command` with them."""
    file = str(tmp_path / 'found.json')
    if 'command' in options:
        options['command'].main(list(arguments) + ['--json', file], standalone_mode=False)
    else:
        assert cli.main(['bench'] + list(arguments) + ['--json', file]) == 0
    with open(file) as stream:
        found = json.load(stream)
    assert found['schema'] == 1 and found['machine']['cores'] >= 1
    return found


def ordered(spread):
    return spread['min'] <= spread['median'] <= spread['max']
