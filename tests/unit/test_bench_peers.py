"""The comparison with other programs: what is installed where, and the arithmetic. None of them is needed here."""
import os
import sys

import numpy as np
import pytest

from edge_app.detectors.yolox import decode_all

from tests.bench.peers import environment, measure, table
from tests.bench.peers.work import decoded

PYTHON = '''#!%s
import os, shutil, sys
if sys.argv[1:3] == ['-m', 'venv']:
    os.makedirs(sys.argv[3] + '/bin')
    shutil.copy(sys.argv[0], sys.argv[3] + '/bin/python')
else:
    if 'vidgear[core]==0.3.6' in sys.argv:
        sys.exit('no wheel for this machine')
    open(os.path.dirname(sys.argv[0]) + '/said', 'w').write(' '.join(sys.argv[1:]))
''' % sys.executable


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A Python that makes an environment and notes what pip is asked for."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = tmp_path / 'python'
    path.write_text(PYTHON)
    path.chmod(0o755)
    return str(path)


def test_a_name_stands_for_all_its_modes():
    assert table.chosen(()) == table.PEERS
    assert [peer.mode for peer in table.chosen(['streamvision'])] == ['default', 'auto', 'freshest', 'every_frame']
    assert [peer.name for peer in table.chosen(['vidgear no queue'])] == ['vidgear no queue']
    with pytest.raises(KeyError):
        table.chosen(['frigate'])


def test_what_would_be_installed_is_listed_with_its_licence_and_place(python, tmp_path):
    said = list(environment.plan(table.PEERS, 'onnxruntime==1.2'))
    assert len(said) == 4 and any('ultralytics==8.4.190 onnxruntime==1.2' in line and 'AGPL-3.0' in line
                                  for line in said)
    assert all(str(tmp_path / 'cache' / 'edge-app' / 'bench' / 'peers') in line for line in said)
    assert not os.path.exists(str(tmp_path / 'cache'))


def test_each_program_gets_one_environment_and_a_failure_is_reported(python):
    auto, freshest, vidgear = table.chosen(['streamvision auto', 'streamvision freshest', 'vidgear no queue'])
    said = []
    failed = environment.install([auto, freshest, vidgear], 'onnxruntime==1.2', python, said.append)
    assert list(failed) == ['vidgear'] and 'no wheel for this machine' in failed['vidgear']
    assert environment.missing(vidgear) and not environment.missing(auto) and not environment.missing(freshest)
    with open(os.path.join(os.path.dirname(environment.interpreter(auto)), 'said')) as stream:
        assert stream.read() == '-m pip install --quiet streamvision==0.1.4 onnxruntime==1.2'
    assert list(environment.plan([auto, freshest], 'onnxruntime==1.2')) == []
    assert environment.install([auto, freshest], 'onnxruntime==1.2', '/nowhere', said.append) == {}


def test_pictures_inferred_twice_count_once():
    found = measure.of_rates([(30.0, 10.0), (20.0, 5.0)])
    assert found == {'inferred_per_s': 15.0, 'repeated': pytest.approx(0.7), 'fairness': 0.5}
    assert measure.of_rates([(0, 0)])['fairness'] == 0


def test_what_the_others_keep_leaves_the_frozen_camera_out():
    before = [(10, 10), (10, 10), (10, 8)]
    assert measure.least_kept(before, [(9, 9), (0, 0), (9, 6)]) == 0.75
    assert measure.least_kept([(1, 1), (1, 1)][1:], [(1, 1)]) == 1.0   # the first is not the one that is frozen


def row(rate, p95):
    return {'inferred_per_s': {'median': rate}, 'latency_ms': {'p95': p95 and {'median': p95}}}


def test_the_appliance_is_compared_with_the_best_of_each_figure():
    found = {measure.OURS: row(40, 100), 'a': row(50, 400), 'b': row(20, 200), 'c': {}, 'd': row(1, None),
             measure.OURS_AUTO: row(75, 90)}
    told = measure.beside(found)
    assert told == {'fastest': 'a', 'rate': 0.8, 'rate_own_choice': 1.5, 'soonest': 'b', 'p95': 0.5,
                    'p95_of_fastest': 0.25}
    assert measure.beside({measure.OURS: {}, 'a': row(1, 1)}) == {}


def test_the_runners_find_the_boxes_that_the_appliance_finds():
    rng = np.random.RandomState(1)
    rows = rng.uniform(-1, 1, (84, 5 + 3)).astype(np.float32)   # 64x64: 64 + 16 + 4 cells
    rows[:, 4:] = 0.1
    rows[[3, 70, 82], 4:6] = 0.9
    found = decoded(rows, 64, 64)
    ours = decode_all([rows[None]], 1, (64, 64), 0.4)
    assert len(ours.xyxy) == 3
    order = [int(np.abs(ours.xyxy - box[:4]).sum(axis=1).argmin()) for box in found]
    assert np.allclose(found[:, :4], ours.xyxy[order], atol=1e-3) and np.allclose(found[:, 4], ours.score[order])
    assert (found[:, 5] == ours.class_id[order]).all()
