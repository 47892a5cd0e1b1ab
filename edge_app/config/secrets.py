"""`${NAME}` and `${NAME:default}`: looked up where secrets belong, so that a configuration contains none.

In this order: the environment, the `credentials_file`, systemd's $CREDENTIALS_DIRECTORY, /run/secrets.
"""
import itertools
import os
import re
import stat

import attrs

WAYS = ('set it in the environment, as a NAME=value line in the credentials_file, '
        'as a file in $CREDENTIALS_DIRECTORY, or as /run/secrets/NAME')
LONGEST = 65536

_PLACEHOLDER = re.compile(r'(\$?)\$\{([^}]*)(\}?)')
_NAME = re.compile(r'([A-Za-z_][A-Za-z0-9_.-]*)(?::(.*))?\Z', re.S)


class SecretRefused(ValueError):
    """A secret that is not set, or a file that cannot be trusted. The message contains no value."""


def placeholders(text):
    """'${A} and ${B}': the first names in a text, without their defaults."""
    found = (_NAME.match(inside) for escaped, inside, _ in _PLACEHOLDER.findall(text) if not escaped)
    return ' and '.join('${%s}' % name.group(1) for name in itertools.islice(filter(None, found), 3))


@attrs.frozen(eq=False)
class Secrets:
    """The places where `${NAME}` is looked up."""

    environment = attrs.field(repr=False)
    credentials = attrs.field(factory=dict, repr=False)
    folders = attrs.field(default=())

    @classmethod
    def of_this_machine(cls, credentials=(), environment=None, run_secrets='/run/secrets'):
        """The four places, as this process sees them."""
        environment = os.environ if environment is None else environment
        folder = environment.get('CREDENTIALS_DIRECTORY')
        return cls(environment, dict(credentials), ((folder,) if folder else ()) + (run_secrets,))

    def find(self, name):
        """The value of NAME, or None."""
        if name in self.environment:
            return self.environment[name]
        if name in self.credentials:
            return self.credentials[name]
        for folder in self.folders:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return _read_secret(path)
        return None

    def expand(self, text):
        """`text` with every placeholder replaced; `$${` is a plain `${`. SecretRefused names what is missing."""
        return _PLACEHOLDER.sub(self._replace, text)

    def _replace(self, found):
        escaped, inside, closed = found.groups()
        if escaped:
            return found.group(0)[1:]
        shape = _NAME.match(inside)
        if not closed or not shape:
            raise SecretRefused("'${' must be followed by NAME} or NAME:default}; write '$${' for a literal '${'")
        name, default = shape.groups()
        value = self.find(name)
        if value is None and default is None:
            raise SecretRefused('${%s} is not set: %s' % (name, WAYS.replace('NAME', name)))
        return default if value is None else value


def _read_secret(path):
    try:
        with open(path, encoding='utf-8') as file:
            return re.sub('\r?\n\\Z', '', file.read(LONGEST))
    except (OSError, UnicodeDecodeError) as error:
        raise SecretRefused('%s cannot be read: %s' % (path, getattr(error, 'strerror', 'not UTF-8')))


def read_credentials(path):
    """{NAME: value} of a file of NAME=value lines; SecretRefused unless it belongs to this user or root alone."""
    try:
        # Not waiting for a writer in case it is a pipe, which is checked next.
        with open(path, encoding='utf-8', opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            _check_owner(os.fstat(file.fileno()), path)
            lines = file.read(LONGEST).splitlines()
    except OSError as error:
        raise SecretRefused('%s cannot be read: %s' % (path, error.strerror))
    except UnicodeDecodeError:
        raise SecretRefused('%s is not UTF-8 text' % path)
    return dict(_credential(line, number, path) for number, line in enumerate(lines, 1)
                if line.strip() and not line.lstrip().startswith('#'))


def _check_owner(status, path):
    if not stat.S_ISREG(status.st_mode):
        raise SecretRefused('%s is not a file' % path)
    if status.st_uid not in (0, os.geteuid()):
        raise SecretRefused('%s belongs to another user: chown it to the user that runs edge-app' % path)
    if status.st_mode & 0o077:
        raise SecretRefused('%s can be read by others (mode %04o): chmod 600 it' % (path, stat.S_IMODE(status.st_mode)))


def _credential(line, number, path):
    name, equals, value = line.strip().partition('=')
    if not equals or not _NAME.match(name.strip()):
        raise SecretRefused('%s:%d is not NAME=value' % (path, number))
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in '\'"'
    return name.strip(), value[1:-1] if quoted else value
