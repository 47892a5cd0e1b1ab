"""Parts of the self-test for real: the rings of this machine, and a Jetson's elements as the stand-ins play them."""
import pytest

from edge_app.testing.selftest import codecs, ring_integrity
from edge_app.testing.selftest.outcome import FAILED, GOOD

from tests.support import jetson


@pytest.fixture
def board(monkeypatch):
    """board(**bugs): children from now on see a TX2's elements."""
    def be(**bugs):
        for name, value in jetson.environment('tx2', **bugs).items():
            monkeypatch.setenv(name, value)
    return be


def test_rings(tmp_path):
    outcomes = list(ring_integrity.check(str(tmp_path), 2))
    assert [outcome.state for outcome in outcomes] == [GOOD, GOOD], outcomes
    assert outcomes[0].figures['careless_torn'] > 0, 'torn frames could have been seen'


def states(outcomes):
    return {outcome.name: (outcome.state, outcome.words) for outcome in outcomes}


def test_a_boards_codecs(board, tmp_path):
    board()
    found = states(codecs.check(str(tmp_path), True))
    for name in ('encoder jetson', 'decoder jetson'):
        assert found[name][0] == GOOD, found[name]


@pytest.mark.parametrize('bug, words', [('hang=20', 'hung and was killed'), ('silent=20', '19 pictures')])
def test_a_boards_decoder_that_is_broken(board, tmp_path, monkeypatch, bug, words):
    board(bugs=bug)
    monkeypatch.setattr(codecs, 'CHILD_S', 25.0)
    found = states(codecs.check(str(tmp_path), True))
    assert found['decoder jetson'][0] == FAILED and words in found['decoder jetson'][1], found['decoder jetson']
    assert found['decoder software'][0] == GOOD, 'the others are tried all the same'
