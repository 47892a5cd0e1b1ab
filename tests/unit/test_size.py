"""Readable in one sitting: how long functions and files may be, how deep they may nest, what they may catch."""
import ast

import pytest

from tests.support import sources

LONGEST_FUNCTION = 50
LONGEST_FILE = 400
DEEPEST = 4
CATCHES_ALL = ('edge_app.supervision.worker',)
"""Modules at a process boundary, where every exception ends in a log line and an exit code."""

MODULES = sources.modules()
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def lines(node):
    """Source lines of a function, its docstring not counted."""
    last = max(getattr(inner, 'lineno', 0) for inner in ast.walk(node))
    body = node.body
    if ast.get_docstring(node) is not None and len(body) > 1:
        return last - body[1].lineno + 1
    return last - node.lineno


def depth(node):
    """Blocks within blocks; `elif` is no deeper than its `if`."""
    below = [depth(child) for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTIONS)]
    return max(below or [0]) + (isinstance(node, BLOCKS) and not getattr(node, 'is_elif', False))


def mark_elifs(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            node.orelse[0].is_elif = True


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]


@pytest.mark.parametrize('module', sorted(MODULES))
def test_nothing_is_too_long_or_too_deep(module):
    tree = MODULES[module]
    mark_elifs(tree)
    assert max([getattr(node, 'lineno', 0) for node in ast.walk(tree)] or [0]) <= LONGEST_FILE
    assert [(node.name, lines(node)) for node in functions(tree) if lines(node) > LONGEST_FUNCTION] == []
    assert [(node.name, depth(node)) for node in functions(tree) if depth(node) > DEEPEST] == []


@pytest.mark.parametrize('module', sorted(MODULES))
def test_nothing_catches_everything(module):
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.ExceptHandler) and module not in CATCHES_ALL:
            assert node.type is not None, 'line %d: a bare except' % node.lineno
            assert getattr(node.type, 'id', '') not in ('Exception', 'BaseException') or raises_again(node), (
                'line %d: name what may happen' % node.lineno)


def raises_again(handler):
    """A handler that only cleans up."""
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def test_most_functions_are_short():
    sizes = sorted(lines(node) for tree in MODULES.values() for node in functions(tree))
    assert sizes[len(sizes) // 2] <= 8 and sizes[len(sizes) * 9 // 10] <= 30
