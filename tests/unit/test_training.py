"""The same training command gives the same weights, bit for bit, whether it was resumed or not."""
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip('torch', reason='the training needs torch')

MODELS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'models')
STEPS = 6


def free_port():
    with socket.socket() as tried:
        tried.bind(('127.0.0.1', 0))
        return tried.getsockname()[1]


def command(folder, name, seed, *options):
    """A few steps from given weights, in two processes as in earnest."""
    return [sys.executable, os.path.join(MODELS, 'train.py'), 'train', '--pictures', str(folder / 'pictures'),
            '--state', str(folder / name), '--start', str(folder / 'start.pt'), '--steps', str(STEPS), '--batch', '2',
            '--seed', str(seed), '--save-every', '1', '--port', str(free_port())] + list(options)


def trained(folder, name, seed, *options):
    """The state after the last step."""
    subprocess.run(command(folder, name, seed, *options), check=True, timeout=170)
    return torch.load(str(folder / name))


def equal(one, other):
    return all(torch.equal(one[part][key], other[part][key]) for part in ('ema', 'model') for key in one[part])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two scenes drawn and start weights, made by a process of their own: `models/` is no package."""
    place = tmp_path_factory.mktemp('training')
    code = ('import sys; sys.path.insert(0, %r)\n'
            'import dataset, network, torch\n'
            'dataset.FRAMES_PER_SCENE = 4\n'
            'assert dataset.render(%r, [0, 2], 1) == 8\n'
            'torch.manual_seed(5); torch.save({"ema": network.Detector().state_dict()}, %r)\n')
    code %= (MODELS, str(place / 'pictures'), str(place / 'start.pt'))
    subprocess.run([sys.executable, '-c', code], check=True, timeout=170)
    return place


@pytest.fixture(scope='module')
def uninterrupted(folder):
    return trained(folder, 'uninterrupted.pt', 3)


@pytest.mark.timeout(600)
def test_same_seed_and_steps_give_the_same_weights(folder, uninterrupted):
    assert equal(uninterrupted, trained(folder, 'again.pt', 3))
    assert not equal(uninterrupted, trained(folder, 'other.pt', 4)), 'the seed changes nothing'


@pytest.mark.timeout(600)
def test_a_training_that_was_killed_continues_to_the_same_weights(folder, uninterrupted):
    state = folder / 'killed.pt'
    process = subprocess.Popen(command(folder, 'killed.pt', 3), start_new_session=True)
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 1 <= torch.load(str(state))['step'] < STEPS
    resumed = trained(folder, 'killed.pt', 3, '--resume')
    assert resumed['step'] == STEPS and equal(uninterrupted, resumed)


@pytest.mark.timeout(300)
def test_a_state_of_another_command_is_not_continued(folder, uninterrupted):
    refused = subprocess.run(command(folder, 'uninterrupted.pt', 4, '--resume'), stderr=subprocess.PIPE, timeout=170)
    assert refused.returncode != 0 and b'was written with' in refused.stderr
