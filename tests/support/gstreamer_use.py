"""Which GStreamer elements and properties the program uses, read from its sources and its tables.

    element made          gst.make('x', ...), texts for media factories ('( x key=value ! y )'), the tables of codecs
    property, strictly    keywords of gst.make, keys in such texts, set_property and get_property
    property, if present  keywords of gst.set_if_present: an older GStreamer may be without
"""
import ast
import collections
import os
import re

from tests.support import sources

Use = collections.namedtuple('Use', 'where element name')
"""`element` is None where a property is set on one that only the running program knows."""

NOT_PROPERTIES = ('name',)
WORD = re.compile(r'^\(?\s*([a-z][a-z0-9_]*)((?:\s+[a-z-]+=\S+)*)')
CALLS = ('make', 'set_if_present')
TABLES = {
    # (module, function) that makes what a table says: (element, properties) of all its rows, see `rows`
    ('edge_app.gst.codecs', 'make'): 'codecs',
    ('edge_app.gst.codecs', 'choose_decoder'): 'codecs',
    ('edge_app.camera.source_elements', '_depayload'): 'depayloaders',
    ('edge_app.camera.decode_pipeline', '_parser'): 'parsers',
    ('edge_app.output.video_file', '_build'): 'muxers',
    ('edge_app.workers.snapshot', '__init__'): 'pictures',
    ('edge_app.workers.snapshot', '_pad_added'): 'depayloaders',
    ('edge_app.testing.harness.viewer', 'first_picture'): 'codecs',
    ('edge_app.testing.simulator.replay', '_on_pad'): 'parsers',
    ('edge_app.testing.simulator.server', 'open'): 'simulator',
    ('edge_app.testing.simulator.faults', 'missing'): 'simulator',
}


class Reader(ast.NodeVisitor):
    """Walks one module; knows the function it is in."""

    def __init__(self, module):
        self.module, self.function = module, ''
        self.elements, self.strict, self.soft, self.unread = [], [], [], []

    def visit_FunctionDef(self, node):  # noqa: N802 (ast's name)
        outer, self.function = self.function, node.name
        self.generic_visit(node)
        self.function = outer

    def visit_Call(self, node):  # noqa: N802
        name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
        bare = 'gst' if self.module.startswith('edge_app.gst') else ''
        owner = getattr(node.func.value, 'id', '') if isinstance(node.func, ast.Attribute) else bare
        if name.startswith('parse_') and name[6:] in ('launch', 'bin_from_description'):
            self.unread.append('%s:%d: %s; make elements by gst.make' % (self.module, node.lineno, name))
        if name in ('set_property', 'get_property') or (name in CALLS and owner == 'gst'):
            getattr(self, name)(node, '%s:%d' % (self.module, node.lineno))
        self.generic_visit(node)

    def make(self, node, where):
        element = text_of(node.args[0]) if node.args else None
        if element is None:
            if node.args and (self.module, self.function) not in TABLES:
                self.unread.append('%s (%s): made by a name that no table of tests/support/gstreamer_use.py tells'
                                   % (where, self.function))
        else:
            self.elements.append(Use(where, element, None))
        self.strict += [Use(where, element, dashed(keyword.arg)) for keyword in node.keywords if keyword.arg]

    def set_if_present(self, node, where):
        self.soft += [Use(where, None, dashed(keyword.arg)) for keyword in node.keywords if keyword.arg]

    def set_property(self, node, where):
        name = text_of(node.args[0])
        self.strict += [Use(where, None, name)] if name else []

    get_property = set_property

    def text(self, text, where):
        """A text for a media factory: '( a ! b )', or the rest of one, ' ! c )'. Benchmarks' gst-launch is not ours."""
        if ' ! ' not in text or text.strip()[0] not in '(!':
            return
        for part in text.split('!'):
            found = WORD.match(part.strip())
            if found and '/' not in part.split(',')[0]:
                element = found.group(1)
                self.elements.append(Use(where, element, None))
                names = [pair.split('=')[0] for pair in found.group(2).split()]
                self.strict += [Use(where, element, name) for name in names if name not in NOT_PROPERTIES]

    def visit_Str(self, node):  # noqa: N802 (3.6 and 3.7)
        self.text(node.s, '%s:%d' % (self.module, node.lineno))

    def visit_Constant(self, node):  # noqa: N802 (3.8 and later)
        if isinstance(node.value, str):
            self.text(node.value, '%s:%d' % (self.module, node.lineno))


