"""A Config from a file, from addresses on a command line or from plain values, and plain values of a Config."""
import logging
import os
import re
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

import attrs

from edge_app import uris
from edge_app.config import build, files, rules
from edge_app.config.problems import Problems
from edge_app.config.schema import MASK, RESERVED_NAMES, Config, settings
from edge_app.config.secrets import SecretRefused, Secrets, read_credentials
from edge_app.config.types import ListOf, Section
from edge_app.config.yaml_nodes import MAX_BYTES, from_plain, parse
from edge_app.errors import ConfigError
from edge_app.files import open_file

_RECORDING = re.compile(r'\.(mp4|m4v|mov|mkv|webm|avi|ts|flv|mjpe?g|h26[45])$', re.I)
"""What is meant as a file on a command line also where there is none."""

_log = logging.getLogger(__name__)


def load(path: str, environment: Optional[Mapping[str, str]] = None) -> Config:
    """The Config of a YAML or JSON file; ConfigError with every mistake in it.

    `environment` replaces os.environ for `${NAME}`. Paths in the file are relative to its folder, and absolute in
    the Config. Warnings are logged and kept in `warnings`.
    """
    text, status = read_text(path)
    root = parse(text, path)
    problems = Problems(path, root)
    folder = os.path.dirname(os.path.abspath(path))
    found = _partial(root, folder, problems, environment)
    files.check_access(root, status, problems)
    return _finish(found, problems, os.path.abspath(path))


def from_uris(addresses: Iterable[str], each: Optional[Dict[str, Any]] = None, **sections: Any) -> Config:
    """The Config of cameras given as URIs, paths of files or /dev/video*, with defaults for everything else.

    `each`: settings of every camera; `sections`: what a file would contain beside its cameras:
    `from_uris(['rtsp://10.0.0.21/live'], each={'max_fps': 5}, engine={'enabled': False})`. ConfigError as from `load`.
    """
    cameras = []
    for number, address in enumerate(addresses, 1):
        uri = _address(address)
        name = _unused(uris.camera_name(uri, number), RESERVED_NAMES + tuple(camera['name'] for camera in cameras))
        cameras.append(dict({'name': name, 'uri': uri}, **(each or {})))
    problems = Problems()
    return _finish(_partial(from_plain(dict(sections, cameras=cameras)), os.getcwd(), problems), problems)


def from_dict(values: Dict[str, Any], kind: type = Config) -> Any:
    """The Config, or the section `kind`, of plain values as `to_dict` gives them.

    They are taken as they are: no `${NAME}` is looked up, no file is checked. ConfigError with every mistake.
    """
    problems = Problems()
    found = build.partial(kind, from_plain(values), (), problems)
    if kind is Config:
        rules.apply(found, problems)
    problems.raise_if_any()
    return build.finish(kind, found)


def to_dict(section: Any, secrets: bool = False) -> Dict[str, Any]:
    """Plain values (JSON can hold them) of a Config or one of its sections.

    With `secrets` `from_dict` restores the exact section; without, secrets are `***`, also in URIs.
    """
    return {name: _plain(field, getattr(section, name), secrets) for name, field in settings(type(section)).items()}


def restart_settings(section: Any) -> Dict[str, Any]:
    """Plain values of a section's settings that are not `hot`: a change of one restarts the process concerned."""
    known = settings(type(section))
    return {name: value for name, value in to_dict(section, secrets=True).items() if not known[name].metadata['hot']}


def read_text(path: str) -> Tuple[str, os.stat_result]:
    """(text, status) of a configuration file; ConfigError when it is no file, unreadable, too large or not UTF-8."""
    try:
        with open(open_file(path), 'rb') as file:
            data, status = file.read(MAX_BYTES + 1), os.fstat(file.fileno())
    except OSError as error:
        raise ConfigError('%s: %s; it must be a YAML or JSON file this user can read' % (path, error.strerror))
    if len(data) > MAX_BYTES:
        raise ConfigError('%s: larger than 1 MB; a configuration is a few kB' % path)
    try:
        return data.decode('utf-8-sig'), status
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        raise ConfigError('%s: not UTF-8 text, save it as UTF-8 (%s:%d)' % (path, path, line))


def _partial(root, folder, problems, environment=None):
    credentials = _credentials(root, folder, problems, environment)
    secrets = Secrets.of_this_machine(credentials, environment)
    expanded = build.expand(root, (), secrets, problems)
    found = build.partial(Config, expanded, (), problems)
    rules.apply(found, problems)
    files.resolve(found, folder, problems)
    return found


def _finish(found, problems, path=None):
    problems.raise_if_any()
    for warning in problems.warnings:
        _log.warning('%s', warning)
    return attrs.evolve(build.finish(Config, found), path=path, warnings=problems.warnings)


def _credentials(root, folder, problems, environment):
    """{NAME: value} of the credentials_file, whose own name may contain `${NAME}` of the environment."""
    node = root.value.get('credentials_file') if isinstance(root.value, dict) else None
    if node is None or not isinstance(node.value, str):
        return {}
    try:
        path = Secrets.of_this_machine((), environment).expand(node.value)
        return read_credentials(os.path.join(folder, os.path.expanduser(path)))
    except SecretRefused as error:
        problems.add(('credentials_file',), str(error))
        return {}


def _plain(field, value, secrets):
    kind = field.metadata['kind']
    if isinstance(kind, Section):
        return to_dict(value, secrets)
    if isinstance(kind, ListOf):
        return [to_dict(item, secrets) for item in value]
    if isinstance(value, tuple):
        return list(value)
    if secrets or not isinstance(value, str):
        return value
    if field.metadata['secret']:
        return MASK if value else value
    return uris.masked(value) if ':' in value else value


def _address(address):
    """The URI for '/dev/video0', 'clip.mp4' or a URI."""
    if address.startswith('/dev/'):
        return 'v4l2://' + address
    if '://' not in address and (os.path.isfile(address) or _RECORDING.search(address)):
        return uris.file_uri(os.path.abspath(address))
    return address


def _unused(name, taken):
    number, free = 1, name
    while free in taken:
        number += 1
        free = '%s-%d' % (name, number)
    return free
