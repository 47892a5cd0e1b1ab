"""Configurations of an appliance on simulated cameras."""
import random
import socket

from edge_app.config import from_dict
from edge_app.detectors.model_file import embedded_model

NAMES = ('yard', 'dock', 'parking', 'crossing', 'depot', 'bay', 'ramp', 'park')
MOSAIC_PORT = 8554
PASSWORD = 'EDGE_APP_BENCH_PASSWORD'
"""Environment variable with the password of the cameras of a `site`."""


def demo_config(simulator, window=False):
    """Config of an appliance that shows the cameras of a Simulator."""
    address = 'rtsp://127.0.0.1:%d/mosaic' % free_port(MOSAIC_PORT)
    named = zip(NAMES + tuple('camera%d' % number for number in range(len(NAMES) + 1, 65)), simulator.uris)
    return from_dict({
        'cameras': [{'name': name, 'uri': uri, 'user': simulator.user, 'password': simulator.password}
                    for name, uri in named],
        'engine': {'model': embedded_model()},
        'display': {'warnings': False},     # the terminal and the page say what the model is for
        'outputs': [{'uri': address, 'overlay': 'exact'}] + ([{'uri': 'window:'}] if window else [])})


def site(cameras, mosaic_port=None, settings=None, engine=None, **sections):
    """Configuration as plain values; `cameras` have `uris` and `user`, `settings` are those of each camera."""
    return dict({
        'cameras': [dict({'name': 'cam%d' % number, 'uri': uri, 'user': cameras.user, 'password': '${%s}' % PASSWORD},
                         **(settings or {})) for number, uri in enumerate(cameras.uris, 1)],
        'engine': engine or {},
        'display': {'warnings': False},     # a banner would move the tiles while they are watched
        'outputs': [{'uri': 'rtsp://127.0.0.1:%d/mosaic' % (mosaic_port or random_port())}]}, **sections)


def random_port():
    """A port without a listener: at random, for another run may look for one too; below those that clients are given."""
    return free_port(random.SystemRandom().randrange(10000, 32000))


def free_port(wanted):
    """`wanted`, or the next port of the loopback without a listener."""
    for port in range(wanted, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue
    return wanted
