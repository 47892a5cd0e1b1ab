"""From nodes to the classes of the schema: reads every setting and collects every mistake."""
import json
from types import SimpleNamespace

import attrs

from edge_app import uris
from edge_app.config.schema import settings
from edge_app.config.secrets import SecretRefused, placeholders
from edge_app.config.types import InvalidValue, ListOf, Section
from edge_app.config.yaml_nodes import scalar, to_plain


def expand(node, path, secrets, problems):
    """The same nodes with `${NAME}` replaced in every text."""
    if isinstance(node.value, dict):
        return attrs.evolve(node, value={key: expand(child, path + (key,), secrets, problems)
                                         for key, child in node.value.items()})
    if isinstance(node.value, list):
        return attrs.evolve(node, value=[expand(child, path + (index,), secrets, problems)
                                         for index, child in enumerate(node.value)])
    if not isinstance(node.value, str) or '${' not in node.value:
        return node
    try:
        return attrs.evolve(node, value=secrets.expand(node.value), template=node.value)
    except SecretRefused as error:
        problems.add(path, str(error))
        return attrs.evolve(node, value=None, template=node.value)


def partial(cls, node, path, problems):
    """A namespace of every setting of `cls`: the given value, its default, or None (wrong or missing)."""
    known = settings(cls)
    values = {name: None if field.default is attrs.NOTHING else field.default for name, field in known.items()}
    given = _mapping(cls, node, path)
    if given is None:
        problems.add(path, 'must be ' + Section.words)
        return SimpleNamespace(**values)
    for key, child in given.items():
        if key in known:
            values[key] = _read(known[key], child, path + (key,), problems)
        else:
            problems.add(path + (key,), 'unknown key%s' % (uris.nearest(key, known) or ', known: ' + ', '.join(known)))
    for name, field in known.items():
        if field.default is attrs.NOTHING and name not in given:
            problems.add(path + (name,), 'missing: ' + field.metadata['kind'].words)
    return SimpleNamespace(**values)


def finish(cls, values):
    """The `cls` of a namespace without problems."""
    made = {}
    for name, field in settings(cls).items():
        kind, value = field.metadata['kind'], getattr(values, name)
        if isinstance(kind, Section) and not isinstance(value, kind.cls):
            value = finish(kind.cls, value)
        elif isinstance(kind, ListOf):
            value = tuple(item if isinstance(item, kind.cls) else finish(kind.cls, item) for item in value)
        made[name] = value
    return cls(**made)


def _mapping(cls, node, path):
    """The given settings; a boolean sets `enabled`, and a section whose settings are all commented out has none."""
    if isinstance(node.value, dict):
        return node.value
    if isinstance(node.value, bool) and 'enabled' in settings(cls):
        return {'enabled': node}
    return {} if node.value is None and path and isinstance(path[-1], str) else None


def _read(field, node, path, problems):
    kind = field.metadata['kind']
    if isinstance(kind, Section):
        return partial(kind.cls, node, path, problems)
    if isinstance(kind, ListOf):
        return _read_many(kind, node, path, problems)
    value = to_plain(node) if kind.textual else to_plain(node, _parsed)
    if value is None and (field.default is None or node.template):
        return None
    try:
        return kind.read(value)
    except InvalidValue as error:
        problems.add(path, _message(field, node, error))
        return None


def _read_many(kind, node, path, problems):
    if not isinstance(node.value, list):
        problems.add(path, 'must be %s%s' % (kind.words, _instead(node)))
        return None
    return tuple(partial(kind.cls, child, path + (index,), problems) for index, child in enumerate(node.value))


def _message(field, node, error):
    kind = field.metadata['kind']
    if field.metadata['secret']:
        return error.text
    if kind.echo:
        return error.text + _instead(node) + error.hint
    if '${' in (node.template or '').partition(':')[0]:  # a URI's mistake may name its scheme
        return 'must be ' + kind.words + _instead(node)
    return error.text


def _parsed(node):
    """The value of a placeholder, parsed as a YAML scalar without quotes."""
    return scalar(node.value) if node.template and node.value is not None else node.value


def _as_written(node):
    return placeholders(node.template) if node.template else node.value


def _instead(node):
    """', not 500': what was written, never the value of a placeholder."""
    if node.template:
        return ', not the value of ' + placeholders(node.template)
    if node.value is None:
        return ', not empty'
    if isinstance(node.value, dict):
        return ', not a mapping'
    shown = repr(node.value) if isinstance(node.value, str) else json.dumps(to_plain(node, _as_written))
    return ', not %s' % (shown if len(shown) <= 60 else shown[:57] + '...')
