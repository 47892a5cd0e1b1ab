"""A hot board in a running appliance: what the process that looks at the board would say is written in its place."""
from edge_app.clock import now_ns
from edge_app.telemetry import latest_reading
from edge_app.telemetry.reading import Reading

from tests.support.running import Running
from tests.support.waiting import until

SITE = """cameras:
  - {name: gate, uri: "test://1", size: [320, 176]}
engine: {backend: fake}
outputs: [{uri: "null:"}]
web: off
"""
HOT = Reading('jetson', 'TX2', temperatures={'GPU-therm': {'c': 94.0, 'limit_c': 95.5}})


def test_the_engine_is_slowed_down_and_says_so(tmp_path):
    with Running(SITE, tmp_path) as running:
        running.wait_live('gate')
        page = running.counters.cameras['gate']
        until(lambda: latest_reading.read(running.run_dir), 10, 'the board looked at')
        until(lambda: page.attained_fps_milli > 5000, 20, 'a rate that is known')
        before = page.rate_limit
        latest_reading.write(running.run_dir, HOT, now_ns())
        until(lambda: 'hot' in running.counters.engine.info.get('warning', ''), 10, 'the warning of the engine')
        warning = running.counters.engine.info['warning']
        assert 'half the usual inference rate (GPU-therm at 94 C of 96 C)' in warning
        until(lambda: page.rate_limit > before + 10, 20, 'frames left out for it')
        running.stop()
        assert 'the board is hot, half the usual inference rate' in running.text()
