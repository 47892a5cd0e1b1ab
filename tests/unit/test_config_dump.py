"""A configuration shown again: effective, differences, JSON schema, reference."""
import json
import os
import re

import pytest
import yaml

import edge_app
from edge_app.config import Config, from_dict, load, to_dict
from edge_app.config.dump import changes, differences, everything
from edge_app.config.reference import json_schema, reference
from edge_app.config.schema import settings

SITE = '''\
cameras:
  - {name: gate, uri: "rtsp://admin:hunter2@10.0.0.21/x", size: [1280, 720], user: admin}
  - {name: yard, uri: "test://", user: "$${literal}"}
engine: off
outputs: [{uri: "window:"}]
sinks: [{uri: "stdout:"}]
web: {port: 8081}
'''


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'site.yaml'
    path.write_text(SITE.replace(', user: admin}', '}'))
    path.chmod(0o600)
    return load(str(path), {})


def again(tmp_path, text):
    path = tmp_path / 'again.yaml'
    path.write_text(text)
    path.chmod(0o600)
    return load(str(path), {})


@pytest.mark.parametrize('dump', [everything, changes])
def test_a_dump_loads_again_but_for_its_secrets(config, tmp_path, dump):
    text = dump(config)
    assert 'hunter2' not in text and "password: '***'" in text
    loaded = again(tmp_path, text)
    assert to_dict(loaded) == to_dict(config)
    assert dump(loaded) == text


def test_everything_names_every_setting(config):
    plain = yaml.safe_load(everything(config))
    assert list(plain) == list(settings(Config))
    assert plain['cameras'][1]['latency_ms'] == 100
    assert '  size: [1280, 720]\n' in everything(config)


def test_changes_name_only_what_differs(config):
    assert yaml.safe_load(changes(config)) == {
        'cameras': [{'name': 'gate', 'uri': 'rtsp://10.0.0.21/x', 'user': 'admin', 'password': '***',
                     'size': [1280, 720]},
                    {'name': 'yard', 'uri': 'test://', 'user': '$${literal}'}],
        'engine': {'enabled': False},
        'outputs': [{'uri': 'window:'}],
        'sinks': [{'uri': 'stdout:'}],
        'web': {'port': 8081}}


def test_the_reference_is_the_one_the_schema_gives():
    path = os.path.join(os.path.dirname(edge_app.__file__), 'docs', 'configuration.md')
    with open(path, encoding='utf-8') as file:
        assert file.read() == reference(), 'edge-app config --reference > edge_app/docs/configuration.md'


def test_the_example_of_the_reference_is_valid(tmp_path):
    example = re.search('```yaml\n(.*?)```', reference(), re.S).group(1)
    path = tmp_path / 'site.yaml'
    path.write_text(example)
    assert len(load(str(path), {'CAMERA_PASSWORD': 'x'}).cameras) == 2


# the JSON schema, checked by as much of draft-07 as it uses

TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'null': type(None)}


def is_type(value, name):
    if name in ('number', 'integer'):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and (name == 'number' or value % 1 == 0)
    return isinstance(value, TYPES[name])


def fits_object(value, schema):
    properties = schema.get('properties', {})
    return (set(schema.get('required', ())) <= set(value) and set(value) <= set(properties)
            and all(fits(child, properties[key]) for key, child in value.items()))


def fits_array(value, schema):
    items = schema['items']
    rows = items if isinstance(items, list) else [items] * len(value)
    return (schema.get('minItems', 0) <= len(value) <= schema.get('maxItems', len(value))
            and all(fits(child, row) for child, row in zip(value, rows)))


CHECKS = {
    '$schema': None, 'title': None, 'description': None, 'default': None, 'properties': None, 'required': None,
    'additionalProperties': None, 'items': None, 'minItems': None, 'maxItems': None, 'additionalItems': None,
    'type': lambda value, names: any(is_type(value, name) for name in (names if isinstance(names, list) else [names])),
    'anyOf': lambda value, shapes: any(fits(value, shape) for shape in shapes),
    'enum': lambda value, choices: value in choices,
    'pattern': lambda value, pattern: re.search(pattern, value) is not None,
    'minimum': lambda value, low: value >= low,
    'maximum': lambda value, high: value <= high,
    'multipleOf': lambda value, step: value % step == 0}


