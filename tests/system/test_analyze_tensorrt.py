"""The engine's process with TensorRT's stand-ins, which reach it as they would any program: first in PYTHONPATH."""
import os

import pytest

from edge_app.app import model_probe
from edge_app.config import Engine
from edge_app.errors import ConfigError, EngineUnavailable

from tests.support import nvidia
from tests.support.waiting import until
from tests.system.test_analyze import RED, site  # noqa: F401 a fixture


@pytest.fixture(params=nvidia.PERSONALITIES)
def personality(request, monkeypatch, tmp_path):
    nvidia.need_gcc()
    for name, value in nvidia.environment(request.param, XDG_CACHE_HOME=str(tmp_path / 'cache'),
                                          STANDIN_BUILD_LOG=str(tmp_path / 'builds')).items():
        monkeypatch.setenv(name, value)
    return request.param


def test_frames_become_results(personality, site):  # noqa: F811
    process = site.start(site.config({'backend': 'tensorrt', 'precision': 'fp16'}))
    assert site.note()['backend'] == 'tensorrt' and site.note()['precision'] == 'fp16'
    for name in site.names:
        site.deliver(name)
        result = site.result()
        assert set(result.detections.class_id) == {RED}
    site.balanced()
    process.terminate()
    assert process.wait(10) == 0


def test_while_it_builds_the_page_says_how_far_it_is(personality, site, monkeypatch):  # noqa: F811
    monkeypatch.setenv('STANDIN_BUILD_S', '2')
    site.start(site.config({'backend': 'tensorrt'}), running=False)
    note = until(lambda: site.note().get('state') == 'building' and site.note(), 30, 'a note of the build')
    assert 'building the plan of %s' % site.model in note['why']
    until(lambda: site.note().get('state') == 'running', 30, 'a running engine')


def test_a_plan_that_fits_nowhere_here_is_final(site, monkeypatch, tmp_path):  # noqa: F811
    nvidia.need_gcc()
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(nvidia.paths('tensorrt_8') + [nvidia.ROOT]))
    with nvidia.standing_in('tensorrt_10'):
        from edge_app.engine.tensorrt import build_plan
        plan, _ = build_plan(site.model, Engine())
    alone = str(tmp_path / 'alone' / 'model.plan')
    os.mkdir(os.path.dirname(alone))
    os.rename(plan, alone)
    process = site.start(site.config({'model': alone}), running=False)
    assert process.wait(30) == 3
    assert site.note()['state'] == 'failed' and 'does not fit this machine' in site.note()['why']


# before anything starts

def check(site, model=None):  # noqa: F811
    model_probe.probe_model(Engine(model=model or site.model, backend='tensorrt'), os.path.join(site.folder, 'checked'))


def test_the_look_beforehand_builds_nothing(personality, site):  # noqa: F811
    check(site)
    assert not [name for name in os.listdir(site.folder) if '.plan' in name]


def test_what_is_no_model_is_said_beforehand(personality, site):  # noqa: F811
    with open(site.model, 'wb') as stream:
        stream.write(b'no model')
    with pytest.raises(ConfigError, match="engine.model: .*is text, not a model; it begins with 'no model'"):
        check(site)


def test_a_missing_gpu_is_said_beforehand(personality, site, monkeypatch):  # noqa: F811
    monkeypatch.setenv('STANDIN_GPU', 'none')
    with pytest.raises(EngineUnavailable, match='no CUDA-capable device'):
        check(site)
