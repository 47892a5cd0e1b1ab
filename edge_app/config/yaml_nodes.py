"""A YAML or JSON text read into nodes that know their line.

The text is not trusted: only text, numbers, booleans, lists and mappings come out, and size, depth and expanded
aliases are bounded. yaml.load keeps neither lines nor bounds, and silently takes the last of two equal keys.
"""
import json
import re

import attrs
import yaml

from edge_app.config.problems import Problems, shown_path
from edge_app.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_NODES = 20000
MAX_DEPTH = 20
QUOTE_IT = "a value that starts with one of & * ! % @ or holds ': ' or ' #' belongs in quotes"

_LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_SCALARS = ('null', 'bool', 'int', 'float')
_ESCAPE = re.compile(r'\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)', re.I)
_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(?:(\s+):)?')
_PREFIX = 'tag:yaml.org,2002:'
_STR = _PREFIX + 'str'


@attrs.frozen(eq=False)
class Node:
    """One value of the text, with where it stands."""

    value = attrs.field(repr=False)
    """None, bool, int, float, str, a list of Node or a dict of str to Node."""
    line = attrs.field(default=None)
    """From 1; the line of its key in a mapping. None when there is no text."""
    template = attrs.field(default=None)
    """The text as written, where `${NAME}` in it was replaced."""
    weight = attrs.field(default=1)
    """Nodes it and all below it count, aliases written out."""


def parse(text, file):
    """The root Node of `text`; ConfigError with every mistake found, `file` named in each."""
    as_json, problems = json_like(text, file), Problems(file)
    try:
        composer = _composer_class(_LOADER)(_as_yaml(text) if as_json else text, problems)
        composed = composer.get_node() if composer.check_node() else None
        if composer.check_node():
            composer.give_up('contains a second document; one file is one configuration')
        root = _Nodes(problems, as_json).of(composed, ()) if composed else Node(None, 1)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax(error.problem, error.problem_mark.line + 1, text, file))
    except yaml.YAMLError as error:
        line = text.count('\n', 0, getattr(error, 'position', 0)) + 1
        raise ConfigError(_syntax(getattr(error, 'reason', 'unreadable'), line, text, file))
    problems.raise_if_any()
    return root


def json_like(text, file):
    """Whether the text is JSON; ConfigError when it is not although the file's name says so."""
    named = file.endswith('.json')
    if not named and not text.lstrip().startswith(('{', '[')):
        return False
    try:
        json.loads(text)
    except ValueError as error:
        if named:
            raise ConfigError('not valid JSON: %s (%s:%d)' % (error.msg, file, error.lineno))
        return False
    except RecursionError:
        raise ConfigError('nested deeper than %d levels (%s)' % (MAX_DEPTH, file))
    return True


def _as_yaml(text):
    """JSON made acceptable to YAML: tabs, a key's colon on the next line, line ends, surrogate pairs."""
    for foreign in '\x85\u2028\u2029':
        text = text.replace(foreign, '\\u%04X' % ord(foreign))
    text = _STRING.sub(lambda found: found.group(1) + (found.group(2) and ':' + found.group(2) or ''), text)
    return _ESCAPE.sub(_join_halves, text.replace('\t', ' '))


def _join_halves(escape):
    if not escape.group(1):
        return escape.group(0)
    high, low = (int(half, 16) for half in escape.groups())
    return '\\U%08X' % (0x10000 + ((high - 0xd800) << 10) + low - 0xdc00)


def scalar(text, as_json=False):
    """What an unquoted scalar means: None, bool, number or the text itself."""
    if as_json:
        try:
            return json.loads(text)
        except ValueError:   # the empty text between a key too long for YAML and its colon
            return text
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False))
    kind = tag[len(_PREFIX):]
    # 1:30 is 90 in YAML 1.1 and text everywhere else; very long numbers take very long to convert
    if kind not in _SCALARS or (kind in ('int', 'float') and (':' in text or len(text) > 40)):
        return text
    try:
        return yaml.constructor.SafeConstructor().construct_object(yaml.ScalarNode(tag, text))
    except ValueError:   # 0x_ and 0b_ match YAML's pattern for numbers but are none
        return text


def from_plain(value):
    """Nodes without lines, of plain lists, tuples, dicts and scalars."""
    if isinstance(value, dict):
        return Node({str(key): from_plain(child) for key, child in value.items()})
    if isinstance(value, (list, tuple)):
        return Node([from_plain(child) for child in value])
    return Node(value)


def to_plain(node, leaf=lambda node: node.value, key=str):
    """The plain lists and dicts of a node, with `leaf` of each scalar and `key` of each key."""
    if isinstance(node.value, dict):
        return {key(name): to_plain(child, leaf, key) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(child, leaf, key) for child in node.value]
    return leaf(node)


