"""A configuration that changes while it is in use: its files are watched, and a good one is applied without a stop."""
import contextlib
import os

import attrs

from edge_app.app.console import web_page
from edge_app.app.model_probe import ModelProbe
from edge_app.app.startup_checks import check_start
from edge_app.config import restart_settings
from edge_app.config.dump import differences
from edge_app.errors import EdgeAppError


class ConfigReload:
    """Applies changed configurations to a running appliance; after one with a mistake the previous one stays in use.

    `read()` returns the Config of the files as they are now, `say` prints a line.
    """

    def __init__(self, appliance, read, say):
        self._appliance, self._say = appliance, say
        self._watch = ConfigWatch(read, appliance.config)
        self._next = None
        """(Config, ModelProbe or None) that waits until its model is known to load."""

    def poll(self):
        """Reload when a file has changed. Called about once a second."""
        if self._watch.due():
            self.reload()
        elif self._next:
            self._apply()

    def reload(self):
        """Read the configuration now. Another process loads a new model first; the cameras go on meanwhile."""
        self.close()
        with self._rejecting():
            config, current = self._watch.read(), running_config(self._appliance)
            check_start(config, running=current)
            before, after = current.engine, config.engine
            # The model must know `classes`, too, although they change while it runs.
            same = restart_settings(after) == restart_settings(before) and after.classes == before.classes
            self._next = config, None if same else ModelProbe(after)
        if self._next:
            self._apply()

    def close(self):
        """Drop a configuration that still waits for its model."""
        if self._next and self._next[1]:
            self._next[1].close()
        self._next = None

    def _apply(self):
        config, probe = self._next
        with self._rejecting():
            if probe and not probe.over():
                return
            changed = ', '.join(differences(self._appliance.config, config))
            self._appliance.change(config)
            self._say('configuration reloaded: %s' % (changed or 'nothing changed'))
        self.close()

    @contextlib.contextmanager
    def _rejecting(self):
        try:
            yield
        except (EdgeAppError, OSError) as error:
            self._say('configuration rejected; the previous one stays in use:\n%s' % error)


class ConfigWatch:
    """Watches the files of a Config. `read()` returns the Config as its files are now."""

    def __init__(self, read, config):
        self._read = read
        self._paths = paths(config)
        self._seen = self._settled = self._look()

    def due(self):
        """Whether a file has changed since it was last read, but not since the previous call: its writer is done."""
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
        self._seen = self._settled = [before[path] if path in before else _identity(path) for path in self._paths]
        return config

    def _look(self):
        return [_identity(path) for path in self._paths]


def running_config(appliance):
    """The Config in use, with the port the web worker chose."""
    config = appliance.config
    return attrs.evolve(config, web=attrs.evolve(config.web, port=config.web.port or web_page(appliance).get('port')))


def paths(config):
    """The files a Config came from."""
    return [path for path in (config.path, config.credentials_file) if path]


def _identity(path):
    """What changes when a file is written or replaced; None while there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
