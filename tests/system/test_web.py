"""The web worker over real sockets: what it answers, whom it refuses, how it starts and ends."""
import json
import os
import signal
import socket
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge_app import config
from edge_app.clock import now_ns
from edge_app.errors import OutputError
from edge_app.frames import I420, FrameMeta
from edge_app.stats import Counters
from edge_app.supervision.worker_context import WorkerContext
from edge_app.web import listen
from edge_app.web.guard import is_this_machine

from tests.support import sources
from tests.support.running import free_port
from tests.support.waiting import until
from tests.support.web_worker import SIZE, Appliance, running, serving, settings


def grey(level):
    pixels = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
    pixels[:SIZE[1]] = level
    return pixels


@pytest.fixture
def bare(tmp_path):
    with Counters.create(tmp_path, ['gate', 'yard']) as counters:
        yield Appliance(str(tmp_path), counters)


@pytest.fixture
def appliance(bare):
    with running(bare, settings()):
        yield bare


def test_healthy_means_alive(appliance):
    assert appliance.get('/healthz')[0] == 200


def test_ready_only_when_all_is_known_and_up(appliance):
    status, answer = appliance.json('/readyz')
    assert status == 503 and answer['ready'] is False and len(answer['reasons']) == 2
    appliance.state('gate', 'live')
    appliance.state('yard', 'refused')
    assert appliance.json('/readyz') == (
        200, {'ready': True, 'reasons': [], 'cameras': {'gate': 'live', 'yard': 'refused'}})
    appliance.write_status(state='waiting', reason='killed')
    status, answer = appliance.json('/readyz')
    assert status == 503 and answer['reasons'] == ['process analyze: waiting, killed']


def test_whether_cameras_deliver_is_asked_apart(appliance):
    """A camera that is away does not make the appliance unready, for a restart would not bring it back."""
    def asked():
        return [appliance.get('/readyz' + query)[0] for query in ('', '?cameras=any', '?cameras=all')]

    for states, expected in ((('live', 'live'), [200, 200, 200]), (('live', 'disabled'), [200, 200, 200]),
                             (('live', 'refused'), [200, 200, 503]), (('no_signal', 'disabled'), [200, 503, 503])):
        for name, state in zip(('gate', 'yard'), states):
            appliance.state(name, state)
        assert asked() == expected, states
    assert appliance.json('/readyz?cameras=all')[1]['reasons'] == ['camera gate: no signal: no picture arrives']
    status, answer = appliance.json('/readyz?cameras=gate')
    assert status == 400 and 'cameras must be all or any' in answer['error']


def test_the_newest_picture(appliance):
    appliance.state('gate', 'live')
    with appliance.ring('gate') as ring:
        for sequence, level in enumerate((40, 200), 1):
            ring.write(FrameMeta(sequence, now_ns(), SIZE[0], SIZE[1], I420), grey(level))
        status, headers, body = appliance.get('/api/gate/latest.jpg')
    picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert (status, headers['Content-Type'], headers['X-Sequence']) == (200, 'image/jpeg', '2')
    assert headers['X-State'] == 'live'
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    expected = (200 - 16) * 255 / 219.0   # BT.601: luma 16 is black, 235 is white
    assert abs(picture.mean() - expected) < 3


def test_no_picture_is_503_with_the_reason(appliance):
    appliance.counters.cameras['gate'].info = {'reason': 'the camera refused the password'}
    appliance.state('gate', 'refused')
    status, answer = appliance.json('/api/gate/latest.jpg')
    assert status == 503 and answer['error'] == 'gate has no picture now: refused, the camera refused the password'
    appliance.state('yard', 'live')
    assert appliance.json('/api/yard/latest.jpg')[0] == 503
    with appliance.ring('yard'):
        assert appliance.json('/api/yard/latest.jpg')[0] == 503


@pytest.mark.parametrize('name', ['cellar', '..%2fcounters', '%2e%2e', 'counters'])
def test_an_unknown_camera_is_404(appliance, name):
    status, answer = appliance.json('/api/%s/latest.jpg' % name)
    assert status == 404 and 'gate, yard' in answer['error']


def test_stats_and_metrics_show_the_same_books(appliance):
    appliance.counters.cameras['gate'].add_many(received=5, captured=5)
    status, answer = appliance.json('/api/stats')
    assert status == 200 and answer['schema'] == 1 and answer['cameras']['gate']['received'] == 5
    status, headers, body = appliance.get('/metrics')
    assert headers['Content-Type'].startswith('text/plain; version=0.0.4')
    assert 'edge_app_camera_frames_received_total{camera="gate"} 5\n' in body.decode()


