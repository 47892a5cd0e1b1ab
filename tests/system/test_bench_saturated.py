"""Benchmarks that take all the machine has, each once and short: what they write is whole and agrees with itself."""
import pytest

from tests.bench.peers.__main__ import peers
from tests.support.benchmarks import SMALL, bench, ordered

pytestmark = [pytest.mark.serial, pytest.mark.usefixtures('quick_bench')]


def test_pipeline_saturated(model, tmp_path):
    found = bench(tmp_path, 'pipeline', '--cameras', '2', '--model', model, '--backend', 'onnxruntime', '--regime',
                  'saturated', '--seconds', '2', '--repeat', '2', *SMALL)
    assert ordered(found['efficiency']) and found['efficiency']['min'] > 0
    assert ordered(found['saturation_ratio']) and ordered(found['latency_ms']['result']['p50'])
    assert {'capture:cam1', 'capture:cam2', 'analyze', 'compositor', 'supervisor'} <= set(found['cpu_s_per_s'])
    assert set(found['pss_mb']) <= set(found['cpu_s_per_s']) and found['pss_mb']['analyze']['median'] > 10
    assert set(found['floor']['cpu_s_per_s']) == {'chain:cam1', 'chain:cam2', 'bare loop'}
    assert found['floor']['failed'] == [] and found['engine']['backend'] == 'onnxruntime'
    for run in found['runs']:
        own = sum(run['appliance']['cpu_s_per_s'].values())
        assert run['compared']['efficiency'] == pytest.approx(run['compared']['floor_cpu_for_the_same_work'] / own)
        assert run['appliance']['inferred_per_s'] <= run['appliance']['captured_per_s'] + 2


def test_peers_sets_the_appliance_beside_a_loop_that_needs_nothing_installed(model, tmp_path):
    found = bench(tmp_path, 'opencv', '--cameras', '2', '--model', model, '--seconds', '3', '--frozen', '1',
                  '--repeat', '1', *SMALL, command=peers)
    assert set(found['programs']) == {'edge-app', 'opencv', 'edge-app, its own choice of engine'}
    for one in found['programs'].values():
        assert 'error' not in one and one['inferred_per_s']['median'] > 0 and one['latency_ms']['p95']['median'] > 0
        assert 0 < one['fairness']['median'] <= 1 and one['frozen']['median'] >= 0 <= one['repeated']['median']
    assert found['beside']['fastest'] == 'opencv' and found['beside']['rate'] > 0
