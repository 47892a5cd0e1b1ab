"""The embedded model can be trained again: the same pictures, seed and steps give the same weights, bit for bit."""
import os
import socket
import subprocess
import sys

import pytest

torch = pytest.importorskip('torch', reason='the training needs torch')

MODELS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'models')


def trained(folder, name, port, seed):
    """The weights after two steps from a given start, in two processes as in earnest."""
    state = os.path.join(str(folder), name)
    command = [sys.executable, os.path.join(MODELS, 'train.py'), 'train', '--pictures', str(folder / 'pictures'),
               '--state', state, '--start', str(folder / 'start.pt'), '--steps', '2', '--batch', '2', '--seed',
               str(seed), '--port', str(port)]
    subprocess.run(command, check=True, timeout=170)
    return torch.load(state)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two scenes drawn and start weights, made by a process of their own: `models/` is no package."""
    place = tmp_path_factory.mktemp('training')
    made = ('import sys; sys.path.insert(0, %r)\n'
            'import network, pictures, torch\n'
            'pictures.FRAMES_PER_SCENE = 4\n'
            'assert pictures.render(%r, range(2), 1) == 8\n'
            'torch.manual_seed(5); torch.save(network.Detector().state_dict(), %r)\n')
    made %= (MODELS, str(place / 'pictures'), str(place / 'start.pt'))
    subprocess.run([sys.executable, '-c', made], check=True, timeout=170)
    return place


def free_port():
    with socket.socket() as tried:
        tried.bind(('127.0.0.1', 0))
        return tried.getsockname()[1]


@pytest.mark.timeout(600)
def test_same_seed_and_steps_give_the_same_weights(folder):
    first, again, other = [trained(folder, '%d.pt' % i, free_port(), seed) for i, seed in enumerate((3, 3, 4))]
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first), 'the seed changes nothing'
