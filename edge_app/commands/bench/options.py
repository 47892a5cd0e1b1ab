"""Options that several benchmarks share."""
import json
import os

import click

from edge_app.config.schema import Engine as Settings
from edge_app.config.schema import settings

BACKEND_NAMES = settings(Settings)['backend'].metadata['kind'].choices
PRECISIONS = settings(Settings)['precision'].metadata['kind'].choices

PRECISION = click.option('--precision', type=click.Choice(PRECISIONS), default='fp32', show_default=True)
THREADS = click.option('--threads', type=click.IntRange(0), default=0, help='Processor threads; 0 lets the engine choose.')
MODEL = click.option('--model', help='Model file.  [default: as edge-app chooses]')
BACKEND = click.option('--backend', type=click.Choice(BACKEND_NAMES), default='auto', show_default=True)
BATCH = click.option('--batch', type=click.IntRange(1, 64), default=4, show_default=True, help='Most pictures at once.')


def as_json(file):
    """The option that writes what is shown to a file as well."""
    return click.option('--json', file, type=click.Path(dir_okay=False), metavar='FILE', help='Write it as JSON, too.')


def write(path, content):
    """`content` as JSON into the file, when one was asked for."""
    if path:
        with open(path, 'w') as stream:
            json.dump(content, stream, indent=2)
            stream.write('\n')


def cameras(count, size, fps):
    """Options of simulated cameras; `count` None leaves their number out."""
    from edge_app.commands.simulate import parse_size

    def add(command):
        command = click.option('--fps', default=fps, show_default=True, help='Of each camera.')(command)
        command = click.option('--size', default=size, show_default=True, callback=parse_size,
                               help='Of each camera, in pixels.')(command)
        if count is not None:
            command = click.option('--cameras', type=click.IntRange(1, 64), default=count, show_default=True,
                                   help='Simulated cameras.')(command)
        return command
    return add


def runs(seconds, repeat):
    """Options of how long and how often; `seconds` None leaves the first out."""
    def add(command):
        command = click.option('--repeat', type=click.IntRange(1), default=repeat, show_default=True,
                               help='Runs; medians are given, with the least and the most.')(command)
        if seconds is not None:
            command = click.option('--seconds', type=click.FloatRange(0.5), default=seconds, show_default=True,
                                   help='Of each run.')(command)
        return command
    return add


def engine(command):
    """Options of the engine."""
    for option in (THREADS, PRECISION, BATCH, BACKEND, MODEL):
        command = option(command)
    return command


def settings_of(model, backend, batch, precision, threads):
    """Values of `engine:` for a benchmark, the model as a path from anywhere."""
    from edge_app.detectors.model_file import find_model
    return {'model': os.path.abspath(find_model(model)[0]), 'backend': backend, 'batch': batch, 'precision': precision, 'threads': threads}
