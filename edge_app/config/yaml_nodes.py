"""A YAML or JSON text read into nodes that know their line.

The text is not trusted: nothing but text, numbers, booleans, lists and mappings comes out, and size, depth and what
aliases multiply to are bounded. Built from the parser's events, without recursion, instead of by yaml.load, which
keeps neither lines nor bounds and takes the last of two equal keys without a word.
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
    composer = _Composer(file, json_like(text, file))
    try:
        for event in yaml.parse(_as_yaml(text) if composer.json else text, Loader=_LOADER):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax(error.problem, error.problem_mark.line + 1, text, file))
    except yaml.YAMLError as error:
        line = text.count('\n', 0, getattr(error, 'position', 0)) + 1
        raise ConfigError(_syntax(getattr(error, 'reason', 'unreadable'), line, text, file))
    composer.problems.raise_if_any()
    return composer.root or Node(None, 1)


def json_like(text, file):
    """Whether the text is JSON; ConfigError when only the file's name says so."""
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
    """JSON where YAML differs: tabs, a key's colon on the next line, line ends, characters beyond 16 bits in halves."""
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
        except ValueError:   # the nothing between a key too long for YAML and its colon
            return text
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False))
    kind = tag[len(_PREFIX):]
    # 1:30 is 90 to YAML 1.1 and text to everybody else; very long numbers take very long to read
    if kind not in _SCALARS or (kind in ('int', 'float') and (':' in text or len(text) > 40)):
        return text
    try:
        return yaml.constructor.SafeConstructor().construct_object(yaml.ScalarNode(tag, text))
    except ValueError:   # 0x_ and 0b_ look like numbers to YAML's pattern and are none
        return text


def from_plain(value):
    """Nodes without lines, of plain lists, tuples, dicts and scalars."""
    if isinstance(value, dict):
        return Node({str(key): from_plain(child) for key, child in value.items()})
    if isinstance(value, (list, tuple)):
        return Node([from_plain(child) for child in value])
    return Node(value)


def to_plain(node, leaf=lambda node: node.value):
    """The plain lists and dicts of a node, with `leaf` of each scalar."""
    if isinstance(node.value, dict):
        return {key: to_plain(child, leaf) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(child, leaf) for child in node.value]
    return leaf(node)


def _syntax(problem, line, text, file):
    written = text.split('\n')[line - 1] if line <= text.count('\n') + 1 else ''
    hint = 'indent with spaces, not tabs' if '\t' in written else QUOTE_IT
    return 'not valid YAML: %s, %s (%s:%d)' % (problem, hint, file, line)


@attrs.define(eq=False)
class _Open:
    """A list or mapping whose end has not come yet."""

    path = attrs.field()
    line = attrs.field()
    anchor = attrs.field()
    items = attrs.field()
    key = attrs.field(default=None)
    key_line = attrs.field(default=None)
    merged = attrs.field(factory=dict)
    weight = attrs.field(default=1)

    @property
    def wants_key(self):
        return isinstance(self.items, dict) and self.key is None

    def next_path(self):
        if self.wants_key:
            return self.path
        return self.path + (len(self.items) if isinstance(self.items, list) else self.key,)


class _Composer:
    """Puts the parser's events together."""

    def __init__(self, file, as_json):
        self.file, self.json = file, as_json
        self.problems = Problems(file)
        self.root = None
        self._stack = []
        self._anchors = {}

    def take(self, event):
        take = getattr(self, '_take_%s' % type(event).__name__, None)
        if take:
            take(event, event.start_mark.line + 1)

    def _path(self):
        return self._stack[-1].next_path() if self._stack else ()

    def _take_DocumentStartEvent(self, event, line):
        if self.root:
            self._give_up('holds a second document; one file is one configuration', line)

    def _take_AliasEvent(self, event, line):
        if event.anchor not in self._anchors:
            self.problems.add(self._path(), 'alias of nothing before it, ' + QUOTE_IT, line)
        self._place(self._anchors.get(event.anchor, Node(None, line)), line)

    def _take_ScalarEvent(self, event, line):
        if self._stack and self._stack[-1].wants_key:
            self._take_key(event.value, line)
            return
        self._refuse_tag(event.tag, line)
        plain = event.implicit[0]
        value = scalar(event.value, self.json) if plain else event.value
        self._close(Node(value, line), event.anchor, line)

    def _take_MappingStartEvent(self, event, line):
        self._open(event, {}, line)

    def _take_SequenceStartEvent(self, event, line):
        self._open(event, [], line)

    def _take_MappingEndEvent(self, event, line):
        done = self._stack.pop()
        items = dict(done.merged)
        items.update(done.items)
        self._close(Node(items, done.line, weight=done.weight), done.anchor, done.line)

    def _take_SequenceEndEvent(self, event, line):
        done = self._stack.pop()
        self._close(Node(done.items, done.line, weight=done.weight), done.anchor, done.line)

    def _open(self, event, items, line):
        if self._stack and self._stack[-1].wants_key:
            self._give_up('a key must be one word', line)
        if len(self._stack) >= MAX_DEPTH:
            self._give_up('nested deeper than %d levels' % MAX_DEPTH, line)
        self._refuse_tag(event.tag, line)
        self._stack.append(_Open(self._path(), line, event.anchor, items))

    def _take_key(self, key, line):
        top = self._stack[-1]
        first = top.items.get(key)
        if first and key != '<<':
            self.problems.add(top.path + (key,), 'given twice, first on line %d' % first.line, line)
        top.key, top.key_line = key, line

    def _refuse_tag(self, tag, line):
        if tag not in (None, '!', _PREFIX + 'str'):
            self.problems.add(self._path(), 'tags are not understood here, ' + QUOTE_IT, line)

    def _close(self, node, anchor, line):
        if anchor:
            self._anchors[anchor] = node
        self._place(node, line)

    def _place(self, node, line):
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        top.weight += node.weight
        if top.weight > MAX_NODES:
            self._give_up('more than %d values once aliases are written out' % MAX_NODES, line)
        if isinstance(top.items, list):
            top.items.append(node)
        elif top.key == '<<':
            self._merge(top, node, line)
        else:
            top.items[top.key] = attrs.evolve(node, line=top.key_line)
        top.key = None

    def _merge(self, top, node, line):
        for source in node.value if isinstance(node.value, list) else [node]:
            if not isinstance(source.value, dict):
                self.problems.add(top.path + ('<<',), 'must be an alias of a mapping', line)
                continue
            for key, child in source.value.items():
                top.merged.setdefault(key, child)

    def _give_up(self, text, line):
        raise ConfigError('%s: %s (%s:%d)' % (shown_path(self._path()) or 'configuration', text, self.file, line))
