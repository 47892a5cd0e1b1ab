"""Problems of this machine with a configuration and how to fix them: the findings of `edge-app doctor`."""
import contextlib
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from typing import NamedTuple

from edge_app import engine, versions
from edge_app.app.model_probe import probe_model
from edge_app.app.ports import held_ports
from edge_app.app.rings import needed_bytes
from edge_app.app.startup_checks import start_problems
from edge_app.detectors.model_file import find_model
from edge_app.errors import ConfigError, EngineError, RingError
from edge_app.stats import Counters
from edge_app.supervision.run_dir import BASE, running

GOOD, WARNING, BAD = 'good', 'warning', 'bad'
PROBE_S = 60
SLOW_DECODER_MS = 120
"""Three frames at 25 fps: what B-frames alone explain."""
IMPORTED_AS = {'opencv-python': 'cv2', 'PyYAML': 'yaml', 'attrs': 'attr', 'PyGObject': 'gi'}
"""Packages whose modules have another name."""
FOUR_CAMERAS = tuple('rtsp://camera%d.invalid/' % number for number in range(1, 5))
"""For a budget without a configuration: cameras whose streams have to be decoded."""


class Finding(NamedTuple):
    """The result of one check."""

    area: str
    """python, gstreamer, engine, memory, start, ports or decoders."""
    level: str
    """good, warning (it will run) or bad (it will not)."""
    what: str
    fix: str = ''


def examine(config):
    """Yield all Findings for a Config. Takes seconds, changes nothing, contacts no camera."""
    for check in (python, gstreamer, engines, memory, start, ports, decoders):
        yield from check(config)


# -- Python ---------------------------------------------------------------------------------------------------------

def python(config):
    """The interpreter and the packages of `versions`."""
    interpreter = '%d.%d' % sys.version_info[:2]
    found = [_package(package, interpreter) for package in versions.NEEDED + versions.EXTRAS['gi']]
    wrong = [finding for finding in found if finding]
    if not wrong:
        wrong = [Finding('python', GOOD, 'Python %s with all %d packages' % (sys.version.split()[0], len(found)))]
    return wrong


def _package(package, interpreter):
    """A Finding about a package with a problem, None otherwise."""
    wanted = versions.wanted(package, interpreter)
    fix = "pip install '%s%s'" % (package, '==' + wanted if wanted else versions.LIMITS.get(package, ''))
    if importlib.util.find_spec(IMPORTED_AS.get(package, package)) is None:
        return Finding('python', BAD, '%s is not installed' % package, fix)
    version = installed_version(package)
    if version and wanted and version != wanted:
        return Finding('python', WARNING, '%s is %s; tested with Python %s is %s'
                       % (package, version, interpreter, wanted), fix)
    limit = versions.LIMITS.get(package, '').lstrip('<')
    if version and limit and int(version.split('.')[0]) >= int(limit):
        return Finding('python', WARNING, '%s is %s; below %s is supported' % (package, version, limit), fix)
    return None


def installed_version(package):
    """Its version, None where there is no metadata (a system module linked into an environment)."""
    name = 'importlib.metadata' if sys.version_info >= (3, 8) else 'importlib_metadata'
    try:
        metadata = importlib.import_module(name)
        return metadata.version(package)
    except ImportError:  # includes PackageNotFoundError
        return None


# -- GStreamer ------------------------------------------------------------------------------------------------------

def gstreamer(config):
    """Elements, codecs and the RTSP server, as another process finds them."""
    done = subprocess.run([sys.executable, '-m', 'edge_app.gst.probe'], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=PROBE_S)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
        return [Finding('gstreamer', BAD, 'GStreamer does not work: %s' % last, 'make setup')]
    return gstreamer_findings(json.loads(done.stdout))


def gstreamer_findings(seen):
    """Findings from the output of `edge_app.gst.probe`."""
    found = [Finding('gstreamer', BAD, 'element %s is missing' % gap['element'], 'apt-get install %s' % gap['package'])
             for gap in seen['missing']]
    found += [Finding('gstreamer', BAD, problem, 'make setup') for problem in seen['troubles']]
    if not found:
        found.append(Finding('gstreamer', GOOD, 'GStreamer %s, all elements' % seen['version']))
    return found + [Finding('gstreamer', GOOD, '{what}: {name} ({why})'.format(**choice))
                    for choice in seen['choices']]


