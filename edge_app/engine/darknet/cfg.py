"""Parses a `.cfg`: sections in order with their options, and the line of each."""
import re
from typing import Dict, NamedTuple

from edge_app.errors import EngineError
from edge_app.files import read_text

CHARACTERS = 1 << 20
SECTIONS = 2000
BLANK = re.compile(r'\s+')


class Section(NamedTuple):
    """One section; accessors raise EngineError with its place."""

    name: str
    line: int
    options: Dict[str, str]
    """As Darknet reads them: no blanks, of a key given twice the first."""
    conflicts: Dict[str, int]
    """{key: line} of keys given again with another value: an error when one is read."""
    path: str

    @property
    def title(self):
        return '[%s] in line %d' % (self.name, self.line)

    def wrong(self, sentence):
        """EngineError about this section, to be raised."""
        return EngineError('%s: %s: %s' % (self.path, self.title, sentence))

    def text(self, key, default=''):
        if key in self.conflicts:
            raise self.wrong('%s is given twice, with another value in line %d; keep one' % (key, self.conflicts[key]))
        return self.options.get(key, default)

    def whole(self, key, default, least=0, most=1 << 16):
        """An option as int within `least` to `most`."""
        return self._within(key, self._number(key, self.text(key, str(default)), int), least, most)

    def real(self, key, default, least=-1e6, most=1e6):
        """An option as float."""
        return self._within(key, self._number(key, self.text(key, str(default)), float), least, most)

    def numbers(self, key, kind=int):
        """A list of numbers, empty when the option is not given."""
        text = self.text(key)
        return [self._number(key, part, kind) for part in text.rstrip(',').split(',')] if text else []

    def _number(self, key, text, kind):
        try:
            return kind(text)
        except ValueError:
            raise self.wrong('%s=%s must be %s' % (key, text[:50], 'a whole number' if kind is int else 'a number'))

    def _within(self, key, value, least, most):
        if not least <= value <= most:
            raise self.wrong('%s=%s must be %s to %s' % (key, value, least, most))
        return value


def read_cfg(path):
    """Sections of a file in order. EngineError with file and line for anything that is none."""
    try:
        return parse_cfg(read_text(path, CHARACTERS), path)
    except OSError as error:
        raise EngineError('%s: cannot be read: %s' % (path, error.strerror))


def parse_cfg(text, path='cfg'):
    """Sections of a text; `path` is what errors call it."""
    if len(text) > CHARACTERS:
        raise EngineError('%s: longer than any .cfg (%d characters)' % (path, CHARACTERS))
    sections = []
    for number, line in enumerate(text.split('\n'), 1):
        line = BLANK.sub('', line.partition('#')[0])
        if line.startswith('['):
            if not line.endswith(']') or len(line) > 100:
                raise EngineError('%s:%d: %s is not a [section]' % (path, number, line[:50]))
            sections.append(Section(line[1:-1].lower(), number, {}, {}, path))
        elif line and not line.startswith(';'):
            _option(sections, line, number, path)
    if not sections:
        raise EngineError('%s: not a Darknet .cfg: it has no [section]' % path)
    if len(sections) > SECTIONS:
        raise EngineError('%s: %d sections; at most %d are read' % (path, len(sections), SECTIONS))
    return sections


def _option(sections, line, number, path):
    key, equals, value = line.partition('=')
    if not equals or not key:
        raise EngineError('%s:%d: %s is neither [section] nor key=value' % (path, number, line[:50]))
    if not sections:
        raise EngineError('%s:%d: %s is before the first [section]' % (path, number, line[:50]))
    options, conflicts = sections[-1].options, sections[-1].conflicts
    if options.setdefault(key, value) != value:
        conflicts.setdefault(key, number)
