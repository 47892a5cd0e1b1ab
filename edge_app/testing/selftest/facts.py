"""What the checks ran on: versions, board, machine, and the configuration without its secrets."""
import json
import os
import platform
import re
import subprocess
import sys
import time

from edge_app import __version__, versions
from edge_app.app import doctor
from edge_app.app.budget.verdict import as_dict, budget
from edge_app.config import dump, from_uris
from edge_app.engine.tensorrt.fingerprint import l4t_release
from edge_app.errors import ConfigError
from edge_app.telemetry import backends
from edge_app.telemetry.files import Tree
from edge_app.testing.harness.children import environment

PROBE_S = 60
MACHINE = ('tensorrt', 'pycuda', 'torch')
"""Modules whose versions matter on a board and are not in edge_app/versions.py."""


def gather(config):
    """All of it as a dict; takes seconds. `config` None: four cameras with the defaults are examined, none is shown."""
    telemetry = backends.best()
    telemetry.sample()
    time.sleep(1.0)     # loads are of the time between two samples
    reading = telemetry.sample()._asdict()
    telemetry.close()
    shown = config if config is not None else from_uris(doctor.FOUR_CAMERAS)
    return {'versions': _versions(), 'machine': _machine(), 'board': reading,
            'doctor': [finding._asdict() for finding in doctor.examine(shown)], 'budget': _budget(shown),
            'configuration': dump.everything(config) if config is not None else None}


def _budget(config):
    try:
        return as_dict(budget(config))
    except ConfigError as error:
        return {'problems': list(error.problems)}


def _versions():
    found = {'edge_app': __version__, 'python': platform.python_version(), 'gstreamer': _gstreamer(),
             'l4t': l4t_release()}
    found.update((package, doctor.installed_version(package)) for package in versions.NEEDED + versions.EXTRAS['gi'])
    found.update((module, _imported(module)) for module in MACHINE)
    return {name: version for name, version in found.items() if version}


def _imported(module):
    """The version a module gives, in a process of its own; '' when it cannot be imported."""
    code = 'import %s; print(getattr(%s, "__version__", None) or getattr(%s, "VERSION_TEXT", "?"))' % ((module,) * 3)
    done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          timeout=PROBE_S, universal_newlines=True)
    return done.stdout.strip() if done.returncode == 0 else ''


def _gstreamer():
    done = subprocess.run([sys.executable, '-m', 'edge_app.gst.probe'], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=PROBE_S, universal_newlines=True, env=environment())
    try:
        return json.loads(done.stdout)['version'] or ''
    except (ValueError, KeyError):
        return ''


def _machine():
    tree = Tree()
    return {'kernel': platform.release(), 'machine': platform.machine(), 'libc': ' '.join(platform.libc_ver()),
            'system': next((line.partition('=')[2].strip('"') for line in tree.text('etc/os-release').splitlines()
                            if line.startswith('PRETTY_NAME=')), ''),
            'isolated_cores': ' '.join(re.findall(r'isolcpus=\S+', tree.text('proc/cmdline'))),
            'cores': os.sysconf('SC_NPROCESSORS_CONF'),
            'up_s': float((tree.text('proc/uptime') or '0').split()[0]), 'load': list(os.getloadavg()),
            'shared_memory_mb': _free_mb('/dev/shm'), 'disk_mb': _free_mb('/')}


def _free_mb(place):
    volume = os.statvfs(place)
    return round(volume.f_bavail * volume.f_frsize / 2 ** 20)
