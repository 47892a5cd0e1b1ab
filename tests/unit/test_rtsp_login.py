"""Digest for viewers, and how often passwords may be tried."""
import hashlib
import logging

import pytest

from edge_app.output.rtsp_login import MOST_WAITING, PAUSE_S, PasswordChecks, challenge, matches, network_of, new_nonce
from edge_app.output.rtsp_request import Request


def md5(text):
    return hashlib.md5(text.encode('utf-8')).hexdigest()


def request(nonce, user='viewer', password='p@ss:w/rd', method='PLAY', said_nonce=None, kind='Digest'):
    uri = 'rtsp://cam/mosaic'
    right = md5('%s:%s:%s' % (md5('%s:edge-app:%s' % (user, password)), nonce, md5('%s:%s' % (method, uri))))
    header = '%s username="%s", realm="edge-app", nonce="%s", uri="%s", response="%s"' % (
        kind, user, said_nonce or nonce, uri, right)
    return Request('PLAY', uri, {'authorization': header.encode('utf-8').decode('latin-1')}, b'')


@pytest.mark.parametrize('user, password', [('viewer', 'p@ss:w/rd'), ('Jürgen', 'geheim-ß')])
def test_the_right_answer_to_the_challenge_matches(user, password):
    nonce = new_nonce()
    assert nonce in challenge(nonce)
    assert matches(request(nonce, user, password), nonce, user, password)


@pytest.mark.parametrize('other', [{'password': 'wrong'}, {'user': 'nobody'}, {'method': 'DESCRIBE'},
                                   {'said_nonce': 'another'}, {'kind': 'Basic'}])
def test_another_answer_does_not(other):
    nonce = new_nonce()
    assert not matches(request(nonce, **other), nonce, 'viewer', 'p@ss:w/rd')


@pytest.mark.parametrize('header', ['', 'Digest', 'Digest username="viewer"', 'Digest ' + 'a="b",' * 1000,
                                    'Digest username="viewer", realm="edge-app", nonce="x", uri="", response=""'])
def test_a_header_that_is_no_answer_does_not(header):
    assert not matches(Request('PLAY', '*', {'authorization': header}, b''), 'x', 'viewer', 'secret')


class Client(object):
    def __init__(self, address='10.0.0.5'):
        self.address, self.network, self.wrong = address, network_of(address), 0


def test_after_a_wrong_password_others_from_there_wait_and_others_elsewhere_do_not():
    checks, guesser, viewer, elsewhere = PasswordChecks('x'), Client(), Client(), Client('10.0.0.6')
    checks.add(guesser)
    assert checks.due(0.0) is guesser
    checks.was_wrong(guesser, 0.0)
    for client in (guesser, viewer, elsewhere):
        checks.add(client)
    assert checks.due(0.0) is elsewhere
    assert checks.due(PAUSE_S / 2) is None and checks.next_at_s <= PAUSE_S
    assert checks.due(PAUSE_S) is viewer, 'who was not wrong before comes first'
    assert checks.due(PAUSE_S) is guesser, 'after a right one nobody waits'
    assert checks.due(PAUSE_S) is None and checks.next_at_s is None


def test_those_who_wait_are_few_and_who_was_wrong_gives_way():
    checks, guessers = PasswordChecks('x'), [Client() for _ in range(MOST_WAITING)]
    for client in guessers:
        client.wrong = 1
        assert checks.add(client) is None
    assert checks.add(Client()) in guessers


def test_wrong_passwords_are_a_line_of_the_log_a_minute(caplog):
    checks = PasswordChecks('10.0.0.1:8554')
    with caplog.at_level(logging.WARNING):
        for tick in range(125):
            checks.was_wrong(Client(), float(tick))
    said = [record.getMessage() for record in caplog.records]
    assert [line.split('such line: ')[1].split(';')[0] for line in said] == ['1', '60', '60'] and '10.0.0.5' in said[0]


@pytest.mark.parametrize('address, network', [('10.0.0.5', '10.0.0.5'), ('fe80::1%eth0', 'fe80::/64'),
                                              ('2001:db8::1:2:3:4', '2001:db8::/64')])
def test_an_ipv6_host_is_its_network(address, network):
    assert network_of(address) == network
