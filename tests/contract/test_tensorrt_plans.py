"""Plans through the whole backend: when TensorRT 8.2 and 10 build, what they find again, what they must refuse."""
import json
import os

import pytest

from edge_app.config import Engine as Settings
from edge_app.engine import choose
from edge_app.errors import EngineMismatch

from tests.contract.test_tensorrt import (builds, open_lines, opened, path, personality, pictures,  # noqa: F401
                                          plan_of, record, written)
from tests.support import nvidia, tiny_onnx

# pytest hands fixtures over by name
# flake8: noqa: F811


def test_it_is_built_once_beside_the_model_with_its_whole_key(personality, path):
    plan = plan_of(path)
    assert plan == path[:-len('.onnx')] + '.fp32-b4-64x32.plan' and plan_of(path) == plan
    assert builds(path) == 1
    key = record(plan)['key']
    assert key['batch'] == [1, 4, 4] and key['size'] == [64, 32] and key['workspace_mb'] == 512
    assert key['compute'] == {'tensorrt_8': '6.2', 'tensorrt_10': '8.7'}[personality]
    with opened(path) as engine:
        engine.read()
        assert engine.key == key and engine.metadata == {'imgsz': '[32, 64]'}


@pytest.mark.parametrize('settings', [{'batch': 2}, {'precision': 'fp16'}])
def test_another_wish_is_another_plan_beside_the_first(personality, path, settings):
    first, second = plan_of(path), plan_of(path, **settings)
    assert first != second and os.path.exists(first) and builds(path) == 2
    plan_of(path)
    plan_of(path, **settings)
    assert builds(path) == 2


def test_another_model_under_the_same_name_is_built_again(personality, path):
    plan_of(path)
    written(path, tiny_onnx.detector('yolox'))
    plan_of(path)
    plan_of(path)
    assert builds(path) == 2


def test_after_an_update_of_the_board_it_is_built_once_again(path, monkeypatch, tmp_path):
    monkeypatch.setenv('STANDIN_BUILD_LOG', str(tmp_path / 'builds'))
    for personality in ('tensorrt_8', 'tensorrt_10', 'tensorrt_10'):
        with nvidia.standing_in(personality):
            plan_of(path)
    assert [line.split()[1] for line in open_lines(str(tmp_path / 'builds'))] == ['8.2.1.8', '10.3.0']


def test_a_truncated_plan_is_built_again_once(personality, path, caplog):
    plan = plan_of(path)
    with open(plan, 'rb+') as stream:
        stream.truncate(1000)
    plan_of(path)
    plan_of(path)
    assert builds(path) == 2 and 'does not match its record' in caplog.text


def test_a_plan_that_tensorrt_refuses_although_its_key_fits_is_built_again_once(personality, path, caplog):
    from edge_app.engine.tensorrt import plans
    plan = plan_of(path)
    lie = dict(record(plan), sha256=plans.sha256(b'rubbish'))
    written(plan, b'rubbish')
    written(plan + '.json', json.dumps(lie).encode())
    plan_of(path)
    plan_of(path)
    assert builds(path) == 2 and 'refused by the library' in caplog.text and 'tag does not match' in caplog.text


def test_building_says_how_far_it_is(personality, path, monkeypatch):
    monkeypatch.setenv('STANDIN_BUILD_S', '1.3')
    lines = []
    from edge_app.engine.tensorrt import build_plan
    plan, key = build_plan(path, Settings(), lines.append)
    assert os.path.exists(plan) and key == record(plan)['key']
    assert len(lines) >= 2 and all('building the plan of %s' % path in line for line in lines)
    assert personality == 'tensorrt_8' or 'Building Engine 1 of 2' in lines[-1]


