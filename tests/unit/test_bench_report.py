"""The arithmetic behind the benchmarks' figures, and the page they end on."""
import xml.dom.minidom

import pytest

from edge_app import cli
from edge_app.errors import EngineError
from edge_app.testing.bench import capacity, pipeline, report
from edge_app.testing.harness import html_report, statistics

from tests.bench import scaling
from tests.bench.__main__ import parts


def test_spreads_go_through_dicts_and_leave_out_what_is_unknown():
    found = statistics.spreads([{'a': 1, 'b': {'p50': None, 'n': 3}}, {'a': 3, 'b': {'p50': 4, 'n': 5}},
                                {'a': 2, 'b': {}}])
    assert found['a'] == {'median': 2, 'min': 1, 'max': 3}
    assert found['b']['p50'] == {'median': 4, 'min': 4, 'max': 4} and found['b']['n']['median'] == 4
    assert statistics.spread([None]) is None and statistics.text(None) == '-'
    assert statistics.text({'median': 0.931, 'min': 0.9, 'max': 1}, ' s') == '0.93 s (0.90 to 1.00)'


def test_efficiency_counts_the_floors_cpu_for_the_appliances_work():
    floor = {'cpu_s_per_s': {'chain:a': 0.2, 'chain:b': 0.2, 'bare loop': 1.0, 'encoder': 0.1}, 'inferred_per_s': 100.0,
             'pss_mb': {'chain:a': 40, 'chain:b': 60, 'bare loop': 99}}
    appliance = {'cpu_s_per_s': {'capture': 0.5, 'analyze': 0.7}, 'inferred_per_s': 80.0, 'captured_per_s': 25.0,
                 'encoded_per_s': 12.5,
                 'pss_mb': {'capture:a': 60, 'capture:b': 65, 'analyze': 99}, 'fairness': 1.0}
    found = pipeline.compare(floor, appliance, 50.0)
    assert found['floor_cpu_for_the_same_work'] == pytest.approx(0.4 * 0.5 + 0.8 * 1.0 + 0.1 * 0.5)
    assert found['memory_ratio'] == 1.25
    assert found['efficiency'] == pytest.approx(1.05 / 1.2) and found['saturation_ratio'] == pytest.approx(0.8)


def test_a_line_is_found_with_what_is_off_it():
    assert scaling.fit([1, 2, 4], [0.3, 0.4, 0.6]) == {'fixed': 0.2, 'per_camera': 0.1, 'residual': 0.0}
    assert scaling.fit([1, 2, 3], [1.0, 1.0, 4.0])['residual'] > 0.4
    assert scaling.fit([1, 2], [0.0, 0.03])['residual'] == 0   # less than a tick of the kernel's
    assert scaling.fit([4], [1.0]) is None


@pytest.mark.parametrize('limit', range(10))
@pytest.mark.parametrize('most', [1, 3, 8])
def test_the_search_finds_the_largest_good_number_and_asks_each_once(limit, most):
    asked = []

    def good(count):
        asked.append(count)
        return count <= limit
    assert capacity.search(good, most) == min(limit, most)
    assert len(asked) == len(set(asked)) and max(asked) <= most


def test_bars_are_valid_svg_and_leave_out_the_unknown():
    drawn = html_report.bars([('a & b', {'median': 1.0, 'min': 0.5, 'max': 2.0}, ''), ('none', None, '')], ' ms',
                             goal=1.5)
    found = xml.dom.minidom.parseString(drawn)
    assert len(found.getElementsByTagName('rect')) == 1 and 'goal 1.5' in drawn and 'a &amp; b' in drawn
    assert html_report.bars([('none', None, '')]) == ''
    assert len(xml.dom.minidom.parseString(html_report.stacks([('x', [('p', 1),
                                                                      ('q', -1)])])).getElementsByTagName('rect')) == 2


def test_the_report_holds_every_part_and_says_which_failed(tmp_path):
    def broken():
        raise EngineError('no such <engine>')
    chosen = [report.ReportPart('good', 'A good one', lambda: {'value': 3},
                                lambda found: ['value %d' % found['value']], goal='at least 2'),
              report.ReportPart('broken', 'A broken one', broken, None)]
    said = []
    settings = {'model': '/models/some.onnx', 'precision': 'fp32', 'batch': 4, 'backend': 'auto'}
    path = report.write_all(settings, str(tmp_path), said.append, chosen)
    with open(path, encoding='utf-8') as stream:
        page = stream.read()
    assert 'value 3' in page and 'Goal: at least 2' in page and 'no such &lt;engine&gt;' in page
    assert (tmp_path / 'good.json').read_text().strip().startswith('{') and not (tmp_path / 'broken.json').exists()


def test_every_part_of_the_report_is_listed():
    settings = {'model': None, 'precision': 'fp32', 'threads': 0}
    names = [part.name for part in report.parts(settings)]
    assert names == ['pipeline-saturated', 'pipeline-saturated-viewer', 'pipeline-paced', 'pipeline-paced-viewer',
                     'engine', 'capacity']
    assert [part.name for part in parts(settings)] == names + [
        'scaling', 'latency', 'start', 'reconnect', 'decode', 'transport', 'peers']


@pytest.mark.parametrize('name', ['decode', 'transport', 'peers', 'scaling', 'latency', 'start', 'reconnect'])
def test_a_benchmark_that_moved_says_where(name, capfd):
    assert cli.main(['bench', name, '--json', 'x', 'more', '--help']) == 2
    assert 'python -m tests.bench.%s' % name in capfd.readouterr().err
