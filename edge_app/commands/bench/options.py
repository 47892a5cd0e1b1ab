"""Options that several benchmarks share."""
import json
import os

import click

from edge_app.config.schema import Engine as Settings
from edge_app.config.schema import settings

BACKEND_NAMES = settings(Settings)['backend'].metadata['kind'].choices
PRECISIONS = settings(Settings)['precision'].metadata['kind'].choices

PRECISION = click.option('--precision', type=click.Choice(PRECISIONS), default='fp32', show_default=True)
THREADS = click.option('--threads', type=click.IntRange(0), default=0,
                       help='CPU threads; 0 lets the engine choose.')
MODEL = click.option('--model', help='Model file.  [default: as edge-app chooses]')
BACKEND = click.option('--backend', type=click.Choice(BACKEND_NAMES), default='auto', show_default=True)
BATCH = click.option('--batch', type=click.IntRange(1, 64), default=4, show_default=True,
                     help='Most pictures per batch.')


def as_json(file):
    """The option for a JSON file of the report."""
    return click.option('--json', file, type=click.Path(dir_okay=False), metavar='FILE',
                        help='Write the report there as JSON.')


def write(path, content):
    """Write `content` as JSON to the file if one was requested."""
    if path:
        with open(path, 'w') as stream:
            json.dump(content, stream, indent=2)
            stream.write('\n')


def cameras(count, size, fps):
    """Options of simulated cameras; without their number if `count` is None."""
    from edge_app.commands.simulate import parse_size

    def add(command):
        command = click.option('--fps', default=fps, show_default=True,
                               help='Pictures per second of each camera.')(command)
        command = click.option('--size', default=size, show_default=True, callback=parse_size,
                               help='Picture size of each camera.')(command)
        if count is not None:
            command = click.option('--cameras', type=click.IntRange(1, 64), default=count, show_default=True,
                                   help='Simulated cameras.')(command)
        return command
    return add


def runs(seconds, repeat):
    """Options for duration and repetitions; without the former if `seconds` is None."""
    def add(command):
        command = click.option('--repeat', type=click.IntRange(1), default=repeat, show_default=True,
                               help='Runs; the report gives medians with the least and the greatest.')(command)
        if seconds is not None:
            command = click.option('--seconds', type=click.FloatRange(0.5), default=seconds, show_default=True,
                                   help='Duration of each run.')(command)
        return command
    return add


def engine(command):
    """Options of the engine."""
    for option in (THREADS, PRECISION, BATCH, BACKEND, MODEL):
        command = option(command)
    return command


def settings_of(model, backend, batch, precision, threads):
    """Values of `engine:` for a benchmark, the model as an absolute path."""
    from edge_app.detectors.model_file import find_model
    return {'model': os.path.abspath(find_model(model)[0]), 'backend': backend, 'batch': batch, 'precision': precision,
            'threads': threads}
