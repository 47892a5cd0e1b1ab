"""Which requests the web worker refuses: without credentials, from other sites' pages, too large; and TLS."""
import base64
import concurrent.futures
import socket
import ssl

import pytest

from edge_app import config
from edge_app.config.passwords import made_hash
from edge_app.stats import Counters
from edge_app.web import auth
from edge_app.workers import web

from tests.support import certificates
from tests.support.waiting import until
from tests.support.web_worker import Appliance, running, settings

TOKEN = 'a-token-of-this-test-0123456789'
PASSWORD = 'p@ss:w\u00f6rd'
ROUNDS = 1000


@pytest.fixture
def bare(tmp_path):
    with Counters.create(tmp_path, ['gate', 'yard']) as counters:
        yield Appliance(str(tmp_path), counters)


@pytest.fixture
def open_page(bare):
    with running(bare, settings()):
        yield bare


@pytest.fixture
def guarded(bare):
    with running(bare, settings(token=TOKEN, user='guest', password_hash=made_hash(PASSWORD, ROUNDS))):
        yield bare


def basic(user, password):
    return 'Basic ' + base64.b64encode(('%s:%s' % (user, password)).encode()).decode()


@pytest.mark.parametrize('path', ['/', '/metrics', '/api/stats', '/api/gate/latest.jpg', '/nowhere'])
def test_nothing_without_credentials(guarded, path):
    status, headers, body = guarded.get(path)
    assert status == 401 and headers['WWW-Authenticate'].startswith('Basic realm=') and len(body) < 100


def test_whether_it_is_alive_and_ready_may_be_asked_by_anybody_and_nothing_else(guarded):
    assert guarded.get('/healthz')[2] == b'ok\n'
    assert guarded.json('/readyz') == (503, {'ready': False})
    status, answer = guarded.json('/readyz', Authorization='Bearer ' + TOKEN)
    assert status == 503 and set(answer['cameras']) == {'gate', 'yard'}
    assert guarded.get('/readyz', Authorization='Bearer wrong')[0] == 401


@pytest.mark.parametrize('given', [basic('guest', PASSWORD), 'Bearer ' + TOKEN, 'bearer ' + TOKEN])
def test_who_knows_comes_in_again_and_again(guarded, given):
    for _ in range(2):
        assert guarded.get('/api/version', Authorization=given)[0] == 200


@pytest.mark.parametrize('given', [
    basic('guest', 'wrong'), basic('', PASSWORD), basic('guest2', PASSWORD), basic('guest', ''), 'Basic', 'Basic !!!',
    'Basic ' + base64.b64encode(b'\xff\xfe').decode(), 'Bearer', 'Bearer ' + TOKEN[:-1], 'Bearer ' + TOKEN + 'x',
    'Digest username="guest"', TOKEN])
def test_who_does_not_know_stays_outside(guarded, given, monkeypatch):
    monkeypatch.setattr(auth, 'PAUSE_S', 0)
    assert guarded.get('/api/version', Authorization=given)[0] == 401
    assert guarded.get('/api/version', Authorization=basic('guest', PASSWORD))[0] == 200


def test_guessing_is_slow_and_does_not_shut_out_who_was_in(guarded):
    good = basic('guest', PASSWORD)
    assert guarded.get('/api/version', Authorization=good)[0] == 200
    with concurrent.futures.ThreadPoolExecutor(8) as guessers:
        guesses = [guessers.submit(guarded.get, '/api/version', Authorization=basic('guest', str(number)))
                   for number in range(8)]
        assert guarded.get('/api/version', Authorization=good)[0] == 200
        answers = sorted(guess.result()[0] for guess in guesses)
    assert set(answers) == {401, 429} and answers.count(429) >= 3


def test_a_token_alone_is_not_asked_for_in_a_window(bare):
    with running(bare, settings(token=TOKEN)):
        status, headers, _ = bare.get('/')
        assert status == 401 and headers['WWW-Authenticate'].startswith('Bearer')
        assert bare.get('/', Authorization=basic('guest', TOKEN))[0] == 401
        assert bare.get('/', Authorization='Bearer ' + TOKEN)[0] == 200