def test_measurements_are_kept_for_the_next_build(personality, path, monkeypatch):
    plan = plan_of(path)
    with open(plan + '.timing', 'rb') as stream:
        measured = stream.read()
    assert measured.startswith(b'timing ')
    import gpu_standin.trt_build as standin
    seen = []
    create_cache = standin.Config.create_timing_cache
    monkeypatch.setattr(standin.Config, 'create_timing_cache',
                        lambda config, content: seen.append(content) or create_cache(config, content))
    os.unlink(plan)
    plan_of(path)
    assert seen == [measured]


def test_anothers_measurements_are_left_aside(personality, path):
    written(path[:-len('.onnx')] + '.fp32-b4-64x32.plan.timing', b'timing of another GPU')
    plan = plan_of(path)
    with open(plan + '.timing', 'rb') as stream:
        assert b'another' not in stream.read()


def test_no_timing_cache_is_no_error(personality, path, monkeypatch):
    monkeypatch.setenv('STANDIN_TIMING_CACHE', 'none')
    plan = plan_of(path)
    assert os.path.exists(plan) and not os.path.exists(plan + '.timing')


# only a plan

def alone(path, name='alone.engine', keep_record=True):
    """The plan of a model without the model: its path."""
    plan = plan_of(path)
    target = os.path.join(os.path.dirname(path), 'elsewhere', name)
    os.mkdir(os.path.dirname(target))
    os.rename(plan, target)
    if keep_record:
        os.rename(plan + '.json', target + '.json')
    return target


@pytest.mark.parametrize('keep_record', [True, False])
def test_a_plan_alone_runs_where_it_fits(personality, path, keep_record):
    plan = alone(path, keep_record=keep_record)
    assert choose(Settings(), plan)[0] == 'tensorrt'
    with opened(plan) as engine:
        engine.read()
        engine.load()
        assert engine.infer(pictures(4))[0].shape == (4, 7, 42)
        assert engine.metadata == ({'imgsz': '[32, 64]'} if keep_record else {})
        assert engine.precision == ('fp32' if keep_record else 'as built')


def test_a_plan_for_fewer_pictures_limits_the_batch(personality, path, caplog):
    plan = alone(path)
    with opened(plan, batch=8) as engine:
        engine.read()
        assert engine.max_batch == 4 and 'built for at most 4 pictures; engine.batch 8' in caplog.text
    with opened(plan, batch=2) as engine:
        engine.read()
        assert engine.max_batch == 2


@pytest.mark.parametrize('keep_record, words', [(True, 'tensorrt .*, now '), (False, 'tag does not match')])
def test_a_plan_alone_from_elsewhere_is_final(path, keep_record, words):
    with nvidia.standing_in('tensorrt_10'):
        plan = alone(path, keep_record=keep_record)
    with nvidia.standing_in('tensorrt_8'), opened(plan) as engine:
        with pytest.raises(EngineMismatch, match=words) as caught:
            engine.read()
    assert caught.value.exit_code == 3 and 'edge-app models build' in str(caught.value)


def test_a_plan_from_elsewhere_beside_its_model_is_built_here(path, caplog, monkeypatch, tmp_path):
    monkeypatch.setenv('STANDIN_BUILD_LOG', str(tmp_path / 'builds'))
    with nvidia.standing_in('tensorrt_10'):
        plan = plan_of(path)
        given = str(tmp_path / 'model.engine')
        os.rename(plan, given)
        os.rename(plan + '.json', given + '.json')
    for _ in range(2):
        with nvidia.standing_in('tensorrt_8'), opened(given) as engine:
            engine.read()
            engine.load()
            assert engine.infer(pictures(2))[0].shape == (2, 7, 42)
    assert builds(path) == 2 and 'model.onnx is used instead' in caplog.text


@pytest.mark.parametrize('keep_record, words', [(True, 'it is damaged'), (False, 'truncated or damaged')])
def test_a_truncated_plan_alone_is_final(personality, path, keep_record, words):
    plan = alone(path, keep_record=keep_record)
    with open(plan, 'rb+') as stream:
        stream.truncate(1000)
    with opened(plan) as engine, pytest.raises(EngineMismatch, match=words):
        engine.read()