def plain(text, file):
    """Plain values of a text that is no configuration, within the same bounds; ConfigError as from `parse`."""
    return to_plain(parse(text, file), key=scalar)


def _syntax(problem, line, text, file):
    written = text.split('\n')[line - 1] if line <= text.count('\n') + 1 else ''
    hint = 'indent with spaces, not tabs' if '\t' in written else QUOTE_IT
    return 'not valid YAML: %s, %s (%s:%d)' % (problem, hint, file, line)


def _composer_class(loader):
    """On top of PyYAML's own composer, which libyaml's loader has to be given."""
    composer = () if issubclass(loader, yaml.composer.Composer) else (yaml.composer.Composer,)
    return type('_Composer', (_Composer,) + composer + (loader,), {'loader': loader})


class _Composer:
    """Composes YAML nodes; bounds their depth, refuses tags, and reports aliases of nothing as problems."""

    def __init__(self, text, problems):
        self.loader.__init__(self, text)
        yaml.composer.Composer.__init__(self)
        self._problems, self._path, self._count = problems, (), 0

    def compose_node(self, parent, index):
        event, before = self.peek_event(), self._path
        if isinstance(parent, yaml.MappingNode) and index is None:
            if not isinstance(event, yaml.ScalarEvent):
                self.give_up('a key must be one word')
        elif parent is not None:
            self._path += (index.value if isinstance(index, yaml.Node) else index,)
        node = self._alias(event) if isinstance(event, yaml.AliasEvent) else self._new(event, parent, index)
        self._path = before
        return node

    def give_up(self, text):
        raise ConfigError('%s: %s (%s:%d)' % (shown_path(self._path) or 'configuration', text, self._problems.file,
                                              self.peek_event().start_mark.line + 1))

    def _new(self, event, parent, index):
        self._count += 1
        if self._count > 2 * MAX_NODES:     # keys and values
            self.give_up('more than %d values' % MAX_NODES)
        if len(self._path) >= MAX_DEPTH and not isinstance(event, yaml.ScalarEvent):
            self.give_up('nested deeper than %d levels' % MAX_DEPTH)
        if event.tag not in (None, '!', _STR) and (index is not None or parent is None):
            self._problems.add(self._path, 'tags are not understood here, ' + QUOTE_IT, event.start_mark.line + 1)
        self.anchors.pop(event.anchor, None)    # an anchor may be given again
        return super(_Composer, self).compose_node(parent, index)

    def _alias(self, event):
        self.get_event()
        node = self.anchors.get(event.anchor)
        if node is None or node.end_mark is None:   # not there, or around this very alias
            self._problems.add(self._path, 'alias of nothing before it, ' + QUOTE_IT, event.start_mark.line + 1)
            return yaml.ScalarNode(_STR, '', event.start_mark, event.end_mark)
        return node


class _Nodes:
    """Our Nodes of YAML's; one that several aliases stand for is made once."""

    def __init__(self, problems, as_json):
        self._problems, self._json = problems, as_json
        self._made = {}

    def of(self, node, path):
        """The Node of a YAML node at `path`."""
        if node not in self._made:
            make = {yaml.MappingNode: self._mapping, yaml.SequenceNode: self._list}.get(type(node), self._scalar)
            self._made[node] = make(node, path)
        return self._made[node]

    def _scalar(self, node, path):
        plain = not node.style and (self._json or node.tag != _STR)
        value = scalar(node.value, self._json) if plain else node.value
        return Node(value, _line(node), weight=1 + len(node.value) // 1000)

    def _list(self, node, path):
        items = [self.of(child, path + (index,)) for index, child in enumerate(node.value)]
        return Node(items, _line(node), weight=self._weight(items, node, path))

    def _mapping(self, node, path):
        items, merged, children = {}, {}, []
        for key, value in node.value:
            child = self.of(value, path + (key.value,))
            children.append(child)
            if key.value == '<<':
                self._merge(child, merged, path, _line(value))
                continue
            if key.value in items:
                first = items[key.value].line
                self._problems.add(path + (key.value,), 'given twice, first on line %d' % first, _line(key))
            items[key.value] = attrs.evolve(child, line=_line(key))
        return Node(dict(merged, **items), _line(node), weight=self._weight(children, node, path))

    def _merge(self, child, merged, path, line):
        for source in child.value if isinstance(child.value, list) else [child]:
            if isinstance(source.value, dict):
                for key, value in source.value.items():
                    merged.setdefault(key, value)
            else:
                self._problems.add(path + ('<<',), 'must be an alias of a mapping', line)

    def _weight(self, children, node, path):
        weight = 1 + sum(child.weight for child in children)
        if weight > MAX_NODES:
            raise ConfigError('%s: more than %d values once aliases are written out (%s:%d)' % (
                shown_path(path) or 'configuration', MAX_NODES, self._problems.file, _line(node)))
        return weight


def _line(node):
    return node.start_mark.line + 1
