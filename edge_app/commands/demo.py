"""`edge-app demo`: the whole appliance on simulated cameras, with the embedded model."""
import socket

import click

from edge_app.app import session
from edge_app.commands.run import ending_options
from edge_app.commands.simulate import parse_size
from edge_app.config import from_dict
from edge_app.detectors.model_file import embedded_model
from edge_app.testing.simulator.process import Simulator

NAMES = ('yard', 'dock', 'parking', 'crossing', 'depot', 'bay', 'ramp', 'park')
SEED = 5033
"""Of scenes that fit the names, in daylight; the model was trained on seeds below 3000."""
MOSAIC_PORT = 8554


@click.command('demo', short_help='Show everything working in one command, without cameras.')
@click.option('--cameras', type=click.IntRange(1, 64), default=4, show_default=True, help='Simulated cameras.')
@click.option('--size', default='640x360', show_default=True, callback=parse_size, help='Of each camera, in pixels.')
@click.option('--fps', default=15.0, show_default=True, help='Of each camera.')
@click.option('--window', is_flag=True, help='Show the mosaic in a window too; q quits.')
@ending_options
def demo(cameras, size, fps, window, duration_s, snapshot, json_path):
    """Run the appliance on simulated cameras: nothing to install, nothing to connect.

    The cameras are real RTSP cameras to the appliance, drawn instead of filmed. The model comes with edge-app and
    recognises only such scenes.

    \b
    Examples:
      edge-app demo
      edge-app demo --cameras 9 --size 320x180 --fps 5
      edge-app demo --duration 20 --snapshot mosaic.png --json report.json
    """
    with Simulator(cameras=cameras, size=size, fps=fps, seed=SEED, timecode=False,
                   die_with_parent=True) as simulator:
        return session.run(configuration(simulator, window), duration_s, snapshot, json_path)


def configuration(simulator, window=False):
    """The Config of an appliance for these cameras."""
    address = 'rtsp://127.0.0.1:%d/mosaic' % free_port(MOSAIC_PORT)
    named = zip(NAMES + tuple('camera%d' % number for number in range(len(NAMES) + 1, 65)), simulator.uris)
    return from_dict({
        'cameras': [{'name': name, 'uri': uri, 'user': simulator.user, 'password': simulator.password}
                    for name, uri in named],
        'engine': {'model': embedded_model()},
        'display': {'warnings': False},     # the terminal and the page say what the model is for
        'outputs': [{'uri': address, 'overlay': 'exact'}] + ([{'uri': 'window:'}] if window else [])})


def free_port(wanted):
    """`wanted`, or the next port of the loopback nobody listens on."""
    for port in range(wanted, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue
    return wanted
