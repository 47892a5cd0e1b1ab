"""Collects all mistakes of a configuration, each with its path and line, to report them at once."""
import attrs

from edge_app.errors import ConfigError


def shown_path(path):
    """('cameras', 1, 'uri') as cameras[1].uri."""
    shown = ''.join('[%d]' % step if isinstance(step, int) else '.' + _word(step) for step in path)
    return shown[1:] if shown.startswith('.') else shown


def _word(key):
    """A key on one line and not longer than one, whatever it contains."""
    return key if key.isprintable() and len(key) <= 60 else ascii(key[:60])


@attrs.define(eq=False)
class Problems:
    """Problems and warnings of one configuration; `root`, once known, gives the line of a path."""

    file = attrs.field(default=None)
    root = attrs.field(default=None)
    _found = attrs.field(factory=list, init=False)
    _warned = attrs.field(factory=list, init=False)

    def add(self, path, text, line=None):
        """A mistake at `path`."""
        self._found.append((path, text, line))

    def warn(self, path, text):
        """Something at `path` that works but is risky."""
        self._warned.append((path, text, None))

    def __bool__(self):
        return bool(self._found)

    def raise_if_any(self):
        """ConfigError with all problems, in the order of the file."""
        if self._found:
            raise ConfigError(*self._lines(self._found))

    @property
    def warnings(self):
        return tuple(self._lines(self._warned))

    def _lines(self, found):
        placed = [(line or self._line_of(path), path, text) for path, text, line in found]
        placed.sort(key=lambda problem: problem[0] or 0)
        return [self._line(*problem) for problem in placed]

    def _line(self, line, path, text):
        where = '' if self.file is None else ' (%s:%d)' % (self.file, line) if line else ' (%s)' % self.file
        return '%s: %s%s' % (shown_path(path) or 'configuration', text, where)

    def _line_of(self, path):
        """The line of the deepest node on the way to `path` that exists."""
        node, line = self.root, None
        for step in path + (None,):
            if node is None:
                break
            node, line = _child(node, step), node.line or line
        return line


def _child(node, step):
    if isinstance(node.value, dict):
        return node.value.get(step)
    if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None
