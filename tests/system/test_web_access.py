"""Which requests the web worker refuses: without credentials, from other sites' pages, too large; and TLS."""
import base64
import concurrent.futures
import contextlib
import http.client
import socket
import ssl
import threading
import time

import pytest

from edge_app import config
from edge_app.config.passwords import made_hash
from edge_app.stats import Counters
from edge_app.web import auth, connections
from edge_app.web.connections import source

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


def test_guessing_is_slow_and_does_not_shut_out_who_was_in(guarded, monkeypatch):
    monkeypatch.setattr(auth, 'PAUSE_S', 0.2)
    good = basic('guest', PASSWORD)
    assert guarded.get('/api/version', Authorization=good)[0] == 200
    with concurrent.futures.ThreadPoolExecutor(8) as guessers:
        guesses = [guessers.submit(guarded.get, '/api/version', Authorization=basic('guest', str(number)))
                   for number in range(8)]
        begun = time.monotonic()
        assert guarded.get('/api/version', Authorization=good)[0] == 200
        assert [guess.result()[0] for guess in guesses] == [401] * 8
        assert time.monotonic() - begun > 7 * 0.2


@contextlib.contextmanager
def guessing(appliance, clients, source='127.0.0.1'):
    """So many clients at this address that try one password after the other; yields their answers."""
    over, answers = threading.Event(), []

    def guess(number):
        while not over.is_set():
            given = basic('guest', '%d-%d' % (number, len(answers)))
            connection = http.client.HTTPConnection('127.0.0.1', appliance.port, 20, source_address=(source, 0))
            connection.request('GET', '/api/version', headers={'Authorization': given})
            answers.append(connection.getresponse().status)
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(clients) as guessers:
        running_ones = [guessers.submit(guess, number) for number in range(clients)]
        try:
            until(lambda: len(answers) > 1, 20, 'guesses')
            yield answers
        finally:
            over.set()
    assert all(one.exception() is None for one in running_ones)


def test_a_flood_of_guesses_keeps_nobody_out_who_was_never_in(guarded, monkeypatch):
    monkeypatch.setattr(auth, 'PAUSE_S', 0.1)
    with guessing(guarded, 8) as answers:
        assert guarded.get('/api/version', Authorization=basic('guest', PASSWORD))[0] == 200
        assert set(answers) == {401}


def test_guesses_from_one_address_delay_nobody_at_another(guarded, monkeypatch):
    monkeypatch.setattr(auth, 'PAUSE_S', 0.5)
    with guessing(guarded, 8, '127.0.0.2') as answers:
        before = len(answers)
        assert guarded.get('/api/version', Authorization=basic('guest', PASSWORD))[0] == 200
        assert len(answers) - before <= 3


def test_more_guesses_than_may_wait_are_answered_with_a_pause_too(guarded, monkeypatch):
    monkeypatch.setattr(auth, 'PAUSE_S', 0.2)
    monkeypatch.setattr(auth, 'MOST_WAITING', 2)
    begun = time.monotonic()
    with guessing(guarded, 6) as answers:
        until(lambda: 429 in answers, 10, 'one that may not wait')
    assert len(answers) <= 6 * ((time.monotonic() - begun) / 0.2 + 1)


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