def test_wrong_attempts_are_logged_without_what_was_tried(guarded, caplog):
    guarded.get('/', Authorization='Bearer not-the-token-hunter2')
    until(lambda: '1 requests with a wrong token or password' in caplog.text, 5, 'a line in the log')
    assert 'hunter2' not in caplog.text


# pages from elsewhere, in a browser that can reach us

@pytest.mark.parametrize('headers', [
    {'Origin': 'http://evil.example'}, {'Origin': 'null'}, {'Origin': 'http://127.0.0.1:1'}, {'Origin': ''},
    {'Sec_Fetch_Site': 'cross-site', 'Sec_Fetch_Mode': 'no-cors'}, {'Sec_Fetch_Site': 'same-site'},
    {'Sec_Fetch_Site': 'cross-site', 'Sec_Fetch_Mode': 'websocket'}])
@pytest.mark.parametrize('path', ['/', '/healthz', '/api/gate/latest.jpg'])
def test_a_page_from_elsewhere_is_refused(open_page, path, headers):
    assert open_page.get(path, **headers)[0] == 403


def test_our_own_page_and_a_link_to_it_are_answered(open_page):
    ours = 'http://127.0.0.1:%d' % open_page.port
    for headers in ({'Origin': ours, 'Sec_Fetch_Site': 'same-origin'}, {'Sec_Fetch_Site': 'none'},
                    {'Sec_Fetch_Site': 'cross-site', 'Sec_Fetch_Mode': 'navigate'}):
        assert open_page.get('/', **headers)[0] == 200


def test_with_the_right_token_a_page_from_elsewhere_is_still_refused(guarded):
    assert guarded.get('/', Authorization='Bearer ' + TOKEN, Origin='http://evil.example')[0] == 403


# sizes

def answer_to(appliance, request):
    """The status line of the answer to these bytes."""
    with socket.create_connection(('127.0.0.1', appliance.port), 10) as client:
        client.sendall(request)
        return client.recv(4096).split(b'\r\n')[0].decode()


@pytest.mark.parametrize('request_head, status', [
    (b'POST /api/stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n', '413'),
    (b'GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n', '413'),
    (b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nxx', '405'),
    (b'GET /' + b'x' * 20000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n', '400'),
    (b'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n', '40'),
    (b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'x' * 20000 + b'\r\n\r\n', '400'),
    (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc', '400')])
def test_what_is_too_large_or_no_request(open_page, request_head, status):
    assert answer_to(open_page, request_head).split()[1].startswith(status)
    assert open_page.get('/healthz')[0] == 200


def test_an_address_is_not_said_back_at_length(open_page):
    status, _, body = open_page.get('/api/%s/latest.jpg' % ('x' * 5000))
    assert status == 404 and len(body) < 200


def test_who_connects_and_says_nothing_does_not_use_up_the_connections(open_page, monkeypatch):
    monkeypatch.setattr(web, 'MAX_CONNECTIONS', 5)
    silent = [socket.create_connection(('127.0.0.1', open_page.port), 10) for _ in range(20)]
    try:
        until(lambda: sum(is_cut(client) for client in silent) >= 15, 10, 'the oldest are cut')
        assert open_page.get('/healthz')[0] == 200
    finally:
        for client in silent:
            client.close()


def is_cut(client):
    client.setblocking(False)
    try:
        return client.recv(1) == b''
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


# TLS

def test_over_tls(bare, tmp_path):
    certificate, key = certificates.make(tmp_path)
    with running(bare, settings(tls=config.Tls(certificate, key), token=TOKEN)):
        assert (tmp_path / 'web.json').read_text().count('https://') == 1
        bare.trusted = certificate
        assert bare.get('/')[0] == 401
        assert bare.get('/api/version', Authorization='Bearer ' + TOKEN)[0] == 200
        bare.trusted = certificates.make(tmp_path, 'other')[0]
        with pytest.raises(ssl.SSLError):
            bare.get('/healthz')
        with socket.create_connection(('127.0.0.1', bare.port), 10) as plain:
            plain.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
            assert b'ok' not in plain.recv(4096)
