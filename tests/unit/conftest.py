"""Fixtures of several unit tests."""
import pytest

from tests.support.supervisor_world import GATE, YARD, World


@pytest.fixture
def world(tmp_path):
    """A supervisor of two workers that has not started anything yet, with its clock and processes."""
    return World(tmp_path, GATE, YARD)


@pytest.fixture
def gate(world):
    """The same when both workers have reported that they are ready."""
    world.step()
    for process in world.started:
        process.said.append('ready')
    world.step(0.1)
    return world
