"""The board over HTTP: asking wakes the process that looks, and what it wrote last is answered."""
import pytest

from edge_app.stats import Counters
from edge_app.telemetry import latest_reading
from edge_app.telemetry.backends import quiet
from edge_app.transport.mailbox import Inbox

from tests.standins import boards
from tests.support.web_worker import Appliance, running, settings


@pytest.fixture
def appliance(tmp_path):
    with Counters.create(tmp_path, ['gate', 'yard']) as counters:
        bare = Appliance(str(tmp_path), counters)
        with running(bare, settings()):
            yield bare


@pytest.mark.parametrize('path', ['/metrics', '/api/stats'])
def test_a_question_rings_and_is_answered_with_what_is_known(appliance, tmp_path, path):
    with Inbox(latest_reading.doorbell(appliance.run_dir)) as bell:
        status, _, before = appliance.get(path)
        assert status == 200 and b'MAXP_CORE_ARM' not in before
        assert bell.wait(5), 'the process that looks was told'
        latest_reading.write(appliance.run_dir, quiet(boards.build(tmp_path / 'board', boards.tx2())).sample(), 1)
        assert b'MAXP_CORE_ARM' in appliance.get(path)[2]


def test_health_is_no_question(appliance):
    with Inbox(latest_reading.doorbell(appliance.run_dir)) as bell:
        for path in ('/healthz', '/readyz', '/'):
            appliance.get(path)
        assert not bell.wait(0.2)


def test_the_page_repeats_the_warning_of_the_mosaic(appliance):
    appliance.counters.engine.info = {'warning': 'the board is hot <half the usual rate>'}
    assert b'the board is hot &lt;half the usual rate&gt;' in appliance.get('/')[2]
