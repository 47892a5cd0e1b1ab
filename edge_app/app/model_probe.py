"""Whether the configured model can be used, found out before anything is started, once per file: it takes a second."""
import json
import logging
import os
import select
import signal

from edge_app import __version__
from edge_app.config import to_dict
from edge_app.detectors.model_file import find_model
from edge_app.errors import EXIT_FINAL, EXIT_GOOD, ConfigError, EngineUnavailable
from edge_app.files import cache_folder, write_atomic
from edge_app.supervision import child
from edge_app.supervision.managed_process import WorkerSpec

TIMEOUT_S = 300.0
"""For a model of hundreds of megabytes on a slow disk."""

BESIDE = ('.bin', '.weights', '.names')
"""Suffixes of the files beside a model that are parts of it."""

log = logging.getLogger(__name__)


def probe_model(engine, cache=None):
    """Wait until a ModelProbe is over: ConfigError or EngineUnavailable when the model cannot be used."""
    check = ModelProbe(engine, cache)
    while not check.over():
        select.select([], [], [], 0.005)


class ModelProbe:
    """Loads the model of a config.Engine in another process, to find out whether it can be used.

    Without a configured model, or with the `fake` backend, there is nothing to find out. A file that passed is
    remembered in `cache` (default: the user's cache folder) by its size and time. ConfigError when it is missing.
    """

    def __init__(self, engine, cache=None):
        self._process, self._cache, self._reasons = None, cache, []
        if _needs_no_probe(engine):
            return
        self._path = find_model(engine.model)[0]
        self._identity = _identity(engine, self._path)
        if _known(cache).get(self._path) != self._identity:
            spec = WorkerSpec('check-model', 'edge_app.workers.probe_model', {'engine': to_dict(engine, secrets=True)},
                              startup_timeout_s=TIMEOUT_S)
            self._process = child.spawn(spec, None, 'CRITICAL')

    def over(self):
        """Whether the model is known to be usable; ConfigError or EngineUnavailable if it is not."""
        if self._process is None:
            return True
        lines, ended = self._process.read_lines()
        self._reasons += [line.partition(' ')[2] for line in lines if line.startswith('reason ')]
        code = self._process.poll()
        if not ended or code is None:
            return False
        self.close()
        reason = json.loads(self._reasons[-1]) if self._reasons else 'loading it ended with exit code %s' % code
        if code == EXIT_FINAL:
            raise EngineUnavailable(reason)
        if code != EXIT_GOOD:
            raise ConfigError(reason if reason.startswith('engine.') else 'engine.model: %s' % reason)
        _remember(self._cache, dict(_known(self._cache), **{self._path: self._identity}))
        return True

    def close(self):
        """Stop the process."""
        if self._process is not None:
            self._process.send(signal.SIGKILL)
            self._process.close()
            while self._process.poll() is None:
                select.select([], [], [], 0.005)
            self._process = None


def _needs_no_probe(engine):
    trusted = not engine.model and engine.backend == 'auto' and not engine.classes
    remote = '://' in (engine.model or '')  # a server that is down now may be up in a minute
    return not engine.enabled or trusted or remote or engine.backend == 'fake'


def _identity(engine, path):
    """What must be the same for the result to be the same."""
    stem, folder = os.path.splitext(path)[0], os.path.dirname(path)
    beside = [engine.card or stem + '.yaml', os.path.join(folder, 'metadata.yaml')]
    beside += [stem + suffix for suffix in BESIDE] + [path + '.data']
    states = [os.stat(one) for one in [path] + beside if os.path.exists(one)]
    return [__version__, engine.backend, engine.precision, engine.classes and list(engine.classes), engine.card,
            [[state.st_size, state.st_mtime_ns] for state in states]]


def _path(cache):
    return os.path.join(cache or cache_folder(), 'checked-models.json')


def _known(cache):
    try:
        with open(_path(cache)) as stream:
            known = json.load(stream)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(cache, known):
    """A cache that cannot be written costs a second next time."""
    path = _path(cache)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, json.dumps(known))
    except OSError as error:
        log.info('%s: %s; the model is probed again at the next start', path, error.strerror)
