"""A configuration that may change while it is in use: looked at once a second, read again when its file is another."""
import os


class ConfigReload:
    """Reads a configuration again with `read()`, a callable that gives a Config; `paths(config)` are its files."""

    def __init__(self, read, config):
        self._read = read
        self._paths = paths(config)
        self._seen = self._settled = self._look()

    def due(self):
        """Whether a file is another than when it was read last, and the same as a call ago: not in the middle of a write."""
        found = self._look()
        if found != self._seen:
            self._seen = found
            return False
        return found != self._settled

    def read(self):
        """The Config as the files are now; ConfigError names every mistake. Either way they count as read."""
        self._seen = self._settled = self._look()
        before = dict(zip(self._paths, self._seen))     # one that changes while it is read is read again
        config = self._read()
        self._paths = paths(config)
        self._seen = self._settled = [before[path] if path in before else _facts(path) for path in self._paths]
        return config

    def _look(self):
        return [_facts(path) for path in self._paths]


def paths(config):
    """The files a Config came from."""
    return [path for path in (config.path, config.credentials_file) if path]


def _facts(path):
    """What changes when a file is written or another takes its place; None while it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