def test_the_page_lists_the_addresses(appliance):
    status, headers, body = appliance.get('/')
    assert status == 200 and headers['Content-Type'].startswith('text/html')
    for address in ('/healthz', '/readyz', '/metrics', '/api/stats', '/api/version', '/api/yard/latest.jpg'):
        assert 'href="%s"' % address in body.decode()
    assert appliance.json('/api/version')[1]['version']


@pytest.mark.parametrize('host', ['evil.example', 'evil.example:8080', '10.0.0.1', '', 'localhost.evil.example'])
@pytest.mark.parametrize('path', ['/', '/api/stats', '/nowhere'])
def test_a_name_that_was_made_to_point_here_is_refused(appliance, host, path):
    assert appliance.get(path, Host=host)[0] == 403


@pytest.mark.parametrize('host', ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '127.9.9.9', '[::1]:8080'])
def test_our_own_names_are_answered(appliance, host):
    assert appliance.get('/healthz', Host=host)[0] == 200


@pytest.mark.parametrize('path', ['/', '/healthz', '/nowhere', '/api/cellar/latest.jpg'])
def test_every_answer_is_kept_from_other_pages(appliance, path):
    headers = appliance.get(path)[1]
    assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'
    assert headers['X-Content-Type-Options'] == 'nosniff' and headers['Cache-Control'] == 'no-store'


def test_an_open_server_is_known_by_its_addresses_and_its_own_name():
    everywhere = config.Web(host='0.0.0.0', port=None)
    assert is_this_machine('10.0.0.7:8080', everywhere) and is_this_machine(socket.gethostname(), everywhere)
    assert not is_this_machine('evil.example', everywhere)


# -- ports ----------------------------------------------------------------------------------------------------------

def test_the_next_port_when_the_usual_one_is_taken(monkeypatch):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        monkeypatch.setattr(listen, 'DEFAULT_WEB_PORT', taken.getsockname()[1])
        with listen.listen(config.Web()) as listener:
            port = listener.getsockname()[1]
            assert listen.DEFAULT_WEB_PORT < port < listen.DEFAULT_WEB_PORT + listen.PORTS_TRIED


def test_a_port_asked_for_is_taken_or_refused():
    port = free_port()
    with listen.listen(config.Web(port=port)) as listener:
        assert listener.getsockname()[1] == port
        with pytest.raises(OutputError, match='web.port: %d is in use' % port):
            listen.listen(config.Web(port=port))


def test_an_address_of_another_machine_is_said(appliance):
    with pytest.raises(OutputError, match='192.0.2.1'):
        listen.listen(config.Web(host='192.0.2.1'))


def test_a_successor_takes_the_same_port(bare, monkeypatch):
    """Also when the usual port has become free meanwhile: the address was printed."""
    ports = []
    for usual in (free_port(), free_port()):
        monkeypatch.setattr(listen, 'DEFAULT_WEB_PORT', usual)
        context = WorkerContext('web', bare.run_dir)
        thread = serving(bare, context, settings())
        until(bare.answers, 10, 'an answer')
        ports.append(bare.port)
        context.stop()
        thread.join(5)
    assert ports[0] == ports[1]


# -- the process ----------------------------------------------------------------------------------------------------

@pytest.fixture
def process(bare):
    """The worker as the supervisor starts it: its job on stdin."""
    job = {'target': 'edge_app.workers.web', 'arguments': {'config': settings(port=free_port())},
           'run_dir': bare.run_dir, 'log_level': 'WARNING'}
    started = subprocess.Popen([sys.executable, '-m', 'edge_app.supervision.worker', 'web'], stdin=subprocess.PIPE,
                               cwd=sources.ROOT)
    started.stdin.write(json.dumps(job).encode() + b'\n')
    started.stdin.flush()
    yield started
    started.kill()
    started.wait()
    started.stdin.close()


def test_the_process_ends_when_told_with_a_client_hanging_on(bare, process):
    path = os.path.join(bare.run_dir, 'web.json')
    until(lambda: os.path.exists(path), 20, 'web.json')
    with open(path) as file:
        said = json.load(file)
    bare.port = said['port']
    assert said['url'] == 'http://127.0.0.1:%d/' % bare.port and bare.get('/healthz')[0] == 200
    with socket.create_connection(('127.0.0.1', bare.port)) as hanging:
        hanging.sendall(b'GET /metrics HTT')
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=4) == 0
