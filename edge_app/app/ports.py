"""Ports a configuration listens on: which of them another program holds, and whether that is an edge-app."""
import contextlib
import json
import os
import socket
from typing import List, NamedTuple, Optional, Tuple

from edge_app import uris
from edge_app.config import Config
from edge_app.errors import ConfigError, RingError
from edge_app.schemes import OUTPUTS
from edge_app.stats import Counters
from edge_app.supervision.run_dir import BASE, running

CONFIGURATION = 'configuration'
"""File in a run directory: the path of the configuration its appliance runs, empty without one."""


class HeldPort(NamedTuple):
    """A port of a configuration that some program listens on."""

    host: str
    port: int
    problem: str
    """A whole line: the place in the configuration, who holds the port, the fix."""
    ours: Optional[bool]
    """Whether an edge-app that runs this very configuration holds it; None: that cannot be seen."""


def check_ports(config: Config, own: Optional[Config] = None) -> None:
    """ConfigError for every port of `config` another program holds; those of the Config `own` are this appliance's."""
    mine = [(host, port) for _, host, port in ports(own)] if own else []
    held = [one.problem for one in held_ports(config) if not listens_there((one.host, one.port), mine)]
    if held:
        raise ConfigError(*held)


def held_ports(config: Config, base: str = BASE) -> List[HeldPort]:
    """Every port of `config` that some program listens on; `base` is where run directories are."""
    tried = [(place, host, port, _obstacle(host, port)) for place, host, port in ports(config)]
    held = [one for one in tried if one[3]]
    return [_held(config, base, *one) for one in held]


def _held(config, base, place, host, port, obstacle):
    """The HeldPort: `obstacle` is why it cannot be listened on."""
    ours, who, appliances = False, obstacle, running(base)
    seen = [path for path in appliances if os.access(path, os.R_OK | os.X_OK)]
    holder = next((path for path in seen if listens_there((host, port), listened_on(path))), None)
    if holder:
        runs = configuration_of(holder)
        ours = None if runs is None else bool(runs) and runs == config.path
        who = 'an edge-app that runs %s has it (%s)' % ('this configuration' if ours else runs or 'here',
                                                        os.path.basename(holder))
    elif len(seen) < len(appliances):
        ours = None
        who += "; another user's edge-app runs here (%s) and may use it" % ', '.join(map(os.path.basename, appliances))
    return HeldPort(host, port, '%s: cannot listen on %s port %d: %s; stop the other program or choose another port' % (
        place, host, port, who), ours)


def listens_there(address: Tuple[str, int], own: List[Tuple[str, int]]) -> bool:
    """Whether `address` overlaps with one of the (host, port) in `own`."""
    return any(uris.overlap(address, other) for other in own)


def ports(config):
    """[(place in the configuration, host, port)], one per address."""
    found = {}
    for number, output in enumerate(config.outputs):
        if output.scheme.listens:
            found.setdefault(uris.host_port(output.uri, OUTPUTS), 'outputs[%d].uri' % number)
    if config.web.enabled and config.web.port:
        found.setdefault((config.web.host, config.web.port), 'web.port')
    return [(place, host, port) for (host, port), place in found.items()]


def listened_on(path):
    """[(host, port)] the appliance of the run directory `path` listens on."""
    found = []
    with contextlib.suppress(OSError, ValueError, KeyError), open(os.path.join(path, 'web.json')) as stream:
        place = json.load(stream)
        found.append((place['host'], place['port']))
    with contextlib.suppress(OSError, RingError), Counters.open(path) as counters:
        outputs = (counters.compositor.info or {}).get('outputs', ())
        found += [uris.host_port(output['uri'], OUTPUTS) for output in outputs
                  if OUTPUTS[uris.scheme_of(output['uri'])].listens]
    return found


def configuration_of(path):
    """The configuration that the appliance of the run directory `path` runs, '' without one; None: an older version."""
    try:
        with open(os.path.join(path, CONFIGURATION), encoding='utf-8') as stream:
            return stream.read()
    except OSError:
        return None


def _obstacle(host, port):
    """Why this address cannot be listened on now; None when it can."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None