# -- the engine -----------------------------------------------------------------------------------------------------

def engines(config):
    """The model, and the backend that will run it, with the reason."""
    if not config.engine.enabled:
        return [Finding('engine', GOOD, 'off: pictures only')]
    try:
        path, why, warning = find_model(config.engine.model)
    except ConfigError as error:
        return [Finding('engine', BAD, str(error))]
    found = [Finding('engine', WARNING if warning else GOOD, 'model %s (%s)%s'
                     % (path, why, ': ' + warning if warning else ''))]
    return found + [_choice(config.engine, path)]


IMPORT = '''
import sys
try:
    import %s
except Exception as error:  # libraries fail with any
    sys.exit("%%s: %%s" %% (type(error).__name__, error))
'''


def _choice(settings, path):
    try:
        name, why = engine.choose(settings, path)
    except (ConfigError, EngineError) as error:
        return Finding('engine', BAD, str(error) if str(error).startswith('engine.') else 'engine.model: %s' % error)
    backend = engine.BACKENDS[name]
    broken = [error for error in map(_import_error, backend.needs) if error]
    if broken:
        return Finding('engine', BAD, '%s does not work: %s' % (name, '; '.join(broken)), backend.install)
    try:
        probe_model(settings)
    except (ConfigError, EngineError) as error:
        return Finding('engine', BAD, str(error))
    return Finding('engine', GOOD, '%s (%s)' % (name, why))


def _import_error(module):
    """Why a module cannot be imported; another process tries, because an import may crash."""
    done = subprocess.run([sys.executable, '-c', IMPORT % module], stderr=subprocess.PIPE, timeout=PROBE_S,
                          universal_newlines=True)
    if not done.returncode:
        return ''
    return 'import %s: %s' % (module, ' '.join(done.stderr.split()) or 'exit %d' % done.returncode)


# -- shared memory, ports -------------------------------------------------------------------------------------------

def memory(config, place=BASE):
    """Whether the rings fit into shared memory."""
    free = os.statvfs(place)
    free_mb, needed_mb = free.f_bavail * free.f_frsize / 2 ** 20, needed_bytes(config) / 2 ** 20
    what = '%d cameras need %.0f MB of %s, %.0f MB are free' % (len(config.cameras), needed_mb, place, free_mb)
    if needed_mb <= free_mb:
        return [Finding('memory', GOOD, what)]
    return [Finding('memory', BAD, what, 'mount -o remount,size=%dM %s (docker run --shm-size=%dm), a smaller '
                    'memory_mb or smaller cameras[].size' % (needed_mb * 1.5, place, needed_mb * 1.5))]


def start(config):
    """What else `run` would refuse."""
    return [Finding('start', BAD, problem) for problem in start_problems(config)]


def ports(config, base=BASE):
    """Whether the configured ports are free, or used by an edge-app that runs this configuration."""
    return [_held(one, config) for one in held_ports(config, base)] or [
        Finding('ports', GOOD, 'all configured ports are free')]


def _held(held, config):
    if held.ours:
        return Finding('ports', GOOD, held.problem.partition(';')[0])
    if held.ours is None:
        return Finding('ports', WARNING, held.problem, 'run doctor as the user of that edge-app, or as root')
    return Finding('ports', BAD, held.problem)


def decoders(config, base=BASE):
    """Cameras of an appliance that runs here whose decoder keeps pictures back for long."""
    for path in running(base):
        with contextlib.suppress(OSError, RingError), Counters.open(path) as counters:
            for name, page in sorted(counters.cameras.items()):
                delay_ms = page.get('decoder_delay_ns') / 1e6
                if delay_ms > SLOW_DECODER_MS:
                    yield Finding('decoders', WARNING, '%s: its decoder keeps each picture back for %d ms'
                                  % (name, delay_ms), 'low_delay: on for this camera, if it sends no B-frames')
