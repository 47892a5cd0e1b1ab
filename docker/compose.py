"""Writes docker/compose.site.yaml for a site's configuration: `make compose CONFIG=site.yaml`.

It holds what depends on the configuration: shared memory for the frames, cameras that are devices, whether there is a
page to ask for health. Passwords are neither read nor written; the container reads them from the folder of the
configuration.
"""
import argparse
import grp
import math
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from edge_app import __version__  # noqa: E402
from edge_app.app.rings import needed_bytes  # noqa: E402
from edge_app.config import from_dict  # noqa: E402
from edge_app.config.schema import MASK  # noqa: E402
from edge_app.config.yaml_nodes import parse, to_plain  # noqa: E402
from edge_app.errors import EXIT_CONFIG, ConfigError  # noqa: E402

JETSON = '/etc/nv_tegra_release'
JTOP = '/run/jtop.sock'
USER_ID = 990   # of edge-app in the images
SPARE = 1.5     # of shared memory: pages of other things in /dev/shm, and a camera more tomorrow
MEMORY_SHARE = 0.8      # of the machine's, or of a TX2's 8 GB: the rest of the machine keeps the rest
MOST_TASKS = 4096
START_S = {'tx2': 1800, 'pc': 120}   # a TX2 builds a plan at its first start


def main(arguments=None):
    """Write the file; 0, or 2 when the configuration has mistakes."""
    given = read_arguments(arguments)
    try:
        config = read_config(given.config)
    except ConfigError as error:
        for problem in error.problems:
            print('compose: %s: %s' % (given.config, problem), file=sys.stderr)
        return EXIT_CONFIG
    with open(given.output, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines(config, given)) + '\n')
    print('compose: %s: shm_size %d MB; start it with: docker-compose -f %s up -d' % (
        given.output, shm_mb(config), given.output))
    return 0


def read_arguments(arguments):
    parser = argparse.ArgumentParser(prog='make compose', description=__doc__)
    parser.add_argument('config', help='the site\'s configuration')
    parser.add_argument('--for', dest='target', choices=('tx2', 'pc'),
                        default='tx2' if os.path.exists(JETSON) else 'pc', help='default: this machine')
    parser.add_argument('--jtop', choices=('yes', 'no'), default='yes' if os.path.exists(JTOP) else 'no',
                        help='a TX2\'s socket of jetson-stats; without it: where this machine has one')
    parser.add_argument('--folder', default='/etc/edge-app',
                        help='folder of site.yaml and credentials on the machine that runs it')
    parser.add_argument('--output', default=os.path.join(HERE, 'compose.site.yaml'))
    given = parser.parse_args(arguments)
    if not given.config:
        parser.error('no configuration: make compose CONFIG=site.yaml')
    return given


def read_config(path):
    """The Config with every `${NAME}` masked: secrets are not here, and not needed."""
    try:
        with open(path, encoding='utf-8') as file:
            values = masked(to_plain(parse(file.read(), path)))
    except (OSError, ValueError) as error:
        raise ConfigError('cannot be read: %s' % error)
    if not isinstance(values, dict):
        raise ConfigError('is not a configuration: it has no `cameras:`')
    return from_dict(values)


def masked(value):
    """Plain values with every `${NAME}` in them replaced."""
    if isinstance(value, dict):
        return {key: masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one) for one in value]
    return re.sub(r'\$\{[^}]*\}', MASK, value) if isinstance(value, str) else value


def shm_mb(config):
    """Shared memory for the rings of frames, in MB: Docker's own 64 are too few for four cameras."""
    return max(64, int(math.ceil(needed_bytes(config) * SPARE / 2.0 ** 20)))


def memory_mb(tx2):
    """What the container may hold, in MB."""
    machine = 7860 if tx2 else os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2.0 ** 20
    return int(machine * MEMORY_SHARE)


def devices(config):
    """Paths of the cameras that are devices of this machine."""
    uris = [camera.uri for camera in config.cameras if camera.uri.startswith('v4l2://')]
    return sorted({uri[len('v4l2://'):].split('?')[0] for uri in uris})


def jtop_group():
    """Number of the group that may use jtop's socket, on the machine this is written on; None without one."""
    try:
        return grp.getgrnam('jtop').gr_gid
    except KeyError:
        return None


def lines(config, given):
    """The file, line by line."""
    tx2 = given.target == 'tx2'
    config_name = os.path.basename(given.config)
    yield '# Written by `make compose CONFIG=%s`: run it again when the cameras change.' % config_name
    yield '# %s on the machine holds site.yaml and credentials (owner %d, mode 0600).' % (given.folder, USER_ID)
    yield "version: '2.4'"
    yield 'services:'
    yield '  edge-app:'
    yield '    image: localhost/edge-app:%s-%s' % (__version__, given.target)
    if tx2:
        yield '    runtime: nvidia'
    yield '    restart: unless-stopped'
    yield '    init: true'
    yield '    # ports are those of site.yaml; with a bridge network, cameras cannot be found by broadcast'
    yield '    network_mode: host'
    yield '    # the frames of %d cameras, and half as much again' % len(config.cameras)
    yield '    shm_size: %dm' % shm_mb(config)
    yield '    # whatever a camera or a stranger makes it hold; shm_size is in it'
    yield '    mem_limit: %dm' % memory_mb(tx2)
    yield '    pids_limit: %d' % MOST_TASKS
    yield '    read_only: true'
    yield '    tmpfs: [/tmp]'
    yield '    cap_drop: [ALL]'
    yield '    security_opt: ["no-new-privileges:true"]'
    for line in _access(config, given, tx2):
        yield line
    yield '    stop_grace_period: 10s'
    yield '    # no core dumps: they would contain passwords'
    yield '    ulimits: {core: 0, nofile: {soft: 8192, hard: 8192}}'
    yield '    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}'
    yield '    healthcheck:'
    for line in _health(config.web.enabled, START_S[given.target]):
        yield '      ' + line
    yield 'volumes:'
    yield '  state:'


def _access(config, given, tx2):
    """Groups, devices and volumes."""
    groups = ['video'] + ([str(jtop_group())] if tx2 and given.jtop == 'yes' and jtop_group() is not None else [])
    yield '    group_add: [%s]' % ', '.join('"%s"' % group for group in groups)
    if devices(config):
        yield '    devices:'
        for path in devices(config):
            yield '      - %s' % path
    yield '    volumes:'
    yield '      - %s:/etc/edge-app:ro' % given.folder
    yield '      - state:/var/lib/edge-app'
    if tx2 and given.jtop == 'yes':
        yield '      # jetson-stats: temperatures, clocks; long form, or a missing socket would be created as a folder'
        yield '      - {type: bind, source: %s, target: %s}' % (JTOP, JTOP)


def _health(has_page, start_s):
    if not has_page:
        return ['disable: true   # the page is off']
    return ['test: [CMD, edge-app-health]',
            'interval: 30s', 'timeout: 6s', 'retries: 3',
            'start_period: %ds   # loads the model; on a TX2 builds the plan at the first start' % start_s]


if __name__ == '__main__':
    sys.exit(main())
