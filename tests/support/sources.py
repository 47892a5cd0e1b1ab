"""The program's own sources as the tests about them see them: modules, what each imports, and when."""
import ast
import functools
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = os.path.join(ROOT, 'edge_app')
NOT_IMPORTED = ('examples', 'docs', 'models')
"""Folders of the package that hold files for people, not modules."""


def files(*folders, **options):
    """Paths below `folders` of the checkout with one of `endings`, nothing of a build."""
    endings = options.get('endings', ('.py',))
    for folder in folders:
        for place, below, names in os.walk(os.path.join(ROOT, folder)):
            below[:] = sorted(name for name in below if name != '__pycache__')
            for name in sorted(names):
                if name.endswith(endings):
                    yield os.path.join(place, name)


@functools.lru_cache(maxsize=None)
def modules():
    """{dotted name: syntax tree} of every module of edge_app; nobody changes it."""
    found = {}
    for path in files('edge_app'):
        parts = os.path.relpath(path, ROOT)[:-len('.py')].split(os.sep)
        if len(parts) > 1 and parts[1] in NOT_IMPORTED:
            continue
        name = '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)
        with open(path, encoding='utf-8') as source:
            found[name] = ast.parse(source.read(), path)
            found[name].package = '.'.join(parts[:-1])
    return found


def imported(tree, at_import_time_only=False):
    """Dotted names a module imports; `from a import b` gives both 'a' and 'a.b'."""
    names = set()
    for node in (_outside_functions(tree) if at_import_time_only else ast.walk(tree)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _from(node, tree.package)
            names.add(start)
            names.update('%s.%s' % (start, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_call(node):
            names.add(ast.literal_eval(node.args[0]))
    return names


def _from(node, package):
    """The whole name behind `from .scene`: each dot after the first is one package up."""
    if not node.level:
        return node.module
    parts = package.split('.')
    return '.'.join(parts[:len(parts) - node.level + 1] + ([node.module] if node.module else []))


def _is_import_call(call):
    """importlib.import_module('name'), __import__('name')."""
    name = getattr(call.func, 'attr', getattr(call.func, 'id', ''))
    literal = type(ast.parse("''").body[0].value)   # Str on 3.6, Constant since
    return name in ('import_module', '__import__') and bool(call.args) and isinstance(call.args[0], literal)


def _outside_functions(tree):
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node)
                    if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))]