def text_of(node):
    """The text a node is, None when it is none."""
    value = getattr(node, 's', None) if type(node).__name__ == 'Str' else getattr(node, 'value', None)
    return value if isinstance(value, str) else None


def dashed(name):
    return name.replace('_', '-')


def docstrings(tree):
    """Nodes that only say something to people."""
    for node in ast.walk(tree):
        body = getattr(node, 'body', None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and text_of(statement.value) is not None:
                yield statement.value


def read(module, tree):
    """A Reader that has seen the module, what is said to people left out."""
    said = {id(node) for node in docstrings(tree)}
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if id(value) in said:
                setattr(node, field, ast.copy_location(ast.Name(id='said', ctx=ast.Load()), value))
    reader = Reader(module)
    reader.visit(tree)
    return reader


def used():
    """(elements, strict properties, properties if present, call sites nobody can read) of all of edge_app."""
    elements, strict, soft, unread = rows()
    for module, tree in sorted(sources.modules().items()):
        if module == 'edge_app.gst.binding':
            continue
        reader = read(module, tree)
        elements, strict = elements + reader.elements, strict + reader.strict
        soft, unread = soft + reader.soft, unread + reader.unread
    return elements, strict, soft, unread


def rows():
    """The same of the tables; rows for hardware that is not a Jetson's, and untested, are left out."""
    from edge_app.camera import decode_pipeline, source_elements
    from edge_app.gst import codecs, probe
    from edge_app.output import video_file
    from edge_app.testing.simulator import stream
    from edge_app.workers import snapshot
    soft, strict = [], []
    for row in codecs.DECODERS:
        if not row.note:
            soft += row.elements.values()
            strict.append(row.scaler)
    for row in codecs.ENCODERS:
        if not row.note:
            soft.append((row.element, row.settings(1000, 25)))
            strict += [part for part in row.before + row.after if isinstance(part, tuple)]
    strict += list(video_file.CONTAINERS.values()) + list(snapshot.PICTURES.values())
    strict += [(name, {}) for _, name in source_elements.ENCODINGS.values()]
    strict += [(name, {}) for codec in snapshot.CODECS.values() for name in codec[1:]]
    strict += [(name, {}) for name in list(decode_pipeline.PARSERS.values()) + list(probe.ELEMENTS)]
    strict += [(name, {}) for names in stream.ELEMENTS.values() for name in names]
    uses = [Use('a table', element, dashed(name)) for element, names in strict for name in names]
    wishes = [Use('a table', element, dashed(name)) for element, names in soft for name in names]
    return [Use('a table', element, None) for element, _ in strict + soft], uses, wishes, []


def names_since():
    """{name: version} of what came to GStreamer's libraries after 1.14, see gstreamer_newer.txt."""
    found, since = {}, None
    with open(os.path.join(sources.ROOT, 'tests', 'unit', 'gstreamer_newer.txt'), encoding='utf-8') as lines:
        for line in lines:
            words = [] if line.startswith('#') else line.split()
            if len(words) == 1 and words[0].endswith(':'):
                since = words[0][:-1]
            else:
                found.update(dict.fromkeys(words, since))
    return found


def newer_names(module, tree, since):
    """['module:line: name (1.16)'] of the newer names a module asks of anything, where it has to do with GStreamer."""
    if 'edge_app.gst' not in module and not any(name.startswith('edge_app.gst') for name in sources.imported(tree)):
        return []
    return ['%s:%d: %s (%s)' % (module, node.lineno, node.attr, since[node.attr])
            for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in since]
