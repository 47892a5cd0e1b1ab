"""Ports a configuration listens on: whether another program holds one of them."""
import socket
from typing import List, Optional, Tuple

from edge_app import uris
from edge_app.config import Config
from edge_app.errors import ConfigError
from edge_app.schemes import OUTPUTS

ALL_HOSTS = {'0.0.0.0', '::'}


def check_ports(config: Config, running: Optional[Config] = None) -> None:
    """ConfigError for every port of `config` another program holds; those of the Config `running` are our own."""
    own = [port[1:] for port in ports(running)] if running else []
    held = [problem for host, port, problem in held_ports(config) if not listens_there((host, port), own)]
    if held:
        raise ConfigError(*held)


def held_ports(config: Config) -> List[Tuple[str, int, str]]:
    """[(host, port, problem)] for every port of `config` that some program listens on."""
    tried = [(host, port, _problem(place, host, port)) for place, host, port in ports(config)]
    return [one for one in tried if one[2]]


def listens_there(address, own):
    """Whether `address` overlaps with one of the (host, port) in `own`; all interfaces overlap with each."""
    host, port = address
    return any(port == other and (host == name or {host, name} & ALL_HOSTS) for name, other in own)


def ports(config):
    """[(place in the configuration, host, port)], one per address."""
    found = {}
    for number, output in enumerate(config.outputs):
        if output.scheme.listens:
            found.setdefault(uris.host_port(output.uri, OUTPUTS), 'outputs[%d].uri' % number)
    if config.web.enabled and config.web.port:
        found.setdefault((config.web.host, config.web.port), 'web.port')
    return [(place, host, port) for (host, port), place in found.items()]


def _problem(place, host, port):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return '%s: cannot listen on %s port %d: %s; stop the other program or choose another port' % (
                place, host, port, error.strerror)
    return None
