"""Before anything is started: can the configured model be used? Asked once per file, because it takes a second."""
import json
import logging
import os
import select

from edge_app import __version__, child
from edge_app.config import to_dict
from edge_app.detectors.model_file import find_model
from edge_app.errors import EXIT_FINAL, EXIT_GOOD, ConfigError, EngineUnavailable
from edge_app.seat import Worker

LONGEST_S = 300.0
"""A model of hundreds of megabytes on a slow disk takes its time."""

log = logging.getLogger(__name__)


def check_model(engine, cache=None):
    """ConfigError, or EngineUnavailable, when the model of a config.Engine cannot be used.

    Where nothing is configured, or the stand-in, there is nothing to ask. A file that passed is known in `cache`
    (default: the user's cache folder) by its size and time.
    """
    trusted = not engine.model and engine.backend == 'auto' and not engine.classes
    remote = '://' in (engine.model or '')  # a server may be away now and there in a minute
    if not engine.enabled or trusted or remote or engine.backend == 'fake':
        return
    path = find_model(engine.model)[0]
    known, asked = _known(cache), _facts(engine, path)
    if known.get(path) == asked:
        return
    code, reason = _ask(engine)
    if code == EXIT_FINAL:
        raise EngineUnavailable(reason)
    if code != EXIT_GOOD:
        raise ConfigError(reason if reason.startswith('engine.') else 'engine.model: %s' % reason)
    _remember(cache, dict(known, **{path: asked}))


def _facts(engine, path):
    """What must be the same for the answer to be the same."""
    state = os.stat(path)
    card = os.path.splitext(path)[0] + '.yaml'
    return [__version__, engine.backend, engine.precision, engine.classes and list(engine.classes), state.st_size,
            state.st_mtime_ns, os.path.exists(card) and os.stat(card).st_mtime_ns]


def _ask(engine):
    """(exit code, reason) of a process that loads the model."""
    process = child.spawn(Worker('check-model', 'edge_app.workers.check_model',
                                 {'engine': to_dict(engine, secrets=True)}, boot_s=LONGEST_S), None, 'CRITICAL')
    lines, ended = [], False
    while not ended:
        select.select([process.fd], [], [])
        more, ended = process.lines()
        lines += more
    while process.poll() is None:
        select.select([], [], [], 0.005)
    process.close()
    said = [line.partition(' ')[2] for line in lines if line.startswith('reason ')]
    return process.poll(), json.loads(said[-1]) if said else 'loading it ended with %s' % process.poll()


def _path(cache):
    folder = cache or os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'edge-app')
    return os.path.join(folder, 'checked-models.json')


def _known(cache):
    try:
        with open(_path(cache)) as stream:
            known = json.load(stream)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(cache, known):
    """Written whole or not at all; a cache that cannot be written costs a second next time."""
    path = _path(cache)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open('%s.%d' % (path, os.getpid()), 'w') as stream:
            json.dump(known, stream)
        os.replace(stream.name, path)
    except OSError as error:
        log.info('%s: %s; the model is checked again at the next start', path, error.strerror)
