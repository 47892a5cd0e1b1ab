"""`edge-app demo`: the whole appliance on simulated cameras, with the embedded model."""
import click

from edge_app.app import session
from edge_app.commands.run import ending_options
from edge_app.commands.simulate import parse_size
from edge_app.testing.harness.site import demo_config
from edge_app.testing.simulator.process import Simulator

SEED = 5033
"""Of scenes that fit the names, in daylight; the model was trained on seeds below 3000."""


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
        return session.run(demo_config(simulator, window), duration_s, snapshot, json_path)
