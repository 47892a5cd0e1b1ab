"""A Config as YAML with masked secrets: all of it, or what differs from the defaults."""
import attrs
import yaml

from edge_app.config.load import to_dict
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