@contextlib.contextmanager
def connected(appliance, count, data=b'', source='127.0.0.1'):
    """So many connections that send this and nothing more."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = socket.create_connection(('127.0.0.1', appliance.port), 10, (source, 0))
            clients.append(stack.enter_context(contextlib.closing(client)))
            client.sendall(data)
        yield clients


def cut(clients):
    return [is_cut(client) for client in clients]


@pytest.fixture(params=['http', 'https'])
def either(request, bare, tmp_path):
    """The page over HTTP and over HTTPS."""
    tls = config.Tls(*certificates.make(tmp_path)) if request.param == 'https' else config.Tls()
    with running(bare, settings(tls=tls)):
        bare.trusted = tls.certificate
        yield bare


HELLO = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'


@pytest.mark.parametrize('data', [b'', b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n', HELLO],
                         ids=['nothing', 'half a request', 'half a handshake'])
def test_who_says_nothing_whole_is_counted_from_the_start_and_cut_the_oldest_first(either, monkeypatch, data):
    monkeypatch.setattr(connections, 'MAX_SILENT', 5)
    monkeypatch.setattr(connections, 'SILENT_S', 60.0)
    with connected(either, 20, data) as clients:
        until(lambda: sum(cut(clients)) >= 15, 10, 'the oldest are cut')
        assert either.get('/healthz')[0] == 200
        if not data:     # with what is no part of its protocol HTTPS ends a connection itself
            assert cut(clients[15:])[1:] == [False] * 4, 'the newest are left their time'


def test_who_says_nothing_whole_is_cut_after_a_while(either, monkeypatch):
    monkeypatch.setattr(connections, 'SILENT_S', 0.2)
    with connected(either, 3) as clients:
        until(lambda: all(cut(clients)), 10, 'all are cut')
        assert either.get('/healthz')[0] == 200


def test_who_asked_before_may_be_silent_between_two_requests(either, monkeypatch):
    client = either.connection()
    with contextlib.closing(client):
        client.request('GET', '/healthz')
        assert client.getresponse().read() == b'ok\n'
        monkeypatch.setattr(connections, 'SILENT_S', 0.0)
        with connected(either, 1) as others:
            until(lambda: all(cut(others)), 10, 'a silent one is cut')
        client.request('GET', '/healthz')
        assert client.getresponse().read() == b'ok\n'


def test_a_crowd_at_one_address_is_cut_and_not_who_connects_from_another(open_page, monkeypatch):
    monkeypatch.setattr(connections, 'MAX_SILENT', 5)
    monkeypatch.setattr(connections, 'SILENT_S', 60.0)
    with connected(open_page, 1, source='127.0.0.2') as first, connected(open_page, 20) as crowd:
        until(lambda: sum(cut(crowd)) >= 16, 10, 'the crowd is cut')
        assert cut(first) == [False]
        first[0].setblocking(True)
        first[0].sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
        assert first[0].recv(4096).startswith(b'HTTP/1.1 200')


def test_of_those_that_asked_the_oldest_goes_first(open_page, monkeypatch):
    monkeypatch.setattr(connections, 'MAX_CONNECTIONS', 5)
    with connected(open_page, 20, b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n') as clients:
        until(lambda: sum(cut(clients)) >= 15, 10, 'the oldest are cut')
        assert open_page.get('/healthz')[0] == 200


def test_addresses_of_one_client_are_one():
    assert source('2001:db8:1:2::5') == source('2001:db8:1:2:ffff::9') != source('2001:db8:1:3::5')
    assert source('::ffff:10.0.0.5') == source('10.0.0.5') == '10.0.0.5' != source('10.0.0.6')
    assert source('fe80::1%eth0') == source('fe80::2%eth0')


MALFORMED = (b'GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer %s\r\n\r\n',
             b'GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nBad Header: x\r\n\r\n',
             b'GET /?token=%s\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n',
             b'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n', b'%s\r\n\r\n',
             b'GET http://[%s/ HTTP/1.1\r\nHost: localhost\r\n\r\n')


def test_malformed_requests_cost_a_line_a_minute_and_nothing_of_them_is_logged(guarded, caplog):
    for request_head in MALFORMED + MALFORMED[:1] * 20:
        answer_to(guarded, request_head.replace(b'%s', TOKEN.encode()))
    assert guarded.get('/healthz')[0] == 200
    lines = [line for record in caplog.records for line in record.getMessage().splitlines()]
    assert '1 requests were malformed or failed; the last: ' in caplog.text
    assert len(lines) <= 4 and 'Traceback' not in caplog.text
    assert TOKEN not in caplog.text and 'localhost' not in caplog.text
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize('request_head', [b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n', b'GARBAGE\r\n\r\n',
                                          b'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n'])
def test_a_stranger_does_not_learn_what_it_runs_on(open_page, request_head):
    with socket.create_connection(('127.0.0.1', open_page.port), 10) as client:
        client.sendall(request_head)
        head = client.recv(4096).partition(b'\r\n\r\n')[0].decode()
    assert 'Server: edge-app' in head and 'ython' not in head and 'aiohttp' not in head


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
