"""A Config as YAML with masked secrets: all of it, or what differs from the defaults or from another Config."""
import json

import attrs
import yaml

from edge_app.config.load import to_dict
from edge_app.config.problems import shown_path
from edge_app.config.schema import settings
from edge_app.config.types import ListOf, Section


def everything(config):
    """YAML of every setting."""
    return _yaml(to_dict(config))


def changes(config):
    """YAML of the settings that differ from their defaults, and of those that have none."""
    return _yaml(_differing(config))


def _differing(section):
    shown = to_dict(section)
    return {name: _difference(field, getattr(section, name), shown[name])
            for name, field in settings(type(section)).items()
            if field.default is attrs.NOTHING or getattr(section, name) != field.default}


def _difference(field, value, shown):
    kind = field.metadata['kind']
    if isinstance(kind, Section):
        return _differing(value)
    if isinstance(kind, ListOf):
        return [_differing(item) for item in value]
    return shown


def differences(before, after, path=()):
    """Yield what differs between two Configs: 'cameras.gate.max_fps 5 -> 10', 'cameras.yard added'."""
    old, new = to_dict(before), to_dict(after)
    for name, field in settings(type(after)).items():
        values, kind = (getattr(before, name), getattr(after, name)), field.metadata['kind']
        place = path + (name,)
        if values[0] == values[1]:
            continue
        if isinstance(kind, Section):
            yield from differences(*values, path=place)
        elif isinstance(kind, ListOf):
            yield from _item_differences(*map(_by_name, values), path=place)
        elif field.metadata['secret'] or old[name] == new[name]:    # a secret within it
            yield shown_path(place) + ' changed'
        else:
            yield '%s %s -> %s' % (shown_path(place), _shown(old[name]), _shown(new[name]))


def _by_name(items):
    """{name or, without one, place in the list: item}."""
    return {getattr(item, 'name', number): item for number, item in enumerate(items)}


def _item_differences(before, after, path):
    for name in before:
        if name in after:
            yield from differences(before[name], after[name], path + (name,))
        else:
            yield shown_path(path + (name,)) + ' removed'
    yield from (shown_path(path + (name,)) + ' added' for name in after if name not in before)
    if list(before) != list(after) and set(before) == set(after):
        yield shown_path(path) + ' in another order'


def _shown(value):
    return 'not set' if value is None else value if isinstance(value, str) else json.dumps(value)


class _Dumper(yaml.SafeDumper):
    """Keeps the order of the schema, writes [640, 360] on one line, and escapes `${`."""

    def ignore_aliases(self, data):
        return True


def _list(dumper, items):
    plain = not any(isinstance(item, dict) for item in items)
    return dumper.represent_sequence('tag:yaml.org,2002:seq', items, flow_style=plain)


def _text(dumper, text):
    return yaml.SafeDumper.represent_str(dumper, text.replace('${', '$${'))


_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)


def _yaml(values):
    return yaml.dump(values, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=120)
