"""Types of settings: each checks a plain value, says in words what it accepts, and gives its JSON schema.

`read` returns the normalised value, or raises InvalidValue with what it must be instead.
"""
import re

from edge_app import uris

CONTROL = re.compile('[\\x00-\\x1f\\x7f]')


class InvalidValue(ValueError):
    """A value of the wrong type. The text never contains the value: the caller adds it, or hides it."""

    def __init__(self, text, hint=''):
        super(InvalidValue, self).__init__(text + hint)
        self.text, self.hint = text, hint


class SettingType:
    """Base of all types."""

    words = 'anything'
    echo = True
    """Whether a message about a wrong value may show it."""
    textual = True
    """Whether text that replaced a `${NAME}` stays text, or is parsed as a number or boolean."""

    def read(self, value):
        raise NotImplementedError

    def schema(self):
        raise NotImplementedError

    def refuse(self):
        raise InvalidValue('must be ' + self.words)


class Text(SettingType):
    """One line of text; with `pattern`, one that matches it as a whole."""

    def __init__(self, words='text', pattern=None, longest=4096):
        self.words, self.pattern, self.longest = words, pattern, longest

    def read(self, value):
        if isinstance(value, (bool, int, float)):
            raise InvalidValue('must be text in quotes')
        if not isinstance(value, str):
            self.refuse()
        if CONTROL.search(value):
            raise InvalidValue('must be one line of text without control characters')
        if len(value) > self.longest:
            raise InvalidValue('must be at most %d characters long' % self.longest)
        if self.pattern and not re.match('(?:%s)\\Z' % self.pattern, value):
            self.refuse()
        return value

    def schema(self):
        schema = {'type': 'string'}
        if self.pattern:
            schema['pattern'] = '^(%s)$' % self.pattern
        return schema


class Texts(SettingType):
    """A list of texts."""

    words = 'a list of text'

    def read(self, value):
        if not isinstance(value, (list, tuple)):
            self.refuse()
        return tuple(Text().read(item) for item in value)

    def schema(self):
        return {'type': 'array', 'items': {'type': 'string'}}


class Number(SettingType):
    """A finite number from `low` to `high`, both allowed."""

    noun, json_type = 'number', 'number'
    textual = False

    def __init__(self, low, high):
        self.low, self.high = low, high
        self.words = 'a %s from %s to %s' % (self.noun, low, high)

    def read(self, value):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            self.refuse()
        if not self.low <= value <= self.high:
            self.refuse()
        return value

    def schema(self):
        return {'type': self.json_type, 'minimum': self.low, 'maximum': self.high}


class Integer(Number):
    """A whole number from `low` to `high`, both allowed."""

    noun, json_type = 'whole number', 'integer'

    def read(self, value):
        number = super(Integer, self).read(value)
        if number != int(number):
            self.refuse()
        return int(number)


class Boolean(SettingType):
    """True or false."""

    words = 'true or false'
    textual = False

    def read(self, value):
        if not isinstance(value, bool):
            self.refuse()
        return value

    def schema(self):
        return {'type': 'boolean'}


class Choice(SettingType):
    """One of several words."""

    def __init__(self, *choices):
        self.choices = choices
        self.words = 'one of ' + ', '.join(choices)

    def read(self, value):
        if value not in self.choices:
            raise InvalidValue('must be ' + self.words, uris.nearest(value, self.choices))
        return value

    def schema(self):
        return {'enum': list(self.choices)}


class Size(SettingType):
    """[width, height] in pixels, so that no row of an I420 plane needs padding."""

    words = '[width, height] in pixels, the width a multiple of 16, the height even'
    least, most = 32, 7680
    textual = False
    step = (16, 2)

    def read(self, value):
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            self.refuse()
        if any(isinstance(side, bool) or not isinstance(side, int) for side in value):
            self.refuse()
        if not all(self.least <= side <= self.most for side in value):
            raise InvalidValue('must be %d to %d pixels wide and high' % (self.least, self.most))
        good = tuple(int(round(side / step)) * step for side, step in zip(value, self.step))
        if tuple(value) != good:
            raise InvalidValue('must have a width that is a multiple of 16 and an even height, such as [%d, %d]' % good)
        return good

    def schema(self):
        sides = [{'type': 'integer', 'minimum': self.least, 'maximum': self.most, 'multipleOf': step}
                 for step in self.step]
        return {'type': 'array', 'items': sides, 'minItems': 2, 'maxItems': 2, 'additionalItems': False}


class Uri(SettingType):
    """A URI with one of `schemes`, a {name: Scheme}. Messages show no part of it that could contain a password."""

    echo = False

    def __init__(self, schemes):
        self.schemes = schemes
        self.words = 'a URI: ' + ', '.join(scheme.example for scheme in schemes.values())

    def read(self, value):
        if not isinstance(value, str):
            raise InvalidValue('must be %s; put it in quotes' % self.words)
        try:
            return uris.check(value, self.schemes)
        except ValueError as error:
            raise InvalidValue(str(error))

    def schema(self):
        bare = [name for name, scheme in self.schemes.items() if scheme.path_optional]
        pattern = '(%s):.*' % '|'.join(self.schemes)
        return {'type': 'string', 'pattern': '^(%s)$' % '|'.join([pattern] + bare)}


class Section(SettingType):
    """A mapping that becomes one `cls`; `off` where it has an `enabled` that can be."""

    words = 'a mapping of settings'

    def __init__(self, cls):
        self.cls = cls


class ListOf(SettingType):
    """A list of mappings, each of which becomes one `cls`."""

    def __init__(self, cls, noun):
        self.cls, self.noun = cls, noun
        self.words = "a list: one '- {...}' for each %s" % noun