def fits(value, schema):
    """Whether a value has the shape; KeyError for a keyword this does not know."""
    if 'type' in schema and not CHECKS['type'](value, schema['type']):
        return False
    if not all(CHECKS[key] is None or CHECKS[key](value, rule) for key, rule in schema.items()):
        return False
    if schema.get('type') == 'object':
        return fits_object(value, schema)
    return fits_array(value, schema) if schema.get('type') == 'array' else True


GATE = {'name': 'gate', 'uri': 'rtsp://host/x'}


@pytest.mark.parametrize('good', [
    {'cameras': [GATE]},
    {'cameras': [dict(GATE, size=[640, 360], max_fps=None, password='${PW}', latency_ms='${LATENCY:100}')],
     'engine': False, 'web': {'port': 8080}, 'outputs': [{'uri': 'window:'}, {'uri': 'null'}], 'sinks': []},
    {'cameras': [{'name': 'a', 'uri': '${URI}'}], 'engine': {'backend': 'auto', 'score': 0.4, 'classes': ['person']}}])
def test_the_schema_accepts_what_is_valid(good):
    assert fits(json.loads(json.dumps(good)), json_schema())


def test_the_schema_takes_what_the_appliance_writes(config):
    assert fits(to_dict(config), json_schema())
    assert fits(yaml.safe_load(changes(config)), json_schema())


@pytest.mark.parametrize('bad', [
    {}, {'cameras': []}, {'cameras': [{'name': 'gate'}]}, {'cameras': [dict(GATE, sise=1)]},
    {'cameras': [dict(GATE, size=[650, 360])]}, {'cameras': [dict(GATE, size=[640])]},
    {'cameras': [dict(GATE, name='a b')]}, {'cameras': [dict(GATE, uri='rstp://host/x')]},
    {'cameras': [dict(GATE, max_fps=1000)]}, {'cameras': [dict(GATE, latency_ms=1.5)]},
    {'cameras': [dict(GATE, transport='upd')]}, {'cameras': [dict(GATE, enabled='yes')]},
    {'cameras': [GATE], 'web': {'port': 0}}, {'cameras': [GATE], 'engine': 'yes'}])
def test_the_schema_refuses_what_is_wrong(bad):
    assert not fits(bad, json_schema())
    with pytest.raises(ValueError):
        from_dict(bad)


def test_the_schema_gives_editors_meanings_and_defaults():
    camera = json_schema()['properties']['cameras']['items']['properties']
    assert camera['latency_ms']['default'] == 100
    assert all(setting['description'] for setting in camera.values())


def test_what_differs_between_two_is_named_without_secrets():
    def made(**values):
        return from_dict(dict({'cameras': [{'name': 'gate', 'uri': 'rtsp://h/x', 'user': 'u', 'password': 'hunter2'},
                                           {'name': 'yard', 'uri': 'test://'}]}, **values))
    before = made()
    assert list(differences(before, made())) == []
    gate = {'name': 'gate', 'uri': 'rtsp://h/y?token=hunter2', 'user': 'u', 'password': 'hunter3', 'size': [1280, 720],
            'max_fps': 5}
    after = made(cameras=[gate, {'name': 'dock', 'uri': 'test://'}], engine={'enabled': False, 'score': 0.4},
                 outputs=[{'uri': 'rtsp://127.0.0.1:8554/mosaic', 'fps': 10}, {'uri': 'null:'}],
                 sinks=[{'uri': 'stdout:'}], web={'token': 'hunter2hunter2hunter2'})
    found = list(differences(before, after))
    assert found == [
        'cameras.gate.uri rtsp://h/x -> rtsp://h/y?token=***', 'cameras.gate.password changed',
        'cameras.gate.size [640, 360] -> [1280, 720]', 'cameras.gate.max_fps not set -> 5', 'cameras.yard removed',
        'cameras.dock added', 'engine.enabled true -> false', 'engine.score not set -> 0.4',
        'outputs[0].fps 25 -> 10', 'outputs[1] added', 'sinks[0] added', 'web.token changed']
    assert list(differences(before, made(cameras=[{'name': 'yard', 'uri': 'test://'}, gate]))) == found[:4] + [
        'cameras in another order']
