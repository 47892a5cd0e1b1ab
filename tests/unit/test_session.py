"""What `run` refuses before it starts anything."""
import types

import pytest

from edge_app.app import session
from edge_app.app.config_reload import running_config
from edge_app.app.console import addresses
from edge_app.config import from_dict
from edge_app.errors import ConfigError

from tests.support.running import free_port


def config(*outputs, **camera):
    outputs = outputs or ('rtsp://127.0.0.1:%d/mosaic' % free_port(),)
    return from_dict({'cameras': [dict({'name': 'gate', 'uri': 'test://'}, **camera)],
                      'outputs': [{'uri': uri} for uri in outputs]})


def refusal(*arguments):
    with pytest.raises(ConfigError) as caught:
        session.run(*arguments)
    return caught.value.problems


def test_all_that_would_fail_later_is_reported_at_once(tmp_path):
    gone = str(tmp_path / 'gone' / 'report.json')
    problems = refusal(config(enabled=False), 1, str(tmp_path / 'mosaic.gif'), gone)
    assert [problem.partition(':')[0] for problem in problems] == ['--json', '--snapshot', 'cameras']
    assert str(tmp_path / 'gone') in problems[0] and '.png' in problems[1]


@pytest.mark.parametrize('uri', ['window:', 'windows:'])
def test_a_window_without_a_display(uri, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    problem, = refusal(config(uri))
    assert problem.startswith(uri) and 'DISPLAY' in problem


def test_the_page_may_be_pinned_to_the_port_it_found(tmp_path):
    appliance = types.SimpleNamespace(config=config(), run_dir=str(tmp_path))
    assert running_config(appliance) == appliance.config
    (tmp_path / 'web.json').write_text('{"host": "127.0.0.1", "port": 8081, "url": "http://127.0.0.1:8081/"}')
    assert running_config(appliance).web.port == 8081
    assert [address for title, address in addresses(appliance) if title == 'web page'] == ['http://127.0.0.1:8081/']


def test_a_snapshot_needs_a_stream_to_take_it_from(tmp_path):
    problem, = refusal(config('null:'), 1, str(tmp_path / 'mosaic.png'))
    assert problem.startswith('--snapshot') and 'rtsp' in problem
