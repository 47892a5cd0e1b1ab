"""The page at `/` as text."""
import re

from edge_app.clock import now_ns
from edge_app.stats import STATES, Counters
from edge_app.web.page import render


def test_names_addresses_and_warnings_are_escaped(tmp_path):
    with Counters.create(tmp_path, ['<gate>', 'yard']) as counters:
        counters.cameras['<gate>'].set('last_frame_ns', now_ns())
        counters.engine.info = {'warning': '<b>hot</b>'}
        counters.compositor.info = {'outputs': [{'uri': 'rtsp://h:8554/a&b', 'paths': ['/a&b']}, {'uri': 'window:'}]}
        page = render(counters)
    assert '<gate>' not in page and page.count('&lt;gate&gt;') == 4
    assert '&lt;b&gt;hot' in page and 'rtsp://h:8554/a&amp;b' in page and '<code>window:</code>' in page
    assert '$' not in page and '<template' not in page


def test_only_a_live_camera_has_a_picture_and_nothing_comes_from_elsewhere(tmp_path):
    with Counters.create(tmp_path, ['gate', 'yard']) as counters:
        counters.cameras['gate'].set('last_frame_ns', now_ns())
        counters.cameras['yard'].set('state', STATES.index('no_signal'))
        page = render(counters)
    assert re.findall(r'src="([^"]*)"', page) == ['/api/gate/latest.jpg']
    assert page.count('no picture') == 1 and '>no signal<' in page
    assert all(address.startswith('/') for address in re.findall(r'(?:href|src)="([^"]*)"', page))
    assert 'url(' not in page
